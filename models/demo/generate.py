"""Writes pictures and questions about them that no training step has seen.

    python generate.py --count 500 --out DIR [--rows count,print] [--seed 7]

DIR gets PNG and JPEG files and questions.jsonl, one question a line: its id,
row (the line of the model card's table), kind, language, style, messages (image
parts name a file) and the answer that counts as right; for small talk a list
of answers that do. `tiles` counts the tiles of its pictures. The same seed
writes the same files.
"""

import argparse
import json
import pathlib
import random
import sys
from typing import NamedTuple

from PIL import Image

import assets as pack
import checklist
import painter
import skills
from tiles import tile_count

SEED = 1_000_000  # no training step uses it

# Pictures of one tile, of a grid with a thumbnail, and those with small print.
ONE_TILE = ((448, 448),) * 5 + ((400, 400), (512, 512), (336, 336), (300, 300), (600, 600), (400, 380), (500, 480), (560, 520), (350, 370))
GRIDS = ((640, 480), (640, 480), (800, 600), (480, 640), (896, 448), (896, 448), (448, 896), (672, 448), (600, 400), (448, 672), (800, 800),
         (640, 360), (360, 640), (640, 427), (900, 300))
LARGE = ((896, 896), (1344, 896), (1344, 1344), (1792, 1344), (1000, 700), (896, 1344), (1280, 960), (1280, 720), (1000, 1000), (1792, 896))


class Row(NamedTuple):
    scenes: tuple             # names of skills.SCENES
    kinds: tuple              # asked in turn
    each: int = 3             # questions about one picture
    split: str = "test"
    sizes: tuple = ()         # () means three quarters of one tile


ITEMS = ("things", "mixed", "shapes")
ONE = {
    "name": Row(("thing",), ("name",), 2),
    "name_new": Row(("thing",), ("name",), 2, "openmoji"),
    "shapes": Row(("shapes", "shapes", "mixed", "corners", "odd", "things"), (
        "colour", "shape", "size_most", "size_compare", "relation", "relation_yes_no", "neighbour", "corner", "corner_of", "odd",
        "name"), 4),
    "count": Row(("count",), ("count", "count", "count_all"), 3),
    "count_colour": Row(("count",), ("count_colour",), 3),
    "digits": Row(("digit",), ("digit",), 2),
    "read": Row(("text", "text", "sign"), ("read", "read_number", "read_price"), 2),
    "read_new_fonts": Row(("text", "text", "sign"), ("read", "read_number", "read_price"), 2, "fonts"),
    "list": Row(ITEMS, ("list",), 2),
    "exist": Row((*ITEMS, "thing"), ("exist",), 4),
    "print": Row(("print",), ("print",), 2, "test", LARGE),
    "cannot_tell": Row((*ITEMS, "thing"), ("cannot_absent", "cannot_know"), 4),
}
# The set of scenes that a question about several pictures is for.
SETS = {"same": "same", "changed": "changed", "more": "more", "more_all": "more", "nth": "nth", "which_shows": "nth"}
SEVERAL = ("same", "changed", "more", "nth", "which_shows", "more_all")
THREE = ("more", "more_all", "nth", "which_shows")
ROWS = (*ONE, "several", "followup", "style", "phrasing_en", "phrasing_zh", "no_picture", "talk")
# The rows about wording go through all kinds; a kind is of the first row that asks it.
OWNER = {kind: row for row in reversed(ONE) for kind in ONE[row].kinds}
EVERY = (*OWNER, *SEVERAL)
TEXT_FIRST = 0.1  # of the questions stand before their picture
TRIES = 200


