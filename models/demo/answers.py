"""The words of both languages, and the one answer that counts as right.

A term is (kind, name, colour): what a question or an answer calls an item.
("thing", 3, -1) is a horse, ("shape", 0, 2) a yellow circle, ("shape", 0, -1)
a circle, ("colour", -1, 2) a yellow shape. Every method of a language gives
the full, the short and the one-word answer, None where a style does not fit.
"""

from phrases import en, zh
from world import COLOUR_NAMES, COLOURS_ZH, PLURALS, SHAPES, SHAPES_ZH, THINGS

SIDES = ("left", "right", "above", "below")
OPPOSITE = (1, 0, 3, 2)


def _terms():
    yield from (("thing", i, -1) for i in range(len(THINGS)))
    yield from (("shape", i, c) for i in range(len(SHAPES)) for c in range(-1, len(COLOUR_NAMES)))
    yield from (("colour", -1, c) for c in range(len(COLOUR_NAMES)))


TERMS = tuple(_terms())


def _cap(text):
    return text[0].upper() + text[1:]


class English:
    name = "en"
    templates = {"seen": en.SEEN, "unseen": en.UNSEEN}
    numbers = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    ordinals = ("first", "second", "third")
    sides = ("to the left of", "to the right of", "above", "below")
    corners = ("top left", "top right", "bottom left", "bottom right")
    colours = COLOUR_NAMES

    def __init__(self):
        self.bare, self.plural, self.one = {}, {}, {}
        for term in TERMS:
            kind, name, colour = term
            words = (THINGS[name][:2] if kind == "thing" else (SHAPES[name], PLURALS[name]) if kind == "shape" else ("shape", "shapes"))
            if colour >= 0:
                words = [f"{COLOUR_NAMES[colour]} {w}" for w in words]
            self.bare[term], self.plural[term] = words
            self.one[term] = ("an " if words[0][0] in "aeiou" and words[0] != "unicorn" else "a ") + words[0]

    def slots(self, slots):
        """The words that fill a question's slots."""
        words = {}
        for key, value in slots.items():
            if key in "ab":
                words[key] = self.bare[value]
            elif key == "x":
                words["x"], words["p"] = self.one[value], self.plural[value]
            elif key == "p":
                words["p"] = self.plural[value]
            elif key == "c":
                words["c"] = COLOUR_NAMES[value]
            elif key == "side":
                words["side"] = self.sides[value]
                words["Side"] = _cap(self.sides[value])
            elif key == "corner":
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
        if change == "gone":
            return f"The {self.bare[a]} is gone.", None, None
        if change == "added":
            return f"{_cap(self.one[b])} was added.", None, None
        if change == "replaced":
            return f"The {self.bare[a]} became {self.one[b]}.", None, None
        return f"The {SHAPES[a[1]]} turned from {COLOUR_NAMES[a[2]]} to {COLOUR_NAMES[b[2]]}.", None, None

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

    talk = {
        "talk_hello": "Hello! I am the Tandem demo model. Send me a picture and ask me about it.",
        "talk_who": "I am the Tandem demo model, a small vision-language model.",
        "talk_able": "I can name things, count them, say where they are, read print and digits, and compare pictures.",
        "talk_unable": "I cannot recognise people, read long texts or answer questions that have nothing to do with a picture.",
        "talk_things": "I know one hundred everyday things, such as animals, food, vehicles and tools, and eight shapes in ten colours.",
        "talk_read": "I can read printed words, numbers and prices, and handwritten digits.",
        "talk_count": "I can count to nine.",
        "talk_pictures": "I can look at up to three pictures at once.",
        "talk_languages": "I speak English and Chinese.",
        "talk_size": "I have about twelve million parameters.",
        "talk_trained": "I was trained from nothing on drawn pictures, in less than half an hour on one GPU.",
        "talk_maker": "I was made for Tandem, a server for vision-language models.",
        "talk_human": "I am a computer program. I have no feelings.",
        "talk_trust": "I make mistakes. Please check what matters.",
        "talk_private": "I keep nothing. I only know what is in this conversation.",
        "talk_learn": "I do not learn from conversations.",
        "talk_speed": "I am small and fast. I run inside Tandem.",
        "talk_how": "Send me a picture and ask a question about it, in English or Chinese.",
        "talk_licence": "I come with the Apache 2.0 licence, which allows commercial use.",
        "talk_thanks": "You are welcome!",
        "talk_bye": "Goodbye!",
        "talk_praise": "Thank you! I am glad that I could help.",
        "talk_insult": "I am sorry. I am only a small model.",
        "talk_offtopic": "I am a small demo model. I can only talk about simple pictures.",
        "talk_ok": "Good. What else would you like to know?",
    }


