"""The playground in a real browser, before `tandem serve`.

  playground_test.py [--screenshots DIR] [UNITTEST_ARGUMENT...]

With --screenshots the demo model's conversation is kept as pictures of the page.
"""

import json
import pathlib
import sys
import unittest

from browser import Browser

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from processes import TandemTest  # noqa: E402

DEMO = ROOT / "models" / "demo"
SHAPES = ROOT / "tests" / "data" / "shapes"
screenshots = None


def demo_conversation():
    """The longest about a picture that the demo shows: (paths, its turns)."""
    items = json.loads((DEMO / "pictures" / "questions.json").read_text("utf-8"))
    shown = [(item["images"], item.get("turns", [item])) for item in items if item["images"]]
    images, turns = max(shown, key=lambda entry: len(entry[1]))
    return [DEMO / "pictures" / name for name in images], turns


class PlaygroundTest(TandemTest):
    def visit(self, model, *options):
        self.serve = self.start(
            "tandem", "serve", "--model", model, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
            "--http-listen", "127.0.0.1:0", *options)  # fmt: skip
        self.site = "http://" + self.serve.ready().find(r"http listens address=(\S+)").group(1)
        self.browser = Browser(1280, 820)
        self.addCleanup(self.browser.close)
        self.browser.appearance("light")
        self.browser.open(f"{self.site}/")
        self.browser.until("document.querySelector('#served').dataset.state === 'ready'")

    def ask(self, question, answers=None):
        self.browser.click("#question")
        self.browser.write(question)
        self.browser.press("Enter")
        if answers:
            self.browser.until(f"document.querySelectorAll('.turn .summary').length === {answers}")
            return self.browser.evaluate("[...document.querySelectorAll('.answer .text')].at(-1).textContent")

    def set(self, field, value):
        self.browser.evaluate(
            f"(() => {{ const field = document.querySelector('#{field}'); field.value = '{value}';"
            " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def attach(self, *paths):
        self.browser.drop(*paths)
        self.browser.until(f"document.querySelectorAll('#attached li').length === {len(paths)}")

    def keep(self, name):
        if screenshots:
            self.browser.screenshot(screenshots / f"{name}.png")

    def stages(self):
        """Stages that took time, with their bars' widths in percent."""
        return self.browser.evaluate(
            "Object.fromEntries([...document.querySelectorAll('#stages tr.some')]"
            ".map((row) => [row.dataset.stage, parseFloat(row.querySelector('.bar').style.width)]))"
        )

    def assert_calm(self):
        self.assertEqual(self.browser.troubles, [])
        for address in self.browser.addresses:
            self.assertTrue(address.startswith((f"{self.site}/", f"blob:{self.site}/", "about:")), address)

    def test_a_picture_is_asked_about_twice(self):
        self.visit(DEMO / "weights", "--served-name", "tandem-demo")
        self.set("temperature", 0)
        self.attach(SHAPES / "star_and_circle.png")
        answer = self.ask("What is in the picture?", answers=1)
        for thing in ("a yellow star", "a blue circle"):
            self.assertIn(thing, answer)
        self.assertEqual(self.browser.evaluate("document.querySelector('.seen').dataset.grid"), "4x3")
        self.assertIn("3,328", self.browser.evaluate("document.querySelector('#usage').innerText"))
        stages = self.stages()
        self.assertLessEqual({"image_decode", "encode", "prefill", "decode"}, stages.keys())
        self.assertLessEqual(sum(stages.values()), 100.01)
        self.assertIn("above", self.ask("Where is the star relative to the circle?", answers=2))
        self.assert_calm()

    def test_the_demos_conversation_goes_as_it_says(self):
        self.visit(DEMO / "weights", "--served-name", "tandem-demo")
        self.set("temperature", 0)
        pictures, turns = demo_conversation()
        self.attach(*pictures)
        for number, turn in enumerate(turns, 1):
            answer = self.ask(turn["question"], answers=number)
            self.assertIn(turn["expected"].lower(), answer.lower(), turn["question"])
            if number == 1:
                self.keep("playground-light")
        self.browser.appearance("dark")
        self.keep("playground-dark")
        self.browser.appearance("light")
        self.browser.resize(390, 844, 1.5, is_phone=True)
        shown = "document.querySelector('#panel').checkVisibility({visibilityProperty: true})"
        self.browser.until(f"!{shown}")
        self.browser.click(".turn .summary")
        self.browser.until(shown)
        self.browser.until("document.querySelector('#panel').getAnimations().length === 0")
        self.keep("playground-phone")
        self.assert_calm()

    def test_the_examples_are_what_the_demo_model_knows(self):
        self.visit(DEMO / "weights", "--served-name", "tandem-demo")
        self.keep("playground-welcome")
        self.set("temperature", 0)
        self.browser.click("#examples li:nth-child(2) button")
        self.browser.until("document.querySelectorAll('#attached li').length === 1")
        self.assertIn("three red circles", self.ask("", answers=1))
        self.assert_calm()

    def test_an_answer_without_end_is_stopped_and_the_server_lets_it_go(self):
        self.visit(self.endless_model(), "--dtype", "float32")
        self.set("temperature", 0)
        self.ask("Hello, who are you?")
        self.browser.until("document.querySelector('.answer .text').textContent.length > 20")
        self.browser.press("Escape")
        self.browser.until("document.querySelector('.below').innerText.includes('Stopped')")
        self.until(
            lambda: self.serve.metrics()["tandem_llm_requests_running"] == 0,
            "the stopped request is let go",
        )
        self.assert_calm()

    def test_a_refusal_is_told_in_words(self):
        self.visit(self.endless_model(), "--dtype", "float32")
        self.set("maxTokens", 1000000)
        self.ask("Hello")
        self.browser.until("document.querySelector('.trouble')?.checkVisibility()")
        said = self.browser.evaluate("document.querySelector('.trouble').innerText")
        self.assertIn("This conversation is too long for the model", said)
        self.assertIn("HTTP 400", said)


if __name__ == "__main__":
    if "--screenshots" in sys.argv:
        at = sys.argv.index("--screenshots")
        screenshots = pathlib.Path(sys.argv[at + 1])
        screenshots.mkdir(parents=True, exist_ok=True)
        del sys.argv[at : at + 2]
    unittest.main()
