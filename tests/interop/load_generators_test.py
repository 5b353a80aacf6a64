"""Load generators, by replays of the calls that they make and of how they read
the answers: vllm bench serve, GuideLLM, perf_analyzer, AIPerf. What they send
is from their public sources; tests/interop/README.md names the files."""

import codecs
import json
import socket
import unittest
import urllib.parse

from serving import FORMATS, HANG, MODEL, InteropTest, expand, image_part, table

CHAT = "/v1/chat/completions"
WORDS = "one two three four five six seven eight nine ten"
TOKENS = 12


class Wire(InteropTest):
    """A connection whose reads are kept apart."""

    def pieces(self, path, body, headers=()):
        """(head, [pieces as the server wrote them]) of a POST."""
        data = json.dumps(body).encode()
        address = urllib.parse.urlsplit(self.server.url())
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {address.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
            "Connection: close",
            *headers,
        ]
        with socket.create_connection(
            (address.hostname, address.port), HANG
        ) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
            file = connection.makefile("rb")
            head = b""
            while (line := file.readline()) not in (b"\r\n", b""):
                head += line
            pieces = []
            while size := int(file.readline(), 16):
                pieces.append(file.read(size))
                file.readline()
        return head.decode(), pieces


@expand
class VllmBench(Wire):
    """`vllm bench serve --backend openai-chat` and `--backend openai`."""

    def chat_body(self, content):
        return {
            "model": MODEL,
            "messages": [{"role": "user", "content": content}],
            "max_completion_tokens": TOKENS,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
        }

    def read(self, pieces):
        """First tokens, later ones and tokens in all, as that tool counts."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        pending, first, later, counted, prompt = "", 0, 0, None, None
        for piece in pieces:
            pending += decoder.decode(piece.strip()) + "\n\n"
            while "\n\n" in pending:
                message, pending = pending.split("\n\n", 1)
                if not message or message.startswith(":") or message == "data: [DONE]":
                    continue
                event = json.loads(message.removeprefix("data: "))
                if event.get("choices"):
                    first, later = (1, later) if not first else (first, later + 1)
                elif event.get("usage"):
                    counted = event["usage"]["completion_tokens"]
                    prompt = event["usage"]["prompt_tokens"]
        return first, later, counted, prompt

    @table(
        {
            "text": [{"type": "text", "text": WORDS}],
            "a_picture": [
                {"type": "text", "text": WORDS},
                image_part(FORMATS["jpeg"], detail="low"),
            ],
        }
    )
    def test_a_chat_is_measured(self, content):
        headers = ["x-request-id: bench-0a1b2c3d-0"]
        head, pieces = self.pieces(CHAT, self.chat_body(content), headers)
        self.assertIn(" 200 ", head.splitlines()[0])
        self.assertIn("bench-0a1b2c3d-0", head)
        first, later, counted, prompt = self.read(pieces)
        self.assertEqual(first, 1)
        self.assertGreater(later, 0)
        self.assertEqual(counted, TOKENS)
        self.assertGreater(prompt, len(WORDS.split()))

    def test_the_first_event_is_the_first_token(self):
        _, pieces = self.pieces(CHAT, self.chat_body(WORDS))
        delta = json.loads(pieces[0].removeprefix(b"data: "))["choices"][0]["delta"]
        self.assertTrue(delta["content"])

    def test_a_completion_is_measured(self):
        body = {
            "model": MODEL,
            "prompt": WORDS,
            "repetition_penalty": 1.0,
            "max_tokens": TOKENS,
            "logprobs": None,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
        }
        head, pieces = self.pieces("/v1/completions", body)
        self.assertIn(" 200 ", head.splitlines()[0])
        first, _, counted, _ = self.read(pieces)
        self.assertEqual((first, counted), (1, TOKENS))

    def test_a_failure_is_a_status_that_is_not_200(self):
        answer = self.post(CHAT, {**self.chat_body(WORDS), "model": "nothing"})
        self.assertEqual(answer.status, 404)


class GuideLlm(Wire):
    """GuideLLM's openai_http backend."""

    def test_it_starts_with_health_and_models(self):
        self.assertEqual(self.request("GET", "/health").status, 200)
        models = self.request("GET", "/v1/models").json["data"]
        self.assertEqual([item["id"] for item in models], [MODEL])

    def events(self, path, body):
        """It reads lines, and data after `data:`."""
        _, pieces = self.pieces(path, body)
        lines = b"".join(pieces).decode().split("\n")
        self.assertIn("data: [DONE]", lines)
        datas = [
            line.removeprefix("data:").strip()
            for line in lines
            if line.startswith("data:")
        ]
        return [json.loads(data) for data in datas if data != "[DONE]"]

    def stream_options(self):
        return {
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }

    def test_a_chat_counts_its_tokens(self):
        body = {
            "model": MODEL,
            **self.stream_options(),
            "max_completion_tokens": TOKENS,
            "stop": None,
            "ignore_eos": True,
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": WORDS}]}
            ],
        }
        events = self.events(CHAT, body)
        usages = [e["usage"] for e in events if e.get("usage")]
        self.assertEqual(usages[-1]["completion_tokens"], TOKENS)
        self.assertGreater(len(usages), 1)
        text = "".join(
            e["choices"][0]["delta"].get("content") or ""
            for e in events
            if e["choices"]
        )
        self.assertTrue(text)

    def test_a_completion_counts_its_tokens(self):
        body = {
            "model": MODEL,
            **self.stream_options(),
            "max_tokens": TOKENS,
            "stop": None,
            "ignore_eos": True,
            "prompt": WORDS,
        }
        events = self.events("/v1/completions", body)
        self.assertEqual(events[-1]["usage"]["completion_tokens"], TOKENS)

    def test_it_also_asks_without_a_stream(self):
        body = {
            "model": MODEL,
            "max_completion_tokens": TOKENS,
            "ignore_eos": True,
            "messages": [{"role": "user", "content": WORDS}],
        }
        answer = self.post(CHAT, body).json
        self.assertEqual(answer["usage"]["completion_tokens"], TOKENS)
        self.assertTrue(answer["choices"][0]["message"]["content"])


