#!/usr/bin/env python3
"""Makes questions.json, 340 questions, half of them English, half Chinese, in the words of somebody who only read the model card.

    python make_questions.py      # needs scikit-learn, for its handwritten digits

Pictures are made here only as lists of parts; draw.mjs draws them. The same seed makes the same file. This is the second edition: the
first one's wordings and pictures are known to the training by now, so all of them are new.
"""
import json
import math
import pathlib
import random

from sklearn.datasets import load_digits

import words

R = random.Random(7311)
SEEN, NEW = ("noto", "twemoji", "fluent-emoji-flat"), ("openmoji",)
LIGHT = ["#ffffff #ffffff", "#f7f1e3 #f7f1e3", "#e6eef9 #cfdff2", "#e4f2df #d3e6c9", "#fdf3dc #f9e3b8",
         "#ececec #d8d8d8", "#f6e6f0 #ecd2e2"]
MIDDLE = ["#9cc4de #86b3d2", "#a9c99a #a9c99a", "#c3aed6 #b59cc9", "#d9a679 #d9a679", "#8f9baa #7f8b9b"]
DARK = ["#2c3e57 #22304a", "#3b3b42 #3b3b42", "#2f5148 #2f5148"]
# Things with a pale edge in one of the sets: on white they would hardly be seen.
PALE = set("cow pig beer shirt candle cloud cat panda chicken sheep banana envelope gift rabbit mouse pear lemon pizza camera snowman "
           "toilet".split()) | {"light bulb", "ice cream", "wine glass"}
COLOURS = {"red": "#dc1f26", "orange": "#ff8a12", "yellow": "#ffdc1a", "green": "#1f9d3a", "blue": "#1f5be0", "purple": "#8430c4",
           "pink": "#ff80b8", "brown": "#85501f", "black": "#101010", "white": "#ffffff"}
SHAPES = list(words.KINDS["shape"])
PENS = {"0": ["M55 10C25 10 18 40 20 60C22 85 45 96 62 88C82 78 84 40 76 22C71 12 62 9 52 11"],
        "1": ["M34 28C44 24 50 16 53 7L50 94", "M56 6L48 94"],
        "2": ["M22 30C24 8 66 0 72 26C77 50 40 66 22 90C44 82 60 92 80 84"],
        "3": ["M24 14H72L46 42C84 42 80 92 48 92C34 92 26 86 22 78"],
        "4": ["M30 8C28 30 24 46 20 56C44 58 60 56 82 54M62 28L58 96"],
        "5": ["M76 10C60 12 46 10 34 11C34 24 30 36 28 46C50 36 80 48 72 72C66 92 40 98 22 84"],
        "6": ["M66 8C40 20 22 50 24 70C26 98 74 98 74 70C74 48 40 46 27 66"],
        "7": ["M20 14C40 12 62 14 78 11C62 38 50 64 44 94", "M20 14C40 12 62 14 78 11C62 38 50 64 44 94M36 52L70 48"],
        "8": ["M68 22C56 2 22 14 32 34C40 48 70 56 72 76C72 98 28 98 28 76C30 56 62 46 68 22"],
        "9": ["M72 32C66 6 28 8 28 34C28 58 64 58 72 34C74 56 70 76 62 94"]}
SIZES = [(480, 480), (448, 448), (512, 512), (420, 420), (550, 550), (440, 450), (640, 480), (900, 450), (600, 400), (450, 600)]
COUNTED = {"dog": "只", "cat": "只", "rabbit": "只", "frog": "只", "turtle": "只", "butterfly": "只", "crab": "只", "apple": "个", "pear": "个",
           "carrot": "根", "strawberry": "颗", "hamburger": "个", "car": "辆", "rocket": "枚", "umbrella": "把", "key": "把", "bell": "个",
           "balloon": "个", "clock": "个", "book": "本", "crown": "顶"}  # with Chinese measure words
FONTS = [("Lato", 400), ("Lato", 700), ("Merriweather", 400), ("Bitter", 400), ("Bitter", 700), ("PT Sans", 700), ("DejaVu Sans", 400),
         ("DejaVu Serif", 400), ("DejaVu Sans Mono", 700)]
INKS = ["#111111", "#10307a", "#7a1010", "#0b4f2a", "#43206b"]
pictures, talks = {}, []


def en(key, kind="thing"):
    return words.KINDS[kind][key][0]


