"""The playground in a real browser, before a server that does what a test wants."""

import json
import pathlib
import sys
import threading
import unittest

from browser import Browser

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "fakes"))
from openai_server import MODEL, FakeOpenAiServer  # noqa: E402

SHAPES = ROOT / "tests" / "data" / "shapes"
IMAGES = ROOT / "tests" / "data" / "images"
GRIDS = ROOT / "tests" / "data" / "goldens" / "tile_grids.json"


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.server = FakeOpenAiServer()
        self.addCleanup(self.server.close)
        self.browser.resize(1280, 820)
        self.open()

    def open(self):
        self.browser.open(f"http://{self.server.address}/")
        self.browser.troubles.clear()
        self.browser.addresses.clear()
        self.until("document.querySelector('#served').dataset.state !== 'looking'")

    # ---- what a person does and sees ----

    def until(self, expression):
        return self.browser.until(expression)

    def evaluate(self, expression):
        return self.browser.evaluate(expression)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def count(self, selector):
        return self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")

    def until_count(self, selector, wanted):
        self.until(f"document.querySelectorAll({json.dumps(selector)}).length === {wanted}")

    def ask(self, question, answers=None):
        """Sends a question; waits until `answers` turns are answered in full."""
        self.browser.click("#question")
        self.browser.write(question)
        self.browser.press("Enter")
        if answers:
            self.until_count(".turn .summary", answers)

    def attach(self, *paths):
        before = self.count("#attached li")
        self.browser.drop(*paths)
        self.until_count("#attached li", before + len(paths))

    def set(self, field, value):
        self.evaluate(
            f"(() => {{ const field = document.getElementById({json.dumps(field)}); field.value = {json.dumps(str(value))};"
            " field.dispatchEvent(new Event('input', {bubbles: true})); })()")  # fmt: skip

    def last_body(self):
        return self.server.questions()[-1]

    def assert_calm(self):
        """Nothing was logged as an error, and no other host was asked."""
        self.assertEqual(self.browser.troubles, [])
        for address in self.browser.addresses:
            self.assertTrue(
                address.startswith((f"http://{self.server.address}/", f"blob:http://{self.server.address}/")),
                address,
            )


