"""Writes pictures and questions about them.

    python generate.py --seed 7 --count 200 --out DIR

DIR gets PNG and JPEG files and questions.jsonl, one conversation a line: its
kind, its messages (image parts name a file) and the answer that counts as
right. The same seed writes the same files.
"""

import argparse
import json
import pathlib
import random

from PIL import Image

import batches
import dialogues
import scenes


def write_picture(scene, path, seed):
    """Draws a scene into `path`, with the ending that its quality asks for."""
    picture = Image.fromarray(scenes.draw(scene, seed).numpy())
    if scene.quality:
        path = path.with_suffix(".jpg")
        picture.save(path, quality=scene.quality)
    else:
        path = path.with_suffix(".png")
        picture.save(path)
    return path.name


def messages(dialogue, images, text_first=False):
    """The conversation up to the question to answer."""
    result = []
    for i, (question, answer) in enumerate(dialogue.turns):
        pictures = [{"image": name} for name in images] if i == 0 else []
        text = [{"text": question}]
        result.append({"role": "user", "content": text + pictures if text_first else pictures + text})
        result.append({"role": "assistant", "content": [{"text": answer}]})
    return result[:-1]


def questions(seed, count, out, each=4):
    """Yields `count` conversations, `each` about every picture or pair; half
    the pictures are one tile, half a grid."""
    rng = random.Random(f"questions/{seed}")
    size = lambda: rng.choice(rng.choice((batches.ONE_TILE, batches.GRIDS)))
    made = 0
    for number in range(count):
        draw = rng.random()
        if draw < 0.06:
            make = lambda: dialogues.about_none(rng, scenes.sample_scene(rng, 448, 448))
            images = []
        elif draw < 0.28:
            pair = scenes.sample_pair(rng, (size(), rng.choice(batches.ONE_TILE)))
            make = lambda: dialogues.about_two(rng, pair)
            images = [write_picture(s, out / f"{number:05d}_{i}", rng.getrandbits(32)) for i, s in enumerate(pair)]
        else:
            scene = scenes.sample_scene(rng, *size())
            make = lambda: dialogues.about_one(rng, scene)
            images = [write_picture(scene, out / f"{number:05d}", rng.getrandbits(32))]
        for _ in range(each):
            dialogue = make()
            yield {"kind": dialogue.kind, "messages": messages(dialogue, images, rng.random() < 0.12), "answer": dialogue.turns[-1][1]}
            made += 1
            if made == count:
                return


def write(seed, count, out):
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "questions.jsonl", "w") as file:
        for question in questions(seed, count, out):
            file.write(json.dumps(question) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    write(args.seed, args.count, args.out)
