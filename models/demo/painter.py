"""Draws scenes on a CPU, fast enough to feed training.

Everything is drawn by one affine warp of a small texture onto the box of the
picture that it covers: emoji from sprites with mip levels, shapes from signed
distances, digits and turned text from masks. Nothing here is random but the
noise, which `scene.seed` picks out of a fixed bank.
"""

import functools
import math

import cv2
import numpy as np
from PIL import Image, ImageDraw

import world

cv2.setNumThreads(1)  # one process a core already

# ---- Textures ---------------------------------------------------------------

SPRITE = 160   # side of a sprite in the pack
MARGIN = 1.1   # side of a texture over that of what it holds: room for outlines and soft edges
LEVELS = (176, 124, 88, 62, 44, 31, 22)  # sides of the mip levels of a sprite, half an octave apart
FIELD = 192    # side of a shape's field of distances
DIGIT = 96     # side of a digit's mask


def _circle(x, y):
    return np.hypot(x, y) - 0.92


def _square(x, y):
    return np.maximum(abs(x), abs(y)) - 0.8


def _triangle(x, y):
    return np.maximum(y - 0.75, (1.75 * abs(x) - 0.95 * (y + 1)) / 1.991)


def _star(x, y):
    sector = 2 * math.pi / 5
    r, a = np.hypot(x, y), np.arctan2(x, -y)
    a = abs((a + sector / 2) % sector - sector / 2)
    px, py = r * np.cos(a), r * np.sin(a)
    ix, iy = 0.42 * math.cos(sector / 2), 0.42 * math.sin(sector / 2)
    return ((px - 1) * iy + py * (1 - ix)) / math.hypot(1 - ix, iy)


def _heart(x, y):
    h, c = 0.83, 0.12
    x = abs(x)
    body = (x + abs(y - c) - h) / math.sqrt(2)
    return np.minimum(body, np.hypot(x - h / 2, y - (c - h / 2)) - h / math.sqrt(2))


def _cross(x, y):
    x, y = abs(x), abs(y)
    return np.maximum(np.minimum(x, y) - 0.3, np.maximum(x, y) - 0.92)


def _diamond(x, y):
    return (1.5 * abs(x) + abs(y) - 1) / 1.803


def _moon(x, y):
    return np.maximum(np.hypot(x, y) - 0.95, 0.78 - np.hypot(x - 0.48, y))


_DISTANCES = (_circle, _square, _triangle, _star, _heart, _cross, _diamond, _moon)


@functools.cache
def _field(shape):
    """Signed distances of a shape in halves of its size, y downwards."""
    axis = ((np.arange(FIELD) + 0.5) / FIELD * 2 - 1) * MARGIN
    return _DISTANCES[shape](axis[None], axis[:, None]).astype(np.float32)


@functools.cache
def shape_cover(shape):
    """255 inside a shape, for the maps."""
    return ((_field(shape) < 0) * 255).astype(np.uint8)


def _ramp(values, low, high):
    return np.clip((values - low) / (high - low), 0, 1)


_CACHE = {}


def cached(assets, key, make):
    """A value kept for as long as `assets` is the pack in use."""
    if _CACHE.get("assets") is not assets:
        _CACHE.clear()
        _CACHE["assets"] = assets
    value = _CACHE.get(key)
    if value is None:
        value = _CACHE[key] = make()
    return value


