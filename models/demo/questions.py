"""What can be asked about scenes, so that the answer is certain.

A maker looks at the facts of one scene (or of several) and finds something to
ask, or returns None where the scene does not allow it. Nothing here is in any
language.
"""

from typing import NamedTuple

from answers import LANGUAGES, OPPOSITE
from sampling import SMALL
from world import COLOUR_NAMES, SHAPES, THINGS

TALK = tuple(LANGUAGES["en"].talk)
# "Can you read?" beside a picture asks for what is written there.
_TALK_BESIDE_PICTURES = tuple(key for key in TALK if key not in ("talk_read", "talk_count", "talk_things", "talk_pictures", "talk_able", "talk_how"))
_THINGS = tuple(("thing", i, -1) for i in range(len(THINGS)))
SHAPE_TERMS = tuple(("shape", i, -1) for i in range(len(SHAPES)))
_COLOURED = tuple(("shape", i, c) for i in range(len(SHAPES)) for c in range(len(COLOUR_NAMES)))
_ODD_SHAPES = tuple(t for t in SHAPE_TERMS if SHAPES[t[1]] not in ("circle", "square"))  # things rarely look like these
_COLOURS = tuple(("colour", -1, c) for c in range(len(COLOUR_NAMES)))


class Found(NamedTuple):
    """Something to ask: the key and slots of the question, the method and
    arguments of the answer, and the item and its name that "it" would be. What
    a follow-up asks in full is `asked`, a key and slots."""
    kind: str
    key: str
    slots: dict
    says: str
    args: tuple
    spelled: str = ""
    it: object = None
    called: tuple = ()
    asked: tuple = ()


# ---- Facts ------------------------------------------------------------------

class Facts:
    """What is certain about one scene."""

    def __init__(self, scene):
        self.scene = scene
        self.items = [i for i in scene.items if i.kind == "thing" or i.kind == "shape"]
        self.keys = [i[:3] for i in self.items]
        self.terms = terms = {}  # how many items a term fits
        for key in self.keys:
            terms[key] = terms.get(key, 0) + 1
            if key[0] == "shape":
                for term in (("shape", key[1], -1), ("colour", -1, key[2])):
                    terms[term] = terms.get(term, 0) + 1
        self.written = next((i for i in scene.items if i.kind == "text"), None)
        self.digit = next((i for i in scene.items if i.kind == "digit"), None)
        self.plain = self.written is None and self.digit is None
        self.small = self.written is not None and is_small(scene, self.written)

    def listed(self):
        """The items from left to right, or None where the order is not plain,
        where two are equal or where there is print."""
        if not self.plain or not self.items or len(self.items) > 4 or len(set(self.keys)) < len(self.keys):
            return None
        order = sorted(self.items, key=lambda i: i.x)
        least = 0.055 * self.scene.width
        if any([b.x - a.x < least for a, b in zip(order, order[1:])]):
            return None
        return [i[:3] for i in order]

    def mention(self, rng, item, bare=0.5):
        """A term that fits this item alone, or None."""
        kind, name, colour = item[:3]
        if kind == "shape" and self.terms[kind, name, -1] == 1 and rng.random() < bare:
            return kind, name, -1
        return item[:3] if self.terms[item[:3]] == 1 else None

    def corner(self, item, part=0.32):
        """The corner that the item is in, or None."""
        x, y = item.x / self.scene.width, item.y / self.scene.height
        if part < x < 1 - part or part < y < 1 - part:
            return None
        return (x > 0.5) + 2 * (y > 0.5)


def is_small(scene, text):
    """Whether a text is too small to read when the picture is one tile."""
    longest = max(scene.width, scene.height)
    return longest > 448 and text.size * 448 < (SMALL + 0.5) * longest


def side_of(a, b):
    """Where a lies as seen from b, or None where it is not plain."""
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) > 1.7 * abs(dy):
        return 0 if dx < 0 else 1
    if abs(dy) > 1.7 * abs(dx):
        return 2 if dy < 0 else 3
    return None


# Of the square that holds a shape: the longer side of what is drawn in it, and
# the square root of its area. A thing touches its square.
_DRAWN = {"circle": (0.83, 0.74), "square": (0.73, 0.73), "triangle": (0.85, 0.58), "star": (0.85, 0.50), "heart": (0.91, 0.71),
          "cross": (0.83, 0.61), "diamond": (0.91, 0.53), "moon": (0.86, 0.53)}
