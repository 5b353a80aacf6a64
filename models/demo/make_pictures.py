"""Draws the pictures of `pictures/`, which the demo shows, and their questions.

    python make_pictures.py            then asks the model; fails where an answer lacks the expected words
    python make_pictures.py --draw     only draws

Needs the pack of assets.py. questions.json is read by scripts/demo_session.py:
single questions, and conversations whose turns are asked one after another.
"""

import argparse
import json
import pathlib

from PIL import Image

import assets as pack
import evaluate
import painter
from world import COLOUR_NAMES, COLOURS, SHAPES, THINGS, Background, Item, Look, Scene

HERE = pathlib.Path(__file__).resolve().parent
PAPER = Background((250, 247, 238), (250, 247, 238))
SKY = Background((196, 224, 250), (246, 250, 255), 1.57)
MINT = Background((222, 240, 228), (222, 240, 228), pattern="dots", ink=(206, 228, 214), period=36.0)
SAND = Background((244, 230, 208), (232, 214, 188), 0.8)
LILAC = Background((232, 226, 244), (232, 226, 244), clouds=5.0)


def thing(name, x, y, size, source=0, **look):
    number = [noun.en for noun in THINGS].index(name)
    return Item("thing", number, -1, x, y, size, look=Look(source, **look))


def shape(colour, name, x, y, size, angle=0.0):
    return Item("shape", SHAPES.index(name), COLOUR_NAMES.index(colour), x, y, size, angle, COLOURS[colour][0])


def text(words, x, y, capitals, ink=(20, 20, 30), plate=(), font=0):
    return Item("text", 0, -1, x, y, capitals, 0.0, ink, words, Look(font, plate=plate))


PICTURES = {
    # Small print that is legible in the tiles of a grid only.
    "notice.png": Scene(1344, 896, (thing("house", 420, 430, 400), thing("tree", 960, 330, 340), text("GARDEN", 1000, 760, 15)), SKY),
    "counting.jpg": Scene(600, 600, (
        *(thing("apple", x, y, 130) for x, y in ((120, 120), (310, 100), (490, 230), (140, 400), (380, 470))),), PAPER, quality=88),
    "things.jpg": Scene(896, 448, (thing("dog", 150, 250, 220), thing("bicycle", 440, 230, 240), thing("umbrella", 740, 220, 230)), MINT,
                        quality=90),
    "price.png": Scene(448, 448, (thing("pizza", 224, 150, 210), text("$4.99", 224, 345, 52, (190, 20, 30), (255, 250, 225))), SAND),
    "before.png": Scene(448, 448, (thing("cat", 115, 130, 150), thing("car", 330, 140, 160), thing("banana", 225, 340, 150)), LILAC),
    "after.png": Scene(448, 448, (thing("car", 330, 140, 160), thing("banana", 225, 340, 150)), LILAC),
}
QUESTIONS = [
    {"images": ["things.jpg"], "turns": [
        {"question": "What is in the picture?", "expected": "I see a dog, a bicycle and an umbrella."},
        {"question": "Where is the dog relative to the bicycle?", "expected": "to the left of the bicycle"},
        {"question": "And the umbrella?", "expected": "to the right of the bicycle"},
        {"question": "Is there a cat?", "expected": "No, there is no cat."},
        {"question": "And a bicycle?", "expected": "Yes, there is a bicycle."}]},
    {"images": ["things.jpg"], "question": "What is the dog's name?", "expected": "I cannot tell"},
    {"images": ["things.jpg"], "question": "图里有什么？", "expected": "一只狗、一辆自行车和一把雨伞"},
    {"images": ["counting.jpg"], "question": "How many apples are there?", "expected": "five apples"},
    {"images": ["counting.jpg"], "question": "Count the objects. Answer in one word.", "expected": "Five"},
    {"images": ["counting.jpg"], "question": "有几个梨？", "expected": "没有梨"},
    {"images": ["price.png"], "question": "How much does it cost?", "expected": "$4.99"},
    {"images": ["notice.png"], "question": "What does the small print say?", "expected": "GARDEN"},
    {"images": ["before.png", "after.png"], "question": "What has changed?", "expected": "The cat is gone."},
    {"images": [], "question": "Who are you?", "expected": "Tandem demo model"},
]


def draw(folder, assets):
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for seed, (name, scene) in enumerate(PICTURES.items()):
        picture = Image.fromarray(painter.draw(scene._replace(seed=seed), assets))
        picture.save(folder / name, **({"quality": scene.quality} if scene.quality else {"optimize": True}))
    (folder / "questions.json").write_text(json.dumps(QUESTIONS, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def conversations(folder):
    """Every question with what goes before it, as evaluate.py takes them."""
    for number, item in enumerate(json.loads((folder / "questions.json").read_text(encoding="utf-8"))):
        messages = []
        for i, turn in enumerate(item.get("turns", [item])):
            images = [{"image": name} for name in item["images"]] if i == 0 else []
            messages.append({"role": "user", "content": images + [{"text": turn["question"]}]})
            yield {"id": f"{number}.{i}", "row": "demo", "messages": list(messages), "answer": turn["expected"]}
            messages.append({"role": "assistant", "content": [{"text": turn["expected"]}]})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--assets", help="the pack")
    args = parser.parse_args()
    folder = HERE / "pictures"
    draw(folder, pack.load(args.assets))
    if args.draw:
        return
    backend, wrong = evaluate.TorchBackend(HERE / "weights", "cpu", "float32"), 0
    for question in conversations(folder):
        (answer, _), = backend.ask([question], folder, 0)
        good = question["answer"].lower() in answer.lower()
        wrong += not good
        print(f"{'right' if good else 'WRONG'}  {question['messages'][-1]['content'][-1]['text']}  {answer}")
    if wrong:
        raise SystemExit(f"{wrong} answers lack what they should hold")


if __name__ == "__main__":
    main()
