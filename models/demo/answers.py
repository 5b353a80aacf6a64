"""The words of both languages, and the one answer that counts as right.

A term is (kind, name, colour): what a question or an answer calls an item.
("thing", 3, -1) is a horse, ("shape", 0, 2) a yellow circle, ("shape", 0, -1)
a circle, ("colour", -1, 2) a yellow shape. Every method of a language gives
the full, the short and the one-word answer, None where a style does not fit.
"""

import synonyms
from phrases import en, zh
from phrases.patterns import load
from world import COLOUR_NAMES, COLOURS_ZH, PLURALS, SHAPES, SHAPES_ZH, THINGS

SIDES = ("left", "right", "above", "below")
OPPOSITE = (1, 0, 3, 2)
OTHER_WORDS = 0.2  # how often a question calls something by another name than the answer


def _terms():
    yield from (("thing", i, -1) for i in range(len(THINGS)))
    yield from (("shape", i, c) for i in range(len(SHAPES)) for c in range(-1, len(COLOUR_NAMES)))
    yield from (("colour", -1, c) for c in range(len(COLOUR_NAMES)))


TERMS = tuple(_terms())


def _cap(text):
    return text[0].upper() + text[1:]


class English:
    name = "en"
    templates = {"train": en.SEEN, "seen": en.SEEN, "unseen": en.UNSEEN}
    patterns = load("en")
    numbers = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    ordinals = ("first", "second", "third")
    sides = ("to the left of", "to the right of", "above", "below")
    corners = ("top left", "top right", "bottom left", "bottom right")
    colours = COLOUR_NAMES
    talk = en.ANSWERS_TALK

    def __init__(self):
        self.bare, self.plural, self.one = {}, {}, {}
        for term in TERMS:
            kind, name, colour = term
            words = (THINGS[name][:2] if kind == "thing" else (SHAPES[name], PLURALS[name]) if kind == "shape" else ("shape", "shapes"))
            if colour >= 0:
                words = [f"{COLOUR_NAMES[colour]} {w}" for w in words]
            self.bare[term], self.plural[term] = words
            self.one[term] = self._one(words[0])
        self.names = {term: self._names(term) for term in TERMS}
        self.others = {term: names[1:] or names for term, names in self.names.items()}

    @staticmethod
    def _one(word):
        return ("an " if word[0] in "aeiou" else "a ") + word

    def _names(self, term):
        """(bare, with its article, plural) of every name: the usual one first."""
        kind, name, colour = term
        if kind == "thing":
            nouns = [THINGS[name][:2], *synonyms.THINGS.get(THINGS[name].en, ())]
        elif kind == "shape":
            nouns = [(SHAPES[name], PLURALS[name]), *synonyms.SHAPES.get(SHAPES[name], ())]
        else:
            nouns = [("shape", "shapes"), ("one", "ones")]
        colours = ("",) if colour < 0 else [c + " " for c in (COLOUR_NAMES[colour], *synonyms.COLOURS.get(COLOUR_NAMES[colour], ()))]
        return [(c + one, self._one(c + one), c + more) for c in colours for one, more in nouns]

    def slots(self, rng, slots, template):
        """The words that fill a question's slots, at times other words than
        the answers use."""
        words = {}
        for key, value in slots.items():
            other = rng.random() < OTHER_WORDS
            if key in "abxp":
                bare, one, more = rng.choice(self.others[value]) if other else self.names[value][0]
                if key in "ab":
                    words[key] = bare
                else:
                    words["x"], words["p"] = one, more
                    words.setdefault("a", more if key == "p" else bare)  # "And the dogs?"
            elif key == "c":
                name = COLOUR_NAMES[value]
                words["c"] = rng.choice(synonyms.COLOURS[name]) if other and name in synonyms.COLOURS else name
            elif key == "side":
                words["side"] = rng.choice(synonyms.SIDES[value]) if other else self.sides[value]
            elif key == "corner":
                if other:
                    hand = "{corner} corner" in template and rng.random() < 0.3
                    words["corner"] = rng.choice((synonyms.CORNERS_HAND if hand else synonyms.CORNERS)[value])
                else:
                    words["corner"] = self.corners[value]
            elif key == "n":
                words["n"] = self.ordinals[value]
        return words

    def joined(self, terms):
        parts = [self.one[t] for t in terms]
        return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]

    def says_name(self, a):
        return f"This is {self.one[a]}.", _cap(self.one[a]) + ".", _cap(self.bare[a])

    def says_list(self, terms):
        words = self.joined(terms)
        return f"I see {words}.", _cap(words) + ".", None

    def says_groups(self, groups):
        parts = [f"{self.numbers[n]} {(self.bare if n == 1 else self.plural)[a]}" for n, a in groups]
        words = " and ".join(parts)
        return f"I see {words}.", _cap(words) + ".", None

    def says_exist(self, yes, a):
        if yes:
            return f"Yes, there is {self.one[a]}.", "Yes.", "Yes"
        return f"No, there is no {self.bare[a]}.", "No.", "No"

    def says_colour(self, a, colour):
        words = _cap(COLOUR_NAMES[colour])
        return f"The {self.bare[a]} is {COLOUR_NAMES[colour]}.", words + ".", words

    def says_shape(self, colour, a):
        return f"The {COLOUR_NAMES[colour]} shape is {self.one[a]}.", _cap(self.one[a]) + ".", _cap(self.bare[a])

    def says_size_most(self, largest, a):
        return f"The {'largest' if largest else 'smallest'} is the {self.bare[a]}.", f"The {self.bare[a]}.", None

    def says_size_compare(self, yes, a, b, larger):
        word = "Yes" if yes else "No"
        return f"{word}, the {self.bare[a]} is {'larger' if larger else 'smaller'} than the {self.bare[b]}.", word + ".", word

    def says_relation(self, a, b, side):
        short = ("To the left", "To the right", "Above", "Below")[side]
        return f"The {self.bare[a]} is {self.sides[side]} the {self.bare[b]}.", short + ".", ("Left", "Right", "Above", "Below")[side]

    def says_relation_yes_no(self, yes, a, b, side):
        word = "Yes" if yes else "No"
        return f"{word}, the {self.bare[a]} is {self.sides[side]} the {self.bare[b]}.", word + ".", word

    def says_neighbour(self, side, b, a):
        return f"{_cap(self.sides[side])} the {self.bare[b]} is {self.one[a]}.", _cap(self.one[a]) + ".", _cap(self.bare[a])

    def says_corner(self, corner, a):
        return f"In the {self.corners[corner]} corner is {self.one[a]}.", _cap(self.one[a]) + ".", _cap(self.bare[a])

    def says_corner_of(self, a, corner):
        return f"The {self.bare[a]} is in the {self.corners[corner]} corner.", _cap(self.corners[corner]) + ".", None

    def says_odd(self, a):
        return f"The odd one out is the {self.bare[a]}.", f"The {self.bare[a]}.", None

    def _there(self, count, one, more):
        word = _cap(self.numbers[count]) if count else "None"
        return f"There {'is' if count == 1 else 'are'} {self.numbers[count]} {one if count == 1 else more}.", word + ".", word

    def says_count(self, count, a):
        return self._there(count, self.bare[a], self.plural[a])

    def says_count_all(self, count):
        return self._there(count, "object", "objects")

    def says_count_colour(self, count, colour):
        return self._there(count, f"{COLOUR_NAMES[colour]} shape", f"{COLOUR_NAMES[colour]} shapes")

    def says_digit(self, value):
        return f"This is the digit {value}.", f"A{'n' if value == 8 else ''} {value}.", str(value)

    def says_read(self, text):
        return f'It says "{text}".', f'"{text}".', text

    def says_read_number(self, text):
        return f"The number is {text}.", f"{text}.", text

    def says_read_price(self, text):
        return f"The price is {text}.", f"{text}.", text

    def says_print(self, text):
        return f'The small print says "{text}".', f'"{text}".', text

    def says_cannot_absent(self, a):
        return f"I cannot tell, there is no {self.bare[a]}.", "I cannot tell.", None

    def says_cannot_know(self):
        return "I cannot tell from the picture.", "I cannot tell.", None

    def says_same(self, same):
        word = "same" if same else "different"
        return f"The pictures are {'the same' if same else 'different'}.", "The same." if same else "Different.", _cap(word)

    def says_changed(self, change, a, b):
        if change == "nothing":
            full = "Nothing has changed."
        elif change == "gone":
            full = f"The {self.bare[a]} is gone."
        elif change == "added":
            full = f"{_cap(self.one[b])} was added."
        elif change == "replaced":
            full = f"The {self.bare[a]} became {self.one[b]}."
        else:
            full = f"The {SHAPES[a[1]]} turned from {COLOUR_NAMES[a[2]]} to {COLOUR_NAMES[b[2]]}."
        return full, full, None

    def says_more(self, a, n, pictures):
        """`a` is None for things of any kind; `n` is None where all have as many."""
        words = self.plural[a] if a else "objects"
        if n is None:
            return f"The pictures have equally many {words}.", "Equally many.", None
        most = "more" if pictures == 2 else "the most"
        return f"The {self.ordinals[n]} picture has {most} {words}.", f"The {self.ordinals[n]} picture.", _cap(self.ordinals[n])

    def says_nth(self, n, terms):
        words = self.joined(terms)
        return f"The {self.ordinals[n]} picture shows {words}.", _cap(words) + ".", None

    def says_which_shows(self, a, n):
        return f"The {self.ordinals[n]} picture shows {self.one[a]}.", f"The {self.ordinals[n]} picture.", _cap(self.ordinals[n])

    def says_no_picture(self):
        return "I see no picture. Please send me one.", None, None