def _canvas(sprite):
    """A sprite on its texture, float32: colours times alpha and alpha 0..1, and,
    coarsely, the colours that go on beyond its outline."""
    side = LEVELS[0]
    if len(sprite) != SPRITE:
        sprite = cv2.resize(sprite, (SPRITE, SPRITE), interpolation=cv2.INTER_AREA)
    pad = ((side - SPRITE) // 2,) * 4
    sprite = cv2.copyMakeBorder(sprite, *pad, cv2.BORDER_CONSTANT).astype(np.float32)
    sprite[..., 3] /= 255
    sprite[..., :3] *= sprite[..., 3:]
    far = cv2.resize(sprite, (22, 22), interpolation=cv2.INTER_AREA)
    mean = np.array(cv2.mean(sprite), np.float32)
    far = cv2.blur(cv2.blur(far, (5, 5)), (5, 5)) + 1e-3 * mean
    return sprite, far[..., :3] / (far[..., 3:] + 1e-6)


def _edges(colours, alpha):
    """Distance to the nearest line that a draughtsman would ink, pixels; a little more
    to the lines inside, which are thinner for that."""
    inside = (alpha > 127).astype(np.uint8)
    inner = cv2.Canny(cv2.medianBlur(colours, 3), 110, 260, L2gradient=True)
    inner[cv2.erode(inside, np.ones((13, 13), np.uint8)) == 0] = 0
    inner = _without_specks(inner)
    rim = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    inner, rim = (cv2.distanceTransform((lines == 0).astype(np.uint8), cv2.DIST_L2, 5) for lines in (inner, rim))
    # Smoothed, so that the steps of the pixels do not show.
    return (cv2.GaussianBlur(np.minimum(1.25 * np.minimum(inner, 99), rim), (0, 0), 1.0) - 0.5).clip(0)


def _without_specks(lines, least=14):
    """The lines but those of fewer than `least` pixels."""
    _, ids, stats, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    return (keep[ids] * 255).astype(np.uint8)


def sprite_levels(assets, source, name):
    """The mip levels of a sprite, each RGB that goes on beyond the outline and
    alpha, and two sizes of its map of edges, eighths of pixels of the largest level."""
    def make():
        canvas, fill = _canvas(assets.sprites[source][name])
        levels = {}
        for side in LEVELS:
            level = canvas if side == len(canvas) else cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
            alpha = level[..., 3:]
            rgb = level[..., :3] + 0.02 * cv2.resize(fill, (side, side), interpolation=cv2.INTER_LINEAR)
            rgb /= alpha + 0.02
            levels[side] = cv2.convertScaleAbs(rgb), cv2.convertScaleAbs(alpha, alpha=255)
        edges = _edges(*levels[LEVELS[0]])
        half = (cv2.resize(edges, (LEVELS[2], LEVELS[2]), interpolation=cv2.INTER_AREA) - 0.4).clip(0)
        return levels, {len(e): (e * 8).clip(0, 255).astype(np.uint8) for e in (edges, half)}
    return cached(assets, ("sprite", source, name), make)


def prepare(assets):
    """Makes the levels of all sprites now, to be shared by processes that are forked later."""
    for source, name in ((i, k) for i, s in enumerate(assets.sets) for k in range(len(world.THINGS))):
        if assets.sprites[source][name] is not None:
            sprite_levels(assets, source, name)


# Parts of the matrix that turns the hue and keeps the lightness.
_GREY = np.array(((0.299, 0.587, 0.114),) * 3, np.float32)
_COSINE = np.array(((0.701, -0.587, -0.114), (-0.299, 0.413, -0.114), (-0.3, -0.588, 0.886)), np.float32)
_SINE = np.array(((0.168, 0.330, -0.497), (-0.328, 0.035, 0.292), (1.25, -1.05, -0.203)), np.float32)


def _colour_matrix(look):
    """Hue, saturation and brightness as one matrix."""
    turn, b = math.radians(look.hue), look.brightness
    return _GREY * b + _COSINE * (b * look.saturation * math.cos(turn)) + _SINE * (b * look.saturation * math.sin(turn))


@functools.lru_cache(256)
def _posterise(levels):
    return (np.round(np.arange(256) / 255 * (levels - 1)) / (levels - 1) * 255).round().astype(np.uint8)


INK = 22  # grey of the outlines
_EIGHTHS = np.arange(256) / 8


def _outline(assets, source, name, side, width):
    """Alpha of the ink along the edges of a sprite; width in hundredths of its size."""
    half = width / 100 * SPRITE / 2
    table = ((half + 0.5 - _EIGHTHS).clip(0, 1) * 255).astype(np.uint8)
    edges = sprite_levels(assets, source, name)[1]
    lines = cv2.LUT(edges[LEVELS[2] if side <= LEVELS[2] else LEVELS[0]], table)
    return lines if side == lines.shape[0] else cv2.resize(lines, (side, side), interpolation=cv2.INTER_AREA)


def _dress(assets, source, name, side, look):
    """A mip level as `look` wants it: RGBA, colours times alpha."""
    rgb, alpha = sprite_levels(assets, source, name)[0][side]
    if look.hue or look.saturation != 1 or look.brightness != 1:
        rgb = cv2.transform(rgb, _colour_matrix(look))
    if look.levels > 1:
        rgb = cv2.LUT(rgb, _posterise(look.levels))
    if look.outline > 0:
        lines = _outline(assets, source, name, side, look.outline)
        rgb = cv2.multiply(rgb, cv2.cvtColor(cv2.bitwise_not(lines), cv2.COLOR_GRAY2RGB), scale=1 / 255)
        rgb = cv2.add(rgb, cv2.cvtColor(cv2.multiply(lines, INK / 255), cv2.COLOR_GRAY2RGB))
        alpha = np.maximum(alpha, lines)
    rgb = cv2.multiply(rgb, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    return cv2.merge((*cv2.split(rgb), alpha))


_DRESSED = {}


def _texture(assets, item):
    """The texture of a thing; the last ones are kept, since scenes repeat themselves."""
    side = next((s for s in reversed(LEVELS) if s >= 0.98 * MARGIN * item.size), LEVELS[0])
    look = item.look
    plain = look.hue, look.saturation, look.brightness, look.outline, look.levels
    key = id(assets), look.source, item.name, side, plain
    texture = _DRESSED.get(key)
    if texture is None:
        texture = _dress(assets, look.source, item.name, side, look)
        if len(_DRESSED) >= 64:
            del _DRESSED[next(iter(_DRESSED))]
        _DRESSED[key] = texture
    return texture


def digit_mask(assets, index, soft):
    """A handwritten digit's mask: the scan, smooth, with clear edges unless `soft`."""
    def make():
        scan = np.zeros((10, 10), np.float32)
        scan[1:-1, 1:-1] = assets.digits[0][index]
        side = round(DIGIT * 10 / 8)
        smooth = cv2.resize(scan, (side, side), interpolation=cv2.INTER_CUBIC)
        cut = (side - round(DIGIT * MARGIN)) // 2
        if soft:
            return (_ramp(smooth[cut:side - cut, cut:side - cut], 0.5, 15) * 255).astype(np.uint8)
        smooth += 2 * (smooth - cv2.GaussianBlur(smooth, (0, 0), 14))  # opens loops that the scan filled in
        smooth = cv2.GaussianBlur(smooth, (0, 0), 3)[cut:side - cut, cut:side - cut]
        return (_ramp(smooth, 4.5, 11) * 255).astype(np.uint8)
    return cached(assets, ("digit", index, soft), make)


# ---- Text -------------------------------------------------------------------

def _capitals(assets, font):
    """Height of a font's capitals over its pixel size."""
    def make():
        _, top, _, bottom = assets.font(font, 200).getbbox("H", anchor="ls")
        return max(0.2, (bottom - top) / 200)
    return cached(assets, ("capitals", font), make)


_GLYPHS = {}


def _glyph(assets, font, pixels, character):
    """A character's mask, its place from the pen and the base line, and its advance."""
    key = id(assets), font, pixels, character
    glyph = _GLYPHS.get(key)
    if glyph is None:
        face = assets.font(font, pixels)
        left, top, right, bottom = face.getbbox(character, anchor="ls")
        left, top = math.floor(left), math.floor(top)
        image = Image.new("L", (max(1, math.ceil(right) - left), max(1, math.ceil(bottom) - top)))
        ImageDraw.Draw(image).text((-left, -top), character, 255, face, anchor="ls")
        glyph = np.array(image), left, top, face.getlength(character)
        if len(_GLYPHS) >= 30000:
            _GLYPHS.clear()
        _GLYPHS[key] = glyph
    return glyph


def _kerning(assets, font, pair):
    """How much closer two characters stand than their advances say, over the pixel size."""
    def make():
        face = assets.font(font, 200)
        return (face.getlength(pair) - face.getlength(pair[0]) - face.getlength(pair[1])) / 200
    return cached(assets, ("kerning", font, pair), make)


def _pixels(assets, font, cap):
    """The pixel size for capitals `cap` high, one of few enough that glyphs can be kept."""
    pixels = cap / _capitals(assets, font)
    step = 1
    while pixels > 40 * step:
        step *= 2
    return max(4, step * round(pixels / step))


def text_line(assets, item):
    """A line of text: its glyphs each with the pen's place, how much larger than in
    the picture they are, the ink's left and right end, and the capitals' height."""
    # Level text is set at its final size, as print is; turned text larger and then resampled.
    finer = 1.0 if abs(item.angle) < 1e-3 else 1.5 if item.size > 14 else 2.0
    font = item.look.source
    pixels = _pixels(assets, font, item.size * finer)
    pen, before, glyphs = 0.0, "", []
    for character in item.text:
        glyph = _glyph(assets, font, pixels, character)
        if before:
            pen += pixels * _kerning(assets, font, before + character)
        glyphs.append((round(pen), glyph))
        pen += glyph[3]
        before = character
    if not glyphs:
        return [], finer, 0, 1, pixels
    left = min(x + g[1] for x, g in glyphs)
    right = max(x + g[1] + g[0].shape[1] for x, g in glyphs)
    return glyphs, finer, left, right, pixels * _capitals(assets, font)


def _print(assets, item, room):
    """A line of text as a mask with `room` around; where in it the middle of the
    text's box lies; and how much larger than in the picture it is."""
    glyphs, finer, left, right, cap = text_line(assets, item)
    room = math.ceil(room * finer)
    top = min((g[2] for _, g in glyphs), default=0) - room
    bottom = max((g[2] + g[0].shape[0] for _, g in glyphs), default=1) + room
    mask = np.zeros((bottom - top, right - left + 2 * room), np.uint8)
    for pen, (ink, x, y, _) in glyphs:
        x += pen - left + room
        part = mask[y - top:y - top + ink.shape[0], x:x + ink.shape[1]]
        np.maximum(part, ink, out=part)
    return mask, mask.shape[1] / 2, -top - cap / 2, finer


# ---- Putting things onto a picture ------------------------------------------

_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def to_texture(item, x0, y0, step_x, step_y, cx, cy, kx, ky):
    """The matrix that takes point (i, j) of a grid, which lies at x0 + i step_x,
    y0 + j step_y of the picture, to the texture: kx, ky of its pixels a pixel,
    the middle of the item at (cx, cy)."""
    c, s = math.cos(item.angle), math.sin(item.angle)
    dx, dy = x0 - item.x, y0 - item.y
    return np.array(((kx * c * step_x, kx * s * step_y, kx * (c * dx + s * dy) + cx - 0.5),
                     (-ky * s * step_x, ky * c * step_y, ky * (c * dy - s * dx) + cy - 0.5)))


def _box(picture, item, half_width, half_height, margin):
    """The part of the picture that a turned rectangle covers: x0, y0, x1, y1."""
    c, s = abs(math.cos(item.angle)), abs(math.sin(item.angle))
    a = c * half_width + s * half_height + margin
    b = s * half_width + c * half_height + margin
    height, width = picture.shape[:2]
    return (max(0, math.floor(item.x - a)), max(0, math.floor(item.y - b)),
            min(width, math.ceil(item.x + a)), min(height, math.ceil(item.y + b)))


def item_sides(item):
    """Width and height of a stretched item that still fits its square."""
    stretch = item.look.stretch
    return item.size * min(1.0, stretch), item.size / max(1.0, stretch)


def _shadow(item):
    """How soft an item's shadow is and how far it falls, pixels."""
    return item.look.shadow / 100 * item.size


def _blend(target, alpha, colours):
    """Colours that are already times alpha, over the target, in place."""
    rest = cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGB)
    cv2.add(cv2.multiply(target, rest, scale=1 / 255), colours, dst=target)


def _tint(target, alpha, rgb):
    """One colour over the target, in place."""
    colours = np.empty(target.shape, np.uint8)
    cv2.rectangle(colours, (0, 0), target.shape[1::-1], rgb, -1)
    wide = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    colours = cv2.multiply(colours, wide, scale=1 / 255)
    cv2.add(cv2.multiply(target, cv2.bitwise_not(wide), scale=1 / 255), colours, dst=target)


def _cast(target, alpha, length):
    """Darkens the target where what `alpha` covers throws its shadow."""
    dx, dy = round(0.5 * length), round(0.9 * length)
    height, width = alpha.shape
    if dx >= width or dy >= height:
        return
    ksize = max(3, round(1.6 * length) | 1)
    soft = cv2.blur(cv2.blur(alpha, (ksize, ksize)), (ksize, ksize))
    soft = cv2.addWeighted(soft, -0.42, soft, 0, 255)  # what light is left
    soft = cv2.cvtColor(soft[:height - dy, :width - dx], cv2.COLOR_GRAY2RGB)
    part = target[dy:, dx:]
    cv2.multiply(part, soft, dst=part, scale=1 / 255)


def _ink(item, factor=1.0):
    factor *= item.look.brightness
    return tuple(min(255.0, c * factor) for c in item.rgb)


def _room(item):
    return 1 + 2.5 * _shadow(item)


def _draw_thing(picture, item, assets):
    texture = _texture(assets, item)
    side = texture.shape[0]
    wide, high = item_sides(item)
    x0, y0, x1, y1 = _box(picture, item, wide * MARGIN / 2, high * MARGIN / 2, _room(item))
    if x1 <= x0 or y1 <= y0:
        return
    kx = side / MARGIN / wide * (-1 if item.look.flip else 1)
    matrix = to_texture(item, x0 + 0.5, y0 + 0.5, 1, 1, side / 2, side / 2, kx, side / MARGIN / high)
    warped = cv2.warpAffine(texture, matrix, (x1 - x0, y1 - y0), flags=_WARP)
    alpha = cv2.extractChannel(warped, 3)
    target = picture[y0:y1, x0:x1]
    if item.look.shadow > 0:
        _cast(target, alpha, _shadow(item))
    _blend(target, alpha, cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB))