class TalkTest(PageTest):
    def test_an_answer_comes_with_its_tiles_stages_and_tokens(self):
        self.attach(SHAPES / "star_and_circle.png")
        self.assertEqual(self.text("#draftFacts"), "13 tiles, 3,328 tokens")
        self.ask("What is it?", answers=1)
        self.assertEqual(self.text(".answer .text"), "A yellow star.")
        self.assertIn("905 ms · first token 503 ms · 39.8 tokens/s", self.text(".summary"))
        self.assertEqual(self.evaluate("document.querySelector('.seen').dataset.grid"), "4x3")
        self.assertEqual(self.count(".seen canvas"), 2)
        self.assertEqual(self.count("#stages tr.some .bar"), 9)
        widths = self.evaluate(
            "[...document.querySelectorAll('.bar')].map((bar) => parseFloat(bar.style.width))"
        )
        self.assertTrue(99 < sum(widths) <= 100, widths)
        self.assertIn("3,391", self.text("#usage"))
        self.assert_calm()

    def test_the_request_is_what_the_api_wants(self):
        self.set("systemText", "Be brief.")
        self.set("temperature", "0")
        self.set("topP", "0.5")
        self.set("maxTokens", "64")
        self.set("seed", "7")
        self.set("detail", "high")
        self.set("maxTiles", "20")
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        path, headers, body = self.server.requests[-1]
        self.assertEqual(path, "/v1/chat/completions")
        self.assertEqual(headers["x-tandem-timings"], "1")
        self.assertNotIn("authorization", headers)
        picture = body["messages"][1]["content"].pop(0)
        self.assertTrue(picture["image_url"].pop("url").startswith("data:image/png;base64,iVBOR"))
        self.assertEqual(picture, {"type": "image_url", "image_url": {"detail": "high", "max_tiles": 20}})
        self.assertEqual(body, {
            "model": "fake-model", "temperature": 0, "top_p": 0.5, "max_completion_tokens": 64, "seed": 7,
            "stream": True, "stream_options": {"include_usage": True},
            "messages": [{"role": "system", "content": "Be brief."},
                         {"role": "user", "content": [{"type": "text", "text": "What is it?"}]}]})  # fmt: skip

    def test_a_second_question_tells_the_first_and_its_picture(self):
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        self.ask("And its colour?", answers=2)
        first, answer, second = self.last_body()["messages"]
        self.assertEqual([part["type"] for part in first["content"]], ["image_url", "text"])
        self.assertEqual(answer, {"role": "assistant", "content": "A yellow star."})
        self.assertEqual(second, {"role": "user", "content": "And its colour?"})
        self.assertEqual(self.evaluate("document.querySelectorAll('.seen').length"), 1)

    def test_tokens_are_shown_as_they_come(self):
        self.server.gate = threading.Event()
        self.ask("What is it?")
        self.until("document.querySelector('.answer .text').textContent === 'A yellow '")
        self.server.gate.set()
        self.until("document.querySelector('.answer .text').textContent === 'A yellow star.'")

    def test_escape_stops_an_answer_and_the_server_is_told(self):
        self.server.gate = threading.Event()
        self.ask("What is it?")
        self.until("document.querySelector('.answer .text').textContent === 'A yellow '")
        self.browser.press("Escape")
        self.until("document.querySelector('.below').innerText.includes('Stopped')")
        self.assertTrue(self.server.aborted.wait(60))
        self.assertEqual(self.evaluate("document.querySelector('.answer .text').textContent"), "A yellow ")
        self.assertTrue(self.evaluate("document.activeElement.id === 'question'"))
        self.server.gate = None
        self.ask("Go on", answers=1)
        self.assertEqual(self.last_body()["messages"][1], {"role": "assistant", "content": "A yellow "})

    def test_what_was_stopped_before_its_first_word_is_not_told_again(self):
        self.server.pieces, self.server.gate = ["late"], threading.Event()
        self.ask("Never mind")
        self.browser.click("#stop")
        self.until("document.querySelector('.below').innerText.includes('Stopped before the first word')")
        self.server.gate = None
        self.ask("Hello", answers=1)
        self.assertEqual(self.last_body()["messages"], [{"role": "user", "content": "Hello"}])

    def test_shift_enter_begins_a_line_and_enter_sends_nothing_where_nothing_is(self):
        self.browser.click("#question")
        self.browser.press("Enter")
        self.browser.write("one")
        self.browser.press("Enter", shift=True)
        self.browser.write("two")
        self.browser.press("Enter")
        self.until_count(".summary", 1)
        self.assertEqual(self.last_body()["messages"][0]["content"], "one\ntwo")
        self.assertEqual(len(self.server.questions()), 1)

    def test_markup_in_answers_questions_and_names_stays_text(self):
        evil = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
        self.server.pieces = [evil[:20], evil[20:]]
        self.ask(evil, answers=1)
        self.assertEqual(self.text(".answer .text"), evil)
        self.assertEqual(self.text(".question .text"), evil)
        self.assertEqual(self.count(".turn img, .turn script"), 0)
        self.assertEqual(self.evaluate("document.title"), "Tandem playground")
        self.assert_calm()

    def test_the_last_answer_is_asked_for_again(self):
        self.ask("What is it?", answers=1)
        self.server.pieces = ["Another."]
        self.browser.click("[aria-label='Regenerate']")
        self.until("document.querySelector('.answer .text').textContent === 'Another.'")
        self.assertEqual(self.server.questions()[0]["messages"], self.last_body()["messages"])
        self.assertEqual(self.count(".turn"), 1)

    def test_the_last_question_is_edited_with_its_picture(self):
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        self.browser.click("[aria-label='Edit question']")
        self.until_count("#attached li", 1)
        self.assertEqual(self.evaluate("document.querySelector('#question').value"), "What is it?")
        self.assertEqual(self.count(".turn"), 0)
        self.browser.write(" Really?")
        self.browser.press("Enter")
        self.until_count(".summary", 1)
        self.assertEqual(self.last_body()["messages"][0]["content"][1]["text"], "What is it? Really?")

    def test_an_answer_is_copied(self):
        self.browser.call(
            "Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"]
        )
        self.ask("What is it?", answers=1)
        self.browser.click("[aria-label='Copy']")
        self.until("document.querySelector('.below').innerText.includes('Copied')")
        self.assertEqual(self.evaluate("navigator.clipboard.readText()"), "A yellow star.")

    def test_a_new_conversation_forgets_the_old_one(self):
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        self.browser.click("#newConversation")
        self.assertEqual(self.count(".turn"), 0)
        self.assertTrue(self.evaluate("document.querySelector('#welcome').checkVisibility()"))
        self.assertFalse(self.evaluate("document.querySelector('#seen').checkVisibility()"))
        self.ask("Hello", answers=1)
        self.assertEqual(self.last_body()["messages"], [{"role": "user", "content": "Hello"}])

    def test_an_export_holds_the_conversation_and_no_key(self):
        self.set("apiKey", "secret-key")
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        self.evaluate(
            "URL.createObjectURL = (made => blob => (window.exported = blob, made.call(URL, blob)))(URL.createObjectURL)"
        )
        self.browser.call("Browser.setDownloadBehavior", behavior="deny")
        self.browser.click("#export")
        text = self.evaluate("window.exported.text()")
        self.assertNotIn("secret-key", text)
        turn = json.loads(text)["turns"][0]
        self.assertEqual(turn["answer"]["text"], "A yellow star.")
        self.assertEqual(turn["answer"]["timings_ms"]["total"], 905)
        self.assertTrue(turn["question"]["pictures"][0]["url"].startswith("data:image/png;base64,"))

    def test_an_example_puts_its_picture_and_question(self):
        self.browser.click(".example")
        self.until_count("#attached li", 1)
        self.browser.press("Enter")
        self.until_count(".summary", 1)
        self.assertEqual(self.last_body()["messages"][0]["content"][1]["text"], "What is in the picture?")
        self.assert_calm()


