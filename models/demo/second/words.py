"""What the pictures can show, in English and Chinese, and how an answer is read: by words, wherever they stand in it."""
import re

# key: icon in the emoji sets; English words; Chinese words. The first of each asks, all of them are understood.
THINGS = {
    "dog": "dog-face;dog,puppy;狗,犬", "cat": "cat-face;cat,kitten;猫", "horse": "horse-face;horse,pony;马",
    "cow": "cow-face;cow,bull;牛", "pig": "pig-face;pig;猪", "rabbit": "rabbit-face;rabbit,bunny;兔子,兔",
    "tiger": "tiger-face;tiger;老虎,虎", "lion": "lion;lion;狮子,狮", "bear": "bear;bear;熊", "panda": "panda;panda,panda bear;熊猫",
    "koala": "koala;koala,koala bear;考拉,树袋熊", "fox": "fox;fox;狐狸", "monkey": "monkey-face;monkey;猴子,猴",
    "mouse": "mouse-face;mouse,mice;老鼠,鼠",
    "chicken": "chicken;chicken,hen,rooster;鸡", "penguin": "penguin;penguin;企鹅", "duck": "duck;duck;鸭子,鸭",
    "owl": "owl;owl;猫头鹰", "frog": "frog;frog;青蛙,蛙", "elephant": "elephant;elephant;大象,象", "camel": "camel;camel;骆驼",
    "sheep": "ewe;sheep,lamb;羊,绵羊", "snake": "snake;snake;蛇", "turtle": "turtle;turtle,tortoise;乌龟,龟",
    "crocodile": "crocodile;crocodile,alligator;鳄鱼", "fish": "fish;fish;鱼", "whale": "spouting-whale;whale;鲸鱼,鲸",
    "octopus": "octopus;octopus;章鱼", "crab": "crab;crab;螃蟹,蟹", "snail": "snail;snail;蜗牛", "butterfly": "butterfly;butterfly;蝴蝶",
    "bee": "honeybee;bee;蜜蜂", "ladybug": "lady-beetle;ladybug,ladybird,beetle;瓢虫", "spider": "spider;spider;蜘蛛",
    "apple": "red-apple;apple;苹果", "banana": "banana;banana;香蕉", "pear": "pear;pear;梨,梨子", "lemon": "lemon;lemon;柠檬",
    "strawberry": "strawberry;strawberry;草莓", "watermelon": "watermelon;watermelon;西瓜", "pineapple": "pineapple;pineapple;菠萝,凤梨",
    "carrot": "carrot;carrot;胡萝卜", "eggplant": "eggplant;eggplant,aubergine;茄子", "mushroom": "mushroom;mushroom;蘑菇",
    "hamburger": "hamburger;hamburger,burger;汉堡", "pizza": "pizza;pizza;披萨,比萨", "cake": "birthday-cake;cake;蛋糕",
    "cookie": "cookie;cookie;饼干,曲奇", "donut": "doughnut;donut,doughnut;甜甜圈", "lollipop": "lollipop;lollipop;棒棒糖",
    "ice cream": "soft-ice-cream;ice cream;冰淇淋,冰激凌", "beer": "beer-mug;beer;啤酒",
    "wine glass": "wine-glass;wine glass,glass of wine;酒杯,葡萄酒,红酒",
    "car": "automobile;car;汽车,轿车,小车", "bus": "bus;bus;公交车,公共汽车,巴士", "truck": "delivery-truck;truck,lorry;卡车,货车",
    "tractor": "tractor;tractor;拖拉机", "train": "locomotive;train,locomotive;火车", "bicycle": "bicycle;bicycle,bike;自行车,单车",
    "airplane": "airplane;airplane,plane,aeroplane;飞机", "helicopter": "helicopter;helicopter;直升机,直升飞机", "rocket": "rocket;rocket;火箭",
    "sailboat": "sailboat;sailboat,boat;帆船,船", "anchor": "anchor;anchor;锚,船锚", "shirt": "t-shirt;shirt,t-shirt;衬衫,T恤,衣服,上衣",
    "dress": "dress;dress;连衣裙,裙子", "shoe": "running-shoe;shoe,sneaker;鞋,鞋子", "hat": "top-hat;hat;帽子,礼帽", "crown": "crown;crown;皇冠,王冠",
    "handbag": "handbag;handbag,purse;手提包,手袋", "backpack": "backpack;backpack,rucksack;背包,书包", "umbrella": "umbrella;umbrella;雨伞,伞",
    "hammer": "hammer;hammer;锤子,锤", "wrench": "wrench;wrench,spanner;扳手", "key": "key;key;钥匙", "lock": "locked;lock,padlock;锁,挂锁",
    "pencil": "pencil;pencil;铅笔", "light bulb": "light-bulb;light bulb,lightbulb,bulb;灯泡,电灯", "candle": "candle;candle;蜡烛",
    "toilet": "toilet;toilet;马桶", "television": "television;television,tv;电视,电视机", "telephone": "telephone;telephone,phone;电话",
    "clock": "alarm-clock;clock,alarm clock;闹钟,时钟,钟,钟表", "camera": "camera;camera;相机,照相机", "computer": "laptop;computer,laptop;电脑,计算机",
    "book": "closed-book;book;书,书本", "envelope": "envelope;envelope,letter;信封", "gift": "wrapped-gift;gift,present;礼物",
    "balloon": "balloon;balloon;气球", "trophy": "trophy;trophy,cup;奖杯", "guitar": "guitar;guitar;吉他", "bell": "bell;bell;铃铛,铃,钟铃",
    "robot": "robot;robot;机器人", "snowman": "snowman-without-snow;snowman;雪人", "house": "house;house;房子,房屋",
    "tree": "deciduous-tree;tree;树,树木",
    "cactus": "cactus;cactus;仙人掌", "rose": "rose;rose;玫瑰", "cloud": "cloud;cloud;云,云朵", "rainbow": "rainbow;rainbow;彩虹",
}
ICON = {key: text.split(";")[0] for key, text in THINGS.items()}
KINDS = {
    "thing": {key: (text.split(";")[1] + "," + text.split(";")[2]).split(",") for key, text in THINGS.items()},
    "shape": {"circle": ["circle", "圆形", "圆"], "square": ["square", "正方形", "方形", "方块"], "triangle": ["triangle", "三角形"],
              "star": ["star", "五角星", "星形", "星星", "星"], "heart": ["heart", "爱心", "心形", "心"], "cross": ["cross", "plus", "十字形", "十字"],
              "diamond": ["diamond", "rhombus", "菱形"], "moon": ["moon", "crescent", "月亮", "月牙"]},
    "colour": {"red": ["red", "红色", "红"], "orange": ["orange", "橙色", "橙", "橘色", "橘"], "yellow": ["yellow", "黄色", "黄"],
               "green": ["green", "绿色", "绿"], "blue": ["blue", "蓝色", "蓝"], "purple": ["purple", "violet", "紫色", "紫"],
               "pink": ["pink", "粉色", "粉红色", "粉红", "粉"], "brown": ["brown", "棕色", "褐色", "棕", "咖啡色"], "black": ["black", "黑色", "黑"],
               "white": ["white", "白色", "白"]},
    "number": {str(i): [str(i), en, *zh] for i, (en, zh) in enumerate(zip(
        "zero one two three four five six seven eight nine ten".split(), ["零", "一", ["二", "两", "俩"], *"三四五六七八九十"]))},
    "nth": {"1": ["first", "第一", "第1", "1st", "picture 1", "picture one", "图一", "图1"],
            "2": ["second", "第二", "第2", "2nd", "picture 2", "picture two", "图二", "图2"],
            "3": ["third", "第三", "第3", "3rd", "picture 3", "picture three", "图三", "图3"]},
}
KINDS["number"]["0"] += ["none", "no", "没有"]
KINDS["number"]["1"].append("single")
UNSURE = (r"can(no|')t (tell|say|know|answer|determine)|(don't|do not) know|unknown|not sure|unsure|不知道|看不出|不清楚|不确定"
          r"|无法(判断|确定|回答|知道|看出)|判断不|说不|不能(判断|确定)|没法")