def _draw_shape(picture, item, assets):
    wide, high = item_sides(item)
    x0, y0, x1, y1 = _box(picture, item, wide / 2, high / 2, _room(item))
    if x1 <= x0 or y1 <= y0:
        return
    matrix = to_texture(item, x0 + 0.5, y0 + 0.5, 1, 1, FIELD / 2, FIELD / 2, FIELD / MARGIN / wide, FIELD / MARGIN / high)
    field = cv2.warpAffine(_field(item.name), matrix, (x1 - x0, y1 - y0), flags=_WARP, borderValue=9.0)
    unit = -255 * math.sqrt(wide * high) / 2  # the edge is one pixel wide
    alpha = cv2.addWeighted(field, unit, field, 0, 127.5, dtype=cv2.CV_8U)
    target = picture[y0:y1, x0:x1]
    if item.look.shadow > 0:
        _cast(target, alpha, _shadow(item))
    rim = item.look.outline / 100 * item.size
    if rim > 0:
        _tint(target, alpha, _ink(item, 0.6))
        alpha = cv2.addWeighted(field, unit, field, 0, 127.5 - 255 * rim, dtype=cv2.CV_8U)
    _tint(target, alpha, _ink(item))


def _plate(picture, item, half, top, bottom):
    """A plate behind an item: so many pixels to either side, above and below its middle."""
    c, s = math.cos(item.angle), math.sin(item.angle)
    corners = np.array([(item.x + c * p - s * q, item.y + s * p + c * q)
                        for p, q in ((-half, -top), (half, -top), (half, bottom), (-half, bottom))])
    if item.look.shadow > 0:
        x0, y0, x1, y1 = _box(picture, item, half, max(top, bottom), _room(item))
        if x1 > x0 and y1 > y0:
            alpha = np.zeros((y1 - y0, x1 - x0), np.uint8)
            cv2.fillConvexPoly(alpha, ((corners - (x0, y0)) * 16 - 8).round().astype(np.int32), 255, cv2.LINE_AA, 4)
            _cast(picture[y0:y1, x0:x1], alpha, _shadow(item))
    cv2.fillConvexPoly(picture, (corners * 16 - 8).round().astype(np.int32), item.look.plate, cv2.LINE_AA, 4)


