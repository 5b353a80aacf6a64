"""Questions about scenes, with the one answer that counts as right.

A maker looks at the facts of one scene (or of several) and finds something
that can be asked and whose answer is certain; a language puts it into words.
Of a dialogue only the last turn is scored; earlier ones are history.
"""

from typing import NamedTuple

from answers import LANGUAGES, OPPOSITE
from sampling import SCENES, SMALL, sample, sample_set  # noqa: F401, for whoever imports skills
from world import COLOUR_NAMES, SHAPES, THINGS


class Turn(NamedTuple):
    question: str
    answer: str
    spelled: str = ""  # the part of `answer` that was read off the picture letter by letter


class Dialogue(NamedTuple):
    kind: str
    row: str       # of the table of results
    language: str
    style: str
    turns: tuple   # of Turn; the last one is scored


# Weights of the kinds, for one picture and for several. A kind that does not
# fit the picture is drawn again.
ONE = {
    "name": 45, "list": 30, "exist": 12, "colour": 9, "shape": 7, "size_most": 8, "size_compare": 7, "relation": 12, "relation_yes_no": 9,
    "neighbour": 10, "corner": 12, "corner_of": 12, "odd": 30, "count": 30, "count_all": 12, "count_colour": 18, "digit": 90, "read": 70,
    "read_number": 60, "read_price": 60, "print": 150, "cannot_absent": 8, "cannot_know": 7, "talk": 2.5}
SEVERAL = {"same": 40, "changed": 70, "more": 36, "more_all": 10, "nth": 20, "which_shows": 16, "talk": 1}
TALK = tuple(LANGUAGES["en"].talk)
KINDS = dict.fromkeys(("colour", "shape", "size_most", "size_compare", "relation", "relation_yes_no", "neighbour", "corner", "corner_of", "odd"), "shapes")
KINDS.update(dict.fromkeys(("name", "list", "exist", "count_colour", "print", "no_picture"), ""))
KINDS = {kind: row or kind for kind, row in KINDS.items()}
KINDS.update({"count": "count", "count_all": "count", "digit": "digits", "read": "read", "read_number": "read", "read_price": "read",
              "cannot_absent": "cannot_tell", "cannot_know": "cannot_tell", "same": "several", "changed": "several", "more": "several",
              "more_all": "several", "nth": "several", "which_shows": "several", "followup": "followup"})
KINDS.update(dict.fromkeys(TALK, "talk"))
_STYLED = {"name", "shapes", "exist", "several"}  # rows whose short answers count in the row "style"

_THINGS = tuple(("thing", i, -1) for i in range(len(THINGS)))
_SHAPES = tuple(("shape", i, -1) for i in range(len(SHAPES)))
_COLOURED = tuple(("shape", i, c) for i in range(len(SHAPES)) for c in range(len(COLOUR_NAMES)))
_COLOURS = tuple(("colour", -1, c) for c in range(len(COLOUR_NAMES)))


class Found(NamedTuple):
    """Something to ask: the key and slots of the question, the method and
    arguments of the answer, and the item and its name that "it" would be."""
    kind: str
    key: str
    slots: dict
    says: str
    args: tuple
    spelled: str = ""
    it: object = None
    called: tuple = ()


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


_LAST = {}


def _facts(scene):
    # A scene is asked about several times in a row.
    facts = _LAST.get(id(scene))
    if facts is None or facts.scene is not scene:
        if len(_LAST) > 64:
            _LAST.clear()
        facts = _LAST[id(scene)] = Facts(scene)
    return facts


def _absent(rng, facts, coloured=True):
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
                term = rng.choice(_SHAPES)
        elif draw < 0.9:
            near = item is not None and item.kind == "thing" and draw < 0.4
            term = _THINGS[(item.name + rng.randint(-6, 6)) % len(THINGS)] if near else rng.choice(_THINGS)
        else:
            term = rng.choice(_COLOURED if coloured and draw < 0.95 else _SHAPES)
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
    return terms and Found("list", "list", {}, "says_list", (terms,))


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
        term = rng.choice(_COLOURS) if rng.random() < (0.1 if f.items and f.items[0].kind == "shape" else 0.02) else _absent(rng, f)
    if term is None:
        return None
    return _exist(f, term)