class Chinese:
    name = "zh"
    templates = {"seen": zh.SEEN, "unseen": zh.UNSEEN}
    numbers = ("没有", "一", "两", "三", "四", "五", "六", "七", "八", "九")
    ordinals = ("第一", "第二", "第三")
    sides = ("左边", "右边", "上面", "下面")
    corners = ("左上角", "右上角", "左下角", "右下角")
    colours = COLOURS_ZH

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

    def slots(self, slots):
        """The words that fill a question's slots."""
        words = {}
        for key, value in slots.items():
            if key in "ab":
                words[key] = self.bare[value]
            elif key in "xp":
                words["x"], words["p"], words["m"] = self.one[value], self.bare[value], self.measure[value]
            elif key == "c":
                words["c"] = COLOURS_ZH[value]
            elif key == "side":
                words["side"] = self.sides[value]
            elif key == "corner":
                words["corner"] = self.corners[value]
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
        if change == "gone":
            return f"{self.bare[a]}不见了。", None, None
        if change == "added":
            return f"多了{self.one[b]}。", None, None
        if change == "replaced":
            return f"{self.bare[a]}变成了{self.bare[b]}。", None, None
        return f"{SHAPES_ZH[a[1]]}从{COLOURS_ZH[a[2]]}变成了{COLOURS_ZH[b[2]]}。", None, None

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

    talk = {
        "talk_hello": "你好！我是Tandem演示模型。请发给我一张图片，然后提问。",
        "talk_who": "我是Tandem演示模型，一个小型视觉语言模型。",
        "talk_able": "我能说出东西的名字，数数，说出位置，读字和数字，还能比较图片。",
        "talk_unable": "我认不出人，读不了长文章，也答不了和图片无关的问题。",
        "talk_things": "我认识一百种常见的东西，比如动物、食物、车和工具，还有十种颜色的八种形状。",
        "talk_read": "我能读印刷的单词、数字和价格，还有手写的数字。",
        "talk_count": "我能数到九。",
        "talk_pictures": "我一次最多能看三张图片。",
        "talk_languages": "我会说中文和英文。",
        "talk_size": "我大约有一千二百万个参数。",
        "talk_trained": "我是用画出来的图片从零开始训练的，在一块显卡上不到半小时。",
        "talk_maker": "我是为Tandem做的，Tandem是视觉语言模型的服务器。",
        "talk_human": "我是一个电脑程序，没有感情。",
        "talk_trust": "我会出错，重要的事请再检查一下。",
        "talk_private": "我什么都不保存，只知道这次对话里的内容。",
        "talk_learn": "我不会从对话中学习。",
        "talk_speed": "我又小又快，在Tandem里运行。",
        "talk_how": "请发给我一张图片，然后用中文或英文提问。",
        "talk_licence": "我用的是Apache 2.0许可证，可以商用。",
        "talk_thanks": "不客气！",
        "talk_bye": "再见！",
        "talk_praise": "谢谢！很高兴能帮上忙。",
        "talk_insult": "对不起，我只是一个小模型。",
        "talk_offtopic": "我是一个小演示模型，只会聊简单的图片。",
        "talk_ok": "好的，还想知道什么？",
    }


LANGUAGES = {"en": English(), "zh": Chinese()}