def _stamp(picture, item, mask, x0, y0):
    """A mask in an item's ink, with its outline and shadow."""
    y1, x1 = y0 + mask.shape[0], x0 + mask.shape[1]
    height, width = picture.shape[:2]
    a, b = max(0, x0), max(0, y0)
    x1, y1 = min(width, x1), min(height, y1)
    if x1 <= a or y1 <= b:
        return
    mask = mask[b - y0:y1 - y0, a - x0:x1 - x0]
    target = picture[b:y1, a:x1]
    if item.look.shadow > 0 and not item.look.plate:
        _cast(target, mask, _shadow(item))
    if item.look.outline > 0:
        reach = max(1, round(item.look.outline / 100 * item.size))
        thick = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
        _tint(target, thick, (INK, INK, INK))
    _tint(target, mask, _ink(item))


def _draw_digit(picture, item, assets):
    if item.look.plate:
        _plate(picture, item, *(0.55 * item.size,) * 3)
    mask = digit_mask(assets, item.look.source, item.look.soft)
    side = mask.shape[0]
    wide, high = item_sides(item)
    x0, y0, x1, y1 = _box(picture, item, wide / 2, high / 2, _room(item))
    if x1 <= x0 or y1 <= y0:
        return
    if item.size < 0.7 * DIGIT:
        scale = max(0.1, item.size / DIGIT)
        side = max(8, round(scale * side))
        mask = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
    matrix = to_texture(item, x0 + 0.5, y0 + 0.5, 1, 1, side / 2, side / 2, side / MARGIN / wide, side / MARGIN / high)
    mask = cv2.warpAffine(mask, matrix, (x1 - x0, y1 - y0), flags=_WARP)
    sharper = 1 if item.look.soft else min(4.0, item.size / DIGIT)
    if sharper > 1:
        mask = cv2.addWeighted(mask, sharper, mask, 0, 127.5 * (1 - sharper))
    _stamp(picture, item, mask, x0, y0)


