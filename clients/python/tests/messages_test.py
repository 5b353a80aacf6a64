"""What users pass becomes what the protocol has."""

import base64
import io
import pathlib
import tempfile
import unittest

from tandem_client import assistant, image, raw_prompt, system, user
from tandem_client._proto.tandem.v1 import gateway_pb2
from tandem_client.messages import to_request


def shape(messages):
    """[(role, [text or image's bytes])]"""
    return [
        (m.role, [p.text if p.HasField("text") else p.image.data for p in m.content])
        for m in to_request(messages)[0]
    ]


class Messages(unittest.TestCase):
    def test_a_text_is_a_turn_of_the_user(self):
        self.assertEqual(shape("Hi"), [("user", ["Hi"])])

    def test_an_image_is_a_turn_of_the_user(self):
        self.assertEqual(shape(image(b"png")), [("user", [b"png"])])

    def test_a_list_of_parts_is_one_turn(self):
        self.assertEqual(shape(["a", image(b"1"), "b"]), [("user", ["a", b"1", "b"])])

    def test_a_list_of_turns_is_a_conversation(self):
        self.assertEqual(
            shape([system("s"), user("a", image(b"1")), assistant("b"), user("c")]),
            [
                ("system", ["s"]),
                ("user", ["a", b"1"]),
                ("assistant", ["b"]),
                ("user", ["c"]),
            ],
        )

    def test_dicts_and_turns_mix(self):
        self.assertEqual(
            shape([{"role": "system", "content": "s"}, user("a")]),
            [("system", ["s"]), ("user", ["a"])],
        )

    def test_parts_as_OpenAI_writes_them_are_read(self):
        url = "data:image/png;base64," + base64.b64encode(b"png").decode()
        parts = [
            {"type": "text", "text": "What?"},
            {
                "type": "image_url",
                "image_url": {"url": url, "detail": "high", "max_tiles": 3},
            },
            {"type": "image_url", "image_url": url},
        ]
        self.assertEqual(
            shape([{"role": "user", "content": parts}]),
            [("user", ["What?", b"png", b"png"])],
        )
        part = to_request(parts)[0][0].content[1].image
        self.assertEqual(part.detail, gateway_pb2.ImagePart.DETAIL_HIGH)
        self.assertEqual(part.max_tiles, 3)

    def test_a_raw_prompt_has_no_turns(self):
        self.assertEqual(to_request(raw_prompt("Once")), ([], "Once"))

    def test_an_image_is_read_from_a_path_and_from_an_open_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.png")
            path.write_bytes(b"png")
            for source in (path, str(path), io.BytesIO(b"png"), bytearray(b"png")):
                with self.subTest(type(source).__name__):
                    self.assertEqual(image(source).data, b"png")

    def test_detail_and_tiles_of_an_image_are_sent(self):
        part = (
            to_request(image(b"png", detail="low", max_tiles=2))[0][0].content[0].image
        )
        self.assertEqual(
            (part.detail, part.max_tiles), (gateway_pb2.ImagePart.DETAIL_LOW, 2)
        )

    def test_an_image_does_not_print_its_bytes(self):
        self.assertNotIn("secret", repr(image(b"secret")))


class WhatIsNoMessage(unittest.TestCase):
    CASES = {
        "turns and parts in one list": (ValueError, [user("a"), "b"]),
        "bytes": (TypeError, b"png"),
        "a number": (TypeError, 3),
        "a part that is a number": (TypeError, ["a", 3]),
        "a dict that is no turn": (TypeError, {"content": "a"}),
        "a turn without content": (ValueError, [{"role": "user"}]),
        "a part of another type": (ValueError, [{"type": "audio"}]),
        "an address on the web": (
            ValueError,
            [{"type": "image_url", "image_url": "https://x/y"}],
        ),
        "no base64": (
            ValueError,
            [{"type": "image_url", "image_url": "data:image/png;base64,@@@"}],
        ),
    }

    def test_it_is_refused_before_it_is_sent(self):
        for name, (kind, messages) in self.CASES.items():
            with self.subTest(name), self.assertRaises(kind):
                to_request(messages)

    def test_an_unknown_detail_is_refused(self):
        with self.assertRaisesRegex(ValueError, "huge"):
            image(b"png", detail="huge")

    def test_a_file_in_text_mode_is_refused(self):
        with self.assertRaises(TypeError):
            image(io.StringIO("png"))

    def test_a_file_that_is_not_there_is_the_systems_error(self):
        with self.assertRaises(FileNotFoundError):
            image("no/such.png")


if __name__ == "__main__":
    unittest.main()
