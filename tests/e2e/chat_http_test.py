"""`tandem chat --connect http://` with a server that is none of ours: Python's."""

import base64
import http.server
import json
import signal
import subprocess
import threading
import unittest

from processes import BIN, DATA, ENVIRONMENT, HANG, Answer, TandemTest

PICTURE = DATA / "images/png_rgb_5x3.png"


class OpenAiServer(http.server.ThreadingHTTPServer):
    """Answers every chat completion with what the test put in `events`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = []
        self.events = []
        self.hang = False
        self.gone = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/v1" % self.server_address[1]

    def say(self, *pieces, finish="stop"):
        chunks = [{"choices": [{"index": 0, "delta": {"content": x}}]} for x in pieces]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        usage = {"prompt_tokens": 5, "completion_tokens": len(pieces)}
        chunks.append({"choices": [], "usage": usage})
        self.events = [json.dumps(chunk) for chunk in chunks] + ["[DONE]"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self, code, value):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self._answer(200, {"object": "list", "data": [{"id": "other"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        if not self.server.events:
            error = {"message": "no", "type": "server_error", "code": "unavailable"}
            return self._answer(503, {"error": error})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in self.server.events:
            self.wfile.write(f"data: {event}\n\n".encode())
        if self.server.hang:
            self.rfile.read(1)  # until the client goes
            self.server.gone.set()


class ChatHttpTest(TandemTest):
    def setUp(self):
        self.server = OpenAiServer()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def chat(self, *arguments, stdin=b""):
        done = subprocess.run(
            [BIN / "tandem", "chat", "--connect", self.server.url, *map(str, arguments)],
            input=stdin, capture_output=True, timeout=HANG, env=ENVIRONMENT)  # fmt: skip
        return Answer(done, done.stdout, done.stderr)

    def test_one_question(self):
        self.server.say("He", "llo")
        answer = self.chat("--image", PICTURE, "--temperature", 0.5, "What", "is it?")
        self.assertEqual((answer.code, answer.out, answer.err), (0, "Hello\n", ""))
        body = self.server.bodies[0]
        self.assertEqual(body["model"], "other")
        self.assertEqual(body["temperature"], 0.5)
        image, text = body["messages"][0]["content"]
        head, data = image["image_url"]["url"].split(",")
        self.assertEqual(head, "data:image/png;base64")
        self.assertEqual(base64.b64decode(data, validate=True), PICTURE.read_bytes())
        self.assertEqual(text, {"type": "text", "text": "What is it?"})

    def test_json(self):
        self.server.say("He", "llo", finish="length")
        got = self.chat("--json", "Hi").json
        self.assertEqual(got["text"], "Hello")
        self.assertEqual(got["token_ids"], [])
        self.assertEqual(got["finish_reason"], "length")
        self.assertEqual(got["usage"]["completion_tokens"], 2)

    def test_a_conversation(self):
        self.server.say("Ho")
        answer = self.chat(stdin=b"Hi\nAnd?\n")
        self.assertEqual((answer.code, answer.out), (0, "Ho\nHo\n"), answer.err)
        said = [message["content"] for message in self.server.bodies[1]["messages"]]
        self.assertEqual(said, ["Hi", "Ho", "And?"])

    def test_errors_are_one_line(self):
        self.assert_fails(self.chat("--json", "Hi"), "UNAVAILABLE BACKEND_UNAVAILABLE: no")
        self.server.events = ["nonsense"]
        self.assertEqual(self.chat("Hi").code, 1)
        answer = self.chat("--served-name", "mine", "Hi")
        self.assert_fails(answer, "MODEL_NOT_FOUND", "mine", code=78)

    def test_ctrl_c_ends_the_answer_and_the_connection(self):
        self.server.say("Hello")
        self.server.events = self.server.events[:1]
        self.server.hang = True
        process = subprocess.Popen(
            [BIN / "tandem", "chat", "--connect", self.server.url, "Hi"],
            stdout=subprocess.PIPE, env=ENVIRONMENT)  # fmt: skip
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.read(5), b"Hello")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(HANG), 130)
        self.assertTrue(self.server.gone.wait(HANG))


if __name__ == "__main__":
    unittest.main()
