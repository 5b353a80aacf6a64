"""The official OpenAI SDK for Python: what fails, and how its users see it."""

import hashlib
import json
import pathlib
import tempfile
import threading
import unittest

import openai

from openai_case import ENDLESS, HELLO, OpenAiTest
from serving import FORMATS, MODEL, data_url, expand, image_part, table


def picture(url, **options):
    return [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": url, **options}}],
        }
    ]


URL = "messages[0].content[0].image_url.url"
PNG = "data:image/png;base64,"


@expand
class BadRequests(OpenAiTest):
    def refused(
        self, param, code="invalid_value", kind=openai.BadRequestError, **options
    ):
        with self.assertRaises(kind) as raised:
            self.ask(**options)
        error = raised.exception
        self.assertEqual(error.type, "invalid_request_error")
        self.assertEqual(error.param, param)
        self.assertEqual(error.code, code)
        self.assertTrue(error.body["message"])
        self.assertTrue(error.request_id)
        return error

    @table(
        {
            "temperature_over_2": ({"temperature": 2.1}, "temperature"),
            "temperature_below_0": ({"temperature": -0.1}, "temperature"),
            "temperature_a_string": ({"temperature": "hot"}, "temperature"),
            "top_p_of_0": ({"top_p": 0}, "top_p"),
            "top_p_over_1": ({"top_p": 1.1}, "top_p"),
            "n_of_2": ({"n": 2}, "n"),
            "max_tokens_of_0": ({"max_tokens": 0}, "max_tokens"),
            "max_tokens_a_fraction": ({"max_tokens": 1.5}, "max_tokens"),
            "max_completion_tokens_below_0": (
                {"max_completion_tokens": -1},
                "max_completion_tokens",
            ),
            "presence_penalty": ({"presence_penalty": 2.1}, "presence_penalty"),
            "frequency_penalty": ({"frequency_penalty": -2.1}, "frequency_penalty"),
            "seed_a_string": ({"seed": "seven"}, "seed"),
            "stop_of_17": ({"stop": ["x"] * 17}, "stop"),
            "stop_empty": ({"stop": [""]}, "stop[0]"),
            "stop_too_long": ({"stop": ["x" * 257]}, "stop[0]"),
            "top_logprobs_over_20": (
                {"logprobs": True, "top_logprobs": 21},
                "top_logprobs",
            ),
            "top_logprobs_alone": ({"top_logprobs": 2}, "top_logprobs"),
            "logit_bias_over_100": ({"logit_bias": {"5": 101}}, "logit_bias[5]"),
            "logit_bias_no_id": ({"logit_bias": {"five": 1}}, "logit_bias.five"),
            "stream_options_alone": (
                {"stream_options": {"include_usage": True}},
                "stream_options",
            ),
            "top_k": ({"extra_body": {"top_k": -2}}, "top_k"),
            "min_p": ({"extra_body": {"min_p": 1.5}}, "min_p"),
            "repetition_penalty": (
                {"extra_body": {"repetition_penalty": 0}},
                "repetition_penalty",
            ),
            "min_tokens": ({"extra_body": {"min_tokens": 33}}, "min_tokens"),
            "ignore_eos": ({"extra_body": {"ignore_eos": "yes"}}, "ignore_eos"),
        }
    )
    def test_a_value_is_refused_and_named(self, fields, param):
        self.refused(param, **fields)

    @table(
        {
            "none": ([], "messages"),
            "257": (HELLO * 257, "messages"),
            "an_unknown_role": (
                [{"role": "robot", "content": "Hi"}],
                "messages[0].role",
            ),
            "the_models_turn_last": (
                [*HELLO, {"role": "assistant", "content": "I"}],
                "messages[1].role",
            ),
            "no_content": ([{"role": "user"}], "messages[0].content"),
            "content_a_number": (
                [{"role": "user", "content": 5}],
                "messages[0].content",
            ),
            "no_parts": ([{"role": "user", "content": []}], "messages[0].content"),
            "65_parts": (
                [{"role": "user", "content": [{"type": "text", "text": "x"}] * 65}],
                "messages[0].content",
            ),
            "9_images": (
                [{"role": "user", "content": [image_part(FORMATS["bmp"])] * 9}],
                "messages",
            ),
        }
    )
    def test_messages_are_refused_and_named(self, messages, param):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.ask(messages)
        self.assertEqual(raised.exception.type, "invalid_request_error")
        self.assertTrue(
            raised.exception.param.startswith(param), (raised.exception.param, param)
        )

    @table(
        {
            "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
            "functions": {"functions": [{"name": "f"}]},
            "tool_choice": {"tool_choice": "required"},
            "response_format": {"response_format": {"type": "json_object"}},
            "audio": {"audio": {"voice": "alloy", "format": "wav"}},
            "modalities": {"modalities": ["text", "audio"]},
            "chat_template": {"extra_body": {"chat_template": "{{ x }}"}},
            "chat_template_kwargs": {"extra_body": {"chat_template_kwargs": {"a": 1}}},
        }
    )
    def test_what_is_not_built_is_refused_and_not_ignored(self, fields):
        (name,) = fields.get("extra_body", fields)
        with self.assertRaises(openai.APIStatusError) as raised:
            self.ask(**fields)
        self.assertIn(raised.exception.status_code, (400, 501))
        self.assertEqual(raised.exception.code, "unsupported_parameter")
        self.assertTrue(raised.exception.param.startswith(name), raised.exception.param)

    @table({"tool": "tool", "function": "function"})
    def test_a_role_of_tools_is_refused(self, role):
        turn = {"role": role, "content": "42", "tool_call_id": "c", "name": "f"}
        with self.assertRaises(openai.BadRequestError) as raised:
            self.ask([*HELLO, turn, *HELLO])
        self.assertEqual(raised.exception.param, "messages[1].role")

    @table({"input_audio": "input_audio", "file": "file"})
    def test_a_part_of_another_type_is_refused(self, kind):
        part = {"type": kind, kind: {"data": "AAAA", "format": "wav"}}
        with self.assertRaises(openai.BadRequestError) as raised:
            self.ask([{"role": "user", "content": [part]}])
        self.assertTrue(raised.exception.param.startswith("messages[0].content[0]"))

    @table(
        {
            "an_address_on_the_web": "https://example.com/a.png",
            "a_file": "file:///etc/passwd",
            "not_base64": PNG + "@@@@",
            "empty": PNG,
            "no_comma": "data:image/png;base64",
            "svg": "data:image/svg+xml;base64,PHN2Zy8+",
            "text_in_png": PNG + "aGVsbG8=",
        }
    )
    def test_a_url_is_refused_and_named(self, url):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.ask(picture(url))
        self.assertEqual(raised.exception.param, URL)
        self.assertEqual(raised.exception.type, "invalid_request_error")

    def test_a_cut_picture_is_called_so(self):
        cut = FORMATS["jpeg"].read_bytes()[:-300]
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()), "cut.jpg")
        path.write_bytes(cut)
        self.refused(URL, "image_truncated", messages=picture(data_url(path)))

    def test_a_picture_of_another_format_is_called_so(self):
        self.refused(
            URL,
            "image_unsupported_format",
            messages=picture("data:image/gif;base64,R0lGODlh"),
        )

    def test_an_unknown_detail_is_refused(self):
        messages = picture(data_url(FORMATS["png"]), detail="huge")
        self.refused("messages[0].content[0].image_url.detail", messages=messages)

    def test_a_context_that_is_too_short_is_called_so(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.ask(max_tokens=10**6)
        self.assertEqual(raised.exception.code, "context_length_exceeded")
        self.assertIn("1000000", raised.exception.message)

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.chat.completions.create(model="gpt-9", messages=HELLO)
        self.assertEqual(raised.exception.code, "model_not_found")
        self.assertIn("gpt-9", raised.exception.message)

    def test_an_unknown_model_is_not_retrieved(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.models.retrieve("gpt-9")
        self.assertEqual(raised.exception.code, "model_not_found")

    def test_what_there_is_no_path_for_is_not_found(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.embeddings.create(model=MODEL, input="x")

    def test_an_error_of_a_stream_comes_before_its_first_byte(self):
        with self.assertRaises(openai.BadRequestError):
            self.ask(stream=True, temperature=3)

    @table(
        {
            "of_ids": {"prompt": [1, 2, 3]},
            "of_two": {"prompt": ["a", "b"]},
            "with_echo": {"prompt": "a", "echo": True},
            "with_suffix": {"prompt": "a", "suffix": "b"},
            "with_best_of": {"prompt": "a", "best_of": 2},
        }
    )
    def test_a_completion_that_is_not_built_is_refused(self, fields):
        with self.assertRaises(openai.APIStatusError) as raised:
            self.client.completions.create(model=MODEL, **fields)
        self.assertEqual(raised.exception.code, "unsupported_parameter")


class Endings(OpenAiTest):
    def test_a_timeout_of_the_client_frees_the_place(self):
        with self.assertRaises(openai.APITimeoutError):
            self.client.with_options(timeout=0.5).chat.completions.create(
                model=MODEL, messages=HELLO, **ENDLESS
            )
        self.assert_idle()

    def test_a_client_that_closes_frees_the_place(self):
        client = self.new_client()
        stream = client.chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, **ENDLESS
        )
        next(iter(stream))
        client.close()
        self.assert_idle()


class Overload(OpenAiTest):
    OPTIONS = ("--max-in-flight", 1, "--max-queued", 0)

    def occupy(self):
        stream = self.ask(stream=True, **ENDLESS)
        self.addCleanup(self.assert_idle)
        self.addCleanup(stream.close)
        next(iter(stream))
        return stream

    def test_a_refusal_is_a_rate_limit_error_with_a_delay(self):
        self.occupy()
        with self.assertRaises(openai.RateLimitError) as raised:
            self.ask()
        self.assertEqual(raised.exception.type, "overloaded_error")
        self.assertEqual(raised.exception.code, "queue_full")
        headers = raised.exception.response.headers
        self.assertGreater(float(headers["retry-after-ms"]), 0)
        self.assertGreaterEqual(int(headers["retry-after"]), 1)

    def test_the_SDKs_own_tries_get_through_when_there_is_room(self):
        stream = self.occupy()
        threading.Timer(0.1, stream.close).start()
        answer = self.client.with_options(max_retries=20).chat.completions.create(
            model=MODEL, messages=HELLO, temperature=0
        )
        self.assertIn("Tandem", answer.choices[0].message.content)


class Keys(OpenAiTest):
    """`--api-keys`: who may call."""

    KEYS = {"good": "key-good", "elsewhere": "key-elsewhere", "slow": "key-slow"}

    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))

        def entry(name, **more):
            digest = hashlib.sha256(cls.KEYS[name].encode()).hexdigest()
            return {"id": name, "sha256": digest, "requests_per_minute": 600, **more}

        keys = [
            entry("good"),
            entry("elsewhere", models=["another"]),
            entry("slow", requests_per_minute=1),
        ]
        file = folder / "keys.json"
        file.write_text(json.dumps({"keys": keys}))
        cls.OPTIONS = ("--api-keys", file)
        super().setUpClass()

    def as_user(self, key):
        return self.client.with_options(api_key=key).chat.completions.create(
            model=MODEL, messages=HELLO, temperature=0, max_tokens=2
        )

    def test_a_known_key_is_served(self):
        self.assertTrue(self.as_user("key-good").choices[0].message.content)

    def test_an_unknown_key_is_an_authentication_error(self):
        with self.assertRaises(openai.AuthenticationError) as raised:
            self.as_user("key-bad")
        self.assertEqual(raised.exception.code, "invalid_api_key")
        self.assertNotIn("key-bad", raised.exception.message)

    def test_no_key_is_an_authentication_error(self):
        answer = self.post("/v1/chat/completions", {"model": MODEL, "messages": HELLO})
        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.error["code"], "invalid_api_key")

    def test_a_key_of_another_model_is_denied(self):
        with self.assertRaises(openai.PermissionDeniedError) as raised:
            self.as_user("key-elsewhere")
        self.assertEqual(raised.exception.type, "permission_error")

    def test_a_key_that_is_used_up_is_a_rate_limit_error_with_a_delay(self):
        self.as_user("key-slow")
        with self.assertRaises(openai.RateLimitError) as raised:
            self.as_user("key-slow")
        self.assertEqual(raised.exception.code, "rate_limit_exceeded")
        self.assertEqual(raised.exception.type, "rate_limit_error")
        self.assertGreater(
            float(raised.exception.response.headers["retry-after-ms"]), 1000
        )

    def test_x_api_key_is_read_too(self):
        answer = self.request("GET", "/v1/models", headers={"x-api-key": "key-good"})
        self.assertEqual(answer.status, 200)

    def test_models_and_tokenize_want_a_key_and_health_none(self):
        self.assertEqual(self.request("GET", "/v1/models").status, 401)
        self.assertEqual(self.post("/tokenize", {"prompt": "x"}).status, 401)
        self.assertEqual(self.request("GET", "/health").status, 200)


if __name__ == "__main__":
    unittest.main()
