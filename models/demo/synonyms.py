"""Other names of what the model knows: people use them, so some questions do;
answers keep to the names of world.py. No name here is another of the hundred
things, and none is one that several of them would fit.
"""

# By the English name of the thing: (singular, plural) names.
THINGS = {
    "dog": (("puppy", "puppies"), ("doggy", "doggies")),
    "cat": (("kitty", "kitties"), ("kitten", "kittens")),
    "horse": (("pony", "ponies"),),
    "pig": (("piggy", "piggies"), ("hog", "hogs")),
    "rabbit": (("bunny", "bunnies"), ("hare", "hares")),
    "panda": (("panda bear", "panda bears"),),
    "koala": (("koala bear", "koala bears"),),
    "chicken": (("hen", "hens"),),
    "frog": (("toad", "toads"),),
    "snake": (("serpent", "serpents"),),
    "turtle": (("tortoise", "tortoises"),),
    "crocodile": (("alligator", "alligators"), ("croc", "crocs")),
    "bee": (("honeybee", "honeybees"), ("bumblebee", "bumblebees")),
    "ladybug": (("ladybird", "ladybirds"),),
    "eggplant": (("aubergine", "aubergines"),),
    "mushroom": (("toadstool", "toadstools"),),
    "hamburger": (("burger", "burgers"),),
    "pizza": (("slice of pizza", "slices of pizza"), ("pizza slice", "pizza slices")),
    "cake": (("piece of cake", "pieces of cake"),),
    "cookie": (("biscuit", "biscuits"),),
    "donut": (("doughnut", "doughnuts"),),
    "ice cream": (("ice cream cone", "ice cream cones"),),
    "beer": (("mug of beer", "mugs of beer"), ("beer mug", "beer mugs")),
    "wine glass": (("glass of wine", "glasses of wine"), ("wineglass", "wineglasses")),
    "car": (("automobile", "automobiles"),),
    "bus": (("coach", "coaches"),),
    "truck": (("lorry", "lorries"),),
    "train": (("locomotive", "locomotives"),),
    "bicycle": (("bike", "bikes"), ("bike", "bikes"), ("cycle", "cycles")),
    "airplane": (("plane", "planes"), ("plane", "planes"), ("aeroplane", "aeroplanes")),
    "helicopter": (("chopper", "choppers"),),
    "rocket": (("rocket ship", "rocket ships"), ("spaceship", "spaceships")),
    "sailboat": (("boat", "boats"), ("sailing boat", "sailing boats")),
    "shirt": (("T-shirt", "T-shirts"),),
    "dress": (("gown", "gowns"),),
    "shoe": (("sneaker", "sneakers"),),
    "handbag": (("purse", "purses"),),
    "backpack": (("rucksack", "rucksacks"), ("school bag", "school bags")),
    "wrench": (("spanner", "spanners"),),
    "lock": (("padlock", "padlocks"),),
    "light bulb": (("bulb", "bulbs"), ("lightbulb", "lightbulbs")),
    "toilet": (("toilet bowl", "toilet bowls"),),
    "television": (("TV", "TVs"), ("TV", "TVs"), ("TV set", "TV sets")),
    "telephone": (("phone", "phones"),),
    "clock": (("alarm clock", "alarm clocks"),),
    "computer": (("PC", "PCs"),),
    "gift": (("present", "presents"),),
    "robot": (("bot", "bots"),),
    "house": (("home", "homes"), ("cottage", "cottages")),
    "rose": (("flower", "flowers"),),
}
SHAPES = {
    "circle": (("disc", "discs"), ("round shape", "round shapes")),
    "star": (("five-pointed star", "five-pointed stars"),),
    "heart": (("heart shape", "heart shapes"),),
    "cross": (("plus sign", "plus signs"), ("plus", "pluses")),
    "diamond": (("rhombus", "rhombuses"),),
    "moon": (("crescent", "crescents"), ("crescent moon", "crescent moons")),
}
COLOURS = {"purple": ("violet",)}
SIDES = (("on the left of", "left of", "on the left side of", "to the left side of"),
         ("on the right of", "right of", "on the right side of", "to the right side of"),
         ("over",), ("under", "underneath", "beneath"))
