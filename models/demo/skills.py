"""Dialogues about scenes, with the one answer that counts as right.

questions.py finds what can be asked, answers.py has the answers' words and
phrases/ those of the questions. Of a dialogue only the last turn is scored;
earlier ones are history.
"""

from typing import NamedTuple

import questions
from answers import LANGUAGES
from phrases.patterns import expand
from questions import TALK, Found
from sampling import SCENES, sample, sample_set  # noqa: F401, for whoever imports skills
from world import COLOUR_NAMES


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
    "name": 45, "list": 30, "groups": 7, "exist": 26, "colour": 9, "shape": 7, "size_most": 12, "size_compare": 30, "relation": 12,
    "relation_yes_no": 10, "neighbour": 14, "corner": 12, "corner_of": 12, "odd": 30, "count": 30, "count_all": 12, "count_colour": 44,
    "digit": 90, "read": 70, "read_number": 60, "read_price": 60, "print": 150, "cannot_absent": 30, "cannot_know": 7, "talk": 2.5}
SEVERAL = {"same": 46, "changed": 85, "more": 36, "more_all": 10, "nth": 20, "which_shows": 26, "talk": 1}
_ROWS = {
    "name": ("name",),
    "shapes": ("colour", "shape", "size_most", "size_compare", "relation", "relation_yes_no", "neighbour", "corner", "corner_of", "odd"),
    "count": ("count", "count_all", "groups"),
    "count_colour": ("count_colour",),
    "digits": ("digit",),
    "read": ("read", "read_number", "read_price"),
    "list": ("list",),
    "exist": ("exist",),
    "print": ("print",),
    "several": ("same", "changed", "more", "more_all", "nth", "which_shows"),
    "followup": ("followup",),
    "cannot_tell": ("cannot_absent", "cannot_know"),
    "talk": TALK,
    "no_picture": ("no_picture",)}
KINDS = {kind: row for row, kinds in _ROWS.items() for kind in kinds}  # the row "style" is for short answers of any of _STYLED
_STYLED = {"name", "shapes", "exist", "several"}  # rows whose short answers count in the row "style"


# ---- Putting it into words --------------------------------------------------

_STYLES = ("full", "short", "word")
_NO_QUESTIONS = {"talk_hello", "talk_thanks", "talk_bye", "talk_praise", "talk_insult", "talk_ok"}


def _say(language, found):
    """The answers in the three styles."""
    if found.says == "talk":
        return language.talk[found.key], None, None
    return getattr(language, found.says)(*found.args)


def _template(rng, language, phrasing, key):
    """A template of the key; half of what training asks with is made by its patterns.
    The evaluation asks with the same templates ("seen") or with others ("unseen")."""
    if phrasing == "train" and key in language.patterns and rng.random() < 0.5:
        return expand(rng, rng.choice(language.patterns[key]))
    return rng.choice(language.templates[phrasing][key])


def _put(rng, language, phrasing, found, style="full", explicit=False):
    """The question, at times with the small changes people make."""
    random = rng.random
    template = question = _template(rng, language, phrasing, found.key)
    if found.slots:
        if found.key == "then_other" and language.name == "en" and "a" not in found.slots:
            while "he {a}" not in template:  # not "that dogs"
                template = _template(rng, language, phrasing, "then_other")
            if "x" in found.slots:  # "And a cat?"
                template = template.replace("the {a}", "{x}").replace("The {a}", "{x}")
        question = template.format(**language.slots(rng, found.slots, template))
        if template[0] == "{":
            question = question[0].upper() + question[1:]
        if "的的" in question:
            question = question.replace("的的", "的")
    if style != "full" or explicit:
        question = _template(rng, language, phrasing, "style_" + style).format(q=question)
    elif found.key not in _NO_QUESTIONS and found.key[:5] != "then_" and random() < 0.08:
        question = _template(rng, language, phrasing, "polite").format(q=question)
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

    def times(self, factors):
        """The same with some weights multiplied."""
        weights = {k: b - a for k, a, b in zip(self.kinds, [0.0, *self.sums], self.sums)}
        return _Pick({k: w * factors.get(k, 1) for k, w in weights.items()})


def _without(*kinds, **more):
    return _Pick({k: v for k, v in ONE.items() if k not in kinds} | more)