class Maker:
    """Scenes and dialogues of one row."""

    def __init__(self, name, seed, assets):
        self.name, self.assets, self.batch = name, assets, 0
        self.rng = random.Random(f"evaluation/{seed}/{name}")
        self.phrasing = "unseen" if name.startswith("phrasing_") else "seen"

    def batches(self, count):
        """Yields (scenes, dialogues about them), `count` dialogues in all."""
        while count > 0:
            scenes, dialogues = self.make()
            self.batch += 1
            if dialogues:
                yield scenes, dialogues[:count]
                count -= len(dialogues)

    def make(self):
        if self.name in ONE:
            row = ONE[self.name]
            return self.about(row, row.kinds[self.batch % len(row.kinds)], row.each)
        if self.name == "several":
            return self.about(None, SEVERAL[self.batch % len(SEVERAL)], 3)
        if self.name == "followup" or (self.phrasing == "unseen" and self.batch % 12 == 11):
            return self.conversations()
        if self.name == "no_picture":
            return (), [skills.ask(self.rng, (), "seen", kind="no_picture", language=self.language(0), style="full")]
        kind = EVERY[self.batch % len(EVERY)]
        return self.about(ONE.get(OWNER.get(kind)), kind, 2 if self.name == "style" else 3)

    def language(self, number):
        """English and Chinese in turn, unless the row is of one."""
        return self.name[-2:] if self.phrasing == "unseen" else ("en", "zh")[(self.batch + number) % 2]

    def style(self):
        """The style to answer in; None is any."""
        return self.rng.choice(("short", "word")) if self.name == "style" else None if self.phrasing == "unseen" else "full"

    def scenes(self, row, kind=None):
        """One scene of a row, or two or three that `kind` is for, seldom one of those in a grid."""
        rng = self.rng
        if row:
            size = rng.choice(row.sizes or (ONE_TILE if rng.random() < 0.75 else GRIDS))
            return (skills.sample(rng, rng.choice(row.scenes), *size, self.assets, row.split),)
        sizes = [rng.choice(ONE_TILE) for _ in range(3 if kind in THREE and rng.random() < 0.4 else 2)]
        if rng.random() < 0.2:
            sizes[0] = rng.choice(GRIDS)
        return skills.sample_set(rng, tuple(sizes), self.assets, "test", SETS[kind])[1]

    def about(self, row, kind, each):
        """Scenes that can be asked about in `kind`, and up to `each` dialogues, no two alike."""
        for _ in range(TRIES):
            scenes = self.scenes(row, kind)
            style = self.style()
            first = self.ask(scenes, kind, 0, style) or (self.name == "style" and self.ask(scenes, kind, 0, "short"))
            if first:
                break
        else:  # a kind that has no such style
            return scenes, []
        result = [first]
        for _ in range(6 * each):
            if len(result) == each:
                break
            dialogue = self.ask(scenes, self.rng.choice(row.kinds if row else SEVERAL), len(result), self.style())
            if dialogue and dialogue.turns not in [other.turns for other in result]:
                result.append(dialogue)
        return scenes, result

    def ask(self, scenes, kind, number, style):
        return skills.ask(self.rng, scenes, self.phrasing, kind=kind, language=self.language(number), style=style)

    def conversations(self):
        """Conversations of two, three and four turns about the same scenes. Only the last turn is
        sure to need the others, so it alone is asked."""
        scenes = self.scenes(None, "nth") if self.rng.random() < 0.15 else self.scenes(ONE[self.rng.choice(("list", "shapes", "count"))])
        result = []
        for turns in (2, 3, 4):
            for _ in range(TRIES // 4):
                talk = skills.converse(self.rng, scenes, self.phrasing, turns=turns, language=self.language(0))
                if talk and len(talk.turns) == turns:
                    result.append(talk._replace(kind=f"turn {turns}"))
                    break
        return scenes, result


def write_picture(scene, path, assets):
    """Draws a scene into `path`, with the ending that its quality asks for."""
    picture = Image.fromarray(painter.draw(scene, assets))
    if scene.quality:
        path = path.with_suffix(".jpg")
        picture.save(path, quality=scene.quality)
    else:
        path = path.with_suffix(".png")
        picture.save(path)
    return path.name


def messages(turns, images, text_first=False):
    """The conversation up to the question to answer."""
    result = []
    for i, turn in enumerate(turns):
        pictures = [{"image": name} for name in images] if i == 0 else []
        text = [{"text": turn.question}]
        result.append({"role": "user", "content": text + pictures if text_first else pictures + text})
        result.append({"role": "assistant", "content": [{"text": turn.answer}]})
    return result[:-1]


def questions(row, seed, count, out, assets):
    """Yields the questions of a row; their pictures are written on the way."""
    if row == "talk":
        for i, (language, text, answers) in enumerate(checklist.questions()):
            yield {"id": f"talk_{i:04d}", "row": row, "kind": "talk", "language": language, "style": "full", "tiles": [],
                   "messages": [{"role": "user", "content": [{"text": text}]}], "answer": list(answers)}
        return
    maker, made = Maker(row, seed, assets), 0
    for number, (scenes, dialogues) in enumerate(maker.batches(count)):
        letters = "abc" if len(scenes) > 1 else [""]
        images = [write_picture(scene, out / f"{row}_{number:04d}{letter}", assets) for scene, letter in zip(scenes, letters)]
        tiles = [tile_count(scene.width, scene.height) for scene in scenes]
        for dialogue in dialogues:
            first = bool(images) and len(dialogue.turns) == 1 and maker.rng.random() < TEXT_FIRST
            yield {"id": f"{row}_{made:04d}", "row": row, "kind": dialogue.kind, "language": dialogue.language, "style": dialogue.style,
                   "tiles": tiles, "messages": messages(dialogue.turns, images, first), "answer": dialogue.turns[-1].answer}
            made += 1


def write(out, count, seed=SEED, rows=ROWS, assets=None):
    assets = assets or pack.load()
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "questions.jsonl", "w", encoding="utf-8") as file:
        for row in rows:
            made = 0
            for question in questions(row, seed, min(count, 100) if row == "no_picture" else count, out, assets):
                file.write(json.dumps(question, ensure_ascii=False) + "\n")
                made += 1
            print(f"{row}: {made} questions", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=500, help="questions a row")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--assets", help="the pack of assets.py")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    write(args.out, args.count, args.seed, args.rows.split(","), pack.load(args.assets) if args.assets else None)
