"""HTTP as curl, proxies and careless programs speak it: no SDK in between."""

import http.client
import json
import socket
import unittest

from serving import HANG, MODEL, InteropTest, expand, table

CHAT = "/v1/chat/completions"
HELLO = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Who are you?"}],
    "temperature": 0,
}


class HttpTest(InteropTest):
    def assert_error(self, answer, status, kind="invalid_request_error"):
        """The error object, whatever the failure."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertTrue(answer.headers["Content-Type"].startswith("application/json"))
        self.assertEqual(set(answer.error), {"message", "type", "param", "code"})
        self.assertTrue(answer.error["message"])
        self.assertEqual(answer.error["type"], kind)
        self.assertTrue(answer.headers["x-request-id"])
        return answer.error

    def connect(self):
        host, port = self.server.http().rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), HANG)
        self.addCleanup(connection.close)
        return connection

    def exchange(self, *headers, body=b""):
        """What comes back for a POST that we write ourselves."""
        connection = self.connect()
        connection.sendall(head(*headers, "Connection: close") + body)
        return read_all(connection)


def head(*headers):
    lines = (
        f"POST {CHAT} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def read_all(connection):
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
    return received


@expand
class Routes(HttpTest):
    @table(
        {"root_of_the_API": "/v1", "unknown": "/v1/embeddings", "metrics": "/metrics"}
    )
    def test_an_unknown_path_is_404(self, path):
        self.assert_error(self.request("GET", path), 404)

    @table(
        {
            "chat": ("GET", CHAT),
            "completions": ("PUT", "/v1/completions"),
            "models": ("POST", "/v1/models"),
            "a_model": ("DELETE", f"/v1/models/{MODEL}"),
            "tokenize": ("GET", "/tokenize"),
        }
    )
    def test_another_method_is_405_and_says_which_is_allowed(self, method, path):
        body = b"{}" if method in ("POST", "PUT") else None
        answer = self.request(method, path, body, {"Content-Type": "application/json"})
        self.assert_error(answer, 405)
        self.assertTrue(answer.headers["Allow"])

    @table({"text": "text/plain", "form": "application/x-www-form-urlencoded"})
    def test_another_content_type_is_415(self, kind):
        self.assert_error(
            self.post(CHAT, json.dumps(HELLO), {"Content-Type": kind}), 415
        )

    @table(
        {
            "with_a_charset": "application/json; charset=utf-8",
            "in_capitals": "Application/JSON",
        }
    )
    def test_a_content_type_of_JSON_is_read(self, kind):
        self.assertEqual(
            self.post(CHAT, json.dumps(HELLO), {"Content-Type": kind}).status, 200
        )

    def test_health_is_200_when_ready(self):
        answer = self.request("GET", "/health")
        self.assertEqual(answer.status, 200)
        self.assertIn(answer.body.strip(), (b"", b"{}"))

    def test_version_is_told(self):
        self.assertRegex(self.request("GET", "/version").json["version"], r"^\d+\.\d+")

    def test_the_page_is_at_the_root(self):
        answer = self.request("GET", "/")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))

    def test_a_query_changes_nothing(self):
        self.assertEqual(self.request("GET", "/v1/models?limit=1").status, 200)


@expand
class Bodies(HttpTest):
    @table(
        {
            "nothing": b"",
            "no_JSON": b"{",
            "an_array": b"[]",
            "two_objects": b"{} {}",
            "a_string": b'"x"',
            "no_UTF_8": b'{"model": "\xff"}',
            "a_lone_surrogate": b'{"model": "\\ud800"}',
            "NaN": b'{"temperature": NaN}',
            "33_levels": b'{"x":' * 33 + b"1" + b"}" * 33,
        }
    )
    def test_a_body_that_is_no_object_is_400(self, body):
        self.assert_error(
            self.post(CHAT, body, {"Content-Type": "application/json"}), 400
        )

    @table({"model": "model", "messages": "messages"})
    def test_a_missing_field_is_named(self, name):
        body = {k: v for k, v in HELLO.items() if k != name}
        self.assertEqual(self.assert_error(self.post(CHAT, body), 400)["param"], name)

    def test_a_body_over_32_MiB_is_413_by_its_length(self):
        answer = self.exchange(f"Content-Length: {33 << 20}")
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer)

    def test_a_chunked_body_over_32_MiB_is_413_when_it_is(self):
        connection = self.connect()
        piece = b"%x\r\n" % (1 << 20) + bytes(1 << 20) + b"\r\n"
        try:
            connection.sendall(head("Transfer-Encoding: chunked"))
            for _ in range(40):
                connection.sendall(piece)
            self.assertTrue(connection.recv(64).startswith(b"HTTP/1.1 413 "))
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed so early that what we still sent took the answer away
        self.assertEqual(self.request("GET", "/health").status, 200)

    @table({"negative": "-1", "no_number": "ten", "too_large": "9" * 30})
    def test_a_length_that_is_none_is_refused(self, length):
        status = self.exchange(f"Content-Length: {length}").split(b" ")[1]
        self.assertIn(status, (b"400", b"413") if length.isdigit() else (b"400",))

    def test_a_chunked_body_is_read(self):
        body = json.dumps(HELLO).encode()
        cut = len(body) // 2
        pieces = b"".join(
            b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:cut], body[cut:], b"")
        )
        answer = self.exchange("Transfer-Encoding: chunked", body=pieces)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
        self.assertIn(b"Tandem demo model", answer)

    def test_a_body_after_100_continue_is_read(self):
        body = json.dumps(HELLO).encode()
        length = f"Content-Length: {len(body)}"
        connection = self.connect()
        connection.sendall(head(length, "Expect: 100-continue", "Connection: close"))
        self.assertTrue(connection.recv(1 << 12).startswith(b"HTTP/1.1 100 "))
        connection.sendall(body)
        self.assertTrue(read_all(connection).startswith(b"HTTP/1.1 200 "))


class Headers(HttpTest):
    def test_a_stream_is_one_that_proxies_leave_alone(self):
        headers = self.post(CHAT, {**HELLO, "stream": True}).headers
        self.assertEqual(headers["Content-Type"], "text/event-stream; charset=utf-8")
        self.assertEqual(headers["Cache-Control"], "no-cache")
        self.assertEqual(headers["X-Accel-Buffering"], "no")

    def test_output_is_not_sniffed(self):
        self.assertEqual(
            self.post(CHAT, HELLO).headers["X-Content-Type-Options"], "nosniff"
        )

    def test_a_final_refusal_says_that_repetition_does_not_help(self):
        self.assertEqual(
            self.post(CHAT, {**HELLO, "temperature": 3}).headers["x-should-retry"],
            "false",
        )

    def test_one_connection_takes_one_request_after_another(self):
        connection = http.client.HTTPConnection(self.server.http(), timeout=HANG)
        self.addCleanup(connection.close)
        for stream in (False, True, False):
            body = json.dumps({**HELLO, "stream": stream})
            connection.request("POST", CHAT, body, {"Content-Type": "application/json"})
            used = connection.sock
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.read())
            self.assertIs(connection.sock, used)


class Events(HttpTest):
    def test_every_event_is_one_line_and_DONE_is_the_last(self):
        events = self.post(CHAT, {**HELLO, "stream": True}).events()
        self.assertEqual(events[-1], "[DONE]")
        for event in events[:-1]:
            self.assertNotIn("\n", event)
            self.assertEqual(json.loads(event)["object"], "chat.completion.chunk")

    def test_chunks_have_the_fields_that_programs_look_for(self):
        first = json.loads(self.post(CHAT, {**HELLO, "stream": True}).events()[0])
        (choice,) = first["choices"]
        self.assertEqual(set(choice), {"index", "delta", "logprobs", "finish_reason"})
        self.assertIsNone(choice["finish_reason"])
        self.assertIsNone(choice["logprobs"])

    def test_with_include_usage_other_chunks_say_null(self):
        body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
        *chunks, last = [json.loads(e) for e in self.post(CHAT, body).events()[:-1]]
        self.assertEqual({json.dumps(c["usage"]) for c in chunks}, {"null"})
        self.assertEqual(last["choices"], [])

    def test_every_event_comes_in_a_piece_of_its_own(self):
        body = json.dumps({**HELLO, "stream": True}).encode()
        received = self.exchange(f"Content-Length: {len(body)}", body=body)
        _, _, chunked = received.partition(b"\r\n\r\n")
        pieces = []
        while chunked:
            size, _, rest = chunked.partition(b"\r\n")
            pieces.append(rest[: int(size, 16)])
            chunked = rest[int(size, 16) + 2 :]
        self.assertEqual(pieces.pop(), b"")
        for piece in pieces:
            self.assertTrue(piece.startswith((b"data: ", b":")), piece)
            self.assertTrue(piece.endswith(b"\n\n"), piece)
            self.assertEqual(piece.count(b"\n\n"), 1, piece)


class Tokenize(HttpTest):
    def test_a_prompt_has_its_ids(self):
        answer = self.post("/tokenize", {"model": MODEL, "prompt": "Hello, world"}).json
        self.assertEqual(answer["count"], len(answer["tokens"]))
        self.assertGreater(answer["max_model_len"], 0)

    def test_messages_have_those_of_the_template_too(self):
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Hello, world"}],
        }
        longer = self.post("/tokenize", body).json["count"]
        shorter = self.post(
            "/tokenize", {"model": MODEL, "prompt": "Hello, world"}
        ).json["count"]
        self.assertGreater(longer, shorter)

    def test_a_count_is_what_an_answer_uses(self):
        messages = HELLO["messages"]
        counted = self.post("/tokenize", {"model": MODEL, "messages": messages}).json[
            "count"
        ]
        self.assertEqual(counted, self.post(CHAT, HELLO).json["usage"]["prompt_tokens"])

    def test_neither_is_400(self):
        self.assert_error(self.post("/tokenize", {"model": MODEL}), 400)


if __name__ == "__main__":
    unittest.main()
