"""What can be in a picture: the words every other file of this folder shares.

A scene is a list of items on a background. Everything random about how it
looks is decided when the scene is sampled; drawing a scene is a function of
the scene and nothing else. Units are pixels of the picture, angles radians
(clockwise on screen), colours RGB 0..255.
"""

import json
import pathlib
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent


class Noun(NamedTuple):
    """A thing's words. `measure` is the Chinese measure word (只, 个, 辆, ...)."""
    en: str
    plural: str
    zh: str
    measure: str
    emoji: str  # the emoji character(s) that show it


THINGS = tuple(Noun(*row) for row in json.loads((HERE / "things.json").read_text()))  # 100 of them
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "diamond", "moon")
PLURALS = ("circles", "squares", "triangles", "stars", "hearts", "crosses", "diamonds", "moons")
SHAPES_ZH = ("圆形", "正方形", "三角形", "星形", "心形", "十字形", "菱形", "月牙形")  # measure word: 个

# A colour is any mix of two of its anchors, plus a little jitter.
COLOURS = {
    "red": ((255, 0, 0), (220, 35, 35), (200, 20, 40)),
    "orange": ((255, 165, 0), (255, 120, 0), (240, 140, 30)),
    "yellow": ((255, 255, 0), (250, 215, 30), (255, 235, 80)),
    "green": ((0, 128, 0), (0, 220, 0), (60, 190, 70), (30, 110, 50)),
    "blue": ((0, 0, 255), (30, 90, 220), (30, 144, 255), (20, 40, 150)),
    "purple": ((128, 0, 128), (150, 60, 200), (100, 40, 160)),
    "pink": ((255, 192, 203), (255, 105, 180), (250, 150, 200)),
    "brown": ((139, 69, 19), (120, 70, 30), (101, 67, 33)),
    "black": ((0, 0, 0), (30, 30, 30)),
    "white": ((255, 255, 255), (240, 240, 240)),
}
COLOUR_NAMES = tuple(COLOURS)
COLOURS_ZH = ("红色", "橙色", "黄色", "绿色", "蓝色", "紫色", "粉色", "棕色", "黑色", "白色")

# What a picture can show in print.
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$€£¥.,:-%&!?"


class Look(NamedTuple):
    """How an item is drawn. `source` is the index of the emoji set (thing), of
    the scan (digit) or of the font (text); a shape has none."""
    source: int = 0
    flip: bool = False        # mirrored left to right (things only)
    hue: float = 0.0          # turn of the hue, degrees (things only)
    saturation: float = 1.0   # factor (things only)
    brightness: float = 1.0   # factor
    outline: float = 0.0      # dark line round it and along its inner edges, in hundredths of its size
    levels: int = 0           # colours a channel when posterised; 0 means all (things only)
    shadow: float = 0.0       # soft shadow, in hundredths of its size
    stretch: float = 1.0      # width over height, 0.8..1.25
    soft: bool = False        # the scan as it is, grey at its edges (digits only)
    plate: tuple = ()         # rgb of a plate behind it (text and digits), () means none


class Item(NamedTuple):
    kind: str       # "thing", "shape", "digit" or "text"
    name: int       # index into THINGS or SHAPES; a digit's value; 0 for text
    colour: int     # index into COLOUR_NAMES (shapes); -1 for the others
    x: float        # centre
    y: float
    size: float     # side of the square that holds it unturned; of a text the height of its capitals
    angle: float = 0.0
    rgb: tuple = (0, 0, 0)  # ink (shapes, digits, text)
    text: str = ""          # what it says (text)
    look: Look = Look()


class Background(NamedTuple):
    start: tuple            # rgb at one side
    end: tuple              # rgb at the other; equal to `start` when plain
    angle: float = 0.0      # direction of the gradient
    clouds: float = 0.0     # amplitude of slow noise, grey levels
    grain: float = 0.0      # amplitude of noise per pixel, over everything
    pattern: str = ""       # "", "stripes", "checks", "dots", "rings", "lines": a faint one in `ink`
    ink: tuple = (0, 0, 0)
    period: float = 40.0    # of the pattern


class Scene(NamedTuple):
    width: int
    height: int
    items: tuple
    background: Background
    blur: float = 0.0       # sigma of a Gaussian over the whole, pixels
    quality: int = 0        # JPEG quality; 0 means the picture is a PNG
    seed: int = 0           # of clouds and grain


# Classes of the per-patch labels that help training: 0 is nothing.
CLASSES = 1 + len(THINGS) + len(SHAPES) + 10 + 1


def label(item):
    """The class of an item's patches."""
    if item.kind == "thing":
        return 1 + item.name
    if item.kind == "shape":
        return 1 + len(THINGS) + item.name
    if item.kind == "digit":
        return 1 + len(THINGS) + len(SHAPES) + item.name
    return CLASSES - 1
