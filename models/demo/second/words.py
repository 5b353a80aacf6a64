"""What the pictures can show, in English and Chinese, and how an answer is read: by words, wherever they stand in it."""
import re

# key: icon in the emoji sets; English words; Chinese words. The first of each asks, all of them are understood.
THINGS = {
    "dog": "dog-face;dog,puppy;狗,犬", "cat": "cat-face;cat,kitten;猫", "horse": "horse-face;horse,pony;马",
    "cow": "cow-face;cow,bull;牛", "pig": "pig-face;pig;猪", "rabbit": "rabbit-face;rabbit,bunny;兔子,兔",
    "tiger": "tiger-face;tiger;老虎,虎", "lion": "lion;lion;狮子,狮", "bear": "bear;bear;熊", "panda": "panda;panda;熊猫",
    "koala": "koala;koala;考拉,树袋熊", "fox": "fox;fox;狐狸", "monkey": "monkey-face;monkey;猴子,猴", "mouse": "mouse-face;mouse,mice;老鼠,鼠",
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
    "colour": {"red": ["red", "红色", "红"], "orange": ["orange", "橙色", "橙", "橘色"], "yellow": ["yellow", "黄色", "黄"],
               "green": ["green", "绿色", "绿"], "blue": ["blue", "蓝色", "蓝"], "purple": ["purple", "violet", "紫色", "紫"],
               "pink": ["pink", "粉色", "粉红色", "粉红", "粉"], "brown": ["brown", "棕色", "褐色", "棕"], "black": ["black", "黑色", "黑"],
               "white": ["white", "白色", "白"]},
    "number": {str(i): [str(i), en, *zh] for i, (en, zh) in enumerate(zip(
        "zero one two three four five six seven eight nine".split(), ["零", "一", ["二", "两", "俩"], *"三四五六七八九"]))},
    "nth": {"1": ["first", "第一", "第1", "1st", "picture 1", "picture one"], "2": ["second", "第二", "第2", "2nd", "picture 2", "picture two"],
            "3": ["third", "第三", "第3", "3rd", "picture 3", "picture three"]},
}
KINDS["number"]["0"] += ["none", "no", "没有"]
CANNOT = (r"can(no|')t|can not|unable|unknown|don't know|do not know|not sure|impossible|(does|do)(n't| not)"
          r" (say|show|tell)|no way to|not visible|no (picture|image)|(don't|do not) see|only talk|只会聊|不知道|看不出|看不到|看不见|无法|不能|没法"
          r"|不清楚|说不|判断不|没有(说|写|显示|告诉|图|看)|不确定|没(说|写|图)")
NO = r"^\W*(no|nope|none|not|没|不|无|否|未)|\bno\b|\bnot\b|n't|没有|不是|并没|看不"
YES = r"^\W*(yes|yeah|yep|sure|of course|it is|there (is|are)|i (do|can)|有|是|对|可以|能|会|当然|嗯)|\bthere (is|are)\b|有|能|会|可以"
SAME = r"\b(same|identical|equal|alike)\b|一样|相同|没有(区别|不同|变化)|no difference"
OTHER = r"\bdiffer|not (the )?(same|identical|alike)|n't (the )?(same|identical|alike)|不一样|不同|不相同|有(区别|变化)|became|变成|^\W*(no|不)\b"


def found(kind: str, text: str) -> list[str]:
    """The words of a kind in a text, in order, the longest first where they overlap ("熊猫" is no "熊")."""
    text = re.sub("一共|一样|一起|唯一|一下|哪一", " ", text.lower())
    if kind == "number":
        text = re.sub("第.|no such", " ", text)
    every = sorted(((word.lower(), key) for key, words in KINDS[kind].items() for word in words), key=lambda pair: -len(pair[0]))
    pattern = "|".join(rf"\b{re.escape(w)}(?:s|es)?\b" if w.isascii() else w for w, _ in every)
    keys = dict(every)
    hits = [m.group() for m in re.finditer("(?a)" + pattern, re.sub(r"(?<!k)ies\b", "y", text))]
    return list(dict.fromkeys(keys.get(h) or keys.get(h[:-1]) or keys.get(h[:-2]) for h in hits))


def told(answer: str, want: dict, question: str) -> bool:
    """Whether an answer says what is wanted and nothing against it.

    want: for a kind, the keys, in order with "ordered"; "may", further keys that do no harm; "text", "yes", "same", "cannot" and
    "says" (a regular expression); "style". Words of the question may come again, after what is wanted.
    """
    for kind in KINDS.keys() & want.keys():
        got, keys, asked = found(kind, answer), want[kind], found(kind, question)
        extra = [k for k in got if k not in keys and k not in asked and k not in want.get("may", ())]
        if extra or not set(keys) <= set(got):
            return False
        if keys and (set(keys) & set(asked)) and kind != "number" and got[0] not in keys:
            return False
        if want.get("ordered") and [k for k in got if k in keys] != keys:
            return False
    low = answer.lower().strip()
    if "text" in want and want["text"].lower() not in re.findall(r"[a-z0-9.]*[a-z0-9]", low.replace(",", ".")):
        return False
    if "yes" in want and (bool(re.search(NO, low)) if want["yes"] else not re.search(NO, low)):
        return False
    if want.get("yes") and not re.search(YES, low):
        return False
    if "same" in want and bool(re.search(OTHER, low)) == want["same"] or want.get("same") and not re.search(SAME, low):
        return False
    if want.get("cannot") and not re.search(CANNOT, low):
        return False
    return bool(re.search(want.get("says", ""), low)) and styled(low, want.get("style"))


def styled(answer: str, style: str | None) -> bool:
    """Whether an answer is one word ("word"), at most four ("short") or a whole sentence ("full")."""
    han, words = len(re.findall("[一-鿿]", answer)), len(re.findall(r"[\w'-]+", answer))
    if style == "word":
        return han <= 4 and words == 1
    if style == "short":
        return han <= 8 and words <= 4
    return style is None or (han >= 4 or words >= 4) and answer[-1] in ".。!！"