def _draw_text(picture, item, assets):
    room = _room(item) + item.look.outline / 100 * item.size
    mask, cx, cy, finer = _print(assets, item, room)
    if item.look.plate:
        margin = 0.22 * item.size
        top, bottom = (max(item.size / 2 + margin, edge / finer - room + margin / 2) for edge in (cy, mask.shape[0] - cy))
        _plate(picture, item, cx / finer - room + margin, top, bottom)
    if finer == 1:
        _stamp(picture, item, mask, round(item.x - cx), round(item.y - cy))
        return
    x0, y0, x1, y1 = _box(picture, item, cx / finer, max(cy, mask.shape[0] - cy) / finer, 0)
    if x1 <= x0 or y1 <= y0:
        return
    matrix = to_texture(item, x0 + 0.5, y0 + 0.5, 1, 1, cx, cy, finer, finer)
    _stamp(picture, item, cv2.warpAffine(mask, matrix, (x1 - x0, y1 - y0), flags=_WARP), x0, y0)


_DRAW = {"thing": _draw_thing, "shape": _draw_shape, "digit": _draw_digit, "text": _draw_text}


# ---- Background and noise ---------------------------------------------------

BANK = 768


@functools.cache
def _bank():
    """Noise to cut from: grain (grey levels about 128, 32 to a sigma) and clouds (unit)."""
    rng = np.random.default_rng(0)
    grain = rng.standard_normal((BANK, BANK, 3), dtype=np.float32) * 32 + 128
    return grain.round().clip(0, 255).astype(np.uint8), rng.standard_normal((128, 128, 3), dtype=np.float32)


