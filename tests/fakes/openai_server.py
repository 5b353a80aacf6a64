"""An HTTP server that serves the playground and answers as a test tells it to.

The gateway's part of the OpenAI API in so far as the page uses it: /v1/models
and streamed /v1/chat/completions. Keeps every request that it got.
"""

import copy
import http.server
import json
import pathlib
import threading

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "gateway" / "playground"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; " "img-src 'self' blob:; connect-src 'self'"
)
MODEL = {
    "id": "fake-model", "object": "model", "created": 1, "owned_by": "tandem", "max_model_len": 32768,
    "tandem": {"accepts_images": True, "max_tiles": 12, "tile_size": 448, "tokens_per_tile": 256,
               "dtype": "bfloat16", "profile": "custom", "fingerprint": "00"},
}  # fmt: skip
TIMINGS = {
    "queue": 0.4, "image_decode": 6.2, "preprocess": 11.8, "encode_queue": 2.1, "encode": 312.0, "transfer": 18.4,
    "decode_queue": 0.2, "prefill": 148.5, "time_to_first_token": 503.0, "decode": 402.0, "total": 905.0,
}  # fmt: skip


class FakeOpenAiServer:
    """What the next answers are is set by its members, from the test's thread."""

    def __init__(self):
        self.model = copy.deepcopy(MODEL)
        self.pieces = ["A ", "yellow ", "star."]
        self.refusal = None  # (status, error object, headers) instead of an answer
        self.failure = None  # an error object after the pieces
        self.is_cut = False  # the connection ends after the pieces
        self.key = None  # the bearer token that is wanted
        self.gate = None  # an Event that is waited for before the last piece
        self.requests = []  # (path, headers, body)
        self.aborted = threading.Event()  # a client left within an answer
        handler = type("Handler", (_Handler,), {"fake": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.address = "127.0.0.1:%d" % self.server.server_address[1]

    def close(self):
        if self.gate:
            self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def questions(self):
        return [body for path, _, body in self.requests if path.endswith("/chat/completions")]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a browser may leave at any time


class _Handler(http.server.BaseHTTPRequestHandler):
    fake = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/v1/models":
            self._keep(None)
            if self._is_let_in():
                self._send(200, {"object": "list", "data": [self.fake.model]})
            return
        name = "index.html" if self.path == "/" else self.path.removeprefix("/playground/")
        file = PAGE / name
        if "/" in name or not file.is_file():
            self._send(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})
            return
        self._send(
            200, file.read_bytes(), {"content-type": TYPES[file.suffix], "content-security-policy": POLICY}
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._keep(body)
        if not self._is_let_in():
            return
        if self.fake.refusal:
            status, error, headers = self.fake.refusal
            self._send(status, {"error": error}, headers)
            return
        try:
            self._stream()
        except (BrokenPipeError, ConnectionResetError):
            self.fake.aborted.set()
        self.close_connection = True

    def _keep(self, body):
        self.fake.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))

    def _is_let_in(self):
        if self.fake.key is None or self.headers["authorization"] == f"Bearer {self.fake.key}":
            return True
        error = {
            "message": "the API key is missing or unknown",
            "type": "authentication_error",
            "code": "invalid_api_key",
        }
        self._send(401, {"error": error})
        return False

    def _send(self, status, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "x-request-id": "fake-1",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        pieces, gate = self.fake.pieces, self.fake.gate
        for number, piece in enumerate(pieces):
            if gate and number == len(pieces) - 1:
                while not gate.wait(0.05):
                    self._write(b": keep-alive\n\n")
            self._chunk([{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
        if self.fake.is_cut:
            return
        if self.fake.failure:
            self._event(json.dumps({"error": self.fake.failure}))
        else:
            self._chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
            usage = {"prompt_tokens": 3391, "completion_tokens": 17, "total_tokens": 3408,
                     "prompt_tokens_details": {"cached_tokens": 0, "image_tokens": 3328}}  # fmt: skip
            self._chunk([], usage=usage, timings_ms=TIMINGS)
        self._event("[DONE]")

    def _chunk(self, choices, **more):
        self._event(
            json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices, **more})
        )

    def _event(self, data):
        self._write(f"data: {data}\n\n".encode())

    def _write(self, data):
        self.wfile.write(data)
        self.wfile.flush()
