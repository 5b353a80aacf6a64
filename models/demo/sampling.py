"""Samples scenes: what is in a picture, where, and how it is drawn.

Every sampler takes a width and a height and works for any of at least 200
pixels. Nothing here draws, and nothing but `rng` (a random.Random) decides.

A split says what a scene may be made of: "train"; "test", with digits and
words held out of training; "openmoji" and "fonts", test scenes in the emoji
set and in the fonts that training never sees.
"""

import math

from tiles import TILE, choose_grid
from world import COLOUR_NAMES, COLOURS, SHAPES, THINGS, Background, Item, Look, Scene

COLOURED_SETS = 10  # the first so many of the pack: emoji as people send them; the others are variants and pictograms
_RANGE = tuple(range(len(SHAPES))), tuple(range(len(COLOUR_NAMES)))
_ANCHORS = tuple(COLOURS.values())
_ANY_ANGLE = frozenset(SHAPES.index(s) for s in ("circle", "star", "triangle"))
_DEGREE = math.pi / 180
_SAME_IN_BOTH_CASES = frozenset("cosuvwxz")  # letters whose capitals only are larger


# ---- What there is to draw with ---------------------------------------------

class Kit:
    """What a split may use of the assets."""

    def __init__(self, assets, split):
        self.assets = assets
        sets = range(assets.train_sets) if split != "openmoji" else (len(assets.sets) - 1,)
        sprites = assets.sprites
        # Pictograms teach what a thing's outline is, but the coloured sets are what people send.
        often = lambda s: 5 if s < COLOURED_SETS else 2 if split == "train" or split == "fonts" else 0
        self.sources = [tuple(s for s in sets if sprites[s][t] is not None for _ in range(often(s) if split != "openmoji" else 1))
                        for t in range(len(THINGS))]
        self.things = tuple(t for t, s in enumerate(self.sources) if s)
        images, labels, train = assets.digits
        self.train = wanted = split == "train"
        self.digits = [[i for i in range(len(labels)) if int(labels[i]) == d and bool(train[i]) == wanted] for d in range(10)]
        self.fonts = range(assets.train_fonts) if split != "fonts" else range(assets.train_fonts, len(assets.fonts))
        self.words = tuple(assets.words[0 if wanted else 1])
        self.random_letters = 0.45 if wanted else 0.0
        self._edges = {}

    def edge(self, source, thing):
        """Mean colour along a sprite's silhouette, which is what has to stand
        out from the background."""
        key = source * 1000 + thing
        if key not in self._edges:
            sprite = self.assets.sprites[source][thing]
            solid = sprite[:, :, 3] > 128
            inner = solid.copy()
            step = 1 + sprite.shape[0] // 20
            for axis in (0, 1):
                for move in (step, -step):
                    rolled = _shifted(solid, move, axis)
                    inner &= rolled
            ring = solid & ~inner
            pixels = sprite[ring if ring.any() else solid][:, :3]
            self._edges[key] = tuple(float(v) for v in pixels.mean(0)) if len(pixels) else (128.0, 128.0, 128.0)
        return self._edges[key]


def _shifted(mask, move, axis):
    moved = mask.copy()
    moved[...] = False
    count = mask.shape[axis]
    here = [slice(None), slice(None)]
    there = [slice(None), slice(None)]
    here[axis] = slice(max(0, move), count + min(0, move))
    there[axis] = slice(max(0, -move), count + min(0, -move))
    moved[tuple(here)] = mask[tuple(there)]
    return moved


_KITS = {}


def _kit(assets, split):
    kit = _KITS.get((id(assets), split))
    if kit is None or kit.assets is not assets:
        kit = _KITS[id(assets), split] = Kit(assets, split)
    return kit


# ---- Colours and backgrounds ------------------------------------------------

def _mix(rng, anchors, jitter):
    a, b = rng.choice(anchors), rng.choice(anchors)
    t = rng.random()
    return tuple([min(255.0, max(0.0, p + (q - p) * t + rng.uniform(-jitter, jitter))) for p, q in zip(a, b)])


def _far(a, b, least):
    # Distance with a weight on green, roughly as the eye sees it.
    return 2 * (a[0] - b[0]) ** 2 + 4 * (a[1] - b[1]) ** 2 + 3 * (a[2] - b[2]) ** 2 > 9 * least * least


