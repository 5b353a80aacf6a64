"""What a user or a script gets when options, files or ports are wrong; and what
`tandem tiles` and `tandem models` print."""

import json
import os
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
            [BIN / arguments[0], *map(os.fsencode, map(str, arguments[1:]))],
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
        logged = (" INFO ", "backend is not ready")
        lines = [x for x in error.splitlines() if not any(y in x for y in logged)]
        self.assertEqual(len(lines), 1, error)
        for word in says:
            self.assertIn(word, lines[0])
        return lines[0]

    def serve_commands(self):
        ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        return [[name, *ports] for name in SERVICES] + [["tandem", "serve", *ports]]

    def all_commands(self):
        """What starts each program that serves, on ports of its own."""
        ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        gateway = ["tandem-gateway", *ports, "--llm", "127.0.0.1:1"]
        return [[*x, "--model", T1] for x in self.serve_commands()] + [gateway]

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
            for command in self.all_commands():
                for option in ("--listen", "--admin-listen"):
                    with self.subTest(command[0], option=option):
                        busy = list(command)
                        busy[busy.index(option) + 1] = address
                        self.assert_refused(*busy, says=[address])

    def test_a_wrong_config_file_or_key_is_named_by_every_program(self):
        unknown = self.folder / "unknown.toml"
        unknown.write_text('lissten = "127.0.0.1:1"\n')
        chat = ["tandem", "chat", "--model", T1, "Hi"]
        tiles = ["tandem", "tiles", self.picture(330, 310), "--out", self.folder]
        models = ["tandem", "models", T1]
        for command in [*self.all_commands(), chat, tiles, models]:
            with self.subTest(command[:2]):
                for file, words in (
                    (unknown, ["line 1", "unknown key lissten"]),
                    (self.folder / "none.toml", ["cannot read"]),
                ):
                    self.assert_refused(*command, "--config", file, says=[str(file), *words])

    def test_max_tiles_of_0_are_refused_alike_everywhere(self):
        chat = ["tandem", "chat", "--model", T1, "Hi"]
        tiles = ["tandem", "tiles", self.picture(330, 310), "--out", self.folder]
        for command in [*self.serve_commands(), chat, tiles]:
            with self.subTest(command[:2]):
                self.assert_refused(
                    *command, environment={"TANDEM_MAX_TILES": "0"},
                    says=["TANDEM_MAX_TILES: 0 is outside [1, 40]"])  # fmt: skip

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
                    *command, "--model", T1, "--device", "cuda:0",
                    says=["--device: ", "cuda:0", "cpu"])  # fmt: skip
        for option in ("--vision-device", "--llm-device"):
            self.assert_refused(
                "tandem", "serve", "--model", T1, "--admin-listen", "127.0.0.1:0", option,
                "cuda:1", says=[option + ": ", "cuda:1", "cpu"])  # fmt: skip
        self.assert_refused(
            "tandem", "chat", "--model", T1, "--device", "cuda:0", "Hi",
            says=["--device: ", "cuda:0", "cpu"])  # fmt: skip

    def test_chat_teaches_which_model(self):
        self.assert_refused("tandem", "chat", "Hi", says=["--model", "--connect"])
        self.assert_refused(
            "tandem", "chat", "--model", T1, "--connect", "127.0.0.1:1", "Hi",
            says=["--model", "--connect"])  # fmt: skip
        self.assert_refused("tandem", "chat", "--model", T1, "--json", says=["PROMPT"])

    def test_the_command_line_says_which_model_whatever_the_environment_says(self):
        self.assert_refused(
            "tandem", "chat", "--connect", "127.0.0.1:1", "Hi", code=1,
            environment={"TANDEM_MODEL": "/nowhere"}, says=["UNAVAILABLE"])  # fmt: skip
        done = self.run_program(
            "tandem", "chat", "--model", T1, "--max-tokens", "2", "Hi",
            environment={"TANDEM_CONNECT": "127.0.0.1:1"})  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_refused(
            "tandem", "chat", "Hi",
            environment={"TANDEM_MODEL": T1, "TANDEM_CONNECT": "127.0.0.1:1"},
            says=["TANDEM_MODEL", "TANDEM_CONNECT", "exclude"])  # fmt: skip

    def test_connect_names_what_is_wrong(self):
        for target in ("nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "grpc://",
                       "http://127.0.0.1", "http://127.0.0.1:0", "http://127.0.0.1:80/api"):  # fmt: skip
            with self.subTest(target):
                self.assert_refused("tandem", "chat", "--connect", target, "Hi", says=["--connect"])
        self.assert_refused(
            "tandem", "chat", "--connect", "https://127.0.0.1:8080", "Hi",
            says=["https://127.0.0.1:8080", "https is not built"])  # fmt: skip
        for scheme in ("grpc://", "http://"):
            self.assert_refused(
                "tandem", "chat", "--connect", scheme + "127.0.0.1:1", "Hi", code=1,
                says=["UNAVAILABLE"])  # fmt: skip

    def test_picture_files_that_cannot_be_read_are_named(self):
        for path in ("/nowhere/cat.png", str(self.folder)):
            self.assert_refused(
                "tandem", "chat", "--model", T1, "--json", "--image", path, "Hi", says=[path]
            )

    def test_pictures_and_texts_are_looked_at_before_a_model_is_loaded(self):
        # A model that cannot be loaded would be the error that is reported.
        chat = ["tandem", "chat", "--model", "/nowhere", "--json"]
        gif = str(DATA / "bad_images/foreign_gif.bin")
        self.assert_refused(
            *chat, "--image", gif, "Hi", says=[gif, "IMAGE_UNSUPPORTED_FORMAT"])  # fmt: skip
        latin = os.fsdecode(b"caf\xe9")
        self.assert_refused(*chat, latin, says=["PROMPT: "])
        self.assert_refused(*chat, "--system", latin, "Hi", says=["--system: "])

    def test_a_picture_that_only_its_decoder_finds_broken_is_a_wrong_file_too(self):
        cut = str(DATA / "bad_images/jpeg_cut_50.bin")
        self.assert_refused(
            "tandem", "chat", "--model", T1, "--json", "--image", cut, "Hi",
            says=[cut, "IMAGE_TRUNCATED"])  # fmt: skip

    def test_options_come_from_the_environment_too_and_foreign_ones_do_not_matter(self):
        done = self.run_program(
            "tandem", "chat", "--json", "Hi",
            environment={"TANDEM_MODEL": T1, "TANDEM_MAX_TOKENS": "2",
                         "TANDEM_TEMPERATURE": "0",
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
