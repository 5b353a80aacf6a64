"""Pictures made from a seed."""

import random
import struct
import zlib

EDGE = 448
CELL = 14


def _chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def write_png(path, seed, width=EDGE, height=EDGE):
    """A mosaic of random colours, no two seeds alike; sides are multiples of 14."""
    draw = random.Random(seed)
    rows = b""
    for _ in range(height // CELL):
        row = b"".join(draw.randbytes(3) * CELL for _ in range(width // CELL))
        rows += (b"\0" + row) * CELL
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
    )
