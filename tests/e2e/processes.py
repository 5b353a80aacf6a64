"""What the end-to-end tests share: programs, pictures, a counting proxy.

The tests start the programs of TANDEM_BIN on ports that the system picks, read
the ports from the logs, and stop everything that they started. Waits end when
something happens; their limits only end a test that would hang.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import zlib

BIN = pathlib.Path(os.environ["TANDEM_BIN"])
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
MODELS = DATA / "models"
HANG = 300  # seconds; nothing here takes as long, not even under a sanitizer

# The programs must not read what the caller's shell has set.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")}
# Of the gateway and `tandem serve`, which would take a fixed port.
ENVIRONMENT["TANDEM_HTTP_LISTEN"] = "127.0.0.1:0"


def synthetic_png(width, height):
    """The picture of the reference goldens, as a PNG file."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # filter: none
        for x in range(width):
            m = 31 * x + 17 * y + 13 * ((x * y) >> 3)
            rows += bytes((m & 255, (m + 89) & 255, (m + 178) & 255))

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(rows), 1))
        + chunk(b"IEND", b"")
    )


def make_endless_model(folder):
    """Model t1 with an output layer that gives control words no score, so that a
    greedy answer ends only where its tokens do."""
    shutil.copytree(MODELS / "t1-custom", folder)
    first_control_word, vocabulary, row_bytes = 476, 512, 96 * 2
    with open(folder / "model.safetensors", "r+b") as file:
        header_bytes = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(header_bytes))
        start = header["language_model.lm_head.weight"]["data_offsets"][0]
        file.seek(8 + header_bytes + start + first_control_word * row_bytes)
        file.write(bytes((vocabulary - first_control_word) * row_bytes))


