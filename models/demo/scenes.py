"""Scenes of coloured shapes, and the pictures drawn from them.

A scene is a list of things with a shape, a colour and a place in pixels. Every
shape is a signed distance function, so one piece of code draws a file on a CPU
and thousands of training pictures a second on a card.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "diamond", "moon")
PLURALS = ("circles", "squares", "triangles", "stars", "hearts", "crosses", "diamonds", "moons")

# A colour is any mix of two of its anchors, plus a little jitter.
COLOURS = {
    "red": ((255, 0, 0), (220, 35, 35), (200, 20, 40)),
    "orange": ((255, 165, 0), (255, 120, 0), (240, 140, 30)),
    "yellow": ((255, 255, 0), (250, 215, 30), (255, 235, 80)),
    "green": ((0, 128, 0), (0, 220, 0), (60, 190, 70), (30, 110, 50)),
    "blue": ((0, 0, 255), (30, 90, 220), (30, 144, 255), (20, 40, 150)),
    "purple": ((128, 0, 128), (150, 60, 200), (100, 40, 160)),
    "pink": ((255, 192, 203), (255, 105, 180), (250, 150, 200)),
    "brown": ((139, 69, 19), (120, 70, 30), (101, 67, 33)),
    "black": ((0, 0, 0), (30, 30, 30)),
    "white": ((255, 255, 255), (240, 240, 240)),
}
COLOUR_NAMES = tuple(COLOURS)
MAX_THINGS = 5
_ANY_ANGLE = {"circle", "star", "triangle"}


class Thing(NamedTuple):
    shape: int      # index into SHAPES
    colour: int     # index into COLOUR_NAMES
    x: float        # centre, pixels
    y: float
    radius: float   # pixels
    angle: float    # radians
    rgb: tuple      # 0..255
    outline: float  # width of a darker rim, in radii; 0 means none


class Background(NamedTuple):
    start: tuple    # rgb at one side
    end: tuple      # rgb at the other; equal to `start` when plain
    angle: float    # direction of the gradient, radians
    clouds: float   # amplitude of slow noise, in grey levels
    grain: float    # amplitude of noise per pixel


class Scene(NamedTuple):
    width: int
    height: int
    things: tuple
    background: Background
    quality: int    # JPEG quality; 0 means the picture is a PNG


def _mix(rng, anchors, jitter):
    a, b = rng.choice(anchors), rng.choice(anchors)
    t = rng.random()
    return tuple(min(255.0, max(0.0, p + (q - p) * t + rng.uniform(-jitter, jitter)))
                 for p, q in zip(a, b))


def _far(a, b, least):
    # Distance with a weight on green, roughly as the eye sees it.
    return 2 * (a[0] - b[0]) ** 2 + 4 * (a[1] - b[1]) ** 2 + 3 * (a[2] - b[2]) ** 2 > 9 * least ** 2


def _background_colour(rng, colours):
    for _ in range(50):
        kind = rng.random()
        if kind < 0.35:
            grey = rng.uniform(232, 255)
            rgb = (grey, grey, grey)
        elif kind < 0.5:
            grey = rng.uniform(0, 232)
            rgb = (grey, grey, grey)
        elif kind < 0.75:
            rgb = tuple(rng.uniform(170, 255) for _ in range(3))
        else:
            rgb = tuple(rng.uniform(0, 255) for _ in range(3))
        if all(_far(rgb, c, 60) for c in colours):
            return rgb
    return rgb


def _sample_background(rng, colours):
    start = _background_colour(rng, colours)
    end = start
    if rng.random() < 0.3:
        other = _background_colour(rng, colours)
        t = rng.uniform(0.2, 1.0)
        mixed = tuple(p + (q - p) * t for p, q in zip(start, other))
        if all(_far(mixed, c, 60) for c in colours):
            end = mixed
    clouds = rng.uniform(2, 14) if rng.random() < 0.25 else 0.0
    grain = rng.uniform(1, 10) if rng.random() < 0.35 else 0.0
    return Background(start, end, rng.uniform(0, 2 * math.pi), clouds, grain)


def _sample_kinds(rng, count):
    """Shapes and colours of `count` things: sometimes free, often repeated, so
    that there is something to count."""
    style = rng.random()
    shapes = list(range(len(SHAPES)))
    colours = list(range(len(COLOUR_NAMES)))
    if style < 0.4:
        pass
    elif style < 0.6:
        colours = rng.sample(colours, 2)
        shapes = rng.sample(shapes, 2)
    elif style < 0.75:
        shapes = rng.sample(shapes, 1)
        colours = rng.sample(colours, 2)
    elif style < 0.9:
        colours = rng.sample(colours, 1)
        shapes = rng.sample(shapes, 2)
    else:
        colours = rng.sample(colours, 1)
        shapes = rng.sample(shapes, 1)
    return [(rng.choice(shapes), rng.choice(colours)) for _ in range(count)]


def _sample_places(rng, width, height, count, size):
    """Centres and radii in pixels that do not touch."""
    short = min(width, height)
    for shrink in (1.0, 0.85, 0.7, 0.55, 0.45, 0.35):
        places = []
        for _ in range(count):
            for _ in range(25):
                r = short * shrink * rng.uniform(*size)
                x = rng.uniform(1.1 * r, width - 1.1 * r)
                y = rng.uniform(1.1 * r, height - 1.1 * r)
                if all((x - a) ** 2 + (y - b) ** 2 > (1.12 * (r + s)) ** 2 for a, b, s in places):
                    places.append((x, y, r))
                    break
            else:
                break
        if len(places) == count:
            return places
    return places


def sample_scene(rng, width, height, count=None, kinds=None, min_radius=0.075):
    """A random scene. `kinds` fixes the (shape, colour) pairs."""
    if kinds is None:
        if count is None:
            count = rng.choices((0, 1, 2, 3, 4, 5), (2, 24, 26, 18, 16, 14))[0]
        kinds = _sample_kinds(rng, count)
    count = len(kinds)
    largest = (0.42, 0.42, 0.27, 0.23, 0.2, 0.18)[count]
    smallest = min(largest, max(min_radius, 0.1 if count < 3 else min_radius))
    if rng.random() < 0.3:  # things of about one size
        middle = rng.uniform(smallest, largest)
        smallest, largest = 0.95 * middle, middle
    places = _sample_places(rng, width, height, count, (smallest, largest))
    colours = {}
    things = []
    rim = rng.uniform(0.06, 0.16) if rng.random() < 0.2 else 0.0
    for (shape, colour), (x, y, r) in zip(kinds, places):
        if colour not in colours or rng.random() < 0.2:
            colours[colour] = _mix(rng, COLOURS[COLOUR_NAMES[colour]], 8)
        turn = math.pi if SHAPES[shape] in _ANY_ANGLE and rng.random() < 0.5 else 0.2
        things.append(Thing(shape, colour, x, y, r, rng.uniform(-turn, turn), colours[colour], rim))
    background = _sample_background(rng, [t.rgb for t in things])
    quality = rng.randint(40, 95) if rng.random() < 0.5 else 0
    return Scene(width, height, tuple(things), background, quality)


def sample_pair(rng, sizes):
    """Two scenes for questions about both. A third of the time one thing each,
    equal in half of these and else nearly equal."""
    (w0, h0), (w1, h1) = sizes
    if rng.random() > 0.35:
        return sample_scene(rng, w0, h0), sample_scene(rng, w1, h1)
    shape, colour = rng.randrange(len(SHAPES)), rng.randrange(len(COLOUR_NAMES))
    other = [shape, colour]
    change = rng.random()
    if change < 0.35:
        other[0] = rng.randrange(len(SHAPES))
    if 0.2 < change < 0.55:
        other[1] = rng.randrange(len(COLOUR_NAMES))
    return sample_scene(rng, w0, h0, kinds=[(shape, colour)]), sample_scene(rng, w1, h1, kinds=[tuple(other)])


# ---- Signed distances -------------------------------------------------------
# x, y in radii, y downwards; negative inside.

def _circle(x, y):
    return (x * x + y * y).sqrt() - 0.92


def _square(x, y):
    return torch.maximum(x.abs(), y.abs()) - 0.8


def _triangle(x, y):
    return torch.maximum(y - 0.75, (1.75 * x.abs() - 0.95 * (y + 1)) / 1.991)


def _star(x, y):
    sector = 2 * math.pi / 5
    r = (x * x + y * y).sqrt()
    a = torch.atan2(x, -y)
    a = ((a + sector / 2) - sector * torch.floor((a + sector / 2) / sector) - sector / 2).abs()
    px, py = r * a.cos(), r * a.sin()
    ix, iy = 0.42 * math.cos(sector / 2), 0.42 * math.sin(sector / 2)
    length = math.hypot(1 - ix, iy)
    return ((px - 1) * iy + py * (1 - ix)) / length


def _heart(x, y):
    h, c = 0.83, 0.12
    x = x.abs()
    body = (x + (y - c).abs() - h) / math.sqrt(2)
    lobe = ((x - h / 2) ** 2 + (y - (c - h / 2)) ** 2).sqrt() - h / math.sqrt(2)
    return torch.minimum(body, lobe)


def _cross(x, y):
    x, y = x.abs(), y.abs()
    return torch.maximum(torch.minimum(x, y) - 0.3, torch.maximum(x, y) - 0.92)


def _diamond(x, y):
    return (1.5 * x.abs() + y.abs() - 1) / 1.803


def _moon(x, y):
    outer = (x * x + y * y).sqrt() - 0.95
    inner = 0.78 - ((x - 0.48) ** 2 + y * y).sqrt()
    return torch.maximum(outer, inner)


_DISTANCES = (_circle, _square, _triangle, _star, _heart, _cross, _diamond, _moon)
# Fields of a thing in the tensor that `pack` makes.
FIELDS = 11


def pack(scenes):
    """Scenes of one size as tensors: things [n, MAX_THINGS, FIELDS] and
    backgrounds [n, 9], float32. An absent thing has radius 0."""
    things = torch.zeros(len(scenes), MAX_THINGS, FIELDS)
    backgrounds = torch.zeros(len(scenes), 9)
    for i, scene in enumerate(scenes):
        if scene.things:
            things[i, :len(scene.things)] = torch.tensor(
                [(t.shape, t.x, t.y, t.radius, math.cos(t.angle), math.sin(t.angle),
                  *t.rgb, t.outline, t.colour) for t in scene.things])
        b = scene.background
        backgrounds[i] = torch.tensor((*b.start, *b.end, b.angle, b.clouds, b.grain))
    return things, backgrounds


def distance(thing, x, y, shapes=None):
    """Signed distance in radii of every point to one thing of each picture.

    thing [n, FIELDS]; x and y [1, p], in pixels; result [n, p]. `shapes`
    limits which shapes are tried (a set of indices)."""
    field = lambda i: thing[:, i, None]
    radius = field(3).clamp_min(1e-3)
    dx, dy = (x - field(1)) / radius, (y - field(2)) / radius
    px, py = field(4) * dx + field(5) * dy, field(4) * dy - field(5) * dx
    result = torch.full_like(px, 1e3)
    for i, function in enumerate(_DISTANCES):
        if shapes is None or i in shapes:
            result = torch.where(field(0) == i, function(px, py), result)
    return torch.where(field(3) > 0, result, 1e3)


def stamp(planes, thing, x, y, shapes=None):
    """Puts one thing of each picture onto `planes` [n, 3, p]."""
    radius, rim = thing[:, 3, None].clamp_min(1e-3), thing[:, 9, None]
    pixels = distance(thing, x, y, shapes) * radius
    inside = (0.5 - pixels).clamp(0, 1)
    shade = torch.where((rim > 0) & (pixels > -rim * radius), 0.6, 1.0)
    return planes + (thing[:, 6:9, None] * shade[:, None] - planes) * inside[:, None]


def points(height, width, device):
    """The centres of the pixels, x and y each [1, height * width]."""
    y, x = torch.meshgrid(torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5, indexing="ij")
    return x.reshape(1, -1), y.reshape(1, -1)


def paint(things, backgrounds, clouds, grain, height, width, shapes=None, stamp=stamp):
    """Pictures [n, 3, height, width], float32 in 0..255.

    clouds and grain, likewise, are unit noise. `stamp` may be a compiled
    version of the function above."""
    x, y = points(height, width, things.device)
    column = lambda i: backgrounds[:, i, None]
    t = 0.5 + ((x / width - 0.5) * column(6).cos() + (y / height - 0.5) * column(6).sin()) / math.sqrt(2)
    start, end = backgrounds[:, 0:3, None], backgrounds[:, 3:6, None]
    planes = start + (end - start) * t[:, None] + backgrounds[:, 7, None, None] * clouds.flatten(2)
    for k in range(things.shape[1]):
        planes = stamp(planes, things[:, k], x, y, shapes and shapes[k])
    return (planes + backgrounds[:, 8, None, None] * grain.flatten(2)).clamp(0, 255).unflatten(2, (height, width))


def noise(count, height, width, device, generator):
    """Slow and fast unit noise, each [count, 3, height, width]."""
    slow = torch.randn(count, 3, 6, 6, device=device, generator=generator)
    slow = F.interpolate(slow, (height, width), mode="bilinear")
    fast = torch.randn(count, 3, height, width, device=device, generator=generator)
    return slow, fast


def draw(scene, seed):
    """One scene as a uint8 tensor [height, width, 3] on the CPU."""
    things, backgrounds = pack([scene])
    count = len(scene.things)
    generator = torch.Generator().manual_seed(seed)
    clouds, grain = noise(1, scene.height, scene.width, "cpu", generator)
    picture = paint(things[:, :count], backgrounds, clouds, grain, scene.height, scene.width,
                    [{t.shape} for t in scene.things])
    return picture[0].round().to(torch.uint8).permute(1, 2, 0).contiguous()


# ---- JPEG on the card -------------------------------------------------------

_LUMA = torch.tensor([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99], dtype=torch.float32).view(8, 8)
_CHROMA = torch.full((8, 8), 99.0)
_CHROMA[:4, :4] = torch.tensor([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]])
_DCT = torch.tensor([[math.sqrt((1 if k == 0 else 2) / 8) * math.cos((2 * i + 1) * k * math.pi / 16)
                      for i in range(8)] for k in range(8)])


def _quantise(plane, table):
    n, h, w = plane.shape
    dct = _DCT.to(plane.device)
    blocks = plane.view(n, h // 8, 8, w // 8, 8).transpose(2, 3)
    levels = (dct @ blocks @ dct.T / table).round() * table
    return (dct.T @ levels @ dct).transpose(2, 3).reshape(n, h, w)


def jpeg(picture, quality):
    """What a JPEG file of `quality` [n] does to `picture` [n, 3, h, w], with
    the colours at half size."""
    n, _, h, w = picture.shape
    padded = F.pad(picture, (0, -w % 16, 0, -h % 16), mode="replicate")
    r, g, b = padded.unbind(1)
    luma = 0.299 * r + 0.587 * g + 0.114 * b - 128
    chroma = F.avg_pool2d(torch.stack((0.564 * (b - luma - 128), 0.713 * (r - luma - 128)), 1), 2)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None, None, None]
    luma = _quantise(luma, (_LUMA.to(picture.device) * scale).round().clamp(1, 255)) + 128
    table = (_CHROMA.to(picture.device) * scale).round().clamp(1, 255)
    blue, red = (F.interpolate(_quantise(c, table)[:, None], scale_factor=2, mode="bilinear")[:, 0]
                 for c in chroma.unbind(1))
    out = torch.stack((luma + 1.403 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.773 * blue), 1)
    return out[:, :, :h, :w].clamp(0, 255)
