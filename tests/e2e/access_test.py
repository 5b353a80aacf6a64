"""API keys with real programs: what the documentation says to type, exit codes,
replacement, and that no log holds what a request held."""

import base64
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import unittest
import zlib

from processes import BIN, ENVIRONMENT, HANG, MODELS, TandemTest

T1 = str(MODELS / "t1-custom")
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
KEY = "canary-key-5f1e"
PROMPT = "canary prompt zebra"
PICTURE = b"canary picture quagga"


def entry(key, name="team-a", **more):
    return {"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), **more}


class AccessTest(TandemTest):
    def write_keys(self, *entries, name="keys.json"):
        """Swapped in at once, as `mv` does."""
        path = self.folder / name
        new = self.folder / (name + ".new")
        new.write_text(json.dumps({"keys": entries}))
        os.replace(new, path)
        return path

    def key_file(self, key):
        path = self.folder / f"{key}.key"
        path.write_text(key + "\n")
        return path

    def with_key(self, key):
        return "--api-key-file", self.key_file(key)

    def serve(self, *options):
        return self.start(
            "tandem", "serve", "--model", T1, "--dtype", "float32", "--listen", "127.0.0.1:0",
            "--admin-listen", "127.0.0.1:0", *options)  # fmt: skip

    def refused(self, *arguments):
        """The one line of a program that ends with exit code 78."""
        done = subprocess.run(
            [BIN / arguments[0], *map(str, arguments[1:])],
            capture_output=True, timeout=HANG, env=ENVIRONMENT)  # fmt: skip
        error = done.stderr.decode()
        self.assertEqual(done.returncode, 78, error)
        lines = [x for x in error.splitlines() if " INFO " not in x]
        self.assertEqual(len(lines), 1, error)
        return lines[0]

    def listeners(self, *options):
        """Commands that would listen for other machines."""
        everywhere = ["--listen", "0.0.0.0:0", "--admin-listen", "127.0.0.1:0", *options]
        yield ["tandem-gateway", *everywhere, "--llm", "127.0.0.1:1"]
        yield ["tandem", "serve", *everywhere, "--model", T1]

    def test_a_listener_for_others_needs_keys_or_a_word(self):
        for command in self.listeners():
            with self.subTest(command[0]):
                line = self.refused(*command)
                for word in ("0.0.0.0:0", "--api-keys", "--insecure-no-auth"):
                    self.assertIn(word, line)

    def test_that_word_is_warned_of(self):
        gateway = self.start(*next(self.listeners("--insecure-no-auth")))
        gateway.find(r"WARN .*--insecure-no-auth")
        gateway.address()

    def test_the_two_options_exclude_each_other(self):
        keys = self.write_keys()
        for command in self.listeners("--insecure-no-auth", "--api-keys", keys):
            line = self.refused(*command)
            self.assertIn("--api-keys", line)
            self.assertIn("--insecure-no-auth", line)

    def test_a_missing_or_broken_keys_file_is_named_with_its_place(self):
        broken = self.folder / "broken.json"
        broken.write_text('{"keys": [\n{"id": "a",,}]}')
        wrong = self.write_keys(entry("a"), entry("b", "b", concurrent=0), name="wrong.json")
        for file, words in (
            (self.folder / "none.json", ["none.json"]),
            (broken, ["broken.json: line 2"]),
            (wrong, ["wrong.json: keys[1].concurrent is 0, outside [1, 10000]"]),
        ):
            for command in self.listeners("--api-keys", file):
                with self.subTest(command[0], file=file.name):
                    line = self.refused(*command)
                    for word in words:
                        self.assertIn(word, line)

    def test_the_documented_commands_make_a_key_that_is_let_in(self):
        text = (DOCS / "access.md").read_text()
        for name in ("key", "file"):
            commands = re.search(rf"```sh {name}\n(.*?)```", text, re.S).group(1)
            subprocess.run(["sh", "-e", "-c", commands], cwd=self.folder, check=True)
        self.assertEqual((self.folder / "team-a.key").stat().st_mode & 0o077, 0)
        server = self.serve("--api-keys", self.folder / "keys.json").ready()
        self.ask(server, "--api-key-file", self.folder / "team-a.key", "Hi")
        self.assert_fails(self.chat(server, "Hi"), "CREDENTIALS_MISSING", code=78)
        self.assert_fails(
            self.chat(server, *self.with_key("wrong"), "Hi"), "CREDENTIALS_INVALID", code=78)  # fmt: skip

    def test_a_key_is_replaced_without_a_restart(self):
        keys = self.write_keys(entry("old"), name="rotated.json")
        server = self.serve("--api-keys", keys).ready()
        self.ask(server, *self.with_key("old"), "Hi")
        self.write_keys(entry("new"), name="rotated.json")
        self.until(
            lambda: self.chat(server, *self.with_key("new"), "--max-tokens", 1, "Hi").code == 0,
            "the new key is let in",
        )
        self.assert_fails(
            self.chat(server, *self.with_key("old"), "Hi"), "CREDENTIALS_INVALID", code=78)  # fmt: skip
        keys.write_text("nonsense")
        server.find(r"ERROR .*rotated.json: line 1")
        self.ask(server, *self.with_key("new"), "Hi")

    def test_who_asks_too_often_is_told_so_and_counted(self):
        keys = self.write_keys(entry("k", requests_per_minute=1), name="few.json")
        server = self.serve("--api-keys", keys).ready()
        self.ask(server, *self.with_key("k"), "Hi")
        refused = self.chat(server, "--json", *self.with_key("k"), "Hi")
        self.assert_fails(refused, "QUOTA_EXCEEDED", "team-a")
        rejections = 'tandem_admission_rejections_total{reason="quota"}'
        self.assertEqual(server.metrics()[rejections], 1)

    def test_a_key_file_that_is_none_is_refused_without_its_content(self):
        path = self.folder / "two.key"
        path.write_text("canary one\ncanary two\n")
        for file in (path, self.folder / "no.key"):
            line = self.refused(
                "tandem", "chat", "--connect", "127.0.0.1:1", "--api-key-file", file, "Hi")  # fmt: skip
            self.assertIn(str(file), line)
            self.assertNotIn("canary", line)

    def canary_picture(self):
        """A PNG that says PICTURE in its pixels, which are stored, and in a text."""

        def chunk(kind, data):
            crc = zlib.crc32(kind + data)
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

        row = b"\0" + (PICTURE * 60)[: 3 * 300]
        path = self.folder / "canary.png"
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 300, 300, 8, 2, 0, 0, 0))
            + chunk(b"tEXt", b"Comment\0" + PICTURE)
            + chunk(b"IDAT", zlib.compress(row * 300, 0))
            + chunk(b"IEND", b"")
        )
        return path

    def assert_no_canary(self, program, heard, *more):
        log = program.log()
        self.assertIn(heard, log)
        secrets = [PROMPT, "zebra", KEY, hashlib.sha256(KEY.encode()).hexdigest(), "quagga"]
        for form in (PICTURE.hex(), base64.b64encode(PICTURE).decode()[:-2]):
            secrets.append(form)
        for secret in (*secrets, *more):
            self.assertNotIn(secret.lower(), log.lower(), program.name)

    def test_no_log_holds_prompt_picture_answer_or_key(self):
        debug = ["--log-level", "debug"]
        keys = self.write_keys(entry(KEY), name="canary.json")
        vision = self.model_service("tandem-vision", *debug)
        llm = self.model_service("tandem-llm", "--vision", vision.address(), *debug)
        gateway = self.service(
            "tandem-gateway", "--vision", vision.ready().address(), "--llm",
            llm.ready().address(), "--api-keys", keys, *debug).ready()  # fmt: skip
        together = self.serve("--api-keys", keys, *debug).ready()
        broken = self.folder / "cut.png"
        broken.write_bytes(self.canary_picture().read_bytes()[:-40])
        for server in (gateway, together):
            answer = self.ask(
                server, *self.with_key(KEY), "--system", PROMPT, "--image", self.canary_picture(),
                PROMPT)  # fmt: skip
            text = answer.json["text"]
            self.assertGreater(len(text), 8)
            # What is refused on its way says no more: an unknown model, a broken
            # picture, a wrong key.
            for wrong in (
                (*self.with_key(KEY), "--served-name", "nothing", PROMPT),
                (*self.with_key(KEY), "--image", broken, PROMPT),
                (*self.with_key(KEY + "-wrong"), PROMPT),
            ):
                self.assertNotEqual(self.chat(server, *wrong).code, 0)
            server.find(r"chat ended .*key_id=team-a")
            self.assert_no_canary(server, "chat ended", text)
        self.assert_no_canary(vision, "image kept", text)
        self.assert_no_canary(llm, "ready", text)


if __name__ == "__main__":
    unittest.main()
