"""What a user or a script gets when options, files or ports are wrong; and what
`tandem tiles` and `tandem models` print."""

import json
import shutil
import socket
import subprocess
import unittest

from processes import BIN, DATA, ENVIRONMENT, HANG, MODELS, TandemTest

SERVICES = ("tandem-vision", "tandem-llm")
T1 = str(MODELS / "t1-custom")


class CommandLineTest(TandemTest):
    def run_program(self, *arguments, environment=None):
        return subprocess.run(
            [BIN / arguments[0], *map(str, arguments[1:])],
            capture_output=True,
            timeout=HANG,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT | (environment or {}),
        )

    def assert_refused(self, *arguments, says=(), code=78, **more):
        """Exit code 78, and one line beside what was logged before it."""
        done = self.run_program(*arguments, **more)
        error = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, error)
        self.assertEqual(done.stdout, b"")
        lines = [x for x in error.splitlines() if " INFO " not in x]
        self.assertEqual(len(lines), 1, error)
        for word in says:
            self.assertIn(word, lines[0])
        return lines[0]

    def serve_commands(self):
        ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        return [[name, *ports] for name in SERVICES] + [["tandem", "serve", *ports]]

    def test_unknown_options_are_named_with_a_guess(self):
        for program in (*SERVICES, "tandem-gateway"):
            with self.subTest(program):
                self.assert_refused(program, "--lissten", "x", says=["--lissten"])
        for command in ("serve", "chat", "tiles", "models"):
            with self.subTest(command):
                self.assert_refused("tandem", command, "--nonsense", says=["--nonsense"])
        self.assert_refused("tandem", "caht", says=["chat"])

    def test_a_missing_model_is_named(self):
        for command in self.serve_commands():
            with self.subTest(command[0]):
                self.assert_refused(*command, "--model", "/nowhere", says=["/nowhere"])
                self.assert_refused(*command, says=["--model"])
        self.assert_refused("tandem", "chat", "--model", "/nowhere", "Hi", says=["/nowhere"])

    def test_malformed_weights_name_the_file(self):
        cut = self.folder / "cut"
        shutil.copytree(T1, cut)
        with open(cut / "model.safetensors", "r+b") as file:
            file.truncate(600_000)
        lying = self.folder / "lying"
        shutil.copytree(T1, lying)
        with open(lying / "model.safetensors", "r+b") as file:
            file.write(b"\xff" * 8)  # the header's length
        text = self.folder / "text"
        shutil.copytree(T1, text)
        (text / "config.json").write_text("not JSON")
        for model, name in ((cut, "model.safetensors"), (lying, "model.safetensors"),
                            (text, "config.json")):  # fmt: skip
            for command in self.serve_commands():
                with self.subTest(model=model.name, program=command[0]):
                    self.assert_refused(*command, "--model", model, says=[name])

    def test_a_port_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for command in self.serve_commands():
                with self.subTest(command[0]):
                    listen = [x for x in command if x not in ("--listen", "127.0.0.1:0", "--admin-listen")]
                    self.assert_refused(
                        *listen, "--model", T1, "--listen", address,
                        "--admin-listen", "127.0.0.1:0", says=[address])  # fmt: skip
                    self.assert_refused(
                        *listen, "--model", T1, "--listen", "127.0.0.1:0",
                        "--admin-listen", address, says=[address])  # fmt: skip

    def test_values_out_of_range_name_value_and_bound(self):
        chat = ["tandem", "chat", "--model", T1]
        for option, value, bound in (
            ("--temperature", "2.5", "[0, 2]"),
            ("--temperature", "nan", "[0, 2]"),
            ("--temperature", "-1", "[0, 2]"),
            ("--max-tokens", "0", "1"),
            ("--max-tokens", "many", "whole number"),
            ("--max-tiles", "41", "[1, 40]"),
            ("--max-tiles", "0", "[1, 40]"),
            ("--dtype", "float64", "auto|float32|bfloat16"),
            ("--profile", "other", "custom|hf"),
        ):
            with self.subTest(option, value=value):
                self.assert_refused(*chat, f"{option}={value}", "Hi", says=[option, value, bound])

    def test_devices_that_are_not_built_are_said_so(self):
        for command in self.serve_commands():
            with self.subTest(command[0]):
                self.assert_refused(
                    *command, "--model", T1, "--device", "cuda:0", says=["cuda:0", "cpu"]
                )
        for option in ("--vision-device", "--llm-device"):
            self.assert_refused(
                "tandem", "serve", "--model", T1, option, "cuda:1", says=["cuda:1", "cpu"]
            )

    def test_chat_teaches_which_model(self):
        self.assert_refused("tandem", "chat", "Hi", says=["--model", "--connect"])
        self.assert_refused(
            "tandem", "chat", "--model", T1, "--connect", "127.0.0.1:1", "Hi",
            says=["--model", "--connect"])  # fmt: skip
        self.assert_refused("tandem", "chat", "--model", T1, "--json", says=["PROMPT"])

    def test_connect_names_what_is_wrong(self):
        for target in ("nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "grpc://"):
            with self.subTest(target):
                self.assert_refused("tandem", "chat", "--connect", target, "Hi", says=["--connect"])
        self.assert_refused(
            "tandem", "chat", "--connect", "http://127.0.0.1:8080", "Hi",
            says=["http://127.0.0.1:8080", "HTTP"])  # fmt: skip
        self.assert_refused(
            "tandem", "chat", "--connect", "grpc://127.0.0.1:1", "Hi", code=1,
            says=["UNAVAILABLE"])  # fmt: skip

    def test_picture_files_that_cannot_be_read_are_named(self):
        for path in ("/nowhere/cat.png", str(self.folder)):
            self.assert_refused(
                "tandem", "chat", "--model", T1, "--json", "--image", path, "Hi", says=[path]
            )

    def test_options_come_from_the_environment_too_and_foreign_ones_do_not_matter(self):
        done = self.run_program(
            "tandem", "chat", "--json", "Hi",
            environment={"TANDEM_MODEL": T1, "TANDEM_MAX_TOKENS": "2",
                         "TANDEM_FOREIGN": "x"})  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["token_ids"]), 2)

    def test_every_help_teaches(self):
        for command in (["tandem"], ["tandem", "serve"], ["tandem", "chat"],
                        ["tandem", "tiles"], ["tandem", "models"], ["tandem-vision"],
                        ["tandem-llm"], ["tandem-gateway"]):  # fmt: skip
            with self.subTest(" ".join(command)):
                done = self.run_program(*command, "--help")
                self.assertEqual(done.returncode, 0)
                self.assertEqual(done.stderr, b"")
                self.assertIn(b"Usage:", done.stdout)
                self.assertIn(b"Example", done.stdout)
                done = self.run_program(*command, "--version")
                self.assertEqual(done.returncode, 0)

    def test_models_reports_and_fails_for_what_is_no_model(self):
        done = self.run_program("tandem", "models", T1, MODELS / "t2-hf")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = done.stdout.decode()
        for word in (T1, "tandem-vision", "tandem-llm", "custom", "hf", "3 files"):
            self.assertIn(word, text)
        done = self.run_program("tandem", "models", "--json", T1, self.folder)
        self.assertEqual(done.returncode, 78)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertTrue(json.loads(done.stdout)["complete"])

    def test_tiles_writes_what_the_model_sees(self):
        out = self.folder / "deep" / "tiles"
        done = self.run_program("tandem", "tiles", self.picture(700, 340), "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"2 x 1", done.stdout)
        names = sorted(path.name for path in out.iterdir())
        self.assertEqual(names, ["tile_00.png", "tile_01.png", "tile_02.png"])
        self.assert_refused(
            "tandem", "tiles", DATA / "bad_images/jpeg_cut_50.bin", "--out", out,
            says=["IMAGE_TRUNCATED"])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