def luma(rgb):
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def _background_colour(rng, away):
    """`away` holds (rgb, least distance)."""
    random = rng.random
    for _ in range(30):
        kind = random()
        if kind < 0.4:
            grey = 228 + 27 * random()
            rgb = (grey, grey, grey)
        elif kind < 0.52:
            grey = 228 * random()
            rgb = (grey, grey, grey)
        elif kind < 0.78:
            rgb = (170 + 85 * random(), 170 + 85 * random(), 170 + 85 * random())
        else:
            rgb = (255 * random(), 255 * random(), 255 * random())
        for colour, least in away:
            if not _far(rgb, colour, least):
                break
        else:
            return rgb
    return rgb


def _background(rng, away, quiet=False):
    """A background that stands off the colours in `away`; a quiet one is light
    or dark all over, so that ink of one kind is legible everywhere."""
    start = end = _background_colour(rng, away)
    random = rng.random
    if random() < 0.35:
        other = _background_colour(rng, away)
        t = 0.2 + 0.8 * random()
        mixed = tuple([p + (q - p) * t for p, q in zip(start, other)])
        if all([_far(mixed, c, least) for c, least in away]) and not (quiet and abs(luma(mixed) - luma(start)) > 50):
            end = mixed
    clouds = rng.uniform(2, 14) if random() < 0.25 else 0.0
    grain = rng.uniform(1, 10) if random() < 0.3 else 0.0
    pattern, ink, period = "", (0, 0, 0), 40.0
    if random() < 0.4:
        pattern = rng.choice(("stripes", "checks", "dots", "rings", "lines"))
        step = rng.uniform(8, 18 if quiet else 30) * (1 if luma(start) < 128 else -1)
        ink = tuple([min(255.0, max(0.0, v + step + 16 * random() - 8)) for v in start])
        if not all([_far(ink, c, 0.8 * least) for c, least in away]):
            pattern = ""
        period = math.exp(rng.uniform(2.5, 4.6))
    return Background(start, end, 6.283 * random(), clouds, grain, pattern, ink, period)


def _finish(rng, width, height, items, away, kit, text=0.0):
    """The scene of `items`. `text` is the height of its smallest capitals."""
    quiet = text > 0
    background = _background(rng, away, quiet)
    if quiet:
        items = [_with_ink(rng, item, background) if item.kind in ("text", "digit") else item for item in items]
    blur = rng.uniform(0.3, 1.5) if rng.random() < 0.1 else 0.0
    quality = rng.randint(40, 95) if rng.random() < 0.5 else 0
    if quiet:
        blur = min(blur, 0.04 * text)
        if text < 24:
            quality = quality and max(quality, 65)
            background = background._replace(grain=min(background.grain, 5.0), clouds=min(background.clouds, 8.0))
    return Scene(width, height, tuple(items), background, blur, quality, rng.getrandbits(31))


def _ink(rng, low, high):
    """A colour whose luminance is at least 90 off everything in low..high."""
    dark = low > 128 if abs(low - (255 - high)) < 60 and rng.random() < 0.5 and low > 100 and high < 155 else low > 255 - high
    random = rng.random
    if random() < 0.55:
        for _ in range(12):
            rgb = (255 * random(), 255 * random(), 255 * random())
            level = luma(rgb)
            if level < low - 90 if dark else level > high + 90:
                return rgb
    grey = 45 * random() if dark else 210 + 45 * random()
    if not (grey < low - 90 if dark else grey > high + 90):
        grey = 0.0 if dark else 255.0
    return (grey, grey, grey)


def _with_ink(rng, item, background):
    if item.look.plate:
        low = high = luma(item.look.plate)
    else:
        a, b = luma(background.start), luma(background.end)
        low, high = min(a, b), max(a, b)
        if background.pattern:
            c = luma(background.ink)
            low, high = min(low, c), max(high, c)
    return item._replace(rgb=_ink(rng, low, high))


def _plate(rng):
    while True:
        rgb = _background_colour(rng, ())
        level = luma(rgb)
        if level < 120 or level > 135:
            return rgb


# ---- Looks ------------------------------------------------------------------