# That the picture does not say ("I do not see a horse" is another claim), and that there is no picture.
CANNOT = UNSURE + (r"|can(no|')t (?!help|see an?\b)|can not|unable|impossible|(does|do)(n't| not) (say|show|tell)|no way to|not visible"
                   r"|看不到|看不见|无法|不能|没有?(说|写|显示|告诉)")
NO_PICTURE = (r"\bno (picture|image|photo)|(don't|do not|can't|cannot) see|n't (sent|given|got|attached|received)|without an?"
              r"|(send|show) me|没有?(图|照片|看到|收到|发)|看不到|看不见|请.?发|发.{0,8}给我")
NO = (r"^\W*(no|nope|none|not|没(?!错)|不|无|否|未)|\bno\b|\bnot\b|n't|cannot (see|find|spot)|没(?!错|问题)|不是|并不|不比|不在|看不|找不")
YES = r"^\W*(yes|yeah|yep|sure|of course|it is|i (do|can)|是|对|没错|可以|能|会|当然|嗯)"
NO_CHANGE = r"no difference|nothing (has )?changed|not differ\w*|n't differ\w*|没有?(什么)?(任何)?(区别|不同|变化|差别|不一样)|没有?变"
SAME = r"\b(same|identical|equal|alike)\b|一样|相同|一致"
OTHER = r"\bdiffer|not (the )?(same|identical|alike)|n't (the )?(same|identical|alike)|不一样|不同|不相同|不一致|有(区别|变化|差别)|became|变成"
GONE = r"gone|missing|remov|disappear|no longer|vanish|taken|\bno\b|\bnot\b|n't|without|lacks|不见|没了|消失|少了|去掉|拿走|没有|不在"
ADDED = r"\badd|\bnew\b|\bappear|\bmore\b|\bnow\b|\bextra|joined|多|新|加|出现"
BACK = r"instead of|rather than|而不是|\bnow\b.*\bwas\b|现在.*(原|本)"  # what was comes behind what is
IDLE = "一共|一样|一起|唯一|一下|哪一|一张|这一|另一|一幅|一个(手写)?的?数字|十字|三角|五角"  # no number is meant