def _exist(f, term, key="exist"):
    yes = term in f.terms
    it = f.items[_index(f, term)] if yes and f.terms[term] == 1 else None
    return Found("exist", key, {"x": term}, "says_exist", (yes, term), it=it, called=term)


def _index(f, term):
    kind, name, colour = term
    for i, key in enumerate(f.keys):
        if key == term or (colour < 0 and key[:2] == term[:2]) or (kind == "colour" and key[2] == colour):
            return i


def colour(rng, f):
    lone = [i for i in f.items if i.kind == "shape" and f.terms["shape", i.name, -1] == 1]
    if not lone:
        return None
    return _colour(rng.choice(lone))


def _colour(item, key="colour"):
    term = ("shape", item.name, -1)
    return Found("colour", key, {"a": term}, "says_colour", (term, item.colour), it=item, called=term)


def shape(rng, f):
    lone = [i for i in f.items if i.kind == "shape" and f.terms["colour", -1, i.colour] == 1]
    if not lone:
        return None
    return _shape(rng.choice(lone))


def _shape(item, key="shape"):
    slots = {"c": item.colour} if key == "shape" else {"a": ("colour", -1, item.colour)}
    return Found("shape", key, slots, "says_shape", (item.colour, ("shape", item.name, -1)), it=item, called=("colour", -1, item.colour))


def size_most(rng, f):
    if len(f.items) < 2 or not f.plain:
        return None
    largest = rng.random() < 0.5
    order = sorted(f.items, key=lambda i: i.size, reverse=largest)
    a, b = order[:2]
    if max(a.size, b.size) < 1.25 * min(a.size, b.size) or f.terms[a[:3]] > 1:
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
    for _ in range(3):
        two = _two(rng, f)
        if not two:
            continue
        a, b, first, second = two
        if max(a.size, b.size) < 1.35 * min(a.size, b.size):
            continue
        larger, asked = a.size > b.size, rng.random() < 0.5
        return Found("size_compare", "larger" if asked else "smaller", {"a": first, "b": second}, "says_size_compare",
                     (larger == asked, first, second, larger), it=a, called=first)
    return None


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
    return _relation(a, first, second, side)


def _relation(a, first, second, side, key="relation", slots=None):
    return Found("relation", key, {"a": first, "b": second} if slots is None else slots, "says_relation", (first, second, side),
                 it=a, called=first)


def relation_yes_no(rng, f):
    pair = _plain_pair(rng, f)
    if not pair:
        return None
    a, _, first, second, side = pair
    asked = side
    if rng.random() < 0.5:
        asked = OPPOSITE[side] if rng.random() < 0.7 else rng.choice([s for s in range(4) if s != side])
    return Found("relation_yes_no", "relation_yes_no", {"a": first, "b": second, "side": asked}, "says_relation_yes_no",
                 (asked == side, first, second, side), it=a, called=first)


def neighbour(rng, f):
    if not f.plain:
        return None
    pair = _plain_pair(rng, f)
    if not pair:
        return None
    a, b, _, second, side = pair
    for c in f.items:  # nothing else may lie on that side
        if c is not a and c is not b:
            along, across = (c.x - b.x, c.y - b.y) if side < 2 else (c.y - b.y, c.x - b.x)
            if side % 2 == 0:
                along = -along
            if along > 0 and abs(across) < 2.5 * along:
                return None
    return Found("neighbour", "neighbour", {"side": side, "b": second}, "says_neighbour", (side, second, a[:3]), it=a, called=a[:3])


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
    return term and _corner_of(f, item, term)


def _corner_of(f, item, term, key="corner_of"):
    return Found("corner_of", key, {"a": term}, "says_corner_of", (term, f.corner(item)), it=item, called=term)


def odd(rng, f):
    if not f.plain or len(f.items) < 3:
        return None
    kinds = set(f.keys)
    term = next((k for k in kinds if f.terms[k] == 1), None)
    if len(kinds) != 2 or term is None:
        return None
    return Found("odd", "odd", {}, "says_odd", (term,), it=f.items[f.keys.index(term)], called=term)