class PicturesTest(PageTest):
    def assert_refused(self, *words):
        self.until("document.querySelector('#composerNote').checkVisibility()")
        for word in words:
            self.assertIn(word, self.text("#composerNote"))
        self.assertEqual(self.server.questions(), [])

    def test_all_four_formats_are_taken_by_their_bytes(self):
        for name in ("jpeg_300x200.jpg", "png_700x300.png", "webp_640x480.webp", "bmp_rgb_64x48.bmp"):
            self.attach(IMAGES / name)
        self.ask("What are they?", answers=1)
        kinds = [
            part["image_url"]["url"].split(";")[0] for part in self.last_body()["messages"][0]["content"][:4]
        ]
        self.assertEqual(kinds, ["data:image/jpeg", "data:image/png", "data:image/webp", "data:image/bmp"])

    def test_pictures_are_chosen_pasted_and_removed(self):
        self.browser.choose("#files", SHAPES / "heart.png", SHAPES / "moon.jpg")
        self.until_count("#attached li", 2)
        self.evaluate(
            "new Promise((done) => document.createElement('canvas').toBlob((blob) => { const data = new DataTransfer();"
            " data.items.add(new File([blob], 'pasted.png', {type: 'image/png'}));"
            " document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); done(); }))"
        )
        self.until_count("#attached li", 3)
        self.browser.click("[aria-label='Remove moon.jpg']")
        self.until_count("#attached li", 2)
        self.ask("What are they?", answers=1)
        self.assertEqual(len(self.last_body()["messages"][0]["content"]), 3)

    def test_a_model_that_reads_no_pictures_is_given_none(self):
        self.server.model["tandem"]["accepts_images"] = False
        self.open()
        self.browser.drop(SHAPES / "heart.png")
        self.assert_refused("This model reads no pictures.")

    def test_a_file_that_is_no_picture_is_refused_by_name(self):
        self.browser.drop(GRIDS)
        self.assert_refused("tile_grids.json is no JPEG, PNG, WebP or BMP picture.")
        self.assertEqual(self.count("#attached li"), 0)

    def test_a_ninth_picture_is_refused_before_it_is_sent(self):
        self.attach(*[SHAPES / "heart.png"] * 8)
        self.browser.drop(SHAPES / "heart.png")
        self.assert_refused("That would be 9 pictures; a conversation may have 8.")
        self.assertEqual(self.count("#attached li"), 8)

    def test_pictures_of_the_history_count_too(self):
        self.attach(*[SHAPES / "heart.png"] * 5)
        self.ask("What are they?", answers=1)
        self.attach(*[SHAPES / "heart.png"] * 3)
        self.browser.drop(SHAPES / "heart.png")
        self.until("document.querySelector('#composerNote').innerText.includes('That would be 9 pictures')")

    def test_a_file_over_20_mib_is_refused(self):
        self.evaluate(
            "(() => { const data = new DataTransfer(); const bytes = new Uint8Array((20 << 20) + 1); bytes.set([0xff, 0xd8, 0xff]);"
            " data.items.add(new File([bytes], 'huge.jpg'));"
            " document.dispatchEvent(new DragEvent('drop', {dataTransfer: data})); })()"
        )
        self.assert_refused("huge.jpg has 20.0 MiB; a picture may have 20 MiB.")

    def test_a_picture_that_does_not_decode_is_refused(self):
        self.evaluate(
            "(() => { const data = new DataTransfer(); data.items.add(new File([new Uint8Array([0xff, 0xd8, 0xff, 0])], 'bad.jpg'));"
            " document.dispatchEvent(new DragEvent('drop', {dataTransfer: data})); })()"
        )
        self.assert_refused("bad.jpg cannot be read as a picture.")

    def test_grids_are_those_of_the_server(self):
        cases = json.loads(GRIDS.read_text())["cases"]
        got = self.evaluate(
            "import('/playground/tile_grid.js').then(({chooseTileGrid}) =>"
            f" {json.dumps(cases)}.map(([width, height, size, most]) => {{"
            " const {columns, rows} = chooseTileGrid(width, height, size, most);"
            " return [width, height, size, most, columns, rows]; }))"
        )
        self.assertEqual(got, cases)

    def test_many_pictures_share_the_tiles_of_a_request(self):
        wide = [{"width": 1600, "height": 1200}] * 8
        square = [{"width": 2000, "height": 2000}]
        for pictures, detail, most, wanted in (
            (wide[:1], "auto", 12, [13]),
            (wide[:4], "auto", 12, [13] * 4),
            (wide[:5], "auto", 12, [7] * 5),
            (wide, "auto", 12, [7] * 8),
            (wide[:1], "low", 12, [1]),
            (wide[:1], "auto", 40, [13]),
            (square, "auto", 24, [10]),
            (square, "high", 24, [17]),
        ):
            got = self.evaluate(
                "import('/playground/tile_grid.js').then(({planTiles, countTiles}) =>"
                f" planTiles({json.dumps(pictures)}, {{tileSize: 448, maxTiles: {most}, detail: '{detail}'}}).map(countTiles))"
            )
            self.assertEqual(got, wanted, (len(pictures), detail, most))