def _thing_look(rng, kit, thing):
    random = rng.random
    sources = kit.sources[thing]
    source = sources[int(random() * len(sources))]
    hue = rng.uniform(-12, 12) if random() < 0.8 else 0.0
    saturation = rng.uniform(0.6, 1.4)
    brightness = rng.uniform(0.75, 1.2)
    outline = rng.uniform(1, 3.5) if random() < 0.25 else 0.0
    levels = rng.randint(4, 8) if random() < 0.15 else 0
    draw = random()
    if draw < 0.12:  # flat colours in a strong black line, as some emoji sets are drawn
        outline, levels, saturation = rng.uniform(2.5, 5), rng.randint(3, 4), rng.uniform(1.1, 1.7)
    elif draw < 0.18:
        saturation = 0.1
    shadow = rng.uniform(2, 7) if random() < 0.2 else 0.0
    stretch = rng.uniform(0.85, 1.18) if random() < 0.3 else 1.0
    return Look(source, random() < 0.5, hue, saturation, brightness, outline, levels, shadow, stretch)


def _thing_angle(rng):
    draw = rng.random()
    return 0.0 if draw < 0.3 else _DEGREE * (rng.uniform(-20, 20) if draw < 0.9 else rng.uniform(-45, 45))


def _shape_look(rng):
    random = rng.random
    return Look(0, False, 0.0, 1.0, 1.0, rng.uniform(1.5, 6) if random() < 0.25 else 0.0, 0,
                rng.uniform(2, 7) if random() < 0.2 else 0.0, rng.uniform(0.92, 1.08) if random() < 0.2 else 1.0)


def _shape_angle(rng, shape):
    turn = math.pi if shape in _ANY_ANGLE and rng.random() < 0.5 else 0.2
    return rng.uniform(-turn, turn)


class _Painter:
    """Makes items of one scene: what is equal looks alike, most of the time."""

    def __init__(self, rng, kit, varied=None):
        self.rng, self.kit = rng, kit
        self.varied = rng.random() < 0.25 if varied is None else varied  # equal things drawn in different styles
        self.looks, self.colours, self.shape_look, self.away = {}, {}, None, []

    def make(self, key, x, y, size, angle=None):
        """`key` is ("thing", name, -1) or ("shape", name, colour)."""
        kind, name, colour = key
        rng = self.rng
        if kind == "thing":
            look = self.looks.get(name)
            if look is None or self.varied:
                look = self.looks[name] = _thing_look(rng, self.kit, name)
                edge = self.kit.edge(look.source, name)
                self.away.append((tuple([v * look.brightness for v in edge]), 40))
            return Item("thing", name, -1, x, y, size, _thing_angle(rng) if angle is None else angle, (0, 0, 0), "", look)
        rgb = self.colours.get(colour)
        if rgb is None or rng.random() < 0.15:
            rgb = self.colours[colour] = _mix(rng, _ANCHORS[colour], 8)
            self.away.append((rgb, 60))
        if self.shape_look is None:
            self.shape_look = _shape_look(rng)
        return Item("shape", name, colour, x, y, size, _shape_angle(rng, name) if angle is None else angle, rgb, "", self.shape_look)


# ---- Places -----------------------------------------------------------------

def _place(rng, width, height, halves, apart=0.0, tries=25, taken=()):
    """Centres of boxes with these half widths and heights that do not touch,
    and that are `apart` from each other in x; None where that fails."""
    order = sorted(range(len(halves)), key=lambda i: -halves[i][0] * halves[i][1])
    placed = list(taken)
    result = [None] * len(halves)
    random = rng.random
    for i in order:
        a, b = halves[i]
        room, rise = width - 2.06 * a, height - 2.06 * b
        if room < 0 or rise < 0:
            return None
        for _ in range(tries):
            x, y = 1.03 * a + room * random(), 1.03 * b + rise * random()
            for u, v, c, d in placed:
                dx, dy = abs(x - u), abs(y - v)
                if dx < apart or (dx < 1.06 * (a + c) and dy < 1.06 * (b + d)):
                    break
            else:
                placed.append((x, y, a, b))
                result[i] = (x, y)
                break
        else:
            return None
    return result


def _sizes(rng, count, low, high):
    draw = rng.random()
    if draw < 0.15:  # all of about one size
        middle = rng.uniform(low, high)
        return [middle * rng.uniform(0.95, 1.05) for _ in range(count)]
    if draw < 0.45 and high > 2 * low and 1 < count < 6:  # large ones and small ones, plain to see
        split = rng.randint(1, count - 1)
        sizes = [rng.uniform(low, 1.2 * low) if i < split else rng.uniform(0.75 * high, high) for i in range(count)]
        rng.shuffle(sizes)
        return sizes
    span = math.log(high / low)
    return [low * math.exp(span * rng.random()) for _ in range(count)]