_DRAWN = tuple(_DRAWN[shape] for shape in SHAPES)


def times_larger(a, b):
    """How many times larger than b the item a is drawn, by length and by area:
    the lesser."""
    (c, d), (e, f) = (_DRAWN[i.name] if i.kind == "shape" else (1.0, 0.65) for i in (a, b))
    ratio = a.size / b.size
    return ratio * min(c / e, d / f)


CLEARLY = 1.35  # so many times larger is plain to see

_LAST = {}


def facts_of(scene):
    # A scene is asked about several times in a row.
    facts = _LAST.get(id(scene))
    if facts is None or facts.scene is not scene:
        if len(_LAST) > 64:
            _LAST.clear()
        facts = _LAST[id(scene)] = Facts(scene)
    return facts


def absent(rng, facts, coloured=True):
    """A term for something plausible that is not there."""
    terms = facts.terms
    item = rng.choice(facts.items) if facts.items else None
    for _ in range(20):
        draw = rng.random()
        if item is not None and item.kind == "shape" and draw < 0.75:
            if coloured and draw < 0.4:  # near misses
                term = (("shape", item.name, rng.randrange(len(COLOUR_NAMES))) if draw < 0.2
                        else ("shape", rng.randrange(len(SHAPES)), item.colour))
            else:
                term = rng.choice(SHAPE_TERMS)
        elif draw < 0.94:
            near = item is not None and item.kind == "thing" and draw < 0.4
            term = _THINGS[(item.name + rng.randint(-6, 6)) % len(THINGS)] if near else rng.choice(_THINGS)
        else:
            term = rng.choice(_ODD_SHAPES)
            if coloured and draw < 0.97:
                term = ("shape", term[1], rng.randrange(len(COLOUR_NAMES)))
        if term not in terms:
            return term
    return None


# ---- One picture ------------------------------------------------------------
# Each maker returns what it found, or None where the scene does not allow it.

def name(rng, f):
    if f.digit and rng.random() < 0.12:
        return digit(rng, f, rng.choice(("name", "list")))
    if len(f.items) != 1 or not f.plain:
        return None
    return Found("name", "name", {}, "says_name", (f.keys[0],), it=f.items[0], called=f.keys[0])


def list_(rng, f):
    terms = f.listed()
    key = "name" if len(f.items) > 1 and rng.random() < 0.06 else "list"
    return terms and Found("list", key, {}, "says_list", (terms,))


def groups(rng, f):
    """What is there where things repeat: the kinds by number, at most two."""
    if not f.plain or len(f.items) < 2:
        return None
    kinds = sorted(set(f.keys), key=lambda k: -f.terms[k])
    if len(kinds) == len(f.items) or len(kinds) > 2 or (len(kinds) == 2 and f.terms[kinds[0]] == f.terms[kinds[1]]):
        return None
    return Found("groups", "list", {}, "says_groups", (tuple((f.terms[k], k) for k in kinds),))


def exist(rng, f):
    if f.items and rng.random() < 0.5:
        item = rng.choice(f.items)
        term = item[:3]
        if item.kind == "shape":
            draw = rng.random()
            if draw < 0.4:
                term = ("shape", item.name, -1)
            elif draw < 0.52:
                term = ("colour", -1, item.colour)
    else:
        term = rng.choice(_COLOURS) if rng.random() < (0.1 if f.items and f.items[0].kind == "shape" else 0.02) else absent(rng, f)
    if term is None:
        return None
    return ask_exist(f, term)


def ask_exist(f, term, key="exist"):
    yes = term in f.terms
    it = f.items[index(f, term)] if yes and f.terms[term] == 1 else None
    return Found("exist", key, {"x": term}, "says_exist", (yes, term), it=it, called=term)


def index(f, term):
    kind, name, colour = term
    for i, key in enumerate(f.keys):
        if key == term or (colour < 0 and key[:2] == term[:2]) or (kind == "colour" and key[2] == colour):
            return i


def colour(rng, f):
    lone = [i for i in f.items if i.kind == "shape" and f.terms["shape", i.name, -1] == 1]
    if not lone:
        return None
    return ask_colour(rng.choice(lone))


def ask_colour(item, key="colour"):
    term = ("shape", item.name, -1)
    return Found("colour", key, {"a": term}, "says_colour", (term, item.colour), it=item, called=term)