class ErrorsTest(PageTest):
    def refuse(self, status, code, message, **headers):
        self.server.refusal = (
            status,
            {"message": message, "type": "invalid_request_error", "param": None, "code": code},
            {name.replace("_", "-"): value for name, value in headers.items()},
        )

    def trouble(self):
        self.until("document.querySelector('.trouble')?.checkVisibility()")
        return self.text(".trouble")

    def test_a_busy_server_says_when_to_try_again(self):
        self.refuse(429, "queue_full", "256 requests wait", retry_after="2", retry_after_ms="1500")
        self.ask("Hello")
        said = self.trouble()
        self.assertIn("The server is busy", said)
        self.assertIn("256 requests wait", said)
        self.assertIn("code queue_full · HTTP 429 · request fake-1", said)
        self.assertTrue(self.evaluate("document.querySelector('.trouble button').disabled"))
        self.assertIn("Try again in 2 s", self.text(".trouble button"))
        self.server.refusal = None
        self.until("!document.querySelector('.trouble button').disabled")
        self.browser.click(".trouble button")
        self.until_count(".summary", 1)
        self.assertFalse(self.evaluate("document.querySelector('.trouble').checkVisibility()"))

    def test_every_error_has_words(self):
        for status, code, words in (
            (400, "invalid_value", "The server did not take the question"),
            (400, "context_length_exceeded", "This conversation is too long for the model"),
            (400, "image_truncated", "A picture is not whole"),
            (403, None, "This key may not do that"),
            (404, "model_not_found", "The server has no such model"),
            (413, "content_too_large", "The conversation is larger than the server takes"),
            (429, "rate_limit_exceeded", "This key has asked as much as it may for now"),
            (500, None, "Something went wrong at the server"),
            (503, "unavailable", "The server is not ready"),
            (504, None, "The answer took too long"),
        ):
            self.refuse(status, code, "what the server says")
            self.open()
            self.ask("Hello")
            said = self.trouble()
            self.assertIn(words, said)
            self.assertIn("what the server says", said)
            self.assertIn(f"HTTP {status}", said)

    def test_a_failure_within_an_answer_keeps_what_came(self):
        self.server.failure = {
            "message": "the decoder is gone",
            "type": "server_error",
            "param": None,
            "code": "peer_lost",
        }
        self.ask("Hello")
        self.assertIn("The answer broke off", self.trouble())
        self.assertIn("peer_lost", self.trouble())
        self.assertEqual(self.text(".answer .text"), "A yellow star.")

    def test_a_connection_that_ends_early_is_told(self):
        self.server.is_cut = True
        self.ask("Hello")
        self.assertIn("The answer broke off", self.trouble())
        self.assertIn("connection_lost", self.trouble())

    def test_a_server_that_is_gone_is_told_and_the_question_kept(self):
        self.browser.set_offline(True)
        self.addCleanup(self.browser.set_offline, False)
        self.ask("Hello")
        self.assertIn("The server cannot be reached", self.trouble())
        self.assertEqual(self.text(".question .text"), "Hello")

    def test_a_wanted_key_is_asked_for_sent_and_kept_for_the_tab_alone(self):
        self.server.key = "sesame"
        self.open()
        self.assertIn("The server wants an API key", self.text("#served"))
        self.ask("Hello")
        self.assertIn("The server wants an API key", self.trouble())
        self.browser.click(".trouble button:last-child")
        self.until("document.activeElement.id === 'apiKey'")
        self.browser.write("sesame")
        self.until("document.querySelector('#served').dataset.state === 'ready'")
        self.browser.click(".trouble button")
        self.until_count(".summary", 1)
        self.assertEqual(self.server.requests[-1][1]["authorization"], "Bearer sesame")
        self.assertEqual(self.evaluate("JSON.stringify(localStorage).includes('sesame')"), False)
        self.assertEqual(self.evaluate("JSON.stringify(sessionStorage).includes('sesame')"), True)

    def test_a_setting_out_of_its_range_is_not_sent(self):
        self.set("temperature", "3")
        self.ask("Hello")
        self.until("document.activeElement.id === 'temperature'")
        self.assertEqual(self.server.questions(), [])
        self.assertEqual(self.evaluate("document.querySelector('#question').value"), "Hello")