def _countable(rng, f):
    """A term to count, rarely one that fits nothing."""
    if not f.items or rng.random() < 0.08:
        return _absent(rng, f)
    item = rng.choice(f.items)
    if item.kind == "shape" and rng.random() < 0.5:
        return "shape", item.name, -1
    return item[:3]


def count(rng, f):
    term = _countable(rng, f)
    return term and _count(f, term)


def _count(f, term, key="count"):
    number = f.terms.get(term, 0)
    it = f.items[_index(f, term)] if number == 1 else None
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
    colour = rng.choice(found) if rng.random() < 0.9 else rng.randrange(len(COLOUR_NAMES))
    term = ("colour", -1, colour)
    number = f.terms.get(term, 0)
    it = f.items[_index(f, term)] if number == 1 else None
    return Found("count_colour", "count_colour", {"c": colour}, "says_count_colour", (number, colour), it=it, called=term)


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
        term = rng.choice(_THINGS if rng.random() < 0.12 else _SHAPES)
        if term in f.terms:
            return None
    else:
        term = _absent(rng, f)
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
    term = f.mention(rng, item)
    return Found("cannot_know", "cannot_know", {"a": term}, "says_cannot_know", (), it=item, called=term)


def talk(rng, f):
    key = rng.choice(TALK)
    return Found(key, key, {}, "talk", ())


# ---- Several pictures -------------------------------------------------------

def same(rng, fs):
    if len(fs) != 2 or any([len(f.items) != 1 or not f.plain for f in fs]):
        return None
    return Found("same", "same", {}, "says_same", (fs[0].keys[0] == fs[1].keys[0],))


def _kept(a, b, first, second):
    """Whether two items are in the same place of their pictures."""
    return abs(a.x / first.width - b.x / second.width) < 0.07 and abs(a.y / first.height - b.y / second.height) < 0.07


def changed(rng, fs):
    if len(fs) != 2 or not fs[0].plain or not fs[1].plain:
        return None
    first, second = fs
    if max(len(first.items), len(second.items)) < 2 or len(set(first.keys)) < len(first.keys) or len(set(second.keys)) < len(second.keys):
        return None
    gone = [i for i in first.items if i[:3] not in second.terms]
    new = [i for i in second.items if i[:3] not in first.terms]
    if len(gone) + len(new) == 0 or len(gone) > 1 or len(new) > 1:
        return None
    for item in first.items:
        if item[:3] in second.terms and not _kept(item, second.items[second.keys.index(item[:3])], first.scene, second.scene):
            return None
    a, b = gone[0][:3] if gone else None, new[0][:3] if new else None
    if not b:
        change = "gone"
    elif not a:
        change = "added"
    elif not _kept(gone[0], new[0], first.scene, second.scene):
        return None
    elif a[0] == b[0] == "shape" and a[1] == b[1]:
        if first.terms["shape", a[1], -1] > 1:
            return None
        change = "recoloured"
    else:
        change = "replaced"
    return Found("changed", "changed", {}, "says_changed", (change, a, b))


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
    return _nth(fs, rng.randrange(len(fs)))


def _nth(fs, n, key="nth"):
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
    return Found("which_shows", "which_shows", {"x": term}, "says_which_shows", (term, n))


def no_picture(rng, f):
    """Any question, about a picture that was not sent."""
    key = rng.choice(_PICTURE_KEYS)
    a, b = rng.sample(rng.choice((_THINGS, _THINGS, _COLOURED, _SHAPES)), 2)
    slots = {"a": a, "b": b, "p" if key in ("count", "more") else "x": rng.choice((a, b)), "c": rng.randrange(len(COLOUR_NAMES)),
             "side": rng.randrange(4), "corner": rng.randrange(4), "n": rng.randrange(3)}
    return Found("no_picture", key, slots, "says_no_picture", ())