def _scatter(rng, width, height, count, low, high, apart=0.0):
    """(x, y, size) of `count` items, sizes low..high of the short side."""
    short = min(width, height)
    sizes = [short * s for s in _sizes(rng, count, low, high)]
    while True:
        places = _place(rng, width, height, [(0.55 * s, 0.55 * s) for s in sizes], apart * width)
        if places:
            return [(x, y, s) for (x, y), s in zip(places, sizes)]
        sizes = [0.88 * s for s in sizes]


def _grid(rng, width, height, count):
    """(x, y, size) of `count` items in rows, shaken a little."""
    columns = min(count, max(1, round(math.sqrt(count * width / height) * rng.uniform(0.8, 1.4))))
    rows = -(-count // columns)
    cell_width, cell_height = width / columns, height / rows
    cell = min(cell_width, cell_height)
    cells = sorted(rng.sample(range(columns * rows), count))
    size = cell * rng.uniform(0.5, 0.8)
    size = max(size, min(0.12 * min(width, height), 0.85 * cell))
    shake_x, shake_y = 0.45 * (cell_width - 1.1 * size), 0.45 * (cell_height - 1.1 * size)
    shake = rng.random() ** 2
    result = []
    for i in cells:
        row, column = divmod(i, columns)
        result.append((cell_width * (column + 0.5) + shake_x * shake * rng.uniform(-1, 1),
                       cell_height * (row + 0.5) + shake_y * shake * rng.uniform(-1, 1), size * rng.uniform(0.93, 1.0)))
    return result


# ---- What is in it ----------------------------------------------------------

def _thing_key(rng, kit):
    return ("thing", rng.choice(kit.things), -1)


def _shape_key(rng):
    return ("shape", rng.choice(_RANGE[0]), rng.choice(_RANGE[1]))


def _different(rng, kit, count, things=1.0):
    """`count` different keys; `things` is the part that are things."""
    keys = []
    while len(keys) < count:
        key = _thing_key(rng, kit) if rng.random() < things else _shape_key(rng)
        if key not in keys:
            keys.append(key)
    return keys


def _shape_keys(rng, count):
    """Shapes and colours: sometimes free, often repeated, so that there is
    something to count."""
    style = rng.random()
    shapes, colours = _RANGE
    if style < 0.45:
        pass
    elif style < 0.62:
        colours, shapes = rng.sample(colours, 2), rng.sample(shapes, 2)
    elif style < 0.77:
        shapes, colours = rng.sample(shapes, 1), rng.sample(colours, 2)
    elif style < 0.9:
        colours, shapes = rng.sample(colours, 1), rng.sample(shapes, 2)
    else:
        colours, shapes = rng.sample(colours, 1), rng.sample(shapes, 1)
    return [("shape", rng.choice(shapes), rng.choice(colours)) for _ in range(count)]


def _scene_of(rng, kit, width, height, keys, places):
    painter = _Painter(rng, kit)
    if len({key[0] for key in keys}) == 2:  # a shape fills its square less than a thing: as large, as often
        places = [(x, y, 1.14 * size if key[0] == "shape" else size) for key, (x, y, size) in zip(keys, places)]
    items = [painter.make(key, *place) for key, place in zip(keys, places)]
    return _finish(rng, width, height, items, painter.away, kit)


def thing(rng, width, height, kit):
    (x, y, size), = _scatter(rng, width, height, 1, 0.18, 0.9)
    return _scene_of(rng, kit, width, height, [_thing_key(rng, kit)], [(x, y, size)])


def things(rng, width, height, kit):
    count = rng.choice((2, 2, 3, 3, 4))
    places = _scatter(rng, width, height, count, 0.16, (0.56, 0.45, 0.38)[count - 2], 0.06)
    return _scene_of(rng, kit, width, height, _different(rng, kit, count), places)


def shapes(rng, width, height, kit):
    count = rng.choices((1, 2, 3, 4, 5), (22, 26, 22, 16, 14))[0]
    places = _scatter(rng, width, height, count, 0.16, (0.84, 0.56, 0.46, 0.4, 0.36)[count - 1], 0.06 if rng.random() < 0.7 else 0.0)
    return _scene_of(rng, kit, width, height, _shape_keys(rng, count), places)


def mixed(rng, width, height, kit):
    count = rng.choice((2, 3, 3, 4))
    places = _scatter(rng, width, height, count, 0.16, (0.56, 0.45, 0.38)[count - 2], 0.06)
    while True:
        keys = _different(rng, kit, count, 0.5)
        if len({key[0] for key in keys}) == 2:
            return _scene_of(rng, kit, width, height, keys, places)


_COUNT_HIGH = (0.5, 0.42, 0.36, 0.32, 0.29, 0.27, 0.25, 0.24, 0.22)


def _many(rng, width, height, count):
    if rng.random() < 0.3:
        return _grid(rng, width, height, count)
    high = _COUNT_HIGH[count - 1]
    return _scatter(rng, width, height, count, max(0.11, 0.55 * high), high)


def _countable_keys(rng, kit, count):
    """Keys of `count` items, of one or two kinds, in random order; to learn
    from, also of three or four, and more often any shapes in few colours."""
    draw = rng.random() if kit.train else 1.0
    if draw < 0.2:
        kinds = _different(rng, kit, rng.randint(3, 4), 0.75)
        return [rng.choice(kinds) for _ in range(count)]
    if draw < 0.4:
        colours = rng.sample(_RANGE[1], rng.randint(2, 3))
        return [("shape", rng.choice(_RANGE[0]), rng.choice(colours)) for _ in range(count)]
    style = rng.random()
    if style < 0.4:
        kinds = [_thing_key(rng, kit) if rng.random() < 0.55 else _shape_key(rng)]
    elif style < 0.65:
        kinds = _different(rng, kit, 2, 0.75)
    elif style < 0.78:  # one shape in two colours
        shape = rng.choice(_RANGE[0])
        kinds = [("shape", shape, c) for c in rng.sample(_RANGE[1], 2)]
    elif style < 0.88:  # two shapes of one colour
        colour = rng.choice(_RANGE[1])
        kinds = [("shape", s, colour) for s in rng.sample(_RANGE[0], 2)]
    else:  # any shapes in two colours
        colours = rng.sample(_RANGE[1], 2)
        first = rng.randint(0, count)
        keys = [("shape", rng.choice(_RANGE[0]), colours[i < first]) for i in range(count)]
        rng.shuffle(keys)
        return keys
    first = count if len(kinds) == 1 else rng.randint(0, count)
    keys = [kinds[0]] * first + [kinds[-1]] * (count - first)
    rng.shuffle(keys)
    return keys


def count(rng, width, height, kit):
    number = rng.randint(1, 9)
    return _scene_of(rng, kit, width, height, _countable_keys(rng, kit, number), _many(rng, width, height, number))


def odd(rng, width, height, kit):
    number = rng.randint(3, 7)
    style = rng.random()
    if style < 0.34:
        shape = rng.choice(_RANGE[0])
        same, other = (("shape", shape, c) for c in rng.sample(_RANGE[1], 2))
    elif style < 0.67:
        colour = rng.choice(_RANGE[1])
        same, other = (("shape", s, colour) for s in rng.sample(_RANGE[0], 2))
    else:
        same, other = _different(rng, kit, 2)
    keys = [same] * (number - 1) + [other]
    rng.shuffle(keys)
    if rng.random() < 0.35:
        places = _grid(rng, width, height, number)
    else:
        high = _COUNT_HIGH[number - 1]
        places = _scatter(rng, width, height, number, 0.75 * high, high)
    painter = _Painter(rng, kit, varied=False)
    items = [painter.make(key, *place) for key, place in zip(keys, places)]
    return _finish(rng, width, height, items, painter.away, kit)


def corners(rng, width, height, kit):
    number = rng.choices((1, 2, 3, 4), (30, 30, 20, 20))[0]
    middle = rng.random() < 0.3
    keys = _different(rng, kit, number + middle, 0.5)
    short = min(width, height)
    places = []
    apart = rng.random() < 0.4  # sizes that are plain to compare
    for corner in rng.sample(range(4), number):
        size = short * rng.uniform(0.16, 0.27 if middle else 0.32)
        if apart:
            size = short * (rng.uniform(0.15, 0.17) if rng.random() < 0.5 else rng.uniform(0.25, 0.27 if middle else 0.34))
        x, y = (0.56 * size + rng.random() * 0.05 * side for side in (width, height))
        places.append((width - x if corner % 2 else x, height - y if corner > 1 else y, size))
    if middle:
        places.append((width * rng.uniform(0.47, 0.53), height * rng.uniform(0.47, 0.53), short * rng.uniform(0.16, 0.26)))
    return _scene_of(rng, kit, width, height, keys, places)


def digit(rng, width, height, kit):
    value = rng.randrange(10)
    (x, y, size), = _scatter(rng, width, height, 1, 0.2, 0.9)
    look = Look(source=rng.choice(kit.digits[value]), stretch=rng.uniform(0.85, 1.18) if rng.random() < 0.3 else 1.0,
                soft=rng.random() < 0.25, plate=_plate(rng) if rng.random() < 0.4 else ())
    item = Item("digit", value, -1, x, y, size, _DEGREE * rng.uniform(-10, 10) if rng.random() < 0.5 else 0.0, look=look)
    return _finish(rng, width, height, [item], (), kit, size)


# ---- Print ------------------------------------------------------------------

def _cased(rng, text):
    style = rng.random()
    if set(text) <= _SAME_IN_BOTH_CASES:  # "cos" and "COS" would look alike
        style = 0.5
    return text if style < 0.35 else text.capitalize() if style < 0.62 else text.upper()


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(rng, kit):
    if rng.random() < kit.random_letters:
        while True:
            text = "".join(rng.choices(_LETTERS, k=rng.randint(2, 8)))
            if len(text) == 2 and set(text) <= _SAME_IN_BOTH_CASES:
                continue
            return text.upper() if text[0] in "il" else _cased(rng, text)  # "Iwe" and "lwe" would look alike
    return _cased(rng, rng.choice(kit.words))


def number(rng):
    length = rng.choices(range(1, 9), (4, 10, 16, 18, 16, 14, 12, 10))[0]
    return "".join(rng.choices("0123456789", k=length)) if length > 1 else rng.choice("0123456789")


def price(rng):
    sign = rng.choice("$€£¥")
    draw = rng.random()
    whole = int(10 ** rng.uniform(0, 4 if draw < 0.25 else 3))
    if draw < 0.25:
        return f"{sign}{whole}"
    if draw < 0.33:
        return f"{sign}{rng.randint(1, 99)},{rng.randrange(1000):03d}"
    cents = rng.choice((99, 95, 50, 0)) if rng.random() < 0.4 else rng.randrange(100)
    return f"{sign}{whole}.{cents:02d}"


def _text(rng, kit):
    draw = rng.random()
    return word(rng, kit) if draw < 0.54 else number(rng) if draw < 0.78 else price(rng)


def _text_item(rng, kit, text, low, high, widest):
    """A text at (0, 0) with capitals between `low` and `high` pixels, log-
    uniform, and the half width and height of its box; at most `widest` wide,
    unless `low` is already wider."""
    font = rng.choice(kit.fonts)
    wide, tall = kit.assets.text_box(font, text, 32)
    angle = _DEGREE * rng.uniform(-8, 8) if rng.random() < 0.3 else 0.0
    cos, sin = math.cos(angle), abs(math.sin(angle))
    plate = _plate(rng) if rng.random() < 0.4 else ()
    pad = 14 if plate else 6  # of the plate or of the free space round it, for capitals of 32
    across, down = ((wide + pad) * cos + (tall + pad) * sin) / 64, ((wide + pad) * sin + (tall + pad) * cos) / 64
    high = max(low, min(high, widest / (2 * across)))
    draw = rng.random() ** (1.5 if kit.train else 1)  # the small ones are learnt last
    cap = low * math.exp(draw * math.log(high / low))
    item = Item("text", 0, -1, 0.0, 0.0, cap, angle, (0, 0, 0), text, Look(source=font, plate=plate))
    return item, across * cap, down * cap


LEGIBLE = 14  # pixels of a tile that capitals need to be read: half a visual token


def least_capitals(width, height):
    """The smallest capitals that stay legible when the picture is one tile."""
    return LEGIBLE * max(1.0, max(width, height) / TILE)


def _fitting_text(rng, kit, width, height, low, high, widest):
    while True:
        item, a, b = _text_item(rng, kit, _text(rng, kit), low, high, widest)
        if 2.06 * a < width and 2.06 * b < height:
            return item, a, b


def text(rng, width, height, kit):
    item, a, b = _fitting_text(rng, kit, width, height, least_capitals(width, height), 0.5 * height, 0.94 * width)
    (x, y), = _place(rng, width, height, [(a, b)])
    return _finish(rng, width, height, [item._replace(x=x, y=y)], (), kit, item.size)


def _text_among(rng, width, height, kit, low, high, widest, keys, smallest, largest):
    """A text and items around it."""
    short = min(width, height)
    item, a, b = _fitting_text(rng, kit, width, height, low, high, widest)
    sizes = [short * s for s in _sizes(rng, len(keys), smallest, largest)]
    while True:
        places = _place(rng, width, height, [(a, b)] + [(0.55 * s, 0.55 * s) for s in sizes], 0.03 * width)
        if places:
            break
        sizes = [0.88 * s for s in sizes]
        if sizes and max(sizes) < 0.1 * short:
            return _text_among(rng, width, height, kit, low, 0.8 * high, 0.8 * widest, keys, smallest, largest)
    painter = _Painter(rng, kit)
    items = [painter.make(key, x, y, s) for key, (x, y), s in zip(keys, places[1:], sizes)]
    items.append(item._replace(x=places[0][0], y=places[0][1]))
    return _finish(rng, width, height, items, painter.away, kit, item.size)


def sign(rng, width, height, kit):
    low = least_capitals(width, height)
    keys = _different(rng, kit, rng.choice((1, 1, 2)))
    return _text_among(rng, width, height, kit, low, 0.25 * height, 0.85 * width, keys, 0.2, 0.5)


def print_(rng, width, height, kit):
    columns, rows = choose_grid(width, height)
    low = LEGIBLE * max(1.0, width / (columns * TILE), height / (rows * TILE))
    high = max(low, (SMALL - 1) * max(width, height) / TILE)
    keys = _different(rng, kit, rng.choice((0, 1, 2, 3)), 0.6)
    return _text_among(rng, width, height, kit, low, min(2 * low, high), 0.5 * width, keys, 0.2, 0.45)


SMALL = 9  # small print has capitals of less than about so many pixels in a single tile, other print of more

_SAMPLERS = {"thing": thing, "things": things, "shapes": shapes, "mixed": mixed, "count": count, "odd": odd, "corners": corners,
             "digit": digit, "text": text, "sign": sign, "print": print_}


SCENES = tuple(_SAMPLERS)


def sample(rng, name, width, height, assets, split="train"):
    return _SAMPLERS[name](rng, width, height, _kit(assets, split))


# ---- Several pictures -------------------------------------------------------

def _same(rng, sizes, kit):
    first = _different(rng, kit, 1, 0.65)[0]
    second = first
    if rng.random() < 0.5:
        kind, name, colour = first
        draw = rng.random()
        while second == first:
            if kind == "shape" and draw < 0.35:
                second = (kind, rng.choice(_RANGE[0]), colour)
            elif kind == "shape" and draw < 0.7:
                second = (kind, name, rng.choice(_RANGE[1]))
            else:
                second = _different(rng, kit, 1, 0.8 if kind == "thing" else 0.3)[0]
    if rng.random() < 0.4:
        return _two_views(rng, sizes, kit, (first,), (second,))
    return tuple(_scene_of(rng, kit, w, h, [key], _scatter(rng, w, h, 1, 0.25, 0.85)) for key, (w, h) in zip((first, second), sizes))


def _changed(rng, sizes, kit):
    """Items at kept places, one of them gone, new, another or recoloured; or
    nothing of the kind."""
    number = rng.choices((1, 2, 3, 4), (18, 36, 34, 12))[0]
    keys = _different(rng, kit, number, 0.6)
    extra = rng.random()
    change = "recoloured" if extra < 0.18 else "gone" if extra < 0.48 else "added" if extra < 0.68 else "replaced" if extra < 0.86 else ""
    if number == 1 and change in ("gone", "added"):  # no empty pictures
        change = "replaced" if extra < 0.5 else "recoloured"
    before, after = list(keys), list(keys)
    at = rng.randrange(number)
    if change == "recoloured":
        names = rng.sample(_RANGE[0], number)  # every shape but once
        keys = [("shape", names[i], k[2]) if k[0] == "shape" else k for i, k in enumerate(keys)]
        colours = rng.sample(_RANGE[1], 2)
        before, after = list(keys), list(keys)
        before[at], after[at] = (("shape", names[at], c) for c in colours)
    elif change == "gone":
        after[at] = None
    elif change == "added":
        before[at] = None
    elif change == "replaced":
        spare = _different(rng, kit, 1, 0.6)[0]
        while spare in keys:
            spare = _different(rng, kit, 1, 0.6)[0]
        after[at] = spare
    return _two_views(rng, sizes, kit, before, after)


def _two_views(rng, sizes, kit, before, after):
    """Two pictures with items at the same places; None is an empty place."""
    number = len(before)
    w, h = sizes[0]
    places = _scatter(rng, w, h, number, 0.2 if number == 1 else 0.16, (0.8, 0.45, 0.36, 0.3)[number - 1], 0.07)
    painter = _Painter(rng, kit, varied=False)
    moved = 0.0 if rng.random() < 0.4 else 0.04
    still, angles = rng.random() < 0.5, {}  # mostly the very same drawing
    result = []
    for (width, height), here in zip(sizes, (before, after)):
        scale = min(width / w, height / h)
        items = []
        for key, (x, y, size) in zip(here, places):
            if key:
                shake = 0.0 if rng.random() < 0.4 else moved
                x2, y2 = ((v / a * b) + shake * size * scale * rng.uniform(-1, 1) for v, a, b in ((x, w, width), (y, h, height)))
                item = painter.make(key, x2, y2, size * scale * (1 + shake * rng.uniform(-1, 1)))
                items.append(item._replace(angle=angles.setdefault(key, item.angle)) if still else item)
        result.append((width, height, items))
    first = _finish(rng, *result[0], painter.away, kit)
    if before == after and sizes[0] == sizes[1] and rng.random() < 0.3:
        return first, first._replace()  # the same picture twice
    second = _finish(rng, *result[1], painter.away, kit)
    if rng.random() < 0.6:
        second = second._replace(background=first.background)
    return first, second


def _more(rng, sizes, kit):
    """Counts of one or two kinds, one strictly the most or all equal."""
    most = rng.randint(1, 7)
    counts = [most] * len(sizes)
    equal = rng.random() < 0.12
    if not equal:
        counts = [rng.randint(0 if most > 1 and rng.random() < 0.2 else 1, most - 1) if most > 1 else 0 for _ in sizes]
        if rng.random() < 0.35:
            counts = [most - 1] * len(sizes)
        counts[rng.randrange(len(sizes))] = most
    two = not equal and rng.random() < 0.45 or 0 in counts
    kinds = _different(rng, kit, 2, 0.65)
    while kinds[0][0] == kinds[1][0] == "shape" and (kinds[0][1] == kinds[1][1] or kinds[0][2] == kinds[1][2]):
        kinds = _different(rng, kit, 2, 0.65)  # kinds that are plain to tell apart
    result = []
    for number, (w, h) in zip(counts, sizes):
        others = rng.randint(1 if number == 0 else 0, min(3, 9 - number)) if two else 0
        keys = [kinds[0]] * number + [kinds[1]] * others
        rng.shuffle(keys)
        result.append(_scene_of(rng, kit, w, h, keys, _many(rng, w, h, len(keys))))
    return tuple(result)


def _nth(rng, sizes, kit):
    result = []
    for w, h in sizes:
        number = rng.choice((1, 1, 1, 2, 2, 3))
        places = _scatter(rng, w, h, number, 0.2, (0.85, 0.55, 0.42)[number - 1], 0.06)
        result.append(_scene_of(rng, kit, w, h, _different(rng, kit, number, 0.7), places))
    return tuple(result)


_SETS = {2: (("same", _same, 26), ("changed", _changed, 55), ("more", _more, 22), ("nth", _nth, 22)),
         3: (("more", _more, 45), ("nth", _nth, 55))}


def sample_set(rng, sizes, assets, split="train", name=None):
    """(name, scenes) for questions about two or three pictures of these sizes."""
    choices = [c for c in _SETS[len(sizes)] if name in (None, c[0])]
    name, sampler, _ = rng.choices(choices, [c[2] for c in choices])[0]
    return name, sampler(rng, sizes, _kit(assets, split))


def prepare(assets):
    """Looks at all sprites now, for processes that are forked later."""
    for split in ("train", "test"):
        kit = _kit(assets, split)
        for thing, sources in enumerate(kit.sources):
            for source in sources:
                kit.edge(source, thing)