# The kinds that may fit, by what is in the picture.
_PRINTED = "digit", "read", "read_number", "read_price", "print"
_WHOLE = "name", "list", "groups", "odd", "count_all", "size_most", "neighbour", "corner"  # are not asked where there is print
_PICKS = {
    "several": _Pick(SEVERAL),
    "single": _without(*_PRINTED, "size_most", "size_compare", "relation", "relation_yes_no", "neighbour", "odd", "groups", count=6,
                       count_all=3, count_colour=4),
    "different": _without(*_PRINTED, "name", "odd", "groups", count=8, count_all=6, count_colour=6),
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


# A conversation rather opens with what leaves something to follow up.
_OPENING = {"name": 0.4, "list": 0.3, "groups": 0.5, "exist": 0.8, "colour": 3, "shape": 4, "relation": 3, "relation_yes_no": 2,
            "neighbour": 7, "size_compare": 2.5, "corner": 0.5, "corner_of": 3, "count": 1.3, "count_all": 0.5, "count_colour": 1.3,
            "odd": 0.3, "cannot_know": 0.5, "same": 0.4, "changed": 0.3, "more": 1.5, "nth": 2.5, "which_shows": 3, "talk": 0}
_OPENINGS = {id(pick): pick.times(_OPENING) for pick in _PICKS.values()}


def _find(rng, facts, kind=None, tries=12, opening=False):
    """Something to ask about these scenes."""
    about = facts if len(facts) > 1 else facts[0]
    if kind is not None:
        for _ in range(tries):
            found = questions.MAKERS[kind](rng, about)
            if found:
                return found
        return None
    pick = _pick(facts)
    if opening:
        pick = _OPENINGS[id(pick)]
    for kind in pick(rng, tries):
        found = questions.MAKERS[kind](rng, about)
        if found:
            return found
    return None


def ask(rng, scenes, phrasing="train", kind=None, language=None, style=None):
    """A dialogue of one turn about the scenes (none to three), or None where
    the kind, or every kind drawn, does not fit."""
    words = LANGUAGES[language or ("en" if rng.random() < 0.5 else "zh")]
    if kind == "followup":
        return converse(rng, scenes, phrasing, language=language)
    if kind in TALK:
        found = Found(kind, kind, {}, "talk", ())
    elif not scenes or kind in ("talk", "no_picture"):
        if kind not in (None, "talk", "no_picture"):
            return None
        talks = kind == "talk" or (kind is None and rng.random() < 0.7)
        found = (questions.talk if talks else questions.no_picture)(rng, None)
    else:
        facts = [questions.facts_of(s) for s in scenes]
        if kind is not None and (kind in SEVERAL) != (len(scenes) > 1):
            return None
        found = _find(rng, facts, kind)
    return found and _dialogue(rng, words, phrasing, found, style)


# ---- Conversations ----------------------------------------------------------

# The slot of a question that "And the other one?" fills anew.
_OTHER = {"exist": "x", "count": "p", "colour": "a", "shape": "c", "relation": "a", "relation_yes_no": "a", "larger": "a", "smaller": "a",
          "corner_of": "a", "neighbour": "b", "cannot_know": "a"}
_OTHER_WEIGHT = {"exist": 3, "count": 3, "colour": 6, "shape": 6, "relation": 5, "relation_yes_no": 4, "larger": 5, "smaller": 5,
                 "corner_of": 6, "neighbour": 3, "cannot_know": 1}


def _asked(found):
    """Key and slots of what was asked, in full."""
    return found.asked or (found.key, found.slots)


def _again(found, key, slots):
    """What the last question found in another form, asked by a follow-up."""
    return found and found._replace(key=key, slots=slots, asked=_asked(found))


def _bare(item, f):
    """The name of a shape that does not give its colour away, or None."""
    return item.kind == "shape" and f.terms["shape", item.name, -1] == 1


def _follow_ups(rng, fs, last):
    """Questions that only the last one makes clear, as (weight, maker)."""
    f = fs[0]
    kind, it, called = last.kind, last.it, last.called
    key, slots = _asked(last)
    options = []
    if kind == "nth":
        options.append((4, lambda: questions.ask_nth(fs, (last.args[0] + rng.randint(1, len(fs) - 1)) % len(fs), "then_picture")))
    if key in ("which_shows", "more", "more_all"):
        options.append((4, lambda: _other_several(rng, fs, last)))
    if len(fs) > 1:
        return options
    if it is not None and called[0] != "colour" and kind not in ("name", "count_all", "cannot_know"):
        if called[0] == "shape" and called[2] < 0 and kind != "colour" and _bare(it, f):
            options.append((5, lambda: _again(questions.ask_colour(it), "then_colour", {})))
        if f.terms.get(called) == 1 and (kind != "relation" or len(f.items) > 2):
            options.append((1.5, lambda: _where(rng, f, last)))
    if it is not None and called[0] == "shape" and called[2] >= 0 and kind in ("name", "corner", "neighbour", "size_most", "odd") \
            and _bare(it, f):
        options.append((1, lambda: _again(questions.ask_colour(it), "then_colour", {})))
    if key in _OTHER:
        options.append((_OTHER_WEIGHT[key], lambda: _other(rng, f, key, slots)))
    if kind in ("exist", "name", "list", "count"):
        options.append((1 if kind == "exist" else 0.3, lambda: _other_exist(rng, f, called)))
    if kind in ("count", "count_colour", "groups"):
        options.append((2.5, lambda: _other_count(rng, f, last)))
    if kind in ("count_all", "count_colour") and it is not None:
        options.append((4, lambda: Found("name", "then_name", {}, "says_name", (it[:3],), it=it, called=it[:3])))
    if key == "count_colour":
        options.append((8, lambda: _other_colour(rng, f, slots["c"])))
    if key == "neighbour":
        options.append((8, lambda: _other_side(rng, f, slots)))
    if key in ("relation", "relation_yes_no", "larger", "smaller") and kind != "cannot_absent":
        options.append((2.5 if key == "relation" else 1.5, lambda: _back(f, key, slots)))
    return options


def _where(rng, f, last):
    item, called = last.it, last.called
    avoid = _asked(last)[1].get("b") if last.kind in ("relation", "neighbour") else None
    for other in rng.sample(f.items, len(f.items)):
        term = f.mention(rng, other)
        if other is item or not term or (avoid and (term == avoid or term[:2] == avoid[:2])):
            continue
        side = questions.side_of(item, other)
        if side is not None:
            return _again(questions.ask_relation(item, called, term, side), "then_where", {"b": term})
    return None


def _back(f, key, slots):
    swapped = slots | {"a": slots["b"], "b": slots["a"]}
    return _again(questions.answered(f, key, swapped), "then_back", {})


def _other_term(rng, f, key):
    """Something else to ask the same about."""
    if key == "exist":
        if len(f.items) > 1 and rng.random() < 0.35:  # what was asked about is left out, so that "no" would win
            return rng.choice(f.keys)
        found = questions.exist(rng, f)
        return found and found.slots["x"]
    if key == "count":
        return questions.countable(rng, f)
    if not f.items:
        return None
    item = rng.choice(f.items)
    if key == "shape":
        return item.colour if item.kind == "shape" else None
    if rng.random() < 0.1 and key != "cannot_know":
        return rng.choice(questions.SHAPE_TERMS) if key == "colour" else questions.absent(rng, f)
    if key == "colour":
        return ("shape", item.name, -1) if item.kind == "shape" else None
    return f.mention(rng, item)


def _alike(a, b):
    """Whether two terms may mean the same item."""
    return a == b or (a[0] == b[0] == "shape" and a[1] == b[1] and (a[2] < 0 or b[2] < 0))


def _other(rng, f, key, slots):
    """The last question about something else."""
    slot = _OTHER[key]
    others = [slots[name] for name in "abxp" if name in slots]
    for _ in range(8):
        term = _other_term(rng, f, key)
        if term is None or (slots["c"] == term if slot == "c" else any([_alike(term, other) for other in others])):
            continue
        found = questions.answered(f, key, slots | {slot: term})
        if found is None or (found.kind == "cannot_absent" and found.args != (term,)):
            continue
        if found.kind == "relation_yes_no" and not found.args[0] and rng.random() < 0.5:  # "no" would win
            continue
        if slot == "c":
            said = {"a": ("colour", -1, term)}
        else:
            said = {slot if slot in "px" and (slot == "p" or rng.random() < 0.5) else "a": term}
        return _again(found, "then_other", said)
    return None


def _other_side(rng, f, slots):
    for side in rng.sample(range(4), 4):
        found = questions.answered(f, "neighbour", slots | {"side": side}) if side != slots["side"] else None
        if found:
            return _again(found, "then_side", {"side": side})
    return None


def _other_colour(rng, f, colour):
    colours = [i.colour for i in f.items if i.kind == "shape"]
    other = rng.choice(colours) if colours and rng.random() < 0.9 else rng.randrange(len(COLOUR_NAMES))
    return _again(questions.ask_count_colour(f, other), "then_colour_count", {"c": other}) if other != colour else None


def _other_several(rng, fs, last):
    """The same question about several pictures, about something else."""
    key, slots = _asked(last)
    for _ in range(6):
        found = (questions.which_shows if key == "which_shows" else questions.more)(rng, fs)
        if found:
            slot, term = next(iter(found.slots.items()))
            if slots and _alike(term, slots[slot]):
                continue
            return _again(found, "then_other", {slot if slot == "p" or rng.random() < 0.6 else "a": term})
    return None


def _other_exist(rng, f, called):
    term = _other_term(rng, f, "exist")
    return _again(questions.ask_exist(f, term), "then_exist", {"x": term}) if term and term != called else None


def _other_count(rng, f, last):
    if last.kind == "count_colour":
        colours = [i.colour for i in f.items if i.kind == "shape"] + [rng.randrange(len(COLOUR_NAMES))]
        colour = rng.choice(colours)
        found = questions.ask_count_colour(f, colour) if colour != _asked(last)[1]["c"] else None
        return _again(found, "then_count", {"p": ("colour", -1, colour)})
    term = questions.countable(rng, f)
    return _again(questions.ask_count(f, term), "then_count", {"p": term}) if term and term != last.called else None


_RESTYLES = {"full": (("word", 4), ("short", 4), ("full", 1.2)), "short": (("full", 4), ("word", 1.5)), "word": (("full", 5), ("short", 1))}


def _restyled(rng, language, phrasing, last, said="full"):
    """The last answer again, after one in the style `said`, in another style
    or, if full, as it was."""
    answers = _say(language, last)
    options = [(style, weight) for style, weight in _RESTYLES[said]
               if answers[_STYLES.index(style)] not in (None, None if style == "full" else answers[0])]
    if not options:
        return None
    style = rng.choices([s for s, _ in options], [w for _, w in options])[0]
    return Turn(_put(rng, language, phrasing, Found(last.kind, "then_" + style, {}, last.says, last.args)),
                answers[_STYLES.index(style)], last.spelled), style


def _follow(rng, facts, last):
    options = _follow_ups(rng, facts, last)
    while options:
        i = rng.choices(range(len(options)), [w for w, _ in options])[0]
        found = options.pop(i)[1]()
        if found:
            return found
    return None


def _fresh(rng, facts, last):
    """A question that stands by itself and has not just been asked."""
    for _ in range(4):
        found = _find(rng, facts, opening=True)
        if found is None or last is None or (found.says, found.args) != (last.says, last.args):
            break
    return found


def converse(rng, scenes, phrasing="train", turns=4, language=None):
    """A conversation of two to `turns` turns, whose last question needs the
    history; None where none was found."""
    if not scenes:
        return None
    words = LANGUAGES[language or ("en" if rng.random() < 0.5 else "zh")]
    facts = [questions.facts_of(s) for s in scenes]
    wanted = rng.randint(2, turns)
    rephrase = 0.25
    if len(facts) == 1 and not facts[0].items:  # nothing else follows a text
        if rng.random() < 0.6:
            return None
        rephrase = 1.0
    for _ in range(8):
        said, last, style, fresh = [], None, "full", False
        while len(said) < wanted:
            left = wanted - len(said)
            found = turn = None
            if last is None or (left > 1 and rng.random() < 0.2):
                found = _fresh(rng, facts, last)
                style = "full"
                if found and left > 1 and rng.random() < 0.1:  # a short answer, which only asks to be put otherwise
                    style = rng.choice(("short", "word"))
                    if _say(words, found)[_STYLES.index(style)] is None:
                        style = "full"
            elif style != "full":
                turn, style = _restyled(rng, words, phrasing, last, style) or (None, style)
            elif left > 1 and rng.random() < 0.1:
                key = rng.choice(("talk_thanks", "talk_ok", "talk_praise", "talk_able", "talk_hello"))
                turn, fresh = Turn(_put(rng, words, phrasing, Found(key, key, {}, "talk", ())), words.talk[key]), False
            else:
                if not fresh or rng.random() > (0.16 if left == 1 else 0.06):
                    found = _follow(rng, facts, last)
                if found is None and fresh and rng.random() < rephrase:  # only of what was just said
                    turn, style = _restyled(rng, words, phrasing, last) or (None, style)
                if found is None and turn is None and left > 1:
                    found = _fresh(rng, facts, last)
            if found:
                answer = _say(words, found)[_STYLES.index(style)]
                turn, fresh = Turn(_put(rng, words, phrasing, found, style), answer, found.spelled), True
                last = found
            if turn is None:
                break
            said.append(turn)
        if len(said) == wanted:
            return Dialogue("followup", "followup", words.name, style, tuple(said))
    return None