# Contrast of every text on the page with what lies behind it, by WCAG 2.
CONTRASTS = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data; };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const behind = (node) => { for (; node; node = node.parentElement) { const c = rgba(getComputedStyle(node).backgroundColor); if (c[3] > 200) return c; }
    return rgba('white'); };
  const low = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility() || node.closest('.unseen, .skip, noscript, :disabled')) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) low.push(`${contrast.toFixed(2)} ${node.className || node.tagName}: ${node.innerText.slice(0, 40)}`);
  }
  return low;
})()"""


class LookTest(PageTest):
    def tearDown(self):
        self.browser.appearance("light")

    def test_every_text_stands_out_in_light_and_dark(self):
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        self.server.refusal = (500, {"message": "no"}, {})
        self.ask("What is it?")
        self.until(
            "document.querySelector('.trouble')?.checkVisibility() || document.querySelectorAll('.trouble:not([hidden])').length"
        )
        for scheme in ("light", "dark"):
            self.browser.appearance(scheme)
            for tab in ("#settingsTab", "#inspectTab"):
                self.browser.click(tab)
                self.assertEqual(self.evaluate(CONTRASTS), [], (scheme, tab))

    def test_the_appearance_is_the_systems_or_what_was_chosen(self):
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        self.browser.appearance("light")
        light = self.evaluate(ground)
        self.browser.appearance("dark")
        dark = self.evaluate(ground)
        self.assertNotEqual(light, dark)
        self.browser.click("#settingsTab")
        self.browser.click("input[value=light]")
        self.assertEqual(self.evaluate(ground), light)
        self.open()
        self.assertEqual(self.evaluate(ground), light)
        self.browser.appearance("light")
        self.browser.click("#settingsTab")
        self.browser.click("input[value=dark]")
        self.assertEqual(self.evaluate(ground), dark)

    def test_every_control_has_a_name_and_is_reached_by_tab(self):
        self.attach(SHAPES / "heart.png")
        self.ask("What is it?", answers=1)
        self.browser.call("Accessibility.enable")
        nodes = self.browser.call("Accessibility.getFullAXTree")["nodes"]
        controls = {"button", "textbox", "combobox", "spinbutton", "radio", "tab"}
        found = [node for node in nodes if not node["ignored"] and node["role"]["value"] in controls]
        self.assertGreater(len(found), 10)
        for node in found:
            self.assertTrue(node["name"]["value"], node)
        reached = set()
        for _ in range(30):
            self.browser.press("Tab")
            reached.add(self.evaluate("document.activeElement.id || document.activeElement.className"))
        self.assertLessEqual(
            {"question", "attach", "newConversation", "export", "togglePanel", "inspectTab", "summary"},
            reached,
        )

    def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_panel_is_a_sheet(self):
        self.browser.resize(360, 740, 2, is_phone=True)
        self.open()
        fits = "document.documentElement.scrollWidth <= 360"
        self.assertTrue(self.evaluate(fits))
        self.attach(SHAPES / "star_and_circle.png")
        self.ask("What is it?", answers=1)
        self.assertTrue(self.evaluate(fits))
        self.assertFalse(
            self.evaluate("document.querySelector('#panel').checkVisibility({visibilityProperty: true})")
        )
        self.browser.click(".summary")
        self.until("document.querySelector('#seen').checkVisibility({visibilityProperty: true})")
        self.assertTrue(self.evaluate(fits))
        self.browser.press("Escape")
        self.until("!document.querySelector('#panel').checkVisibility({visibilityProperty: true})")

    def test_the_settings_stay_open_while_they_are_changed(self):
        self.ask("Hello", answers=1)
        self.browser.click("#settingsTab")
        self.browser.click("#seed")
        self.browser.write("12")
        self.assertTrue(self.evaluate("document.querySelector('#seed').checkVisibility()"))
        self.ask("Hello", answers=2)
        self.assertEqual(self.last_body()["seed"], 12)
        self.assertTrue(self.evaluate("document.querySelector('#spent').checkVisibility()"))

    def test_settings_outlive_the_page(self):
        self.set("temperature", "0.25")
        self.set("systemText", "Be brief.")
        self.open()
        self.ask("Hello", answers=1)
        self.assertEqual(self.last_body()["temperature"], 0.25)
        self.assertEqual(self.last_body()["messages"][0], {"role": "system", "content": "Be brief."})
        self.browser.click("#settingsTab")
        self.browser.click("#resetSettings")
        self.ask("Hello", answers=2)
        self.assertNotIn("temperature", self.last_body())

    def test_what_the_model_sees_follows_the_model_and_the_settings(self):
        self.attach(SHAPES / "star_and_circle.png")
        self.assertEqual(
            self.text("#draftFacts"), f"13 tiles, {13 * MODEL['tandem']['tokens_per_tile']:,} tokens"
        )
        self.set("maxTiles", "2")
        self.assertEqual(self.text("#draftFacts"), "1 tile, 256 tokens")
        self.set("maxTiles", "")
        self.set("detail", "low")
        self.assertEqual(self.text("#draftFacts"), "1 tile, 256 tokens")


if __name__ == "__main__":
    unittest.main()
