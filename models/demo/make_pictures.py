"""Draws the pictures of `pictures/`, which the demo shows, and their questions.

Fails where an answer of the model lacks the expected words.
"""

import json
import math
import pathlib

from PIL import Image

import evaluate
import scenes

HERE = pathlib.Path(__file__).resolve().parent
PLAIN = scenes.Background((250, 248, 240), (250, 248, 240), 0.0, 0.0, 0.0)
SKY = scenes.Background((205, 228, 250), (250, 250, 255), math.pi / 2, 0.0, 0.0)
GRAINY = scenes.Background((232, 238, 230), (232, 238, 230), 0.0, 4.0, 4.0)


def thing(colour, shape, x, y, radius, angle=0.0):
    return scenes.Thing(scenes.SHAPES.index(shape), scenes.COLOUR_NAMES.index(colour), x, y, radius, angle, scenes.COLOURS[colour][0], 0.0)


PICTURES = {
    "star_and_circle.png": scenes.Scene(640, 480, (
        thing("yellow", "star", 330, 130, 85, 0.1), thing("blue", "circle", 300, 350, 80)), SKY._replace(start=(90, 110, 140), end=(150, 165, 190)), 0),
    "counting.jpg": scenes.Scene(800, 600, (
        thing("red", "circle", 160, 170, 75), thing("red", "circle", 420, 130, 70), thing("red", "circle", 650, 420, 80),
        thing("green", "square", 250, 430, 70, 0.1), thing("green", "square", 660, 160, 75, -0.1)), PLAIN, 88),
    "heart.png": scenes.Scene(448, 448, (thing("red", "heart", 220, 230, 120),), SKY, 0),
    "moon.jpg": scenes.Scene(448, 448, (thing("purple", "moon", 230, 215, 125, 0.1),), GRAINY, 90),
}
QUESTIONS = [
    {"images": ["star_and_circle.png"], "question": "What is in the picture?", "expected": "a yellow star and a blue circle"},
    {"images": ["star_and_circle.png"], "question": "Where is the star relative to the circle?", "expected": "above the circle"},
    {"images": ["star_and_circle.png"], "question": "What color is the circle?", "expected": "blue"},
    {"images": ["counting.jpg"], "question": "How many red circles are there?", "expected": "three red circles"},
    {"images": ["counting.jpg"], "question": "How many shapes do you see?", "expected": "five shapes"},
    {"images": ["counting.jpg"], "question": "Is there a blue star?", "expected": "No"},
    {"images": ["heart.png", "moon.jpg"], "question": "Do the two pictures show the same thing?", "expected": "different"},
    {"images": ["heart.png", "moon.jpg"], "question": "What is in the second picture?", "expected": "a purple moon"},
    {"images": [], "question": "Who are you?", "expected": "Tandem demo model"},
]


def main():
    folder = HERE / "pictures"
    folder.mkdir(exist_ok=True)
    for seed, (name, scene) in enumerate(PICTURES.items()):
        picture = Image.fromarray(scenes.draw(scene, seed).numpy())
        picture.save(folder / name, **({"quality": scene.quality} if scene.quality else {"optimize": True}))
    (folder / "questions.json").write_text(json.dumps(QUESTIONS, indent=2) + "\n")
    ask = evaluate.TorchBackend(HERE / "weights", "cpu", "float32")
    for question in QUESTIONS:
        content = [{"image": name} for name in question["images"]] + [{"text": question["question"]}]
        answer = ask([{"role": "user", "content": content}], folder)
        print(f"{question['images']} {question['question']} -> {answer}")
        assert question["expected"] in answer, question


if __name__ == "__main__":
    main()