class PerfAnalyzer(Wire):
    """perf_analyzer --service-kind openai: each read is a response, and one that
    holds `data: [DONE]` is the last."""

    def test_a_stream_is_one_response_an_event(self):
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": WORDS}],
            "max_tokens": TOKENS,
            "stream": True,
        }
        head, pieces = self.pieces(CHAT, body, ["User-Agent: libcurl-agent/1.0"])
        self.assertIn("content-type: text/event-stream", head.lower())
        final = [b"data: [DONE]" in piece for piece in pieces]
        self.assertEqual(final, [False] * (len(pieces) - 1) + [True])
        self.assertEqual(pieces[-1], b"data: [DONE]\n\n")
        for piece in pieces[:-1]:
            json.loads(piece.removeprefix(b"data: "))

    def test_an_answer_without_a_stream_is_one_response(self):
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": WORDS}],
            "max_tokens": 4,
        }
        answer = self.post(CHAT, body, {"User-Agent": "libcurl-agent/1.0"})
        self.assertTrue(answer.json["choices"][0]["message"]["content"])


class AiPerf(Wire):
    """AIPerf and genai-perf: chat streams with max_completion_tokens."""

    def test_a_stream_tells_tokens_and_usage(self):
        body = {
            "messages": [{"role": "user", "content": WORDS}],
            "model": MODEL,
            "stream": True,
            "max_completion_tokens": TOKENS,
            "min_tokens": TOKENS,
            "ignore_eos": True,
            "stream_options": {"include_usage": True},
        }
        _, pieces = self.pieces(CHAT, body, ["Accept: text/event-stream"])
        events = [json.loads(p.removeprefix(b"data: ")) for p in pieces[:-1]]
        self.assertEqual(events[-1]["usage"]["completion_tokens"], TOKENS)


if __name__ == "__main__":
    unittest.main()