def found(kind: str, text: str) -> list[str]:
    """The words of a kind in a text, in order, the longest first where they overlap ("熊猫" is no "熊")."""
    text = text.lower()
    if kind == "number":
        text = re.sub(IDLE + "|第.|no such", " ", text)
    every = sorted(((word.lower(), key) for key, words in KINDS[kind].items() for word in words), key=lambda pair: -len(pair[0]))
    pattern = "|".join(rf"\b{re.escape(w)}(?:s|es)?\b" if w.isascii() else w for w, _ in every)
    keys = dict(every)
    hits = [m.group() for m in re.finditer("(?a)" + pattern, re.sub(r"(?<!k)ies\b", "y", text))]
    return list(dict.fromkeys(keys.get(h) or keys.get(h[:-1]) or keys.get(h[:-2]) for h in hits))


def verdict(answer: str, question: str, subject: str | None = None) -> bool | None:
    """Whether an answer affirms or denies; None if neither.

    Who is asked for a dog may say "A dog." for yes, but "There is a cat." says nothing; who is asked whether the subject is larger
    may say "The circle is larger."
    """
    if re.search(UNSURE, answer):
        return None
    if re.search(NO, answer):
        return False
    if re.search(YES, answer):
        return True
    if subject:
        first, larger = found("shape", answer)[:1], bool(re.search("larger|bigger|greater|大", answer))
        clear = first and (larger or re.search("smaller|小", answer)) and not re.search(SAME, answer)
        return (first == [subject]) == larger if clear else None
    named, asked = found("thing", answer), found("thing", question)
    if named:
        return True if set(named) & set(asked) else None
    return True if re.search(r"\bthere (is|are)\b|有", answer) else None


def alike(answer: str, question: str) -> bool | None:
    """Whether an answer calls the pictures the same; a bare yes or no is read by what was asked."""
    answer = re.sub(NO_CHANGE, "same", answer)
    for pattern, value in ((OTHER, False), (SAME, True)):
        if re.search(pattern, answer):
            return value
    yes = verdict(answer, "")
    return None if yes is None else yes != bool(re.search("differ|不同|区别|差别|变|不一样", question.lower()))


def changed(answer: str, want: str) -> bool:
    """Whether an answer says that something is gone or that it has come."""
    gone = bool(re.search(GONE, answer))
    return gone if want == "gone" else not gone and bool(re.search(ADDED, answer))


def told(answer: str, want: dict, question: str) -> bool:
    """Whether an answer says what is wanted and nothing against it.

    want: for a kind, the keys, in order with "ordered"; "may", further keys that do no harm; "was", the colour before; "change", gone or
    added; "text", "yes" (with "subject", what may be larger), "same", "cannot", "no_picture" and "says" (a regular expression);
    "style". Words of the question may come again, after what is wanted.
    """
    low = answer.lower().replace("’", "'").strip()
    for kind in KINDS.keys() & want.keys():
        got, keys, asked = found(kind, low), want[kind], found(kind, question)
        extra = [k for k in got if k not in keys and k not in asked and k not in want.get("may", ())]
        if kind == "nth" and re.search("than|比", low):
            extra = []  # "The second has more than the first."
        if extra or not set(keys) <= set(got):
            return False
        if keys and (kind == "nth" or set(keys) & set(asked)) and kind != "number" and got[0] not in keys:
            return False
        if want.get("ordered") and [k for k in got if k in keys] != keys:
            return False
    if "was" in want and want["was"] in (colours := found("colour", low)):
        if (colours.index(want["was"]) > colours.index(want["colour"][0])) != bool(re.search(BACK, low)):
            return False
    if "text" in want and want["text"].lower() not in re.findall(r"[a-z0-9.]*[a-z0-9]", low.replace(",", ".")):
        return False
    if "yes" in want and verdict(low, question, want.get("subject")) is not want["yes"]:
        return False
    if "same" in want and alike(low, question) is not want["same"] or "change" in want and not changed(low, want["change"]):
        return False
    if want.get("cannot") and not re.search(CANNOT, low) or want.get("no_picture") and not re.search(NO_PICTURE, low):
        return False
    return bool(re.search(want.get("says", ""), low)) and styled(low, want.get("style"))


def styled(answer: str, style: str | None) -> bool:
    """Whether an answer is one word ("word"), at most four ("short") or a whole sentence ("full": subject, verb and full stop)."""
    han, words = len(re.findall("[一-鿿]", answer)), len(re.findall(r"[\w'-]+", answer))
    if style == "word":
        return words == 1 and han <= 4
    if style == "short":
        return 0 < words <= 4 and han <= 8
    verb = r"\b(is|are|was|has|have|see|count|shows?)\b|'s\b|'re\b|[一-鿿].*(是|有|为|看|叫|画|数)"
    return style is None or words + han >= 3 and bool(re.search(verb, answer)) and answer[-1] in ".。!！"