def zh(key, kind="thing"):
    return next(w for w in words.KINDS[kind][key] if not w.isascii())


def name(key, language, kind="thing"):
    return (en if language == "en" else zh)(key, kind)


def an(word):
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def many(word):
    return {"strawberry": "strawberries", "butterfly": "butterflies"}.get(word, word + "s")


def icon(key, sets=SEEN):
    return {"icon": f"{R.choice(sets)}:{words.ICON[key]}", "key": key}


def shape(form, colour):
    return {"shape": form, "fill": COLOURS[colour]}


def at(part, x, y, size, **more):
    return {**part, "at": [round(x), round(y)], "size": round(size), **more}


def rgb(colour):
    return [int(colour[i:i + 2], 16) for i in (1, 3, 5)]


def ground(parts):
    """A ground that every part stands out from."""
    fills = [p["fill"] for p in parts if "fill" in p]
    icons = {p["key"] for p in parts if "key" in p}
    choice = [g.split() for g in (LIGHT + MIDDLE + DARK if not icons else MIDDLE if icons & PALE else LIGHT)]
    return R.choice([g for g in choice if all(math.dist(rgb(f), rgb(c)) > 105 for f in fills for c in g)])


def picture(parts, size, back=None):
    key = f"p{len(pictures):03}"
    back = back or ground(parts)
    pictures[key] = {"size": list(size), "ground": back, "parts": [{k: v for k, v in p.items() if k != "key"} for p in parts]}
    return key