class Program:
    """One process that serves; its log is read by a thread."""

    def __init__(self, name, *options):
        self.name = name
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [BIN / name, *map(str, options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)  # the end
            self.changed.notify_all()

    def log(self):
        return "\n".join(line for line in self.lines if line is not None)

    def find(self, pattern):
        """The first match in the log, which is waited for."""
        deadline = time.monotonic() + HANG
        seen = 0
        with self.changed:
            while True:
                for line in self.lines[seen:]:
                    if line is None:
                        raise AssertionError(f"{self.name} ended:\n{self.log()}")
                    found = re.search(pattern, line)
                    if found:
                        return found
                seen = len(self.lines)
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(
                        f"{self.name} never logged {pattern}:\n{self.log()}"
                    )

    def address(self):
        return self.find(r"grpc listens address=(\S+)").group(1)

    def http(self):
        return self.find(r"http listens address=(\S+)").group(1)

    def admin(self):
        return self.find(r"admin listens address=(\S+)").group(1)

    def ready(self):
        self.find(r"INFO\s+ready\b")
        return self

    def get(self, path):
        """(status, body) of the admin listener."""
        url = f"http://{self.admin()}{path}"
        try:
            with urllib.request.urlopen(url, timeout=HANG) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """Series with their labels -> value."""
        series = {}
        for line in self.get("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                series[name] = float(value)
        return series

    def kill(self):
        self.process.kill()
        return self.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        code = self.process.wait(HANG)
        self.reader.join()
        self.process.stderr.close()
        return code


class Proxy:
    """TCP from a port of its own to `target`, counting what comes back."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.bytes_back = 0
        self.on_bytes_back = lambda total: None
        self.lock = threading.Lock()
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            self.sockets += [client, server]
            for source, sink, back in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._pump, args=(source, sink, back), daemon=True
                ).start()

    def _pump(self, source, sink, back):
        try:
            while data := source.recv(1 << 16):
                if back:
                    with self.lock:
                        self.bytes_back += len(data)
                        total = self.bytes_back
                    self.on_bytes_back(total)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        for end in self.sockets:
            end.close()


class Answer:
    """What `tandem chat` did."""

    def __init__(self, process, out, err):
        self.code = process.returncode
        self.out = out.decode()
        self.err = err.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.out)

    def same(self):
        """What must not depend on how the services are spread."""
        got = self.json
        return got["token_ids"], got["text"], got["finish_reason"], {
            k: v for k, v in got["usage"].items() if k != "cached_tokens"
        }


class TandemTest(unittest.TestCase):
    """Stops what a test started, whatever happened."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
            if hasattr(cls, "enterClassContext")
            else tempfile.mkdtemp()
        )

    def start(self, name, *options):
        program = Program(name, *options)
        self.addCleanup(self._stop, program)
        return program

    def _stop(self, program):
        if program.process.poll() is None:
            program.kill()

    def service(self, name, *options, listen="127.0.0.1:0"):
        """A service on a port of its own that stops as soon as it may."""
        return self.start(
            name, "--listen", listen, "--admin-listen", "127.0.0.1:0",
            "--pre-drain", "0s", *options)  # fmt: skip

    def model_service(self, name, *options, model="t1-custom", **more):
        return self.service(
            name, "--model", MODELS / model, "--dtype", "float32", *options, **more
        )

    def proxy(self, target):
        proxy = Proxy(target)
        self.addCleanup(proxy.close)
        return proxy

    def cluster(self, through=None, model="t1-custom"):
        """vision, llm and gateway; `through` makes a proxy before the llm's."""
        self.vision = self.model_service("tandem-vision", model=model)
        seen_by_llm = self.vision.address()
        if through:
            self.vision_proxy = through(seen_by_llm)
            seen_by_llm = self.vision_proxy.address
        self.llm = self.model_service(
            "tandem-llm", "--vision", seen_by_llm, model=model
        )
        self.gateway = self.gateway_of([self.vision], self.llm)

    def gateway_of(self, visions, llm):
        options = []
        for vision in visions:
            options += ["--vision", vision.ready().address()]
        options += ["--llm", llm.ready().address()]
        return self.service("tandem-gateway", *options).ready()

    def endless_model(self):
        folder = self.folder / "endless"
        if not folder.exists():
            make_endless_model(folder)
        return folder

    def picture(self, width, height):
        path = self.folder / f"{width}x{height}.png"
        if not path.exists():
            path.write_bytes(synthetic_png(width, height))
        return path

    def chat(self, target, *arguments, stdin=b""):
        """`tandem chat` with a gateway, one's URL, or a model's folder."""
        if isinstance(target, Program):
            where = ["--connect", target.address()]
        elif str(target).startswith("http://"):
            where = ["--connect", target]
        else:
            where = ["--model", target, "--dtype", "float32"]
        process = subprocess.Popen(
            [BIN / "tandem", "chat", *map(str, where), *map(os.fsencode, map(str, arguments))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        try:
            out, err = process.communicate(stdin, HANG)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Answer(process, out, err)

    def ask(self, target, *arguments, tokens=16):
        """A greedy answer as JSON; fails the test where there is none."""
        answer = self.chat(
            target, "--json", "--temperature", 0, "--max-tokens", tokens, *arguments
        )
        self.assertEqual(answer.code, 0, answer.err)
        return answer

    def assert_fails(self, answer, *words, code=1):
        """One line on standard error that holds `words`, nothing else."""
        self.assertEqual(answer.code, code, answer.err + answer.out)
        self.assertEqual(answer.out, "")
        self.assertEqual(len(answer.err.splitlines()), 1, answer.err)
        for word in words:
            self.assertIn(word, answer.err)

    def until(self, check, what):
        """Waits for something that happens by itself, soon."""
        deadline = time.monotonic() + HANG
        while not (value := check()):
            self.assertLess(time.monotonic(), deadline, f"never: {what}")
            time.sleep(0.05)
        return value

    def assert_idle(self, gateway, llm, vision=None):
        """What requests took is given back: nothing runs, waits or is held."""

        def value(program, name):
            return program.metrics()[name]

        self.until(
            lambda: value(gateway, 'tandem_requests_in_flight{api="grpc"}') == 0,
            "no request in flight",
        )
        for name in ("tandem_llm_requests_running", "tandem_llm_requests_waiting"):
            self.until(lambda name=name: value(llm, name) == 0, f"{name} is 0")
        self.until(
            lambda: value(llm, "tandem_kv_cache_blocks_free")
            == value(llm, "tandem_kv_cache_blocks"),
            "all KV blocks are free",
        )
        if vision is not None:
            self.until(
                lambda: value(vision, 'tandem_queue_depth{stage="encode"}') == 0,
                "no tile waits",
            )
