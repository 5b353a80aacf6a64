#!/usr/bin/env python3
"""Makes questions.json, 326 questions, half of them English, half Chinese, in the words of somebody who only read the model card.

    python make_questions.py      # needs scikit-learn, for its handwritten digits

Pictures are made here only as lists of parts; draw.mjs draws them. The same seed makes the same file.
"""
import json
import pathlib
import random

from sklearn.datasets import load_digits

import words

R = random.Random(20)
SEEN, NEW = ("noto", "twemoji", "fluent-emoji-flat"), ("openmoji",)
GROUNDS = [("#ffffff", "#ffffff"), ("#f4efe6", "#f4efe6"), ("#e3eef8", "#c9dcf0"), ("#eef5e6", "#d8e8c8"), ("#fff4d6", "#ffe9b0"),
           ("#eeeeee", "#d4d4d4"), ("#f8e8ee", "#f2d4df"), ("#d9f0ee", "#f5f5ff")]
COLOURS = {"red": "#e02020", "orange": "#ff8c1a", "yellow": "#ffd91f", "green": "#23a03c", "blue": "#2160dd", "purple": "#8a35c9",
           "pink": "#ff7fb6", "brown": "#8a5226", "black": "#141414", "white": "#ffffff"}
SHAPES = list(words.KINDS["shape"])
PENS = {"0": "M50 8C20 8 20 92 50 92C80 92 80 8 50 8", "1": "M36 24L54 8V92", "2": "M24 28C30 0 80 4 72 36C68 54 40 68 24 90H78",
        "3": "M26 16C50 0 80 12 68 34C62 44 50 46 44 46C62 46 82 60 70 80C58 98 30 92 24 80", "4": "M60 92V8L20 64H80",
        "5": "M74 10H34L30 44C46 34 76 40 74 66C72 92 36 96 24 80", "7": "M22 12H78L42 92M36 50H66",
        "8": "M70 22C60 2 26 6 32 30C38 50 76 52 72 76C66 98 26 96 28 72C30 52 66 46 70 22"}
SIZES = [(480, 480)] * 4 + [(448, 448), (560, 560), (600, 600), (400, 400), (640, 480), (896, 448)]
pictures, talks = {}, []


def en(key, kind="thing"):
    return words.KINDS[kind][key][0]


def zh(key, kind="thing"):
    return next(w for w in words.KINDS[kind][key] if not w.isascii())


def an(word):
    return f"{'an' if word[0] in 'aeiou' and word != 'one' else 'a'} {word}"


def many(word):
    return {"sheep": "sheep", "fish": "fish", "mouse": "mice", "strawberry": "strawberries", "bus": "buses"}.get(word, word + "s")


def icon(key, sets=SEEN):
    return {"icon": f"{R.choice(sets)}:{words.ICON[key]}"}


def shape(name, colour):
    return {"shape": name, "fill": COLOURS[colour]}


def at(part, x, y, size, **more):
    return {**part, "at": [round(x), round(y)], "size": round(size), **more}


def picture(parts, size, ground=None):
    name = f"p{len(pictures):03}"
    pictures[name] = {"size": list(size), "ground": list(ground or R.choice(GROUNDS)), "parts": parts}
    return name


