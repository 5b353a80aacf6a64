"""The pack of sprites, fonts, handwritten digits and words that pictures are made of.

`build_assets.py` writes the pack; nothing here needs a network. Load it once
before forking: everything is read-only, so all workers share one copy.
"""

import functools
import io
import json
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from PIL import ImageFont

import world

PACK = pathlib.Path(__file__).resolve().parent / ".assets" / "pack.npz"
REFERENCE = 256  # pixels an em at which a font is measured


def decode(data):
    """One sprite's file (WebP) as RGBA."""
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


class Assets:
    """See load(). Sprites are [side, side, 4] RGBA with straight alpha, or None where a set lacks the thing."""

    def __init__(self, pack):
        meta = json.loads(bytes(pack["meta"]))
        data, ends = pack["data"], pack["ends"]
        parts = np.split(data, ends[:-1])
        self.sets = tuple(meta["sets"])
        self.train_sets = meta["train_sets"]
        things = len(world.THINGS)
        if meta["things"] != [thing.en for thing in world.THINGS]:
            raise ValueError("the pack of assets was built for another things.json; run build_assets.py again")
        count = len(self.sets) * things
        with ThreadPoolExecutor(8) as pool:  # OpenCV decodes outside the interpreter's lock
            pictures = list(pool.map(lambda part: decode(part) if len(part) else None, parts[:count]))
        for picture in pictures:
            if picture is not None:
                picture.setflags(write=False)
        self.sprites = tuple(tuple(pictures[at:at + things]) for at in range(0, count, things))
        self.fonts = tuple(part.tobytes() for part in parts[count:])
        self.font_names = tuple(meta["fonts"])
        self.train_fonts = meta["train_fonts"]
        self.digits = (pack["digits"], pack["digit_labels"], pack["digit_train"])
        self.words = (tuple(meta["words"]), tuple(meta["held_out_words"]))
        self.font = functools.lru_cache(4096)(self._font)
        self.glyphs = functools.lru_cache(None)(self._glyphs)
        self._unit_box = functools.lru_cache(100000)(self._measure)

    def _font(self, index, pixels):
        return ImageFont.truetype(io.BytesIO(self.fonts[index]), pixels, layout_engine=ImageFont.Layout.BASIC)

    def _glyphs(self, index):
        """Of each character: advance, left, right, top and bottom of its ink, in ems from its place on the base line (down is
        positive). The capitals' height comes along under the key ""."""
        font = self._font(index, REFERENCE)
        table = {}
        for character in world.CHARACTERS + " ":
            left, top, right, bottom = font.getbbox(character, anchor="ls")
            table[character] = tuple(value / REFERENCE for value in (font.getlength(character), left, right, top, bottom))
        table[""] = -table["H"][3]
        return table

    def _measure(self, index, text):
        glyphs = self.glyphs(index)
        boxes = [glyphs[character] for character in text]
        width = sum(box[0] for box in boxes) - boxes[0][1] - (boxes[-1][0] - boxes[-1][2])
        height = max(box[4] for box in boxes) - min(box[3] for box in boxes)
        return width / glyphs[""], height / glyphs[""]

    def text_box(self, index, text, cap_height):
        """Width and height in pixels of the ink of `text`, without kerning, when capitals are `cap_height` high."""
        width, height = self._unit_box(index, text)
        return width * cap_height, height * cap_height


def load(path=None):
    """The pack at `path`, or $DEMO_ASSETS, or the one beside this file."""
    with np.load(path or os.environ.get("DEMO_ASSETS") or PACK) as pack:
        return Assets(pack)
