"""A headless Chromium, told what to do over its DevTools protocol.

The protocol runs over two pipes (--remote-debugging-pipe): no port, and nothing
but Python's own library. Waits end when something happens; their limits only end
a test that would hang.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HANG = 120  # seconds
# The browser reads from 3 and writes to 4, whatever numbers the pipes have here.
LAUNCH = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 10) for number in sys.argv[1:3]]
for number, pipe in enumerate(pipes, 3):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
KEYS = {"Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, "")}


class BrowserError(AssertionError):
    pass


def find_chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise BrowserError("no chromium is installed; scripts/packages.txt names it")


class Browser:
    """One process with one page. Keeps what the page logs and asks for."""

    def __init__(self, width=1280, height=800, scale=1):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.to_browser = os.pipe()
        self.from_browser, from_browser = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(to_browser), str(from_browser), find_chromium(),
             "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-extensions", "--disable-default-apps", "--hide-scrollbars", "--lang=en-US",
             f"--user-data-dir={self.folder.name}", "about:blank"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self.changed = threading.Condition()
        self.replies, self.last_id, self.is_over = {}, 0, False
        self.troubles = []  # errors that the page logged or did not catch
        self.addresses = []  # every request's
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height, scale)

    # ---- the protocol ----

    def _read(self):
        rest = b""
        while piece := os.read(self.from_browser, 1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            for message in messages:
                self._take(json.loads(message))
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def _take(self, message):
        with self.changed:
            if "id" in message:
                self.replies[message["id"]] = message
            else:
                self._notice(message["method"], message["params"])
            self.changed.notify_all()

    def _notice(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert", "warning"):
            self.troubles.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.troubles.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.addresses.append(params["request"]["url"])

    def _call(self, method, params, session=None):
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": params}
        if session:
            request["sessionId"] = session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.to_browser, data) :]
        with self.changed:
            if not self.changed.wait_for(lambda: self.last_id in self.replies or self.is_over, HANG):
                raise BrowserError(f"no answer to {method}")
            if self.is_over:
                raise BrowserError("the browser ended")
            reply = self.replies.pop(self.last_id)
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error']}")
        return reply["result"]

    def call(self, method, **params):
        return self._call(method, params, self.session)

    # ---- what a person does ----

    def resize(self, width, height, scale=1, is_phone=False):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=is_phone,
        )

    def appearance(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def set_offline(self, offline):
        self.call(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def evaluate(self, expression):
        """A JavaScript expression's value; promises are waited for."""
        reply = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in reply:
            details = reply["exceptionDetails"]
            raise BrowserError(
                f"{expression}: {details.get('exception', {}).get('description', details['text'])}"
            )
        return reply["result"].get("value")

    def until(self, expression):
        """The expression's first value that is true; true for a node."""
        deadline = time.monotonic() + HANG
        while not (value := self.evaluate(f"(value => value instanceof Node || value)({expression})")):
            if time.monotonic() > deadline:
                raise BrowserError(
                    f"never: {expression}\n{self.evaluate('document.body.innerText')}\n{self.troubles}"
                )
            time.sleep(0.02)
        return value

    def click(self, selector):
        """At the middle of the element, which must be the topmost there."""
        quoted = json.dumps(selector)
        self.until(f"document.querySelector({quoted})?.checkVisibility()")
        x, y, is_on_top = self.evaluate(
            f"(() => {{ const node = document.querySelector({quoted}); node.scrollIntoView({{block: 'nearest'}});"
            " const r = node.getBoundingClientRect(); const x = r.x + r.width / 2, y = r.y + r.height / 2;"
            " const top = document.elementFromPoint(x, y); return [x, y, node.contains(top)]; })()")  # fmt: skip
        if not is_on_top:
            raise BrowserError(f"{selector} is covered")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def write(self, text):
        self.call("Input.insertText", text=text)

    def press(self, key, shift=False):
        code, number, text = KEYS[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 if shift else 0}
        self.call(
            "Input.dispatchKeyEvent",
            type="keyDown" if text else "rawKeyDown",
            **common,
            **({"text": text} if text else {}),
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def drop(self, *paths):
        """Files dragged from a desktop onto the middle of the page."""
        data = {
            "items": [],
            "files": [str(pathlib.Path(path).resolve()) for path in paths],
            "dragOperationsMask": 1,
        }
        x, y = self.evaluate("[innerWidth / 2, innerHeight / 2]")
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def choose(self, selector, *paths):
        """Files for an <input type=file>."""
        node = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")[
            "result"
        ]["objectId"]
        self.call(
            "DOM.setFileInputFiles",
            objectId=node,
            files=[str(pathlib.Path(path).resolve()) for path in paths],
        )

    def screenshot(self, path):
        self.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")
        data = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        os.close(self.to_browser)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        os.close(self.from_browser)
        self.folder.cleanup()