def spread(parts, size=None, scale=(0.62, 0.85)):
    """A picture with the parts in cells of a grid, none on another."""
    w, h = size = size or R.choice(SIZES)
    across = {1: 1, 2: 2, 3: 2, 4: 2}.get(len(parts), 3) if w < 800 else min(len(parts), 4)
    down = -(-len(parts) // across)
    cells = R.sample([(i, j) for i in range(across) for j in range(down)], len(parts))
    side = min(w / across, h / down)
    out = []
    for part, (i, j) in zip(parts, cells):
        s = side * R.uniform(*scale) * (0.85 if len(parts) == 1 else 1)
        free = (side - s) * 0.4
        out.append(at(part, (i + 0.5) * w / across + R.uniform(-free, free), (j + 0.5) * h / down + R.uniform(-free, free), s))
    return picture(out, size)


def line(parts, down=False, size=None):
    """Parts from left to right, or from top to bottom."""
    w, h = size or ((480, 480) if down or len(parts) < 4 else (896, 448))
    step, side = (h if down else w) / len(parts), min((h if down else w) / len(parts), w, h) * 0.72
    places = [(w / 2, (k + 0.5) * step) if down else ((k + 0.5) * step, h / 2) for k in range(len(parts))]
    return picture([at(part, *xy, side) for part, xy in zip(parts, places)], (w, h))


def add(row, language, names, *turns):
    """A conversation: (question, want) a turn; want None asks without counting."""
    turns = [{"ask": q, **({"want": w} if w is not None else {})} for q, w in turns]
    talks.append({"row": row, "language": language, "pictures": [names] if isinstance(names, str) else list(names), "turns": turns})


def both(row, count, english, chinese, make):
    """Half the questions each; make(k) gives pictures, want and the words for the phrases."""
    for k in range(count):
        language, phrases = ("en", english) if k % 2 == 0 else ("zh", chinese)
        names, want, says = make(k, language)
        add(row, language, names, (phrases[k // 2 % len(phrases)].format(**says), want))


NAME = (["What's this?", "What do you see here?", "Can you tell me what this is a picture of?", "Name the object, please.",
         "Which thing is shown in this image?", "What animal or object is this?"],
        ["这是什么？", "图片里是什么东西？", "你看到了什么？", "请问图上画的是啥？", "告诉我这张图里有什么。", "这个叫什么？"])
deck = R.sample(list(words.THINGS), 100)
both("name", 22, *NAME, lambda k, _: (spread([icon(deck[k])]), {"thing": [deck[k]]}, {}))
both("name, OpenMoji", 22, *NAME, lambda k, _: (spread([icon(deck[30 + k], NEW)]), {"thing": [deck[30 + k]]}, {}))

# Shapes: the largest, colour, odd one out, larger than, relations, corners: four or more each.
for k in range(28):
    language = "en" if k % 2 == 0 else "zh"
    say, kind, (a, b, c, d) = (en if k % 2 == 0 else zh), k // 2 % 7, R.sample(SHAPES, 4)
    p, q, r, s = R.sample([c for c in COLOURS if c != "white"], 4)
    A, B, P, Q = say(a, "shape"), say(b, "shape"), say(p, "colour"), say(q, "colour")
    if kind == 0:
        parts = [at(shape(a, p), 150, 190, 220), at(shape(b, q), 370, 120, 90), at(shape(c, r), 380, 370, 110)]
        names, text = picture(parts, (480, 480)), ("Which shape is the biggest?", "最大的图形是哪个？")
        want = {"shape": [a], "colour": [], "may": [p]}
    elif kind == 1:
        names, text = spread([shape(a, p), shape(b, q), shape(c, r)]), (f"What colour is the {A}?", f"{A}是什么颜色的？")
        want = {"colour": [p]}
    elif kind == 2:
        names, text = spread([shape(a, p)] * 3 + [shape(a, q)], (480, 480)), ("Which one doesn't belong with the others?", "哪一个跟其他的不一样？")
        want = {"colour": [q], "may": [p]}
        if k >= 14:
            names, want = spread([shape(a, p)] * 4 + [shape(b, p)]), {"shape": [b], "may": [a]}
    elif kind == 3:
        big = k >= 14
        names = picture([at(shape(a, p), 150, 240, 200 if big else 90), at(shape(b, q), 360, 240, 100 if big else 200)], (480, 480))
        text, want = (f"Is the {A} bigger than the {B}?", f"{A}比{B}大吗？"), {"yes": big}
    elif kind == 4:
        names, text = line([shape(a, p), shape(b, q)]), (f"What is there on the left side of the {Q} {B}?", f"{Q}{B}的左边是什么？")
        want = {"shape": [a], "may": [p], "colour": []}
    elif kind == 5:
        names, text = line([shape(a, p), shape(b, q)], True), (f"What's underneath the {A}?", f"{A}下面是什么图形？")
        want = {"shape": [b], "may": [q], "colour": []}
    else:
        spots = [(100, 100), (380, 100), (100, 380), (380, 380)]
        names = picture([at(shape(f, g), *xy, 120) for f, g, xy in zip((a, b, c, d), (p, q, r, s), spots)], (480, 480))
        text = [("Which shape is in the top right corner?", "右上角是什么图形？"), ("What's in the lower left corner?", "左下角有什么？")][k // 14]
        want = {"shape": [(b, c)[k // 14]], "may": [(q, r)[k // 14]], "colour": []}
    add("shapes", language, names, (text[k % 2], want))

COUNTED = "dog cat apple banana car fish strawberry duck umbrella balloon key bee mushroom book donut".split()


def count(k, language):
    a, b = R.sample(COUNTED, 2)
    total = k // 2 + 1 if k < 18 else R.randint(3, 7)
    others = 0 if k % 4 > 1 else min(9 - total, R.randint(0, 3))
    return (spread([icon(a)] * total + [icon(b)] * others), {"number": [str(total)]}, {"x": many(en(a)) if language == "en" else zh(a)})


both("count", 20, ["How many {x} are there?", "Count the {x} for me.", "Number of {x} in the image?", "How many {x} can you see?"],
     ["图里一共有几个{x}？", "数一数有多少{x}。", "有几个{x}呀？", "{x}的数量是多少？"], count)


def count_colour(k, language):
    p, q, r = R.sample([c for c in COLOURS if c != "white"], 3)
    total, others = R.randint(1, 5), R.randint(1, 3)
    parts = [shape(R.choice(SHAPES), p) for _ in range(total)] + [shape(R.choice(SHAPES), R.choice((q, r))) for _ in range(others)]
    return spread(parts), {"number": [str(total)]}, {"c": (en if language == "en" else zh)(p, "colour")}


both("count a colour", 20, ["How many {c} shapes are there?", "How many of the shapes are {c}?", "Count everything that is {c}."],
     ["有几个{c}的图形？", "{c}的一共有多少个？", "图中{c}的东西有几个？"], count_colour)

data = load_digits()
DIGIT = (["Which digit is this?", "What number is written here?", "Can you read the handwritten number?", "What does it say?"],
         ["这是数字几？", "这个手写数字是多少？", "写的是几？", "请认一下这个数字。"])


def digit(_, ink):
    """A digit as ink with an edge, or as blurred as 8 by 8 greys are."""
    index = R.randrange(len(data.images))
    greys = "".join("0123456789abcdefg"[int(v)] for v in data.images[index].ravel())
    size = R.choice([(400, 400), (480, 480), (640, 480)])
    part = {"digit": greys, "ink": ink, "fill": R.choice(["#111111", "#1a2f7a", "#5a1010"])}
    part = at(part, size[0] / 2, size[1] / 2, R.uniform(170, 300))
    return picture([part], size), {"number": [str(data.target[index])]}, {}


def pen(k, _):
    part = at({"pen": list(PENS.values())[k], "fill": R.choice(["#111111", "#1a2f7a"])}, 240, 240, 240, turn=R.uniform(-8, 8))
    return picture([part], (480, 480)), {"number": [list(PENS)[k]]}, {}


state = R.getstate()
both("digits (scikit-learn)", 16, *DIGIT, lambda k, _: digit(k, True))
after = R.getstate()
R.setstate(state)
both("digits (scikit-learn, blurred)", 16, *DIGIT, lambda k, _: digit(k, False))
R.setstate(after)
both("digits (own pen)", 6, *DIGIT, pen)

FONTS = [("Lato", 400), ("Lato", 700), ("Merriweather", 400), ("Merriweather", 700), ("DejaVu Sans", 400), ("DejaVu Serif", 700),
         ("DejaVu Sans Mono", 400)]
TEXTS = ("COFFEE Garden $4.50 2039 EXIT Welcome $12.99 731 OPEN Market 58 Monday LIBRARY silver "
         "$0.75 CLOSED Planet 90210 bridge TICKET").split()
SMALL = ("STATION BAKERY $18.40 4417 HARBOUR SUMMER $7.25 60352 WINDOW TIGER MUSEUM 825 ORANGE "
         "$31.00 VELVET PILOT COPPER 1968 BUTTON FOREST").split()


def read(k, _):
    font, weight = R.choice(FONTS)
    size = R.choice([(480, 480), (600, 400), (640, 480), (896, 448)])
    part = at({"text": TEXTS[k], "font": font, "weight": weight, "fill": R.choice(["#111111", "#123a8c", "#8c1212", "#0c5c2c"])},
              size[0] / 2 + R.uniform(-30, 30), size[1] / 2 + R.uniform(-90, 90), R.uniform(36, 62))
    return picture([part], size), {"text": TEXTS[k].strip("$")}, {"t": "price" if "$" in TEXTS[k] else "text"}


def small(k, _):
    font, weight = R.choice(FONTS)
    w, h = R.choice([(1024, 768), (1280, 720), (1344, 896), (1600, 900), (1800, 900)])
    part = at({"text": SMALL[k], "font": font, "weight": weight, "fill": R.choice(["#111111", "#123a8c", "#8c1212"])},
              R.uniform(0.15, 0.85) * w, R.uniform(0.55, 0.93) * h, 11 + k * 9 / 19)
    parts = [part] + ([at(icon(R.choice(deck)), w * 0.5, h * 0.27, h * 0.35)] if k % 4 > 1 else [])
    return picture(parts, (w, h)), {"text": SMALL[k].strip("$")}, {}


both("read", 20, ["What's written here?", "Read it to me please.", "What does the sign say?", "Which word or number is this?"],
     ["上面写的是什么？", "请读出图中的文字。", "图上的字是什么？", "写了什么？"], read)
both("small print", 20,
     ["There is something printed in small letters. What is it?", "Can you read the small text?", "What does the tiny print say?"],
     ["图里有一行小字，写的是什么？", "请读一下那个小字。", "小字写了什么？"], small)


def listed(k, language):
    keys = R.sample(list(words.THINGS), 2 + k // 2 % 3)
    return line([icon(x) for x in keys]), {"thing": keys, "ordered": True}, {}


both("list", 20,
     ["What things are in this picture, left to right?", "List everything you see from left to right.",
      "Name all of the objects, starting on the left."],
     ["从左到右都有什么？", "请从左往右说出所有的东西。", "把图里的东西从左到右列出来。"], listed)


def there(k, language):
    keys = R.sample(list(words.THINGS), 4)
    yes = k // 2 % 2 == 0
    x = keys[0] if yes else keys[3]
    return spread([icon(i) for i in keys[:1 + k % 3]]), {"yes": yes}, {"x": an(en(x)) if language == "en" else zh(x)}


both("is there", 20, ["Is there {x} in this image?", "Do you see {x} anywhere?", "Can {x} be found here?", "Does the picture show {x}?"],
     ["图里有{x}吗？", "这张图中有没有{x}？", "能找到{x}吗？", "你看得到{x}吗？"], there)

# Two or three pictures.
for k in range(24):
    language = "en" if k % 2 == 0 else "zh"
    say, kind, keys = (en if k % 2 == 0 else zh), k // 2 % 6, R.sample([x for x in COUNTED if x not in ("fish",)], 4)
    a, b, c, d = keys
    first, p, q = R.randrange(3), *R.sample(["red", "blue", "green", "yellow", "purple"], 2)
    if kind == 0:
        same, w = k >= 12, line([icon(a), icon(b)])
        names, want = [w, w if same else line([icon(a), icon(c)])], {"same": same}
        text = ("Are these two pictures identical?", "这两张图一样吗？")
    elif kind == 1:
        x, y = icon(a), icon(b)
        names = [picture([at(x, 130, 240, 170), at(y, 350, 240, 170)][:n], (480, 480), GROUNDS[0]) for n in ((2, 1) if k < 12 else (1, 2))]
        want = {"thing": [b], "says": "gone|missing|remov|disappear|no longer|vanish|taken|不见|没了|消失|少|去掉|拿走|没有" if k < 12 else
                "add|new|appear|more|now|extra|多|新|加|出现"}
        text = ("What is different in the second image?", "第二张图跟第一张比有什么变化？")
    elif kind == 2:
        s, t = R.sample(SHAPES, 2)
        names = [picture([at(shape(s, r), 130, 240, 170), at(shape(t, "black"), 350, 240, 150)], (480, 480), GROUNDS[1]) for r in (p, q)]
        text, want = ("What changed between the two pictures?", "两张图有什么不同？"), {"colour": [q], "may": [p, "black"], "shape": [s]}
    elif kind == 3:
        n = R.sample(range(1, 6), 2)
        names = [spread([icon(a)] * i, (480, 480)) for i in n]
        text = (f"Which picture has more {many(en(a))}?", f"哪张图里的{zh(a)}更多？")
        want = {"nth": ["1" if n[0] > n[1] else "2"]}
    elif kind == 4:
        names = [spread([icon(x)]) for x in keys[:3]]
        text = (f"Which of the pictures shows {an(en(keys[first]))}?", f"哪一张图里有{zh(keys[first])}？")
        want = {"nth": [str(first + 1)]}
    else:
        names = [spread([icon(x)]) for x in keys[:3]]
        text = [("And what's in the third picture?", "第三张图片里是什么？"), ("What does the second image show?", "第二张图是什么？")][k // 12]
        want = {"thing": [keys[2 - k // 12]]}
    add("two or three pictures", language, names, (text[k % 2], want))

# Follow-ups, three counted turns each.
three = picture([at(icon("cat"), 120, 120, 170), at(icon("umbrella"), 360, 120, 170), at(icon("apple"), 120, 360, 170)], (480, 480))
forms = picture([at(shape("star", "red"), 120, 240, 120), at(shape("circle", "blue"), 330, 240, 220)], (480, 480))
fruit = spread([icon("apple")] * 2 + [icon("banana")] * 3 + [icon("lemon")], (480, 480))
animals = line([icon("dog"), icon("pig"), icon("duck")])
F = "follow-up"
add(F, "en", three, ("Is there a cat in this picture?", None), ("And a dog?", {"yes": False}), ("And an umbrella?", {"yes": True}),
    ("A banana?", {"yes": False}))
add(F, "zh", three, ("图里有猫吗？", None), ("那狗呢？", {"yes": False}), ("雨伞呢？", {"thing": ["umbrella"], "says": "有|是|对|右上"}),
    ("苹果呢？", {"thing": ["apple"], "says": "有|是|对|左下"}))
add(F, "en", forms, ("Which shape is the largest?", None),
    ("What colour is it?", {"colour": ["blue"]}), ("And the star?", {"colour": ["red"]}),
    ("One word only, please.", {"colour": ["red"], "style": "word"}))
add(F, "zh", forms, ("最大的是哪个图形？", None), ("它是什么颜色？", {"colour": ["blue"]}), ("星星呢？", {"colour": ["red"]}),
    ("请用一个词回答。", {"colour": ["red"], "style": "word"}))
add(F, "en", fruit, ("How many apples are there?", None), ("And bananas?", {"number": ["3"]}), ("And lemons?", {"number": ["1"]}),
    ("Say that in a full sentence.", {"number": ["1"], "style": "full"}))
add(F, "zh", fruit, ("有几个苹果？", None), ("香蕉呢？", {"number": ["3"]}), ("柠檬呢？", {"number": ["1"]}),
    ("说一个完整的句子。", {"number": ["1"], "style": "full"}))
add(F, "en", animals, ("What is to the left of the pig?", None), ("And to the right?", {"thing": ["duck"], "may": ["pig"]}),
    ("Is there a cow too?", {"yes": False}), ("Thanks!", {"says": "welcome|glad|pleasure|happy|any ?time|no problem"}))
add(F, "zh", animals, ("小猪左边是什么？", None), ("右边呢？", {"thing": ["duck"], "may": ["pig"]}), ("有牛吗？", {"yes": False}),
    ("谢谢你！", {"says": "不(用)?客气|不谢|高兴|没关系|应该"}))

for a, text_en, text_zh in [("dog", "What's the name of this dog?", "这只狗叫什么名字？"), ("cat", "How old is the cat?", "这只猫几岁了？"),
                            ("house", "Who lives in this house?", "谁住在这个房子里？"), ("car", "How much did the car cost?", "这辆车多少钱？"),
                            ("book", "Who wrote this book?", "这本书是谁写的？"), ("gift", "What's inside the gift?", "礼物里面是什么？"),
                            ("airplane", "Where is the airplane flying to?", "这架飞机要飞到哪里？")]:
    add("cannot tell", "en", spread([icon(a)]), (text_en, {"cannot": True}))
    add("cannot tell", "zh", spread([icon(a)]), (text_zh, {"cannot": True}))
add("cannot tell", "en", [], ("What can you see in the photo?", {"cannot": True}))
add("cannot tell", "zh", [], ("图片里有什么？", {"cannot": True}))
ABSENT = r"no |not|n't|没|不|无"
add("cannot tell", "en", spread([icon("dog"), icon("key")]), ("What is to the left of the guitar?", {"says": ABSENT}))
add("cannot tell", "zh", line([shape("star", "red"), shape("heart", "blue")]), ("三角形是什么颜色？", {"says": ABSENT}))

for k, (style, how_en, how_zh) in enumerate([("word", "Answer with a single word.", "只用一个词回答。"), ("short", "Keep it short.", "请简短回答。"),
                                             ("full", "Please answer in a complete sentence.", "请用完整的句子回答。")] * 3):
    a, n, c = R.choice(list(COUNTED)), R.randint(1, 4), R.choice(["red", "blue", "green"])
    parts, want = [([icon(a)], {"thing": [a]}), ([icon(a)] * n, {"number": [str(n)]}), ([shape("heart", c)], {"colour": [c]})][k // 3]
    names = spread(parts)
    plain = [("What is this?", "这是什么？"), (f"How many {many(en(a))} are there?", f"有多少个{zh(a)}？"),
             ("What colour is the heart?", "爱心是什么颜色？")][k // 3]
    add("answer style", "en", names, (f"{plain[0]} {how_en}", {**want, "style": style}))
    add("answer style", "zh", names, (f"{plain[1]}{how_zh}", {**want, "style": style}))

for language, question, says in [
        ("en", "Hi, who am I talking to?", "tandem|demo|model"),
        ("en", "What are you able to do?", "name|count|read|picture|see|shape|colou?r"),
        ("en", "Are you a real person?", "no|not|model|program"), ("en", "Do you speak Chinese as well?", "yes|chinese"),
        ("en", "Good morning!", "hello|hi|morning|help|welcome"), ("en", "How big are you?", "small|tiny|little|million|parameter"),
        ("zh", "你叫什么名字？", "tandem|演示|模型"), ("zh", "你会做什么？", "认|数|读|图|看|颜色|形状"), ("zh", "你是机器人还是真人？", "模型|程序|机器|不是"),
        ("zh", "你会说英文吗？", "会|能|可以|英"), ("zh", "你好呀！", "你好|您好|帮|嗨"), ("zh", "再见！", "再见|拜|下次|回见")]:
    add("small talk", language, [], (question, {"says": says}))

if __name__ == "__main__":
    asked = sum("want" in turn for talk in talks for turn in talk["turns"])
    inner = [json.dumps({name: p}, ensure_ascii=False)[1:-1] for name, p in pictures.items()]
    lines = [json.dumps(talk, ensure_ascii=False) for talk in talks]
    text = '{"pictures": {\n' + ",\n".join(inner) + '},\n"talks": [\n' + ",\n".join(lines) + "]}\n"
    (pathlib.Path(__file__).parent / "questions.json").write_text(text)
    print(asked, "questions,", len(pictures), "pictures")