# The second kind only goes before the word "corner".
CORNERS = (("upper left", "left top", "top-left"), ("upper right", "right top", "top-right"),
           ("lower left", "left bottom", "bottom-left"), ("lower right", "right bottom", "bottom-right"))
CORNERS_HAND = (("top left-hand", "upper left-hand"), ("top right-hand", "upper right-hand"),
                ("bottom left-hand", "lower left-hand"), ("bottom right-hand", "lower right-hand"))

# By the Chinese name; the measure word fits these as well.
THINGS_ZH = {
    "狗": ("小狗", "狗狗"), "猫": ("猫咪", "小猫"), "马": ("马儿",), "牛": ("奶牛",), "猪": ("小猪",), "兔子": ("兔", "小兔子"), "老虎": ("虎",),
    "熊猫": ("大熊猫",), "考拉": ("树袋熊",), "猴子": ("猴", "小猴子"), "老鼠": ("耗子", "鼠"), "鸡": ("小鸡", "母鸡"),
    "鸭子": ("鸭", "小鸭子"), "青蛙": ("蛙",), "大象": ("象",), "绵羊": ("羊",), "乌龟": ("龟", "海龟"), "鱼": ("小鱼", "鱼儿"), "鲸鱼": ("鲸",),
    "章鱼": ("八爪鱼",), "螃蟹": ("蟹",), "蜜蜂": ("小蜜蜂",), "瓢虫": ("七星瓢虫",), "梨": ("梨子",), "菠萝": ("凤梨",), "胡萝卜": ("红萝卜",),
    "汉堡": ("汉堡包",), "披萨": ("比萨", "比萨饼"), "饼干": ("曲奇",), "甜甜圈": ("多纳圈",), "冰淇淋": ("冰激凌", "雪糕"), "酒杯": ("高脚杯", "红酒杯"),
    "汽车": ("小汽车", "轿车"), "公交车": ("公共汽车", "巴士"), "卡车": ("货车",), "自行车": ("单车", "脚踏车"), 
    "直升机": ("直升飞机",), "帆船": ("船", "小船"), "船锚": ("锚",), "上衣": ("T恤", "衬衫"), "裙子": ("连衣裙",), "鞋子": ("鞋", "运动鞋"),
    "皇冠": ("王冠",), "手提包": ("手袋", "提包"), "书包": ("背包", "双肩包"), "雨伞": ("伞",), "锤子": ("榔头", "铁锤"), "扳手": ("扳子",),
    "锁": ("挂锁",), "灯泡": ("电灯泡",), "马桶": ("坐便器",), "电视": ("电视机",), "电话": ("电话机", "座机"), "闹钟": ("时钟",),
    "照相机": ("相机",), "电脑": ("计算机",), "书": ("书本",), "礼物": ("礼品", "礼盒"), "铃铛": ("铃",), "房子": ("小屋", "屋子"),
    "树": ("大树",), "玫瑰": ("玫瑰花", "花"), "云": ("云朵", "云彩"),
}
SHAPES_ZH = {
    "圆形": ("圆", "圆圈"), "正方形": ("方块", "方形"), "三角形": ("三角",), "星形": ("星星", "五角星"), "心形": ("爱心", "心"), "十字形": ("十字", "加号"),
    "月牙形": ("月亮", "月牙"),
}
COLOURS_ZH = {"橙色": ("橘色",), "粉色": ("粉红色",), "棕色": ("褐色", "咖啡色")}
SIDES_ZH = (("左侧", "左方", "左面"), ("右侧", "右方", "右面"), ("上方", "上边"), ("下方", "底下", "下边"))
CORNERS_ZH = (("左上方", "左上方的角落", "左上"), ("右上方", "右上方的角落", "右上"), ("左下方", "左下方的角落", "左下"), ("右下方", "右下方的角落", "右下"))