def shape(rng, f):
    lone = [i for i in f.items if i.kind == "shape" and f.terms["colour", -1, i.colour] == 1]
    if not lone:
        return None
    return ask_shape(rng.choice(lone))


def ask_shape(item, key="shape"):
    slots = {"c": item.colour} if key == "shape" else {"a": ("colour", -1, item.colour)}
    return Found("shape", key, slots, "says_shape", (item.colour, ("shape", item.name, -1)), it=item, called=("colour", -1, item.colour))


def size_most(rng, f):
    if len(f.items) < 2 or not f.plain:
        return None
    largest = rng.random() < 0.5
    a = (max if largest else min)(f.items, key=lambda i: i.size * _DRAWN[i.name][0] if i.kind == "shape" else i.size)
    if f.terms[a[:3]] > 1 or any([(times_larger(a, b) if largest else times_larger(b, a)) < 1.25 for b in f.items if b is not a]):
        return None
    return Found("size_most", "largest" if largest else "smallest", {}, "says_size_most", (largest, a[:3]), it=a, called=a[:3])


def _two(rng, f):
    """Two items and terms for them."""
    if len(f.items) < 2:
        return None
    a, b = rng.sample(f.items, 2)
    first, second = f.mention(rng, a), f.mention(rng, b)
    return first and second and (a, b, first, second)


def size_compare(rng, f):
    for _ in range(4):
        two = _two(rng, f)
        if not two:
            continue
        found = ask_size_compare(*two, rng.random() < 0.5)
        if found:
            return found
    return None


def ask_size_compare(a, b, first, second, asked):
    """`asked` is whether a is asked to be the larger one."""
    larger = times_larger(a, b) >= CLEARLY
    if not larger and times_larger(b, a) < CLEARLY:
        return None
    return Found("size_compare", "larger" if asked else "smaller", {"a": first, "b": second}, "says_size_compare",
                 (larger == asked, first, second, larger), it=a, called=first)


def _plain_pair(rng, f):
    for _ in range(4):
        two = _two(rng, f)
        if two:
            side = side_of(*two[:2])
            if side is not None:
                return (*two, side)
    return None


def relation(rng, f):
    pair = _plain_pair(rng, f)
    if not pair:
        return None
    a, _, first, second, side = pair
    return ask_relation(a, first, second, side)


def ask_relation(a, first, second, side, key="relation", slots=None):
    return Found("relation", key, {"a": first, "b": second} if slots is None else slots, "says_relation", (first, second, side),
                 it=a, called=first)


def relation_yes_no(rng, f):
    pair = _plain_pair(rng, f)
    if not pair:
        return None
    a, b, first, second, side = pair
    asked = side
    if rng.random() < 0.5:
        asked = OPPOSITE[side]
        if rng.random() < 0.3:  # across, where that is not half true
            across = a.y - b.y if side < 2 else a.x - b.x
            asked = (2 if side < 2 else 0) + (across < 0)
    return ask_relation_yes_no(a, first, second, side, asked)


def ask_relation_yes_no(a, first, second, side, asked):
    return Found("relation_yes_no", "relation_yes_no", {"a": first, "b": second, "side": asked}, "says_relation_yes_no",
                 (asked == side, first, second, side), it=a, called=first)


def _on_side(f, b, side):
    """The one item on this side of b, or None."""
    result = None
    for c in f.items:
        if c is not b:
            along, across = (c.x - b.x, c.y - b.y) if side < 2 else (c.y - b.y, c.x - b.x)
            if side % 2 == 0:
                along = -along
            if along > 0 and abs(across) < 2.5 * along:
                if result is not None or along <= 1.7 * abs(across):
                    return None
                result = c
    return result


def neighbour(rng, f):
    if not f.plain:
        return None
    pair = _plain_pair(rng, f)
    if not pair:
        return None
    _, b, _, second, side = pair
    return ask_neighbour(f, b, second, side)


def ask_neighbour(f, b, second, side):
    a = _on_side(f, b, side) if f.plain else None
    return a and Found("neighbour", "neighbour", {"side": side, "b": second}, "says_neighbour", (side, second, a[:3]), it=a, called=a[:3])


def corner(rng, f):
    if not f.plain:
        return None
    found = [(f.corner(i), i) for i in f.items]
    found = [(c, i) for c, i in found if c is not None and sum(f.corner(j, 0.5) == c for j in f.items) == 1]
    if not found:
        return None
    c, item = rng.choice(found)
    return Found("corner", "corner", {"corner": c}, "says_corner", (c, item[:3]), it=item, called=item[:3])


