#!/usr/bin/env python3
"""Makes tests/data/bad_images: files that must be refused, and with what reason.

The first rule that fits decides:

  1. no bytes at all                               IMAGE_INVALID
  2. not the magic of JPEG, PNG, WebP or BMP       IMAGE_UNSUPPORTED_FORMAT
  3. the header tells a side of 0                  IMAGE_INVALID
  4. the header tells a side over 16,384 pixels
     or over 40,000,000 pixels in all              IMAGE_TOO_LARGE
  5. the file ends before its format says          IMAGE_TRUNCATED
  6. anything else that does not decode            IMAGE_INVALID

`also` names reasons that are as good, where a reader may meet the second fault
first. `pillow` tells, for information, what Pillow does with the file.
"""

import argparse
import io
import json
import pathlib
import shutil
import struct
import warnings
import zlib

import numpy as np
from PIL import Image

from common import DATA, provenance, sha256
from make_images import (PALETTE, RGB, bmp, bmp_by_hand, flat, jpeg, noise,
                         png, png_chunk, save, webp)

INVALID, TRUNCATED = "IMAGE_INVALID", "IMAGE_TRUNCATED"
UNSUPPORTED, TOO_LARGE = "IMAGE_UNSUPPORTED_FORMAT", "IMAGE_TOO_LARGE"

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_file(width, height, depth=8, color_type=RGB, data=b"\0" * 64):
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return (SIGNATURE + png_chunk(b"IHDR", header) +
            png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b""))


def jpeg_sizes(data, width, height):
    """The same JPEG with another size in its frame header."""
    at = frame_header(data)
    return (data[:at + 5] + struct.pack(">HH", height, width) +
            data[at + 9:])