class Chinese:
    name = "zh"
    templates = {"train": zh.SEEN, "seen": zh.SEEN, "unseen": zh.UNSEEN}
    patterns = load("zh")
    numbers = ("没有", "一", "两", "三", "四", "五", "六", "七", "八", "九")
    ordinals = ("第一", "第二", "第三")
    sides = ("左边", "右边", "上面", "下面")
    corners = ("左上角", "右上角", "左下角", "右下角")
    colours = COLOURS_ZH
    talk = zh.ANSWERS_TALK

    def __init__(self):
        self.bare, self.measure, self.one = {}, {}, {}
        for term in TERMS:
            kind, name, colour = term
            words = THINGS[name].zh if kind == "thing" else SHAPES_ZH[name] if kind == "shape" else "图形"
            if colour >= 0:
                words = f"{COLOURS_ZH[colour]}的{words}"
            self.bare[term] = words
            self.measure[term] = THINGS[name].measure if kind == "thing" else "个"
            self.one[term] = f"一{self.measure[term]}{words}"
        self.names = {term: self._names(term) for term in TERMS}
        self.others = {term: names[1:] or names for term, names in self.names.items()}

    def _names(self, term):
        """All names: the usual one first."""
        kind, name, colour = term
        if kind == "thing":
            return [THINGS[name].zh, *synonyms.THINGS_ZH.get(THINGS[name].zh, ())]
        nouns = [SHAPES_ZH[name], *synonyms.SHAPES_ZH.get(SHAPES_ZH[name], ())] if kind == "shape" else ["图形"]
        if colour < 0:
            return nouns
        word = COLOURS_ZH[colour]
        words = [word + "的", word, word[:-1] + "的", word[:-1]] + [w + "的" for w in synonyms.COLOURS_ZH.get(word, ())]
        return [w + noun for w in words for noun in nouns] + ([word + "的"] if kind == "colour" else [])

    def slots(self, rng, slots, template):
        """The words that fill a question's slots, at times other words than
        the answers use."""
        words = {}
        for key, value in slots.items():
            other = rng.random() < OTHER_WORDS
            if key in "abxp":
                name = rng.choice(self.others[value]) if other else self.names[value][0]
                if key in "ab":
                    words[key] = name
                else:
                    measure = self.measure[value]
                    words["x"], words["p"], words["m"] = f"一{measure}{name}", name, measure
                    words.setdefault("a", name)
            elif key == "c":
                words["c"] = word = COLOURS_ZH[value]
                if other:
                    words["c"] = rng.choice(synonyms.COLOURS_ZH.get(word, (word,)) + ((word[:-1],) if "{c}的" in template else ()))
            elif key == "side":
                words["side"] = rng.choice(synonyms.SIDES_ZH[value]) if other else self.sides[value]
            elif key == "corner":
                words["corner"] = rng.choice(synonyms.CORNERS_ZH[value]) if other else self.corners[value]
            elif key == "n":
                words["n"] = self.ordinals[value]
        return words

    def joined(self, terms):
        parts = [self.one[t] for t in terms]
        return parts[0] if len(parts) == 1 else "、".join(parts[:-1]) + "和" + parts[-1]

    def says_name(self, a):
        return f"这是{self.one[a]}。", self.one[a] + "。", self.bare[a]

    def says_list(self, terms):
        words = self.joined(terms)
        return f"我看到{words}。", words + "。", None

    def says_groups(self, groups):
        words = "和".join([f"{self.numbers[n]}{self.measure[a]}{self.bare[a]}" for n, a in groups])
        return f"我看到{words}。", words + "。", None

    def says_exist(self, yes, a):
        if yes:
            return f"有，图里有{self.bare[a]}。", "有。", "有"
        return f"没有，图里没有{self.bare[a]}。", "没有。", "没有"

    def says_colour(self, a, colour):
        return f"{self.bare[a]}是{COLOURS_ZH[colour]}的。", COLOURS_ZH[colour] + "。", COLOURS_ZH[colour]

    def says_shape(self, colour, a):
        return f"{COLOURS_ZH[colour]}的图形是{self.bare[a]}。", self.bare[a] + "。", self.bare[a]

    def says_size_most(self, largest, a):
        return f"最{'大' if largest else '小'}的是{self.bare[a]}。", self.bare[a] + "。", None

    def says_size_compare(self, yes, a, b, larger):
        word = "对" if yes else "不对"
        return f"{word}，{self.bare[a]}比{self.bare[b]}{'大' if larger else '小'}。", word + "。", word

    def says_relation(self, a, b, side):
        return f"{self.bare[a]}在{self.bare[b]}的{self.sides[side]}。", f"在{self.sides[side]}。", self.sides[side]

    def says_relation_yes_no(self, yes, a, b, side):
        word = "对" if yes else "不对"
        return f"{word}，{self.bare[a]}在{self.bare[b]}的{self.sides[side]}。", word + "。", word

    def says_neighbour(self, side, b, a):
        return f"{self.bare[b]}的{self.sides[side]}是{self.one[a]}。", self.one[a] + "。", self.bare[a]

    def says_corner(self, corner, a):
        return f"{self.corners[corner]}是{self.one[a]}。", self.one[a] + "。", self.bare[a]

    def says_corner_of(self, a, corner):
        return f"{self.bare[a]}在{self.corners[corner]}。", self.corners[corner] + "。", None

    def says_odd(self, a):
        return f"不一样的是{self.bare[a]}。", self.bare[a] + "。", None

    def says_count(self, count, a):
        if not count:
            return f"没有{self.bare[a]}。", "没有。", "没有"
        number = self.numbers[count]
        return f"有{number}{self.measure[a]}{self.bare[a]}。", f"{number}{self.measure[a]}。", number

    def says_count_all(self, count):
        return f"一共有{self.numbers[count]}个东西。", f"{self.numbers[count]}个。", self.numbers[count]

    def says_count_colour(self, count, colour):
        return self.says_count(count, ("colour", -1, colour))

    def says_digit(self, value):
        return f"这是数字{value}。", f"数字{value}。", str(value)

    def says_read(self, text):
        return f'上面写着"{text}"。', f'"{text}"。', text

    def says_read_number(self, text):
        return f"号码是{text}。", f"{text}。", text

    def says_read_price(self, text):
        return f"价格是{text}。", f"{text}。", text

    def says_print(self, text):
        return f'小字写着"{text}"。', f'"{text}"。', text

    def says_cannot_absent(self, a):
        return f"看不出来，图里没有{self.bare[a]}。", "看不出来。", None

    def says_cannot_know(self):
        return "从图里看不出来。", "看不出来。", None

    def says_same(self, same):
        words = "一样" if same else "不一样"
        return f"两张图{words}。", words + "。", words

    def says_changed(self, change, a, b):
        if change == "nothing":
            full = "没有变化。"
        elif change == "gone":
            full = f"{self.bare[a]}不见了。"
        elif change == "added":
            full = f"多了{self.one[b]}。"
        elif change == "replaced":
            full = f"{self.bare[a]}变成了{self.bare[b]}。"
        else:
            full = f"{SHAPES_ZH[a[1]]}从{COLOURS_ZH[a[2]]}变成了{COLOURS_ZH[b[2]]}。"
        return full, full, None

    def says_more(self, a, n, pictures):
        if n is None:
            return "一样多。", "一样多。", None
        words = self.bare[a] if a else "东西"
        picture = self.ordinals[n] + "张图"
        return f"{picture}的{words}{'更' if pictures == 2 else '最'}多。", picture + "。", picture

    def says_nth(self, n, terms):
        words = self.joined(terms)
        return f"{self.ordinals[n]}张图里是{words}。", words + "。", None

    def says_which_shows(self, a, n):
        picture = self.ordinals[n] + "张图"
        return f"{picture}里有{self.bare[a]}。", picture + "。", picture[:-1]

    def says_no_picture(self):
        return "我没有看到图片，请发给我一张。", None, None


LANGUAGES = {"en": English(), "zh": Chinese()}