def corner_of(rng, f):
    found = [i for i in f.items if f.corner(i) is not None]
    if not found:
        return None
    item = rng.choice(found)
    term = f.mention(rng, item)
    return term and ask_corner_of(f, item, term)


def ask_corner_of(f, item, term, key="corner_of"):
    return Found("corner_of", key, {"a": term}, "says_corner_of", (term, f.corner(item)), it=item, called=term)


def odd(rng, f):
    if not f.plain or len(f.items) < 3:
        return None
    kinds = set(f.keys)
    term = next((k for k in kinds if f.terms[k] == 1), None)
    if len(kinds) != 2 or term is None:
        return None
    return Found("odd", "odd", {}, "says_odd", (term,), it=f.items[f.keys.index(term)], called=term)


def countable(rng, f):
    """A term to count, rarely one that fits nothing."""
    if not f.items or rng.random() < 0.08:
        return absent(rng, f)
    item = rng.choice(f.items)
    if item.kind == "shape" and rng.random() < 0.5:
        return "shape", item.name, -1
    return item[:3]


def count(rng, f):
    term = countable(rng, f)
    return term and ask_count(f, term)


def ask_count(f, term, key="count"):
    number = f.terms.get(term, 0)
    it = f.items[index(f, term)] if number == 1 else None
    return Found("count", key, {"p": term}, "says_count", (number, term), it=it, called=term)


def count_all(rng, f):
    if not f.plain or not 0 < len(f.items) < 10:
        return None
    it = f.items[0] if len(f.items) == 1 else None
    return Found("count_all", "count_all", {}, "says_count_all", (len(f.items),), it=it, called=("", 0, 0))


def count_colour(rng, f):
    found = [i.colour for i in f.items if i.kind == "shape"]
    if not found:
        return None
    return ask_count_colour(f, rng.choice(found) if rng.random() < 0.9 else rng.randrange(len(COLOUR_NAMES)))


def ask_count_colour(f, colour, key="count_colour"):
    term = ("colour", -1, colour)
    number = f.terms.get(term, 0)
    it = f.items[index(f, term)] if number == 1 else None
    return Found("count_colour", key, {"c": colour}, "says_count_colour", (number, colour), it=it, called=term)


def digit(rng, f, key="digit"):
    return f.digit and Found("digit", key, {}, "says_digit", (f.digit.name,))


def _written(f):
    text = f.written.text
    return "read_price" if text[0] in "$€£¥" else "read_number" if text.isdigit() else "read"


def read(rng, f):
    if not f.written or f.small:
        return None
    alone = not f.items
    if _written(f) != "read" and rng.random() > 0.15:
        return None
    key = "read"
    if alone and rng.random() < 0.08:
        key = rng.choice(("name", "list"))
    return Found("read", key, {}, "says_read", (f.written.text,), f.written.text)


def read_number(rng, f):
    if not f.written or f.small or _written(f) != "read_number":
        return None
    return Found("read_number", "read_number", {}, "says_read_number", (f.written.text,), f.written.text)


def read_price(rng, f):
    if not f.written or f.small or _written(f) != "read_price":
        return None
    return Found("read_price", "read_price", {}, "says_read_price", (f.written.text,), f.written.text)


def print_(rng, f):
    if not f.written or not f.small:
        return None
    return Found("print", "print", {}, "says_print", (f.written.text,), f.written.text)


def cannot_absent(rng, f):
    key = rng.choice(("colour", "colour", "corner_of", "relation", "relation", "relation_yes_no", "larger", "smaller", "neighbour"))
    if key == "colour":
        term = rng.choice(_THINGS if rng.random() < 0.12 else SHAPE_TERMS if "shape" in [i.kind for i in f.items] else _ODD_SHAPES)
        if term in f.terms:
            return None
    else:
        term = absent(rng, f)
    if term is None:
        return None
    slots = {"a": term}
    if key == "neighbour":
        slots = {"side": rng.randrange(4), "b": term}
    elif key not in ("colour", "corner_of"):
        if not f.items:
            return None
        other = f.mention(rng, rng.choice(f.items))
        if not other:
            return None
        slots = {"a": term, "b": other} if rng.random() < 0.6 else {"a": other, "b": term}
        if key == "relation_yes_no":
            slots["side"] = rng.randrange(4)
    return Found("cannot_absent", key, slots, "says_cannot_absent", (term,))


