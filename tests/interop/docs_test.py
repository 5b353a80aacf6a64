"""What the documents tell people to type, typed: every fenced block of
docs/clients.md, docs/getting-started.md and of the client's README, and every
program of examples/.

Only addresses are changed, to those of a server of this test.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from serving import ROOT, SHAPES, InteropTest

NODE = ROOT / "build" / "interop" / "node"
EXAMPLES = ROOT / "examples"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """[(line, language, text)]"""
    text = (ROOT / page).read_text()
    return [
        (text.count("\n", 0, m.start()) + 1, m.group(1), m.group(2))
        for m in BLOCK.finditer(text)
    ]


class Typed(InteropTest):
    """A folder with photo.png, proto/, models/ and the programs where a build has
    them; all tools on the path."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copy(SHAPES / "heart.png", self.folder / "photo.png")
        (self.folder / "proto").symlink_to(ROOT / "proto")
        (self.folder / "models").symlink_to(ROOT / "models")
        release = self.folder / "build" / "release"
        release.mkdir(parents=True)
        (release / "bin").symlink_to(pathlib.Path(os.environ["TANDEM_BIN"]).resolve())
        tools = self.folder / "tools"
        tools.mkdir()
        grpcurl = tools / "grpcurl"
        script = ROOT / "tests" / "interop" / "grpcurl.py"
        grpcurl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        grpcurl.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{tools}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
            "TANDEM_TARGET": self.server.address(),
            "TANDEM_URL": self.server.url(),
            "CMAKE_CXX_COMPILER_LAUNCHER": shutil.which("ccache") or "",
        }
        self.environment.pop("TANDEM_API_KEY", None)

    def here(self, text):
        """`text` with the addresses of this test's server."""
        text = text.replace("127.0.0.1:50051", self.server.address())
        return text.replace("127.0.0.1:8080", self.server.http())

    def run_in(self, folder, *command):
        done = subprocess.run(
            [str(c) for c in command],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def module(self, text):
        """A file beside the modules of Node that it imports."""
        handle, name = tempfile.mkstemp(".mjs", "snippet_", NODE)
        os.close(handle)
        path = pathlib.Path(name)
        self.addCleanup(path.unlink)
        path.write_text(text)
        return path


def run_python(test, text):
    path = test.folder / "snippet.py"
    path.write_text(text)
    return test.run_in(test.folder, sys.executable, path)


def run_js(test, text):
    return test.run_in(test.folder, "node", test.module(text))


def run_sh(test, text):
    if text.startswith("pip install"):  # package_test.py does
        return text
    said = test.run_in(test.folder, "bash", "-euo", "pipefail", "-c", text)
    test.assertNotRegex(said, r'"error": ?\{')  # which curl counts as an answer
    return said


def find_cpp(test, text):
    test.assertIn(text, (EXAMPLES / "cpp_grpc" / "main.cc").read_text())
    return text


RUN = {"python": run_python, "js": run_js, "sh": run_sh, "cpp": find_cpp}


class Pages(Typed):
    """A test a block, named by page and line, is added below."""


def add_tests(page):
    for line, language, text in blocks(page):
        if language == "console":  # for people: a server, a key
            continue

        def test(self, language=language, text=text):
            self.assertTrue(RUN[language](self, self.here(text)))

        name = re.sub(r"\W", "_", page)
        setattr(Pages, f"test_{name}_line_{line}_{language}", test)


add_tests("docs/clients.md")
add_tests("docs/getting-started.md")


class ClientReadme(Typed):
    def test_its_programs_run(self):
        run = 0
        for _, language, text in blocks("clients/python/README.md"):
            if language == "python" and "import" in text:
                self.assertTrue(run_python(self, self.here(text)))
                run += 1
        self.assertEqual(run, 2)


class Examples(Typed):
    QUESTION = "What is in the picture?"

    def test_python_grpc(self):
        said = self.run_in(
            self.folder,
            sys.executable,
            EXAMPLES / "python_grpc.py",
            "photo.png",
            self.QUESTION,
        )
        self.assertIn("heart", said)

    def test_python_openai(self):
        said = self.run_in(
            self.folder,
            sys.executable,
            EXAMPLES / "python_openai.py",
            "photo.png",
            self.QUESTION,
        )
        self.assertIn("heart", said)

    def test_node_openai(self):
        program = self.module((EXAMPLES / "node_openai.mjs").read_text())
        self.assertIn(
            "heart",
            self.run_in(self.folder, "node", program, "photo.png", self.QUESTION),
        )

    def test_node_grpc(self):
        program = self.module((EXAMPLES / "node_grpc.mjs").read_text())
        self.assertIn(
            "heart",
            self.run_in(self.folder, "node", program, "photo.png", self.QUESTION),
        )

    def test_curl(self):
        said = self.run_in(
            self.folder, EXAMPLES / "curl.sh", "photo.png", self.QUESTION
        )
        # A word may come in several events.
        events = re.findall(r"^data: (\{.*)$", said, re.MULTILINE)
        deltas = [json.loads(e)["choices"][0]["delta"] for e in events]
        self.assertIn("heart", "".join(d.get("content") or "" for d in deltas))
        self.assertTrue(said.endswith("data: [DONE]\n\n"), said)

    def test_grpcurl(self):
        said = self.run_in(self.folder, EXAMPLES / "grpcurl.sh")
        for word in ("tandem.v1.ChatService.Chat", "SERVING", "finishReason", '"demo"'):
            self.assertIn(word, said)

    def test_cpp_grpc(self):
        build = ROOT / "build" / "interop" / "cpp_grpc"
        self.run_in(
            self.folder,
            "cmake",
            "-S",
            EXAMPLES / "cpp_grpc",
            "-B",
            build,
            "-G",
            "Ninja",
        )
        self.run_in(self.folder, "cmake", "--build", build)
        said = self.run_in(
            self.folder,
            build / "cpp_grpc",
            self.server.address(),
            "photo.png",
            self.QUESTION,
        )
        self.assertIn("heart", said)


if __name__ == "__main__":
    unittest.main()
