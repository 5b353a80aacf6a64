#!/usr/bin/env python3
"""Makes tests/data/images: about 200 encoded pictures and what Pillow sees.

manifest.json holds, for each file: its size, the grid that `max_tiles` gives,
and the CRC-32 of the decoded RGB bytes and of every 448x448 tile, all by
Pillow: EXIF ignored, alpha dropped, first frame only.

Large pictures are smooth and small ones rough, so that the folder stays small.
"""

import argparse
import io
import json
import pathlib
import shutil
import struct
import zlib

import numpy as np
from PIL import Image

from common import (DATA, crc32, cut_tiles, provenance, sha256,
                    synthetic_image)

ORIENTATION = 0x0112  # EXIF tag

# ------------------------------------------------------------------- contents


def smooth(width, height, phase=0.0):
    """Slow waves: a few KiB whatever the size."""
    x = np.linspace(0, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    planes = [0.5 + 0.5 * np.sin(2 * np.pi * (fx * x + fy * y) + phase + p)
              for fx, fy, p in ((1, 0.5, 0), (0.5, 1.5, 1), (1.5, 1, 2))]
    return Image.fromarray(
        np.rint(255 * np.stack(planes, -1)).astype(np.uint8), "RGB")


def flat(width, height, seed):
    """Rectangles of one colour each: hard edges that still compress."""
    generator = np.random.default_rng(seed)
    rgb = np.full((height, width, 3), generator.integers(0, 256, 3), np.uint8)
    for _ in range(12):
        x0, x1 = np.sort(generator.integers(0, width + 1, 2))
        y0, y1 = np.sort(generator.integers(0, height + 1, 2))
        rgb[y0:y1, x0:x1] = generator.integers(0, 256, 3)
    return Image.fromarray(rgb, "RGB")


def noise(width, height, channels, seed, dtype=np.uint8):
    generator = np.random.default_rng(seed)
    return generator.integers(0, np.iinfo(dtype).max + 1,
                              (height, width, channels), dtype)


def with_alpha(image, seed):
    """Alpha from 0 to 255, colours kept under it."""
    alpha = noise(*image.size, 1, seed)[:, :, 0]
    alpha[: image.height // 3] = 0
    image = image.convert("RGB")
    image.putalpha(Image.fromarray(alpha, "L"))
    return image


# ------------------------------------------------------------------- encoders


def save(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags.tobytes()


def jpeg(image, **options):
    return save(image, "JPEG", **options)


def webp(image, **options):
    return save(image, "WEBP", **options)


def bmp(image):
    return save(image, "BMP")


GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # PNG colour types
PNG_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
         (1, 0, 2, 2), (0, 1, 1, 2)]  # x0, y0, dx, dy


def png_chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data +
            struct.pack(">I", zlib.crc32(kind + data)))


def png(samples, color_type, depth=8, interlace=False, chunks=()):
    """A PNG of what Pillow cannot write: depths, interlace, every row filter.

    samples  [height, width, channels], each below 2^depth
    chunks   (kind, data) put before the pixels, PLTE for one
    """
    height, width, channels = samples.shape
    assert channels == PNG_CHANNELS[color_type]
    passes = ADAM7 if interlace else [(0, 0, 1, 1)]
    raw = bytearray()
    for x0, y0, dx, dy in passes:
        part = samples[y0::dy, x0::dx]
        if part.size:
            raw += png_rows(part, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0,
                         int(interlace))
    out = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    for kind, data in chunks:
        out += png_chunk(kind, data)
    packed = zlib.compress(bytes(raw), 9)
    half = len(packed) // 2  # two IDAT chunks: readers must join them
    out += png_chunk(b"IDAT", packed[:half]) + png_chunk(b"IDAT", packed[half:])
    return out + png_chunk(b"IEND", b"")


def png_rows(samples, depth):
    """Packed rows with the five filters in turn."""
    step = max(1, samples.shape[2] * depth // 8)  # bytes a pixel
    previous = None
    out = bytearray()
    for y, row in enumerate(samples):
        if depth == 16:
            line = row.astype(">u2").tobytes()
        elif depth == 8:
            line = row.astype(np.uint8).tobytes()
        else:
            bits = (row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
            line = np.packbits(bits.astype(np.uint8)).tobytes()
        if previous is None:
            previous = bytes(len(line))
        kind = y % 5
        out.append(kind)
        for i, value in enumerate(line):
            left = line[i - step] if i >= step else 0
            up = previous[i]
            corner = previous[i - step] if i >= step else 0
            out.append((value - predict(kind, left, up, corner)) & 255)
        previous = line
    return out


def predict(kind, left, up, corner):
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    estimate = left + up - corner
    return min((left, up, corner), key=lambda v: abs(estimate - v))


def bmp_by_hand(samples, bits, palette=b"", compression=0, data=None,
                top_down=False, core=False):
    """A BMP of what Pillow cannot write. Rows are given top to bottom.

    samples  [height, width, bytes a pixel] (24, 32 bit) or [height, width]
    """
    height, width = samples.shape[:2]
    if data is None:
        rows = []
        for row in samples:
            if bits >= 24:
                line = row.astype(np.uint8).tobytes()
            else:
                spread = (row.reshape(-1, 1) >> np.arange(bits - 1, -1, -1)) & 1
                line = np.packbits(spread.astype(np.uint8)).tobytes()
            rows.append(line + bytes(-len(line) % 4))
        data = b"".join(rows if top_down else rows[::-1])
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width,
                             -height if top_down else height, 1, bits,
                             compression, len(data), 2835, 2835,
                             len(palette) // 4, 0)
    offset = 14 + len(header) + len(palette)
    return (b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) +
            header + palette + data)


def rle8(indices):
    """Runs, absolute stretches and line ends, bottom row first."""
    out = bytearray()
    for row in indices[::-1]:
        values = row.tolist()
        i = 0
        while i < len(values):
            run = 1
            while (i + run < len(values) and run < 255 and
                   values[i + run] == values[i]):
                run += 1
            if run > 1 or len(values) - i < 3:
                out += bytes((run, values[i]))
                i += run
                continue
            end = i + 3
            while (end < len(values) and end - i < 255 and
                   values[end] != values[end - 1]):
                end += 1
            stretch = values[i:end]
            out += bytes((0, len(stretch), *stretch))
            out += bytes(len(stretch) % 2)
            i = end
        out += b"\x00\x00"
    return bytes(out) + b"\x00\x01"


# ----------------------------------------------------------------- the pictures


def jpegs():
    small = [(1, 1), (1, 7), (9, 1), (2, 2), (3, 5), (8, 8), (7, 9), (15, 17),
             (16, 16), (17, 16), (31, 33), (64, 48)]
    for i, (w, h) in enumerate(small):
        yield (f"jpeg_tiny_{w}x{h}", jpeg(synthetic_image(w, h), quality=85,
                                          subsampling=i % 3))
    for w, h in [(50, 37), (37, 50), (129, 65), (99, 101)]:
        for subsampling in (0, 1, 2):
            yield (f"jpeg_sub{subsampling}_{w}x{h}",
                   jpeg(flat(w, h, w), quality=90, subsampling=subsampling))
    for quality in (1, 10, 25, 50, 75, 95, 100):
        yield (f"jpeg_q{quality}", jpeg(synthetic_image(96, 80),
                                        quality=quality))
    for w, h in [(1, 1), (33, 17), (120, 90), (250, 99)]:
        for subsampling in (0, 2):
            yield (f"jpeg_progressive{subsampling}_{w}x{h}",
                   jpeg(flat(w, h, h), quality=80, progressive=True,
                        subsampling=subsampling))
    for w, h in [(1, 3), (40, 30), (133, 71), (640, 360)]:
        yield (f"jpeg_grey_{w}x{h}", jpeg(smooth(w, h).convert("L"),
                                          quality=80, progressive=w == 133))
    for orientation in range(1, 9):
        yield (f"jpeg_exif{orientation}",
               jpeg(flat(120, 70, orientation), quality=85,
                    exif=exif(orientation)))
    yield ("jpeg_rgb", jpeg(flat(70, 60, 3), quality=90, keep_rgb=True))
    yield ("jpeg_restart", jpeg(synthetic_image(90, 75), quality=80,
                                restart_marker_blocks=3))
    yield ("jpeg_restart_rows", jpeg(synthetic_image(90, 75), quality=80,
                                     restart_marker_rows=1, progressive=True))
    yield ("jpeg_optimised", jpeg(synthetic_image(90, 75), quality=80,
                                  optimize=True))
    yield ("jpeg_comment_icc", jpeg(flat(64, 64, 9), comment=b"a comment",
                                    icc_profile=bytes(500)))
    yield ("jpeg_trailing_bytes", jpeg(flat(60, 40, 10)) + bytes(16))
    for w, h in [(200, 133), (133, 200), (321, 241), (97, 211), (255, 256)]:
        yield (f"jpeg_rough_{w}x{h}", jpeg(synthetic_image(w, h), quality=85))
        yield (f"jpeg_noise_{w}x{h}",
               jpeg(Image.fromarray(noise(w // 4, h // 4, 3, w), "RGB"),
                    quality=60))
    for w, h in [(224, 224), (300, 200), (448, 448), (633, 633), (634, 634),
                 (640, 480), (480, 640), (800, 600), (896, 448), (897, 448),
                 (1000, 1000), (1024, 768), (1170, 830), (1201, 799),
                 (1280, 720), (720, 1280), (1344, 448), (1600, 400),
                 (400, 1600), (1600, 1200), (1250, 1000)]:
        yield (f"jpeg_{w}x{h}", jpeg(smooth(w, h), quality=70,
                                     progressive=(w + h) % 3 == 0))


def pngs():
    for w, h in [(1, 1), (1, 20), (20, 1), (5, 3), (64, 48)]:
        yield (f"png_rgb_{w}x{h}", save(synthetic_image(w, h), "PNG"))
    for w, h in [(1, 1), (30, 40), (123, 77)]:
        yield (f"png_rgba_{w}x{h}",
               save(with_alpha(flat(w, h, w), h), "PNG"))
        yield (f"png_l_{w}x{h}", save(flat(w, h, h).convert("L"), "PNG"))
        yield (f"png_la_{w}x{h}",
               save(with_alpha(flat(w, h, h), w).convert("LA"), "PNG"))
        yield (f"png_1_{w}x{h}", save(flat(w, h, 4).convert("1"), "PNG"))
        palette = flat(w, h, 7).quantize(16)
        yield (f"png_p_{w}x{h}", save(palette, "PNG"))
        yield (f"png_p_trns_{w}x{h}",
               save(palette, "PNG", transparency=bytes(range(0, 160, 10))))
    yield ("png_p256", save(synthetic_image(60, 50).quantize(256), "PNG"))
    yield ("png_p_trns_one", save(flat(40, 30, 8).quantize(8), "PNG",
                                  transparency=2))
    yield ("png_l_trns", save(flat(40, 30, 9).convert("L"), "PNG",
                              transparency=17))
    yield ("png_rgb_trns", save(flat(40, 30, 9), "PNG",
                                transparency=(1, 2, 3)))
    yield ("png_exif6", save(flat(60, 30, 11), "PNG", exif=exif(6)))

    colours = noise(256, 1, 3, 1).tobytes()
    for interlace in (False, True):
        tag = "_interlaced" if interlace else ""
        for depth in (1, 2, 4, 8):
            values = noise(37, 23, 1, depth) >> (8 - depth)
            yield (f"png_grey{depth}{tag}",
                   png(values, GREY, depth, interlace))
            yield (f"png_palette{depth}{tag}",
                   png(values, PALETTE, depth, interlace,
                       [(b"PLTE", colours[: 3 << depth])]))
        for w, h in [(1, 1), (3, 2), (41, 29)]:
            yield (f"png_rgb8{tag}_{w}x{h}",
                   png(noise(w, h, 3, w), RGB, 8, interlace))
        yield (f"png_rgba8{tag}",
               png(noise(22, 31, 4, 2), RGB_ALPHA, 8, interlace))
        yield (f"png_la8{tag}",
               png(noise(19, 14, 2, 3), GREY_ALPHA, 8, interlace))
        yield (f"png_rgb16{tag}",
               png(noise(33, 21, 3, 4, np.uint16), RGB, 16, interlace))
        yield (f"png_rgba16{tag}",
               png(noise(17, 26, 4, 5, np.uint16), RGB_ALPHA, 16, interlace))
    yield ("png_palette8_trns_interlaced",
           png(noise(37, 23, 1, 6), PALETTE, 8, True,
               [(b"PLTE", colours), (b"tRNS", bytes(range(256)))]))
    yield ("png_gamma", png(noise(16, 12, 3, 7), RGB, 8, False, [
        (b"gAMA", struct.pack(">I", 100000)), (b"sRGB", b"\x00"),
        (b"pHYs", struct.pack(">IIB", 2835, 1000, 1))]))
    first, second = flat(48, 36, 20), flat(48, 36, 21)
    yield ("png_animated", save(first, "PNG", save_all=True,
                                append_images=[second], duration=100))
    yield ("png_smooth", save(smooth(211, 157), "PNG"))
    for w, h in [(500, 100), (100, 500), (300, 700), (700, 300), (1500, 500),
                 (12, 1500), (1500, 12), (1333, 777), (2, 1600)]:
        yield f"png_{w}x{h}", save(flat(w, h, w), "PNG")
    yield ("png_widest_16384x2", save(flat(16384, 2, 5).convert("1"), "PNG"))


def webps():
    for w, h in [(1, 1), (1, 9), (10, 1), (17, 13), (64, 48), (130, 97)]:
        image = synthetic_image(w, h)
        yield f"webp_lossy_{w}x{h}", webp(image, quality=80)
        yield f"webp_lossless_{w}x{h}", webp(image, lossless=True)
    for w, h in [(31, 23), (90, 60)]:
        image = with_alpha(flat(w, h, w), h)
        yield f"webp_lossy_alpha_{w}x{h}", webp(image, quality=75)
        yield (f"webp_lossless_alpha_{w}x{h}",
               webp(image, lossless=True, exact=True))
    for quality in (5, 40, 100):
        yield (f"webp_q{quality}", webp(synthetic_image(75, 51),
                                        quality=quality))
    yield ("webp_grey", webp(smooth(100, 60).convert("L"), quality=70))
    yield ("webp_exif6", webp(flat(80, 40, 12), quality=80, exif=exif(6)))
    for lossless in (False, True):
        yield (f"webp_animated_{'lossless' if lossless else 'lossy'}",
               webp(flat(52, 38, 22), lossless=lossless, save_all=True,
                    append_images=[flat(52, 38, 23)], duration=100))
    for w, h in [(640, 480), (1100, 550), (550, 1100), (1599, 901)]:
        yield f"webp_{w}x{h}", webp(smooth(w, h, 1), quality=60)


def bmps():
    for w, h in [(1, 1), (1, 6), (7, 1), (13, 10), (64, 48)]:
        yield f"bmp_rgb_{w}x{h}", bmp(synthetic_image(w, h))
    for w, h in [(5, 4), (31, 22)]:
        image = flat(w, h, w)
        yield f"bmp_l_{w}x{h}", bmp(image.convert("L"))
        yield f"bmp_p_{w}x{h}", bmp(image.quantize(32))
        yield f"bmp_1_{w}x{h}", bmp(image.convert("1"))
        yield f"bmp_rgba_{w}x{h}", bmp(with_alpha(image, h))
    colours = np.concatenate([noise(256, 1, 3, 30)[0],
                              np.zeros((256, 1), np.uint8)], 1)
    bgr = noise(15, 11, 3, 31)
    yield "bmp_top_down", bmp_by_hand(bgr, 24, top_down=True)
    yield "bmp_core_header", bmp_by_hand(bgr, 24, core=True)
    yield ("bmp_32_top_down", bmp_by_hand(noise(9, 14, 4, 32), 32,
                                          top_down=True))
    for bits in (1, 4, 8):
        indices = noise(21, 12, 1, bits)[:, :, 0] >> (8 - bits)
        yield (f"bmp_palette{bits}",
               bmp_by_hand(indices, bits, colours[: 1 << bits].tobytes()))
    indices = np.asarray(flat(40, 25, 33).quantize(200)).copy()
    indices[3:5] = noise(40, 2, 1, 34)[:, :, 0]
    yield ("bmp_rle8", bmp_by_hand(indices, 8, colours.tobytes(),
                                   compression=1, data=rle8(indices)))
    indices = np.asarray(smooth(500, 300).convert("L"))
    yield ("bmp_rle8_500x300",
           bmp_by_hand(indices // 32, 8, colours[:8].tobytes(), compression=1,
                       data=rle8(indices // 32)))


# -------------------------------------------------------------------- manifest


def max_tiles_of(index):
    """Mostly 12 and everything below, now and then more."""
    return {7: 24, 21: 40, 45: 24, 88: 40}.get(
        index % 100, 12 if index % 3 == 0 else 1 + index * 7 % 12)


def describe(name, data, max_tiles):
    with Image.open(io.BytesIO(data)) as opened:
        format, mode = opened.format, opened.mode
        image = opened.convert("RGB")
    (columns, rows), tiles = cut_tiles(image, max_tiles)
    return {
        "file": f"{name}.{ {'JPEG': 'jpg'}.get(format, format.lower()) }",
        "format": format, "mode": mode,
        "width": image.width, "height": image.height,
        "max_tiles": max_tiles, "columns": columns, "rows": rows,
        "num_tiles": len(tiles), "rgb_crc32": crc32(image.tobytes()),
        "tile_crc32": [crc32(tile.tobytes()) for tile in tiles],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=DATA / "images")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    entries, total = [], 0
    makers = (jpegs(), pngs(), webps(), bmps())
    for index, (name, data) in enumerate(p for maker in makers for p in maker):
        entry = describe(name, data, max_tiles_of(index))
        (out / entry["file"]).write_bytes(data)
        entry["sha256"] = sha256(data)
        entries.append(entry)
        total += len(data)
    assert len({e["file"] for e in entries}) == len(entries)
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    made_by = json.dumps(provenance(__file__))
    (out / "manifest.json").write_text(
        f'{{"made_by": {made_by},\n"images": [\n{lines}\n]}}\n')
    print(f"{len(entries)} images, {total} bytes, "
          f"{sum(e['num_tiles'] for e in entries)} tiles")


if __name__ == "__main__":
    main()