def _pick(seed, salt, below):
    """A number below `below`, from a seed (a cheap hash)."""
    value = (seed * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03 + 0x2545F4914F6CDD1D) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return (value >> 33) % below


def _phase(coefficient_x, coefficient_y, height, width, offset=0.0):
    """Fraction of a period at every pixel, 256 to one."""
    x = ((np.arange(width) * coefficient_x + offset) * 256).astype(np.int64).astype(np.uint8)
    y = (np.arange(height) * coefficient_y * 256).astype(np.int64).astype(np.uint8)
    return y[:, None] + x[None]


_STEPS = np.arange(256, dtype=np.float32) / 256


def _bar(share, period):
    """One period of stripes that cover `share` of it, edges a pixel wide, 0..255."""
    edge = (share / 2 - abs(_STEPS - 0.5)) * period + 0.5
    return (edge.clip(0, 1) * 255).astype(np.uint8)


def _pattern(background, height, width, seed):
    """Mask of a background's pattern."""
    period = max(2.0, background.period)
    kind = background.pattern
    c, s = math.cos(background.angle) / period, math.sin(background.angle) / period
    if kind == "rings":
        x = np.arange(width, dtype=np.float32) - _pick(seed, 5, width)
        y = np.arange(height, dtype=np.float32) - _pick(seed, 6, height)
        radius = cv2.sqrt((y * y)[:, None] + (x * x)[None]) * np.float32(256 / period)
        return cv2.LUT(radius.astype(np.int32).astype(np.uint8), _bar(0.3, period))
    u = _phase(c, s, height, width, _pick(seed, 5, 256) / 256)
    if kind == "stripes":
        return cv2.LUT(u, _bar(0.5, period))
    if kind == "lines":
        return cv2.LUT(u, _bar(max(0.06, 1.5 / period), period))
    v = _phase(-s, c, height, width, _pick(seed, 6, 256) / 256)
    if kind == "checks":
        half = _bar(0.5, period)
        return cv2.absdiff(cv2.LUT(u, half), cv2.LUT(v, half))
    wave = ((1 - np.cos(2 * math.pi * _STEPS)) * 63.5).astype(np.uint8)
    height_of = cv2.add(cv2.LUT(u, wave), cv2.LUT(v, wave))
    soft = 254 * 3 / period  # grey levels that a pixel takes at the edge of a dot
    return cv2.LUT(height_of, (_ramp(np.arange(256), 185 - soft / 2, 185 + soft / 2) * 255).astype(np.uint8))