_MAKERS = {"name": name, "list": list_, "exist": exist, "colour": colour, "shape": shape, "size_most": size_most, "size_compare": size_compare,
           "relation": relation, "relation_yes_no": relation_yes_no, "neighbour": neighbour, "corner": corner, "corner_of": corner_of,
           "odd": odd, "count": count, "count_all": count_all, "count_colour": count_colour, "digit": digit, "read": read,
           "read_number": read_number, "read_price": read_price, "print": print_, "cannot_absent": cannot_absent, "cannot_know": cannot_know,
           "talk": talk, "same": same, "changed": changed, "more": more, "more_all": more_all, "nth": nth, "which_shows": which_shows,
           "no_picture": no_picture}
_MAKERS.update(dict.fromkeys(TALK, talk))
_PICTURE_KEYS = ("name", "name", "list", "list", "exist", "colour", "shape", "largest", "smallest", "larger", "smaller", "relation",
                 "relation_yes_no", "neighbour", "corner", "corner_of", "odd", "count", "count", "count_all", "count_colour", "digit", "read",
                 "read_number", "read_price", "print", "cannot_know", "same", "changed", "more", "more_all", "nth", "which_shows")


# ---- Putting it into words --------------------------------------------------

_STYLES = ("full", "short", "word")


def _say(language, found):
    """The answers in the three styles."""
    if found.says == "talk":
        return language.talk[found.key], None, None
    return getattr(language, found.says)(*found.args)


def _put(rng, language, phrasing, found, style="full", explicit=False):
    """The question, at times with the small changes people make."""
    templates = language.templates[phrasing]
    random = rng.random
    question = rng.choice(templates[found.key])
    if found.slots:
        question = question.format(**language.slots(found.slots))
    if style != "full" or explicit:
        question = rng.choice(templates["style_" + style]).format(q=question)
    elif found.says != "talk" and found.key[:5] != "then_" and random() < 0.08:
        question = rng.choice(templates["polite"]).format(q=question)
    if random() < 0.08 and language.name == "en":
        question = question.lower()
    if random() < 0.06:
        question = question.rstrip("?.!？。！")
    return question


def _row(kind, style, found):
    row = KINDS[kind]
    if kind == "name" and found.args and found.args[0][0] == "shape":
        row = "shapes"
    return "style" if style != "full" and row in _STYLED else row


def _dialogue(rng, language, phrasing, found, style):
    answers = _say(language, found)
    if style is None:
        draw = rng.random()
        style = "full" if draw < 0.7 else "short" if draw < 0.85 else "word"
        if answers[_STYLES.index(style)] is None:
            style = "full" if style == "short" or answers[1] is None or draw > 0.92 else "short"
    answer = answers[_STYLES.index(style)]
    if answer is None:
        return None
    explicit = style == "full" and answers[1] is not None and rng.random() < 0.07
    question = _put(rng, language, phrasing, found, style, explicit)
    return Dialogue(found.kind, _row(found.kind, style, found), language.name, style, (Turn(question, answer, found.spelled),))



class _Pick:
    """Draws kinds by weight, fast."""

    def __init__(self, weights):
        self.kinds, self.sums, total = [], [], 0.0
        for kind, weight in weights.items():
            total += weight
            self.kinds.append(kind)
            self.sums.append(total)

    def __call__(self, rng, count):
        return rng.choices(self.kinds, cum_weights=self.sums, k=count)


def _without(*kinds, **more):
    return _Pick({k: v for k, v in ONE.items() if k not in kinds} | more)


# The kinds that may fit, by what is in the picture.
_PRINTED = "digit", "read", "read_number", "read_price", "print"
_WHOLE = "name", "list", "odd", "count_all", "size_most", "neighbour", "corner"  # are not asked where there is print
_PICKS = {
    "several": _Pick(SEVERAL),
    "single": _without(*_PRINTED, "size_most", "size_compare", "relation", "relation_yes_no", "neighbour", "odd", count=6, count_all=3,
                       count_colour=4),
    "different": _without(*_PRINTED, "name", "odd", count=8, count_all=6, count_colour=6),
    "repeated": _without(*_PRINTED, "name", "list"),
    "digit": _Pick({k: ONE[k] for k in ("digit", "exist", "cannot_absent", "talk")} | {"name": 10}),
    "small": _without("digit", "read", "read_number", "read_price", *_WHOLE, count=8, count_colour=6),
    "text": _Pick({k: ONE[k] for k in ("exist", "read", "read_number", "read_price", "cannot_absent", "talk")}),
    "sign": _without("digit", "print", *_WHOLE, count=8),
}


