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
from answers import LANGUAGES
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
        "colour", "shape", "size_most", "size_compare", "relation", "relation_yes_no", "neighbour", "corner", "corner_of", "odd", "name"), 4),
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
SEVERAL = ("same", "changed", "more", "nth", "which_shows", "more_all")
ROWS = (*ONE, "several", "followup", "style", "phrasing_en", "phrasing_zh", "no_picture", "talk")
TEXT_FIRST = 0.1  # of the questions stand before their picture
TRIES = 40


class Maker:
    """Scenes and dialogues of one row."""

    def __init__(self, name, seed, count, assets):
        self.name, self.count, self.assets = name, count, assets
        self.rng = random.Random(f"evaluation/{seed}/{name}")

    def size(self, sizes=()):
        rng = self.rng
        return rng.choice(sizes or (ONE_TILE if rng.random() < 0.75 else GRIDS))

    def pair(self):
        """Two or three scenes; seldom one of them in a grid."""
        sizes = [self.rng.choice(ONE_TILE) for _ in range(2 if self.rng.random() < 0.7 else 3)]
        if self.rng.random() < 0.2:
            sizes[0] = self.rng.choice(GRIDS)
        return skills.sample_set(self.rng, tuple(sizes), self.assets, "test")[1]

    def language(self, made):
        """English and Chinese in turn, unless the row is of one."""
        return self.name[-2:] if self.name.startswith("phrasing_") else ("en", "zh")[made % 2]

    def batches(self):
        """Yields (scenes, dialogues about them) until `count` questions are there."""
        made = 0
        while made < self.count:
            scenes, dialogues = self.batch(made)
            if dialogues:
                dialogues = dialogues[:self.count - made]
                made += len(dialogues)
                yield scenes, dialogues

    def batch(self, made):
        rng, name = self.rng, self.name
        if name in ONE:
            return self.about(ONE[name], made)
        if name == "several":
            scenes = self.pair()
            return scenes, self.ask(scenes, SEVERAL, 3, made)
        if name == "followup":
            scenes = self.pair() if rng.random() < 0.15 else (self.scene(ONE[rng.choice(("list", "shapes", "count"))]),)
            return scenes, self.conversation(scenes, made)
        if name == "no_picture":
            talk = skills.ask(rng, (), "seen", kind="no_picture", language=self.language(made))
            return (), talk and [talk]
        # The rows about wording take every kind of question.
        style = rng.choice(("short", "word")) if name == "style" else None  # any
        phrasing = "seen" if name == "style" else "unseen"
        if rng.random() < 0.15:
            scenes = self.pair()
            return scenes, self.ask(scenes, SEVERAL, 3, made, phrasing, style)
        row = ONE[rng.choice([key for key in ONE if key not in ("name_new", "read_new_fonts", "print")])]
        return self.about(row._replace(each=4), made, phrasing, style)

    def conversation(self, scenes, made):
        """Every turn of a conversation but the first and small talk, each with what went before."""
        language = self.language(made // 3)
        for _ in range(TRIES):
            talk = skills.converse(self.rng, scenes, "seen", turns=4, language=language)
            if talk and len(talk.turns) > 2:
                return [talk._replace(kind=f"turn {n}", turns=talk.turns[:n]) for n in range(2, len(talk.turns) + 1)
                        if talk.turns[n - 1].answer not in LANGUAGES[language].talk.values()]
        return []

    def scene(self, row):
        return skills.sample(self.rng, self.rng.choice(row.scenes), *self.size(row.sizes), self.assets, row.split)

    def about(self, row, made, phrasing="seen", style="full"):
        scenes = (self.scene(row),)
        return scenes, self.ask(scenes, row.kinds, row.each, made, phrasing, style)

    def ask(self, scenes, kinds, each, made, phrasing="seen", style="full"):
        """Up to `each` dialogues, no two alike."""
        rng, result, seen = self.rng, [], set()
        for attempt in range(TRIES):
            if len(result) == each:
                break
            kind = kinds[(made + attempt) % len(kinds)]
            dialogue = skills.ask(rng, scenes, phrasing, kind=kind, language=self.language(made + len(result)), style=style)
            if dialogue and (style is None or dialogue.style == style) and dialogue.turns not in seen:
                seen.add(dialogue.turns)
                result.append(dialogue)
        return result


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
    maker, made = Maker(row, seed, count, assets), 0
    for number, (scenes, dialogues) in enumerate(maker.batches()):
        images = [write_picture(scene, out / f"{row}_{number:04d}{'abc'[i] if len(scenes) > 1 else ''}", assets) for i, scene in enumerate(scenes)]
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