def cannot_know(rng, f):
    lone = [i for i in f.items if f.terms[i[:3]] == 1]
    if not lone:
        return None
    item = rng.choice(lone)
    if item.kind == "shape" and rng.random() < 0.6:
        return None
    return ask_cannot_know(item, f.mention(rng, item))


def ask_cannot_know(item, term):
    return Found("cannot_know", "cannot_know", {"a": term}, "says_cannot_know", (), it=item, called=term)


def answered(f, key, slots):
    """What the question finds, or None where that is not certain. Of the items
    that it asks about, one may be absent."""
    if key == "exist":
        return ask_exist(f, slots["x"])
    if key == "count":
        return ask_count(f, slots["p"])
    if key == "count_colour":
        return ask_count_colour(f, slots["c"])
    if key == "shape":
        lone = [i for i in f.items if i.colour == slots["c"]]
        return ask_shape(lone[0]) if len(lone) == 1 else None
    terms = [slots[name] for name in "ab" if name in slots]
    absent = [term for term in terms if term not in f.terms]
    if absent:
        fits = len(absent) == 1 and key != "cannot_know" and (key != "colour" or absent[0][0] == "shape")
        return Found("cannot_absent", key, slots, "says_cannot_absent", (absent[0],)) if fits else None
    if any([f.terms[term] != 1 for term in terms]):
        return None
    items = [f.items[index(f, term)] for term in terms]
    a, first = items[0], terms[0]
    if key == "colour":
        return ask_colour(a) if first[0] == "shape" and first[2] < 0 else None
    if key == "corner_of":
        return ask_corner_of(f, a, first) if f.corner(a) is not None else None
    if key == "neighbour":
        return ask_neighbour(f, a, first, slots["side"])
    if key == "cannot_know":
        return ask_cannot_know(a, first)
    b, second = items[1], terms[1]
    if a is b:
        return None
    if key in ("larger", "smaller"):
        return ask_size_compare(a, b, first, second, key == "larger")
    side = side_of(a, b)
    if side is None:
        return None
    if key == "relation":
        return ask_relation(a, first, second, side)
    asked = slots["side"]
    if asked != side and asked != OPPOSITE[side]:
        across = a.y - b.y if side < 2 else a.x - b.x
        if (across > 0) == (asked % 2 == 1):  # half true
            return None
    return ask_relation_yes_no(a, first, second, side, asked)


def talk(rng, f):
    key = rng.choice(_TALK_BESIDE_PICTURES if f else TALK)
    return Found(key, key, {}, "talk", ())


# ---- Several pictures -------------------------------------------------------

def same(rng, fs):
    if len(fs) != 2 or not all(f.plain and f.items for f in fs):
        return None
    first, second = fs
    if len(first.items) == len(second.items) == 1:
        return Found("same", "same", {}, "says_same", (first.keys[0] == second.keys[0],))
    change = _change(first, second)
    if change is None or (change[0] != "nothing" and rng.random() < 0.7):  # as often the same as not
        return None
    return Found("same", "same", {}, "says_same", (change[0] == "nothing",))


def _kept(a, b, first, second):
    """Whether two items are in the same place of their pictures."""
    return abs(a.x / first.width - b.x / second.width) < 0.07 and abs(a.y / first.height - b.y / second.height) < 0.07


def _change(first, second):
    """(what changed, term before, term after), or None where it is not plain
    or not one thing alone."""
    if len(set(first.keys)) < len(first.keys) or len(set(second.keys)) < len(second.keys):
        return None
    gone = [i for i in first.items if i[:3] not in second.terms]
    new = [i for i in second.items if i[:3] not in first.terms]
    if len(gone) > 1 or len(new) > 1:
        return None
    for item in first.items:
        if item[:3] in second.terms:
            other = second.items[second.keys.index(item[:3])]
            if not _kept(item, other, first.scene, second.scene):
                return None
            if not gone and not new:
                grown = other.size / item.size * min(first.scene.width, first.scene.height) / min(second.scene.width, second.scene.height)
                if not 0.8 < grown < 1.25:
                    return None
    a, b = gone[0][:3] if gone else None, new[0][:3] if new else None
    if not a and not b:
        return "nothing", a, b
    if not b:
        return "gone", a, b
    if not a:
        return "added", a, b
    if len(first.items) > 1 and not _kept(gone[0], new[0], first.scene, second.scene):
        return None
    if a[0] == b[0] == "shape" and a[1] == b[1]:
        return ("recoloured", a, b) if first.terms["shape", a[1], -1] == 1 else None
    return "replaced", a, b