def _pick(facts):
    if len(facts) > 1:
        return _PICKS["several"]
    f = facts[0]
    if f.digit:
        return _PICKS["digit"]
    if f.small:
        return _PICKS["small"]
    if f.written:
        return _PICKS["sign" if f.items else "text"]
    if len(f.items) == 1:
        return _PICKS["single"]
    return _PICKS["different" if len(set(f.keys)) == len(f.keys) else "repeated"]


def _find(rng, facts, kind=None, tries=12):
    """Something to ask about these scenes."""
    about = facts if len(facts) > 1 else facts[0]
    if kind is not None:
        for _ in range(tries):
            found = _MAKERS[kind](rng, about)
            if found:
                return found
        return None
    for kind in _pick(facts)(rng, tries):
        found = _MAKERS[kind](rng, about)
        if found:
            return found
    return None


def ask(rng, scenes, phrasing="seen", kind=None, language=None, style=None):
    """A dialogue of one turn about the scenes (none to three), or None where
    the kind, or every kind drawn, does not fit."""
    words = LANGUAGES[language or ("en" if rng.random() < 0.5 else "zh")]
    if kind in TALK:
        found = Found(kind, kind, {}, "talk", ())
    elif not scenes or kind in ("talk", "no_picture"):
        if kind not in (None, "talk", "no_picture"):
            return None
        found = no_picture(rng, None) if kind == "no_picture" or (kind is None and rng.random() < 0.3) else talk(rng, None)
    else:
        facts = [_facts(s) for s in scenes]
        if kind is not None and (kind in SEVERAL) != (len(scenes) > 1):
            return None
        found = _find(rng, facts, kind)
    return found and _dialogue(rng, words, phrasing, found, style)


# ---- Conversations ----------------------------------------------------------

def _bare(item, f):
    """The name of a shape that does not give its colour away, or None."""
    return item.kind == "shape" and f.terms["shape", item.name, -1] == 1


def _follow_ups(rng, fs, last):
    """Questions that only the last one makes clear, as (weight, maker)."""
    f = fs[0]
    kind, it, called = last.kind, last.it, last.called
    options = []

    def others(fits):
        return [i for i in f.items if i is not it and fits(i)]

    if kind == "nth":
        options.append((4, lambda: _nth(fs, (last.args[0] + rng.randint(1, len(fs) - 1)) % len(fs), "then_picture")))
    if len(fs) > 1:
        return options
    if it is not None and called[0] != "colour" and kind not in ("name", "count_all"):
        if called[0] == "shape" and called[2] < 0 and kind != "colour" and _bare(it, f):
            options.append((5, lambda: _colour(it, "then_colour")._replace(slots={"a": called})))
        if kind != "relation" or len(f.items) > 2:
            options.append((3, lambda: _where(rng, f, last)))
    if kind == "exist" or (kind == "count" and rng.random() < 0.2):
        options.append((4, lambda: _other_exist(rng, f, called)))
    if kind in ("count", "count_colour"):
        options.append((4, lambda: _other_count(rng, f, last)))
    if kind in ("count_all", "count_colour") and it is not None:
        options.append((4, lambda: Found("name", "then_name", {}, "says_name", (it[:3],), it=it, called=it[:3])))
    if kind == "colour" or (kind == "cannot_absent" and last.key == "colour"):
        lone = others(lambda i: _bare(i, f))
        if lone:
            options.append((5, lambda: _colour(rng.choice(lone), "then_other")))
        if kind == "colour":
            options.append((1, lambda: _absent_other(rng, f)))
    if kind == "shape":
        lone = others(lambda i: i.kind == "shape" and f.terms["colour", -1, i.colour] == 1)
        if lone:
            options.append((4, lambda: _shape(rng.choice(lone), "then_other")))
    if kind == "corner_of":
        lone = others(lambda i: f.corner(i) is not None and f.terms[i[:3]] == 1)
        if lone:
            options.append((5, lambda: _corner_other(rng, f, rng.choice(lone))))
    if kind == "relation":
        first, second, side = last.args
        other = f.items[_index(f, second)]
        options.append((4, lambda: _relation(other, second, first, OPPOSITE[side], "then_back", {"a": first, "b": second})))
        options.append((4, lambda: _relation_other(rng, f, last)))
    return options