def spread(parts, size=None, scale=(0.6, 0.86)):
    """A picture with the parts in cells of a grid, none on another."""
    w, h = size = size or R.choice(SIZES)
    across = {1: 1, 2: 2, 3: 2, 4: 2}.get(len(parts), 3) if w < 800 else min(len(parts), 4)
    down = -(-len(parts) // across)
    cells = R.sample([(i, j) for i in range(across) for j in range(down)], len(parts))
    side, out = min(w / across, h / down), []
    for part, (i, j) in zip(parts, cells):
        s = side * R.uniform(*scale) * (0.85 if len(parts) == 1 else 1)
        free = (side - s) * 0.4
        out.append(at(part, (i + 0.5) * w / across + R.uniform(-free, free), (j + 0.5) * h / down + R.uniform(-free, free), s))
    return picture(out, size)


def line(parts, size=None):
    """Parts from left to right, of different sizes and not quite level."""
    w, h = size or R.choice([(480, 480), (600, 400)] if len(parts) < 4 else [(900, 450), (960, 480)])
    step = w / len(parts)
    side = min(step, h) * 0.82
    sizes = [side * R.uniform(0.75, 1) for _ in parts]
    return picture([at(p, (k + 0.5) * step, h / 2 + R.uniform(-0.1, 0.1) * h, s) for k, (p, s) in enumerate(zip(parts, sizes))], (w, h))


def corners(parts):
    """Four parts: upper left, upper right, lower left, lower right."""
    return picture([at(p, 120 + 250 * (k % 2), 120 + 250 * (k // 2), R.uniform(110, 170)) for k, p in enumerate(parts)], (490, 490))


def add(row, language, names, *turns):
    """A conversation: (question, want) a turn; want None asks without counting. Every fifth has the pictures behind the question."""
    turns = [{"ask": q, **({"want": w} if w is not None else {})} for q, w in turns]
    names = [names] if isinstance(names, str) else list(names)
    behind = {"behind": True} if names and len(talks) % 5 == 2 else {}
    talks.append({"row": row, "language": language, "pictures": names, **behind, "turns": turns})


def both(row, count, english, chinese, make):
    """Half the questions each; make(k, language) gives pictures, want and the words for the phrases."""
    for k in range(count):
        language, phrases = ("en", english) if k % 2 == 0 else ("zh", chinese)
        names, want, says = make(k, language)
        add(row, language, names, (phrases[k // 2 % len(phrases)].format(**says), want))


NAME = (["hey, what have we got here", "I don't recognise this one. What is it called?", "Identify the object in the attached image.",
         "My daughter would like to know what this is.", "What would you call that?", "Please name the item depicted.",
         "what am i looking at", "Could you kindly tell me which object the picture represents?", "Guess what I drew!", "so what is it"],
        ["帮我看看这是个啥", "图中所画为何物？", "这玩意儿叫什么名字呀", "孩子问我这是什么，你知道吗？", "请识别图片中的物体。", "你认得这个东西吗？它是什么？",
         "猜猜我画的是什么", "这张图展示了什么物品或动物？", "我不认识这个，请你告诉我它是什么。", "看图说话：画的是什么？"])
deck = R.sample(list(words.THINGS), 100)
both("name", 20, *NAME, lambda k, _: (spread([icon(deck[k])]), {"thing": [deck[k]]}, {}))
both("name, OpenMoji", 20, *NAME, lambda k, _: (spread([icon(deck[20 + k], NEW)]), {"thing": [deck[20 + k]]}, {}))

# Shapes: which it is, the largest, its colour, the odd one out, whether larger; the second ten words it otherwise.
SHAPE = (["What kind of shape is this?", "Out of all the shapes, which one is largest?", "The {A} - what color is it?",
          "Find the odd one out.", "Would you say the {A} is larger than the {B}?", "name this geometric figure",
          "biggest shape here?", "Tell me the colour of the {A}.", "One of these is not like the rest. Which one?",
          "Is it true that the {A} is bigger than the {B}?"],
         ["这是个什么形状？", "哪个图形个头最大？", "请问{A}涂的是什么颜色？", "找出与众不同的那个图形。",
          "{A}是不是比{B}更大？", "认一下这个几何图形",
          "这几个形状当中，最大的是什么？", "这个{A}是啥颜色的呀", "有一个和别的不同，是哪个？", "跟{B}相比，{A}大一些吗？"])


def shapes(k, language):
    kind, second = k // 2 % 5, k >= 10
    (a, b, c, d), (p, q, r, s) = R.sample(SHAPES, 4), R.sample(list(COLOURS), 4)
    says = {"A": name(a, language, "shape"), "B": name(b, language, "shape")}
    one = {"shape": [a], "colour": [], "may": [p]}
    if kind == 0:
        return spread([shape(a, p)]), one, says
    if kind == 1:  # largest by a factor of 1.6 and more
        places = R.sample([(120, 120), (360, 120), (120, 360), (360, 360)], 4)
        parts = [at(shape(f, g), *xy, size) for f, g, xy, size in zip((a, b, c, d), (p, q, r, s), places, (200, 120, 100, 90))]
        return picture(parts[:3 + second], (480, 480)), one, says
    if kind == 2:
        return spread([shape(a, p), shape(b, q), shape(c, r)][:3 - second]), {"colour": [p]}, says
    if kind == 3 and second == (language == "en"):
        return spread([shape(a, p)] * 3 + [shape(a, q)], scale=(0.65, 0.75)), {"colour": [q], "may": [p]}, says
    if kind == 3:
        return spread([shape(a, p)] * 4 + [shape(b, p)], scale=(0.65, 0.75)), {"shape": [b], "may": [a]}, says
    larger = second == (language == "en")
    sizes = R.uniform(190, 225), R.uniform(95, 125)
    x, y = R.sample([140, 365], 2)
    parts = [at(shape(a, p), x, R.uniform(180, 300), sizes[not larger]), at(shape(b, q), y, R.uniform(180, 300), sizes[larger])]
    return picture(parts, (500, 480)), {"yes": larger, "subject": a}, says


both("shapes", 20, *SHAPE, shapes)

# Places: left, right, above, below something that stands between two, then the four corners; things and shapes in turn.
PLACE = (["Which object is to the left of the {b}?", "what do we have to the right of the {b}", "Look above the {b}. What's there?",
          "Something is below the {b}, what is it?", "What can be found in the upper left corner?", "top right corner: what's in it?",
          "Please tell me what occupies the bottom left corner.", "And down in the bottom right corner, what do you see?"],
         ["{b}的左侧是什么？", "在{b}右边的是哪一个？", "{b}的上方有什么？", "看一下{b}的下面，那是什么？", "图片左上角放的是什么？", "右上角那个是什么呀",
          "请说出位于左下角的是什么。", "画在右下角的是什么？"])


def places(k, language):
    kind, things = k // 2, (k // 2 + k) % 2 == 0
    keys = R.sample(list(words.THINGS) if things else SHAPES, 4)
    colours = R.sample(list(COLOURS), 4)
    parts = [icon(x) for x in keys] if things else [shape(x, c) for x, c in zip(keys, colours)]
    if kind > 3:
        names, i, says = corners(parts), kind - 4, {}
    else:
        around = [(-1, 0), (1, 0), (0, -1), (0, 1)]
        (x, y), (u, v) = around[kind], R.choice(around[2:] if kind < 2 else around[:2])
        where = [(250 + 160 * x, 250 + 160 * y), (250, 250), (250 + 160 * u, 250 + 160 * v)]
        names, i = picture([at(p, *xy, R.uniform(100, 135)) for p, xy in zip(parts, where)], (500, 500)), 0
        says = {"b": name(keys[1], language, "thing" if things else "shape")}
    return names, {"thing": [keys[i]]} if things else {"shape": [keys[i]], "colour": [], "may": [colours[i]]}, says


both("places", 16, *PLACE, places)


def count(k, language):
    a, b = R.sample(list(COUNTED), 2)
    total = k // 2 + 1 if k < 18 else R.randint(3, 7)
    every = k // 2 % 5 == 4  # asks for all of them
    others = min(9 - total, R.randint(1, 3)) if k % 4 > 1 else 0
    names = spread([icon(a)] * (total - (others if every else 0)) + [icon(b)] * others, scale=(0.66, 0.86))
    return names, {"number": [str(total)]}, {"x": many(en(a)) if language == "en" else zh(a), "m": COUNTED[a]}


both("count", 20, ["how many {x} do u see", "Please count all {x} in the picture.", "What's the total number of {x}?",
                   "I need the exact number of {x}.", "How many objects are in the picture altogether?"],
     ["图上画了几{m}{x}？", "请帮忙点一下{x}的个数。", "{x}到底有多少{m}？", "你数到了几{m}{x}？", "所有东西加起来是几个？"], count)


def count_colour(k, language):
    p, q, r = R.sample(list(COLOURS), 3)
    total, others = 1 + k // 2 % 6, R.randint(1, 3)
    parts = [shape(R.choice(SHAPES), p) for _ in range(total)] + [shape(R.choice(SHAPES), R.choice((q, r))) for _ in range(others)]
    return spread(parts), {"number": [str(total)]}, {"c": name(p, language, "colour")}


both("count a colour", 20, ["How many {c} ones are there?", "number of {c} shapes please",
                            "I'm only interested in the {c} shapes - how many?", "Of all these shapes, how many have the colour {c}?"],
     ["涂成{c}的图形有几个？", "{c}图形的数量？", "请统计{c}的图形。", "数数看，{c}的有几个"], count_colour)

data = load_digits()
DIGIT = (["My son wrote this digit, can you read it?", "which number did i write", "Recognise the handwritten digit.",
          "What figure is this?", "Is my handwriting legible? Which digit is it?"],
         ["我手写了一个数字，你认得出是几吗？", "这写的是哪个数字？", "识别手写数字。", "纸上写着数字几呀", "麻烦看下，这是几"])


def digit(_, ink):
    """A digit as ink with an edge, or as blurred as 8 by 8 greys are."""
    index = R.randrange(len(data.images))
    greys = "".join("0123456789abcdefg"[int(v)] for v in data.images[index].ravel())
    w, h = R.choice([(448, 448), (500, 500), (640, 480)])
    x, y = w / 2 + R.uniform(-40, 40), h / 2 + R.uniform(-40, 40)
    part = at({"digit": greys, "ink": ink, "fill": R.choice(INKS)}, x, y, R.uniform(160, 290))
    return picture([part], (w, h), R.choice(LIGHT).split()), {"number": [str(data.target[index])]}, {}


def pen(k, _):
    stroke, value = [(stroke, value) for value, strokes in PENS.items() for stroke in strokes][k]
    part = at({"pen": stroke, "fill": R.choice(INKS)}, 240, 240, R.uniform(170, 260), turn=round(R.uniform(-9, 9)))
    return picture([part], (480, 480), R.choice(LIGHT).split()), {"number": [value]}, {}


both("digits (scikit-learn)", 12, *DIGIT, lambda k, _: digit(k, True))
both("digits (scikit-learn, blurred)", 8, *DIGIT, lambda k, _: digit(k, False))
both("digits (own pen)", 12, *DIGIT, pen)

TEXTS = ("HOTEL Sunday $3.20 1847 PUSH Kitchen $89.95 264 Airport winter 50318 MUSIC $0.60 School Lantern 73 PARKING $16.75 "
         "Bank 9046").split()
SMALL = ("GARAGE ENGINE $52.30 3391 COTTON MARBLE 2085 $24.60 LADDER THEATRE POCKET 604 RIVER $9.15 ISLAND CASTLE 77120 TUNNEL "
         "CIRCUS $6.85").split()
READ = {"any": (["read this for me, i forgot my glasses", "Please transcribe the text.", "can u read that", "What's the writing on this?"],
                ["请把上面的字念给我听", "我没戴眼镜，上面写的啥", "图片上印了什么内容？", "这里写着什么，能读出来吗？"]),
        "word": (["Which word has been printed here?"], ["图中印的单词是什么？"]),
        "number": (["What number is printed on it?"], ["这串数字是多少？"]), "price": (["How much does it cost?"], ["标价是多少钱？"])}


def printed(text, height, x, y):
    font, weight = R.choice(FONTS)
    white = R.random() < 0.2
    return at({"text": text, "font": font, "weight": weight, "fill": "#ffffff" if white else R.choice(INKS)}, x, y, height)


def text_ground(part):
    return R.choice(DARK if part["fill"] == "#ffffff" else LIGHT).split()


for k, text in enumerate(TEXTS):  # capitals of 20 to 60 pixels, so at least 17 in the tile
    language, kind = ("en", "zh")[k % 2], "price" if "$" in text else "number" if text.isdigit() else "word"
    w, h = R.choice([(480, 480), (512, 512), (448, 448), (600, 400), (640, 480), (900, 450)])
    height = min(R.uniform(20, 60), 0.8 * w / len(text))
    part = printed(text, height, w / 2 + R.uniform(-25, 25), h / 2 + R.uniform(-0.3, 0.3) * h)
    phrases = READ["any"][k % 2] + READ[kind][k % 2]
    add("read", language, picture([part], (w, h), text_ground(part)), (phrases[k // 2 % 5], {"text": text.strip("$")}))

# Sizes with their tiles across and down, as InternVL cuts them.
CUT = [((1344, 1344), 3, 3), ((1200, 1200), 3, 3), ((1792, 1344), 4, 3), ((1600, 1200), 4, 3), ((1200, 1600), 3, 4), ((1344, 896), 3, 2),
       ((896, 1344), 2, 3), ((1792, 896), 4, 2), ((900, 900), 2, 2), ((1400, 1400), 3, 3)]


def small(k, _):
    """Capitals of 14 to 24 pixels in the picture and in its tiles, and at most about seven in the thumbnail (mean of both directions)."""
    (w, h), across, down = CUT[k % len(CUT)]
    scale = 448 * down / h
    low = 14 * max(1, 1 / scale)
    height = math.ceil(R.uniform(low, max(low, min(24, 7 * math.sqrt(across * down) / scale))))
    part = printed(SMALL[k], height, R.uniform(0.15, 0.85) * w, R.uniform(0.56, 0.93) * h)
    beside = at(icon(R.choice([x for x in deck if x not in PALE])), w * R.uniform(0.3, 0.7), h * 0.27, min(w, h) * 0.4)
    return picture([part] + [beside] * (k % 4 < 2), (w, h), text_ground(part)), {"text": SMALL[k].strip("$")}, {}


both("small print", 20,
     ["There's some fine print in there, what does it say?", "zoom in and read the little text",
      "Somewhere in this picture something is printed very small. Please read it.", "What is written in those tiny letters?",
      "can you make out the small lettering?"],
     ["图上有些很小的字，能看清是什么吗？", "放大看看，那行小字写的啥", "请辨认图片中印得很小的文字。", "那点小小的字是什么内容？", "字太小我看不清，你帮我读一下。"], small)


def listed(k, language):
    keys = R.sample(list(words.THINGS), 2 + k // 2 % 3)
    return line([icon(x) for x in keys]), {"thing": keys, "ordered": True}, {}


both("list", 20,
     ["Going from left to right, what objects are there?", "left to right please: what's in the picture",
      "Enumerate the items from left to right.", "What's in this row? Begin at the left.",
      "Tell me the things here in order, leftmost first."],
     ["按从左到右的顺序，图里是哪些东西？", "从左边开始，一个一个说给我听。", "依次列出图中物品（由左至右）。", "这一排都是些什么？从左往右讲。", "自左向右，你看见了哪些东西"], listed)


def there(k, language):
    keys = R.sample([x for x in words.THINGS if x != "shirt"], 4)  # the emoji is a T-shirt, for which Chinese has another word
    yes = R.random() < 0.5 if k > 15 else (k // 2 + k // 4) % 2 == 0
    x = name(keys[0] if yes else keys[3], language)
    return spread([icon(i) for i in keys[:1 + k % 3]]), {"yes": yes}, {"x": an(x) if language == "en" else x}


both("is there", 20, ["Any chance there's {x} in this picture?", "I'm looking for {x}. Is one in the image?", "Does {x} appear in it?",
                      "is {x} visible here", "Can you spot {x}?"],
     ["里面有没有画{x}？", "我在找{x}，这图里有吗？", "能看见{x}吗", "图片中是否出现了{x}？", "这里面是不是有{x}啊"], there)

# Two or three pictures.
SEVERAL = (["Would you say both pictures are the same?", "is there any difference at all between these two",
            "Compare the two images. What has changed?", "Something happened between picture one and picture two. What was it?",
            "Spot the difference!", "How does the second picture differ from the first?", "In which picture are there more {x}?",
            "which one has the most {x}, the first or the second?", "Three pictures, and only one of them has {an}. Which one?",
            "Where's the {one}, in the first or in the second image?", "Only look at the second picture. What's in it?",
            "what is on the third picture"],
           ["两张图片是完全相同的吗？", "这两幅图之间有差别吗？", "对比一下前后两张图，哪里变了？", "第二幅图相对第一幅发生了什么改变？", "找不同：两幅图差在哪里？",
            "看看这两张，说说变化在哪儿。", "哪幅图中{x}的数量比较多？", "{x}更多的是第几张？", "三张图里只有一张画了{one}，是哪张？", "请问哪一幅画的是{one}？",
            "只看第二张，里面画了什么？", "第三幅图画的是什么呀"])


def several(k, language):
    kind, keys = k // 2, R.sample(list(COUNTED), 4)
    a, b, c, _ = keys
    x, y, z = icon(a), icon(b), icon(c)
    says = {"x": many(en(a)) if language == "en" else zh(a), "one": name(a, language), "an": an(en(a))}
    sets = {0: [(x, y), (x, z)], 1: [(x, y), (x, y)], 2: [(x, y), (x, )], 3: [(x, ), (x, y)], 5: [(x, y), (x, z)]}
    if kind in sets:
        names = [picture([at(p, *xy, 170) for p, xy in zip(parts, [(125, 230), (355, 260)])], (480, 480), MIDDLE[k % 4].split())
                 for parts in sets[kind]]
        return names, {0: {"same": False}, 1: {"same": True}, 2: {"thing": [b], "change": "gone"}, 3: {"thing": [b], "change": "added"},
                       5: {"thing": [b, c]}}[kind], says
    if kind == 4:
        (s, t), (p, q) = R.sample(SHAPES, 2), R.sample(["red", "blue", "green", "yellow", "purple", "orange"], 2)
        names = [picture([at(shape(s, r), 130, 240, 170), at(shape(t, "black"), 350, 240, 150)], (480, 480), LIGHT[5].split())
                 for r in (p, q)]
        return names, {"colour": [q], "was": p, "may": [p, "black"], "shape": [s]}, says
    if kind < 8:
        few, lots = R.choice([(1, 3), (2, 5), (3, 6), (2, 4)])
        n = R.sample((few, lots), 2)
        return [spread([x] * i, (480, 480)) for i in n], {"nth": ["1" if n[0] > n[1] else "2"]}, says
    order = R.sample(keys[:3], 3)
    if kind == 9 and language == "en":
        order = R.sample(keys[:2], 2)
    names = [spread([icon(i)], R.choice(SIZES[:6])) for i in order]
    return names, {"nth": [str(order.index(a) + 1)]} if kind < 10 else {"thing": [order[1 if kind == 10 else 2]]}, says


both("two or three pictures", 24, *SEVERAL, several)

# Follow-ups, two or three counted turns each, that nobody understands without the history.
F = "follow-up"


def scenes():
    """New pictures for the same five conversations in either language."""
    x, y, z = icon("frog"), icon("carrot"), icon("bell")
    big = [at(shape("diamond", "orange"), 110, 250, 110), at(shape("square", "blue"), 330, 250, 230)]
    return (corners([icon(i) for i in ("crown", "turtle", "hammer", "frog")]),
            spread([shape("moon", "purple"), shape("square", "green"), shape("cross", "red")], (480, 480)),
            spread([x] * 2 + [y] * 4 + [z], (480, 480)), corners([icon(i) for i in ("rocket", "apple", "key", "owl")]),
            picture(big, (480, 480)), [spread([icon(i)], (450, 450)) for i in ("tractor", "snail", "umbrella")])


there4, coloured, counted, cornered, sized, three = scenes()
add(F, "en", there4, ("Is there a guitar in this one?", None), ("what about a turtle?", {"yes": True}), ("a bee?", {"yes": False}),
    ("And a frog, too?", {"yes": True}))
add(F, "en", coloured, ("What colour's the moon?", None), ("Right, and the square?", {"colour": ["green"], "may": ["purple"]}),
    ("The cross?", {"colour": ["red"], "may": ["green"]}), ("Just one word, please.", {"colour": ["red"], "style": "word"}))
add(F, "en", counted, ("How many frogs have you counted?", None), ("What about the carrots?", {"number": ["4"]}),
    ("and bells", {"number": ["1"]}), ("Now as a full sentence, please.", {"number": ["1"], "style": "full"}))
add(F, "en", cornered, ("Top left corner, what's there?", None), ("and bottom right?", {"thing": ["owl"]}),
    ("Bottom left?", {"thing": ["key"]}), ("And what about the top right?", {"thing": ["apple"]}))
add(F, "en", sized, ("Which one of the shapes is bigger than the other?", None), ("Which colour does it have?", {"colour": ["blue"]}),
    ("What's to the left of it?", {"shape": ["diamond"], "colour": [], "may": ["orange", "square"]}))
add(F, "en", three, ("What do you see in the first picture?", None), ("And in the second one?", {"thing": ["snail"]}),
    ("the third?", {"thing": ["umbrella"]}), ("Thank you!", {"says": "welcome|glad|pleasure|happy|any ?time|no problem"}))
there4, coloured, counted, cornered, sized, three = scenes()
add(F, "zh", there4, ("这里有吉他吗？", None), ("乌龟呢？", {"yes": True}), ("那蜜蜂呢？", {"yes": False}), ("还有青蛙吗？", {"yes": True}))
add(F, "zh", coloured, ("月亮什么颜色？", None), ("正方形呢？", {"colour": ["green"], "may": ["purple"]}),
    ("那十字形呢", {"colour": ["red"], "may": ["green"]}), ("只说一个词就行。", {"colour": ["red"], "style": "word"}))
add(F, "zh", counted, ("青蛙有几只？", None), ("胡萝卜呢？", {"number": ["4"]}), ("那铃铛有多少？", {"number": ["1"]}),
    ("换成完整的一句话说。", {"number": ["1"], "style": "full"}))
add(F, "zh", cornered, ("左上角画了什么？", None), ("右下角呢？", {"thing": ["owl"]}), ("那左下角呢？", {"thing": ["key"]}),
    ("右上角？", {"thing": ["apple"]}))
add(F, "zh", sized, ("两个图形里哪个更大？", None), ("什么颜色的？", {"colour": ["blue"]}),
    ("它左边是什么？", {"shape": ["diamond"], "colour": [], "may": ["orange", "square"]}))
add(F, "zh", three, ("第一张图上是什么？", None), ("第二张呢？", {"thing": ["snail"]}), ("那第三张", {"thing": ["umbrella"]}),
    ("多谢啦！", {"says": "不(用)?客气|不谢|高兴|没关系|没事|应该"}))

for a, language, text in [
        ("horse", "en", "What did its owner call this horse?"), ("backpack", "en", "Whose backpack is that?"),
        ("house", "en", "In which year was this house built?"), ("handbag", "en", "Tell me what is inside the handbag."),
        ("cake", "en", "Whose birthday is this cake for?"), ("lock", "en", "Where is the key to this lock?"),
        ("telephone", "en", "who is on the phone right now"), ("bicycle", "zh", "这辆自行车骑了多少年了？"), ("backpack", "zh", "背包的主人是谁？"),
        ("house", "zh", "房子里住了几个人？"), ("handbag", "zh", "手提包里装着什么？"), ("cake", "zh", "是谁烤的这个蛋糕？"), ("bus", "zh", "公交车开往哪一站？"),
        ("monkey", "zh", "这猴子今年多大？")]:
    add("cannot tell", language, spread([icon(a)]), (text, {"cannot": True}))
add("cannot tell", "en", spread([icon("cactus"), icon("clock")]), ("What's below the rocket?", {"yes": False}))
add("cannot tell", "en", spread([shape("moon", "red"), shape("cross", "blue")]), ("And which colour has the heart got?", {"yes": False}))
add("cannot tell", "zh", spread([icon("fox"), icon("bell")]), ("吉他的右边是什么？", {"yes": False}))
add("cannot tell", "zh", spread([shape("star", "green"), shape("circle", "black")]), ("请说出正方形的颜色。", {"yes": False}))
for language, text in [("en", "what's in the photo i uploaded?"), ("en", "How many cats are in the picture?"),
                       ("en", "Could you read me the word on the sign?"), ("zh", "我刚发的照片上是什么？"), ("zh", "图上有几只猫？"),
                       ("zh", "那个图形是什么颜色？")]:
    add("no picture", language, [], (text, {"no_picture": True}))

# Each style in three wordings, of a name, a count and a colour.
STYLE = {"word": (["In one word: {q}", "{q} One word is enough.", "{q} Give me a single word, nothing else."],
                  ["{q}一个词就够了。", "用一个词告诉我：{q}", "{q}回答只要一个词。"]),
         "short": (["{q} Be brief.", "Short answer please: {q}", "{q} No long story, please."], ["{q}简单说就行。", "长话短说，{q}", "{q}回答简短一点。"]),
         "full": (["{q} Use a whole sentence.", "{q} I'd like a complete sentence.", "In a full sentence, {q}"],
                  ["{q}用一整句话说。", "{q}请说完整句子。", "用完整的一句话告诉我，{q}"])}
for k in range(9):
    style, kind = list(STYLE)[k % 3], k // 3
    a, n, c = R.choice(list(COUNTED)), R.randint(2, 4), R.choice(["purple", "green", "brown", "yellow"])
    parts, want = [([icon(a)], {"thing": [a]}), ([icon(a)] * n, {"number": [str(n)]}), ([shape("triangle", c)], {"colour": [c]})][kind]
    plain = [("what does the picture show?", "画面上是什么？"), (f"how many {many(en(a))} can be seen?", f"看得见几{COUNTED[a]}{zh(a)}？"),
             ("what's the colour of the triangle?", "三角形涂了什么颜色？")][kind]
    for language, text, asked in zip(("en", "zh"), plain, STYLE[style]):
        how = asked[(k + kind) % 3]
        text = text[0].upper() + text[1:] if how.startswith("{q}") else text
        add("answer style", language, spread(parts), (how.format(q=text), {**want, "style": style}))

for language, question, says in [
        ("en", "hey there", r"hello|\bhi\b|hey|welcome"), ("en", "Who built you?", "tandem"),
        ("en", "so what can i use you for", "name|count|read|compare|picture"),
        ("en", "How many languages do you understand, and which?", "english.*chinese|chinese.*english"),
        ("en", "Do you still know what I asked you yesterday?", r"nothing|\bno\b|\bnot\b|n't"),
        ("en", "Great, that helped. Thanks a lot!", "welcome|glad|pleasure|happy|thank"),
        ("zh", "嗨，在吗？", "你好|您好|嗨|在"), ("zh", "你是谁家开发的呀", "tandem"), ("zh", "我能拿你来干什么？", "认|数|读|图|看"),
        ("zh", "一次最多能发几张图给你看？", "三|3"), ("zh", "你的回答靠谱吗？", "错|不一定|不完全|不总"), ("zh", "今天就到这里，拜拜", "再见|拜|下次|回见")]:
    add("small talk", language, [], (question, {"says": says}))

if __name__ == "__main__":
    asked = sum("want" in turn for talk in talks for turn in talk["turns"])
    inner = [json.dumps({key: p}, ensure_ascii=False)[1:-1] for key, p in pictures.items()]
    lines = [json.dumps(talk, ensure_ascii=False) for talk in talks]
    text = '{"pictures": {\n' + ",\n".join(inner) + '},\n"talks": [\n' + ",\n".join(lines) + "]}\n"
    (pathlib.Path(__file__).parent / "questions.json").write_text(text)
    print(asked, "questions,", len(pictures), "pictures")