def changed(rng, fs):
    if len(fs) != 2 or not all(f.plain and f.items for f in fs):
        return None
    if len(fs[0].items) == len(fs[1].items) == 1 and rng.random() < 0.4:  # easy
        return None
    change = _change(*fs)
    return change and Found("changed", "changed", {}, "says_changed", change)


def _most(counts):
    """(index of the strictly greatest, or None where all are equal); or None."""
    most = max(counts)
    if counts.count(most) == 1:
        return (counts.index(most),)
    return (None,) if counts.count(most) == len(counts) else None


def more(rng, fs):
    terms = [i[:3] for f in fs for i in f.items]
    if not terms:
        return None
    term = rng.choice(terms)
    if term[0] == "shape" and rng.random() < 0.4:
        term = ("shape", term[1], -1)
    return ask_more(fs, term)


def ask_more(fs, term):
    counts = [f.terms.get(term, 0) for f in fs]
    most = _most(counts)
    if max(counts) < 2 or most is None:
        return None
    return Found("more", "more", {"p": term}, "says_more", (term, most[0], len(fs)))


def more_all(rng, fs):
    counts = [len(f.items) for f in fs]
    most = _most(counts)
    if max(counts) < 2 or most is None or not all(f.plain for f in fs):
        return None
    return Found("more_all", "more_all", {}, "says_more", (None, most[0], len(fs)))


def nth(rng, fs):
    return ask_nth(fs, rng.randrange(len(fs)))


def ask_nth(fs, n, key="nth"):
    terms = fs[n].listed()
    return terms and Found("nth", key, {"n": n}, "says_nth", (n, terms))


def which_shows(rng, fs):
    n = rng.randrange(len(fs))
    if not fs[n].items:
        return None
    term = rng.choice(fs[n].keys)
    if sum(term in f.terms for f in fs) != 1:
        return None
    if term[0] == "shape" and rng.random() < 0.4:
        wide = ("shape", term[1], -1)
        term = wide if sum(wide in f.terms for f in fs) == 1 else term
    return ask_which_shows(term, n)


def ask_which_shows(term, n):
    return Found("which_shows", "which_shows", {"x": term}, "says_which_shows", (term, n))


def no_picture(rng, f):
    """Any question, about a picture that was not sent."""
    key = rng.choice(_PICTURE_KEYS)
    a, b = rng.sample(rng.choice((_THINGS, _THINGS, _COLOURED, SHAPE_TERMS)), 2)
    slots = {"a": a, "b": b, "p" if key in ("count", "more") else "x": rng.choice((a, b)), "c": rng.randrange(len(COLOUR_NAMES)),
             "side": rng.randrange(4), "corner": rng.randrange(4), "n": rng.randrange(3)}
    return Found("no_picture", key, slots, "says_no_picture", ())


MAKERS = {"name": name, "list": list_, "groups": groups, "exist": exist, "colour": colour, "shape": shape, "size_most": size_most,
          "size_compare": size_compare, "relation": relation, "relation_yes_no": relation_yes_no, "neighbour": neighbour,
          "corner": corner, "corner_of": corner_of, "odd": odd, "count": count, "count_all": count_all,
          "count_colour": count_colour, "digit": digit, "read": read, "read_number": read_number, "read_price": read_price,
          "print": print_, "cannot_absent": cannot_absent, "cannot_know": cannot_know, "talk": talk, "same": same,
          "changed": changed, "more": more, "more_all": more_all, "nth": nth, "which_shows": which_shows, "no_picture": no_picture}
MAKERS.update(dict.fromkeys(TALK, talk))
_PICTURE_KEYS = ("name", "name", "list", "list", "exist", "colour", "shape", "largest", "smallest", "larger", "smaller", "relation",
                 "relation_yes_no", "neighbour", "corner", "corner_of", "odd", "count", "count", "count_all", "count_colour", "digit",
                 "read", "read_number", "read_price", "print", "cannot_know", "same", "changed", "more", "more_all", "nth", "which_shows")