def frame_header(data):
    """Offset of SOF0 or SOF2."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    return at


def without_segment(data, marker):
    out, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
        if data[at + 1] != marker:
            out += data[at:end]
        at = end
    return out + data[at:]


def riff(*chunks):
    body = b"WEBP"
    for kind, data in chunks:
        body += kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1:]


def bmp_sizes(data, width, height):
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def bad_images():
    """(name, bytes, reason, other reasons that are as good)."""
    yield "empty", b"", INVALID, []

    # Formats we do not take, and no format at all.
    foreign = {
        "gif": save(flat(8, 8, 1), "GIF"),
        "tiff_little": save(flat(8, 8, 1), "TIFF"),
        "tiff_big": b"MM\0*\0\0\0\x08" + bytes(32),
        "jpeg2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(32),
        "jpeg_xl": b"\xff\x0a" + bytes(32),
        "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(32),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(32),
        "openexr": b"\x76\x2f\x31\x01\x02\0\0\0" + bytes(32),
        "radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n",
        "pnm": b"P6\n2 2\n255\n" + bytes(12),
        "icon": b"\0\0\1\0\1\0\x10\x10" + bytes(32),
        "photoshop": b"8BPS\0\1" + bytes(32),
        "dicom": bytes(128) + b"DICM" + bytes(32),
        "sun_raster": b"\x59\xa6\x6a\x95" + bytes(60),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": b"%PDF-1.7\n%%EOF\n",
        "wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(28),
        "html": b"<!doctype html><title>404</title>",
        "text": b"not an image",
        "zeros": bytes(256),
        "junk": noise(1, 256, 1, 99).tobytes(),
    }
    for name, data in foreign.items():
        yield "foreign_" + name, data, UNSUPPORTED, []
    yield "one_byte", b"\xff", UNSUPPORTED, [INVALID, TRUNCATED]

    photo = jpeg(flat(64, 48, 2), quality=80)
    progressive = jpeg(flat(64, 48, 2), quality=80, progressive=True)
    yield "jpeg_magic_only", photo[:3], TRUNCATED, [INVALID]
    yield "jpeg_cut_in_header", photo[:100], TRUNCATED, [INVALID]
    for percent in (50, 75, 90):
        yield (f"jpeg_cut_{percent}", photo[:len(photo) * percent // 100],
               TRUNCATED, [INVALID] if percent == 50 else [])
    yield "jpeg_without_eoi", photo[:-2], TRUNCATED, []
    yield "jpeg_half_eoi", photo[:-1], TRUNCATED, []
    for percent in (60, 85):
        yield (f"jpeg_progressive_cut_{percent}",
               progressive[:len(progressive) * percent // 100], TRUNCATED,
               [INVALID] if percent == 60 else [])
    yield "jpeg_progressive_without_eoi", progressive[:-2], TRUNCATED, []
    yield "jpeg_start_and_end", b"\xff\xd8\xff\xd9", INVALID, [TRUNCATED]
    yield "jpeg_zero_width", jpeg_sizes(photo, 0, 48), INVALID, []
    yield "jpeg_zero_height", jpeg_sizes(photo, 64, 0), INVALID, []
    yield "jpeg_65500x65500", jpeg_sizes(photo, 65500, 65500), TOO_LARGE, []
    yield "jpeg_16385x8", jpeg_sizes(photo, 16385, 8), TOO_LARGE, []
    yield "jpeg_7000x6000", jpeg_sizes(photo, 7000, 6000), TOO_LARGE, []
    at = frame_header(photo)
    yield ("jpeg_12_bit", photo[:at + 4] + b"\x0c" + photo[at + 5:], INVALID,
           [UNSUPPORTED])
    yield ("jpeg_lossless", photo[:at + 1] + b"\xc3" + photo[at + 2:], INVALID,
           [UNSUPPORTED])
    yield ("jpeg_no_quantisation", without_segment(photo, 0xDB), INVALID, [])
    yield ("jpeg_no_frame", without_segment(photo, 0xC0), INVALID, [])

    drawing = png(noise(24, 16, 3, 3), RGB)
    idat = drawing.index(b"IDAT")
    yield "png_signature_only", SIGNATURE, TRUNCATED, [INVALID]
    yield "png_half_signature", SIGNATURE[:4], UNSUPPORTED, [INVALID, TRUNCATED]
    yield "png_cut_in_header", drawing[:20], TRUNCATED, [INVALID]
    yield "png_cut_after_header", drawing[:33], TRUNCATED, [INVALID]
    yield "png_cut_50", drawing[:len(drawing) // 2], TRUNCATED, [INVALID]
    yield "png_cut_in_last_data", drawing[:-20], TRUNCATED, [INVALID]
    yield "png_bad_header_crc", flip(drawing, 30), INVALID, []
    yield "png_bad_data_crc", flip(drawing, idat + 12), INVALID, []
    yield "png_zero_width", png_file(0, 5), INVALID, []
    yield "png_zero_height", png_file(5, 0), INVALID, []
    yield "png_20000x20000", png_file(20000, 20000), TOO_LARGE, []
    yield "png_16385x1", png_file(16385, 1), TOO_LARGE, []
    yield "png_1x16385", png_file(1, 16385), TOO_LARGE, []
    yield "png_8001x5000", png_file(8001, 5000), TOO_LARGE, []
    yield ("png_2147483648x1", png_file(1 << 31, 1), TOO_LARGE, [INVALID])
    yield "png_depth_3", png_file(4, 4, depth=3), INVALID, []
    yield "png_color_type_5", png_file(4, 4, color_type=5), INVALID, []
    yield ("png_no_palette", png(noise(4, 4, 1, 4), PALETTE, 8), INVALID, [])
    yield ("png_no_data", SIGNATURE + drawing[8:33] + png_chunk(b"IEND", b""),
           INVALID, [TRUNCATED])
    yield ("png_pixels_missing", png_file(16, 16, data=bytes(100)), INVALID,
           [TRUNCATED])
    yield ("png_not_deflate", SIGNATURE + drawing[8:33] +
           png_chunk(b"IDAT", b"\x78\x9c" + b"\xff" * 40) +
           png_chunk(b"IEND", b""), INVALID, [])
    yield ("png_header_not_first", SIGNATURE + png_chunk(b"tEXt", b"a\0b") +
           drawing[8:], INVALID, [])

    lossy = webp(flat(40, 30, 5), quality=80)
    lossless = webp(flat(40, 30, 5), lossless=True)
    yield "webp_riff_only", lossy[:12], TRUNCATED, [INVALID]
    yield "webp_cut_in_header", lossy[:24], TRUNCATED, [INVALID]
    yield "webp_lossy_cut_50", lossy[:len(lossy) // 2], TRUNCATED, []
    yield "webp_lossy_cut_tail", lossy[:-8], TRUNCATED, []
    yield "webp_lossless_cut_50", lossless[:len(lossless) // 2], TRUNCATED, []
    start = lossy.index(b"\x9d\x01\x2a")
    yield "webp_bad_start_code", flip(lossy, start), INVALID, []
    yield ("webp_zero_width", lossy[:start + 3] + b"\0\0" + lossy[start + 5:],
           INVALID, [])
    yield ("webp_lossless_16384x16384", riff(
        (b"VP8L", b"\x2f" + struct.pack("<I", 0x3fff | 0x3fff << 14) +
         bytes(32))), TOO_LARGE, [])
    yield ("webp_canvas_16777216x1", riff(
        (b"VP8X", b"\0\0\0\0" + b"\xff\xff\xff" + b"\0\0\0"),
        (b"VP8 ", lossy[20:])), TOO_LARGE, [INVALID])
    yield ("webp_animation_without_frames", riff(
        (b"VP8X", b"\x02\0\0\0" + b"\x07\0\0" + b"\x07\0\0"),
        (b"ANIM", bytes(6))), INVALID, [TRUNCATED])
    yield "webp_no_chunks", riff((b"JUNK", bytes(8))), INVALID, [TRUNCATED]

    bitmap = bmp(flat(20, 10, 6))
    yield "bmp_magic_only", bitmap[:2], TRUNCATED, [INVALID]
    yield "bmp_cut_in_header", bitmap[:30], TRUNCATED, [INVALID]
    yield "bmp_cut_50", bitmap[:len(bitmap) // 2], TRUNCATED, []
    yield "bmp_cut_one_row", bitmap[:-60], TRUNCATED, []
    yield ("bmp_cut_in_palette", bmp(flat(20, 10, 6).convert("L"))[:400],
           TRUNCATED, [INVALID])
    yield "bmp_zero_width", bmp_sizes(bitmap, 0, 10), INVALID, []
    yield "bmp_zero_height", bmp_sizes(bitmap, 20, 0), INVALID, []
    yield "bmp_negative_width", bmp_sizes(bitmap, -20, 10), INVALID, [TOO_LARGE]
    yield ("bmp_30000x30000", bmp_sizes(bitmap, 30000, 30000), TOO_LARGE, [])
    yield ("bmp_2147483647_square", bmp_sizes(bitmap, 2**31 - 1, 2**31 - 1),
           TOO_LARGE, [INVALID])
    yield ("bmp_lowest_height", bmp_sizes(bitmap, 20, -2**31), TOO_LARGE,
           [INVALID])
    yield ("bmp_3_bit", bitmap[:28] + b"\x03\0" + bitmap[30:], INVALID,
           [UNSUPPORTED])
    yield ("bmp_unknown_compression", bitmap[:30] + b"\x2a" + bitmap[31:],
           INVALID, [UNSUPPORTED])
    indices = np.zeros((4, 4), np.uint8)
    yield ("bmp_rle_past_the_end", bmp_by_hand(
        indices, 8, bytes(1024), compression=1, data=b"\x04\x00\x00\x00"),
        TRUNCATED, [INVALID])


def ask_pillow(data):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > 40_000_000:
                    return f"opens, {image.width}x{image.height}, not decoded"
                image.convert("RGB")
        return "decodes"
    except Exception as error:  # whatever it is, it is an answer
        return type(error).__name__


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path,
                        default=DATA / "bad_images")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    lines = []
    for name, data, reason, also in bad_images():
        (out / f"{name}.bin").write_bytes(data)
        lines.append(json.dumps({
            "file": f"{name}.bin", "num_bytes": len(data), "reason": reason,
            "also": also, "pillow": ask_pillow(data), "sha256": sha256(data)}))
    made_by = json.dumps(provenance(__file__))
    body = ",\n".join(lines)
    (out / "manifest.json").write_text(
        f'{{"made_by": {made_by},\n"images": [\n{body}\n]}}\n')
    print(f"{len(lines)} bad images")


if __name__ == "__main__":
    main()
