"""A Tandem that serves the demo model, for clients that others wrote.

A class of tests has a server of its own, which takes a fraction of a second to
start: no test sees what another one did.
"""

import base64
import http.client
import json
import os
import pathlib
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "clients" / "python" / "src")]

import processes  # noqa: E402  (of tests/e2e)

WEIGHTS = ROOT / "models" / "demo" / "weights"
IMAGES = ROOT / "tests" / "data" / "images"
# A shape each, plain enough for every demo model; not its own pictures, which
# change with it.
SHAPES = ROOT / "tests" / "data" / "shapes"
MODEL = "demo"
HANG = processes.HANG
# One picture of each format, small enough for one tile.
FORMATS = {
    "png": SHAPES / "heart.png",
    "jpeg": SHAPES / "moon.jpg",
    "webp": IMAGES / "webp_lossless_64x48.webp",
    "bmp": IMAGES / "bmp_rgb_64x48.bmp",
}


def data_url(path, kind=None):
    kind = kind or {"jpg": "jpeg"}.get(path.suffix[1:], path.suffix[1:])
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def image_part(path, **options):
    return {"type": "image_url", "image_url": {"url": data_url(path), **options}}


def question(text, *images):
    """A user's turn as OpenAI writes it: pictures of one tile, then the text."""
    parts = [image_part(path, detail="low") for path in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


class Server(processes.Program):
    """`tandem serve` on ports that the system picks."""

    def __init__(self, *options):
        # fmt: off
        super().__init__(
            "tandem", "serve", "--model", WEIGHTS, "--served-name", MODEL,
            "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
            "--admin-listen", "127.0.0.1:0", *options)
        # fmt: on

    def http(self):
        return self.find(r"http listens address=(\S+)").group(1)

    def url(self):
        return f"http://{self.http()}"

    def in_flight(self):
        """Requests that are being worked on, whatever API they came by."""
        return sum(
            value
            for name, value in self.metrics().items()
            if name.startswith("tandem_requests_in_flight")
        ) + self.metrics().get("tandem_llm_requests_running", 0)

    def stop(self):
        if self.process.poll() is None:
            self.kill()


class Response:
    """What came over HTTP."""

    def __init__(self, answer, body):
        self.status = answer.status
        self.headers = answer.headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    def events(self):
        """The data of a stream's events, [DONE] included, as strings."""
        blocks = self.body.decode().split("\n\n")
        assert blocks.pop() == "", self.body
        return [b.removeprefix("data: ") for b in blocks if not b.startswith(":")]


class InteropTest(unittest.TestCase):
    """Tests of one server."""

    OPTIONS = ()
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS)
        cls.addClassCleanup(cls.server.stop)
        cls.server.ready()

    def until(self, check, what):
        """Waits for something that happens by itself, soon."""
        deadline = time.monotonic() + HANG
        while not check():
            self.assertLess(time.monotonic(), deadline, f"never: {what}")
            time.sleep(0.02)

    def assert_idle(self):
        self.until(lambda: self.server.in_flight() == 0, "no request in flight")

    def request(self, method, path, body=None, headers=None):
        """One request by Python's own HTTP client; a body that is no bytes is
        sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.server.http(), timeout=HANG)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Response(answer, answer.read())
        finally:
            connection.close()

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)


def table(cases):
    """Makes each entry of {name: arguments} a test of its own out of a method
    `test_NAME(self, *arguments)`."""

    def mark(method):
        method.cases = cases
        return method

    return mark


def expand(cls):
    """Class decorator: unfolds its `table` methods."""
    for name, method in list(vars(cls).items()):
        cases = getattr(method, "cases", None)
        if cases is None:
            continue
        delattr(cls, name)
        for case, arguments in cases.items():
            if not isinstance(arguments, tuple):
                arguments = (arguments,)

            def test(self, method=method, arguments=arguments):
                method(self, *arguments)

            test.__name__ = f"{name}__{case}"
            setattr(cls, test.__name__, test)
    return cls