def _where(rng, f, last):
    item, called = last.it, last.called
    avoid = last.args[1] if last.kind == "relation" else None
    for other in rng.sample(f.items, len(f.items)):
        term = f.mention(rng, other)
        if other is item or not term or (avoid and (term == avoid or term[:2] == avoid[:2])):
            continue
        side = side_of(item, other)
        if side is not None:
            return _relation(item, called, term, side, "then_where", {"a": called, "b": term})
    return None


def _other_exist(rng, f, called):
    found = exist(rng, f)
    return found and found.slots["x"] != called and found._replace(key="then_exist")


def _other_count(rng, f, last):
    if last.kind == "count_colour":
        colours = [i.colour for i in f.items if i.kind == "shape"] + [rng.randrange(len(COLOUR_NAMES))]
        term = ("colour", -1, rng.choice(colours))
    else:
        term = _countable(rng, f)
    return term and term != last.called and _count(f, term, "then_count")


def _absent_other(rng, f):
    term = rng.choice(_SHAPES)
    return None if term in f.terms else Found("cannot_absent", "then_other", {"a": term}, "says_cannot_absent", (term,))


def _corner_other(rng, f, item):
    term = f.mention(rng, item)
    return _corner_of(f, item, term, "then_other")


def _relation_other(rng, f, last):
    """Another item, seen from the same one."""
    first, second, _ = last.args
    b = f.items[_index(f, second)]
    for item in rng.sample(f.items, len(f.items)):
        term = f.mention(rng, item)
        if item is last.it or item is b or not term:
            continue
        side = side_of(item, b)
        if side is not None:
            return _relation(item, term, second, side, "then_other", {"a": term, "b": second})
    return None


def _restyled(rng, language, phrasing, last):
    """The last question again, in another style."""
    answers = _say(language, last)
    style = rng.choice(("word", "short"))
    key = "then_" + style
    templates = language.templates[phrasing]
    answer = answers[_STYLES.index(style)]
    if answer is None or key not in templates:
        return None
    return Turn(rng.choice(templates[key]), answer, last.spelled), style


def _follow(rng, facts, last):
    options = _follow_ups(rng, facts, last)
    while options:
        i = rng.choices(range(len(options)), [w for w, _ in options])[0]
        found = options.pop(i)[1]()
        if found:
            return found
    return None


def converse(rng, scenes, phrasing="seen", turns=4, language=None):
    """A conversation of two to `turns` turns, whose last question needs the
    history; None where none was found."""
    if not scenes:
        return None
    words = LANGUAGES[language or ("en" if rng.random() < 0.5 else "zh")]
    facts = [_facts(s) for s in scenes]
    wanted = rng.randint(2, turns)
    for _ in range(6):
        said, last, style = [], None, "full"
        while len(said) < wanted:
            left = wanted - len(said)
            found = turn = None
            if last is None or (left > 1 and rng.random() < 0.2):
                found = _find(rng, facts)
                if found is None or found.says == "talk":
                    break
            elif left > 1 and rng.random() < 0.1:
                key = rng.choice(("talk_thanks", "talk_ok", "talk_praise", "talk_able", "talk_hello"))
                turn = Turn(_put(rng, words, phrasing, Found(key, key, {}, "talk", ())), words.talk[key])
            else:
                if left == 1 and rng.random() < 0.12:
                    turn, style = _restyled(rng, words, phrasing, last) or (None, style)
                found = None if turn else _follow(rng, facts, last)
                if found is None and turn is None:
                    if left == 1:
                        break
                    found = _find(rng, facts)
                    if found is None or found.says == "talk":
                        break
            if found:
                question = _put(rng, words, phrasing, found)
                turn = Turn(question, _say(words, found)[0], found.spelled)
                last = found
            said.append(turn)
        if len(said) == wanted:
            return Dialogue("followup", "followup", words.name, style, tuple(said))
    return None