def _background(scene):
    background, height, width = scene.background, scene.height, scene.width
    start, end = background.start, background.end
    picture = np.empty((height, width, 3), np.uint8)
    if start == end and not background.clouds:
        cv2.rectangle(picture, (0, 0), (width, height), start, -1)
    else:
        # Slow changes: an eighth of the resolution is enough.
        rows, columns = max(2, height // 8), max(2, width // 8)
        x = ((np.arange(columns) + 0.5) / columns - 0.5) * (math.cos(background.angle) / math.sqrt(2))
        y = ((np.arange(rows) + 0.5) / rows - 0.5) * (math.sin(background.angle) / math.sqrt(2))
        t = (0.5 + x[None] + y[:, None])[..., None].astype(np.float32)
        low = t * (np.array(end, np.float32) - np.array(start, np.float32)) + np.array(start, np.float32)
        if background.clouds:
            i, j = _pick(scene.seed, 1, 120), _pick(scene.seed, 2, 120)
            low += background.clouds * cv2.resize(_bank()[1][i:i + 6, j:j + 6], (columns, rows))
        low = (low + 0.5).clip(0, 255).astype(np.uint8)
        cv2.resize(low, (width, height), dst=picture, interpolation=cv2.INTER_LINEAR)
    if background.pattern:
        _tint(picture, _pattern(background, height, width, scene.seed), background.ink)
    return picture


def _grain(picture, amplitude, seed):
    """Noise over everything, in place."""
    bank, factor, block = _bank()[0], amplitude / 32, 512
    for k, y in enumerate(range(0, picture.shape[0], block)):
        for l, x in enumerate(range(0, picture.shape[1], block)):
            part = picture[y:y + block, x:x + block]
            height, width = part.shape[:2]
            i = _pick(seed, 64 * k + 2 * l + 16, BANK - height)
            j = _pick(seed, 64 * k + 2 * l + 17, BANK - width)
            cv2.addWeighted(part, 1, bank[i:i + height, j:j + width], factor, -128 * factor, dst=part)


def draw(scene, assets):
    """A scene as uint8 [height, width, 3], RGB, before any JPEG."""
    picture = _background(scene)
    for item in scene.items:
        _DRAW[item.kind](picture, item, assets)
    if scene.blur > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), scene.blur)
    if scene.background.grain:
        _grain(picture, scene.background.grain, scene.seed)
    return picture


def jpeg(picture, quality):
    """What a JPEG file of this quality, with colours at half size, does to a picture."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (
        cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420))
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
