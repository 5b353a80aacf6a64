"""`tandem chat` as a person has it: in a terminal, with keys."""

import json
import os
import re
import select
import subprocess
import termios
import time
import unittest

from processes import BIN, DATA, ENVIRONMENT, HANG, MODELS, TandemTest

PICTURE = DATA / "images/png_rgb_5x3.png"
CTRL_A, CTRL_C, CTRL_D, TAB, UP = "\x01", "\x03", "\x04", "\t", "\x1b[A"


class Terminal:
    """A program on a terminal of its own, and what has come out of it."""

    def __init__(self, *command, folder):
        keyboard, self.end = os.openpty()
        # A session's first open of a terminal makes it that session's own, so
        # that Ctrl-C is a signal there.
        self.process = subprocess.Popen(
            command,
            stdin=self.end,
            stdout=self.end,
            stderr=self.end,
            cwd=folder,
            env=ENVIRONMENT | {"TERM": "xterm", "HOME": str(folder)},
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )
        self.keyboard = keyboard
        self.text = ""
        self.seen = 0

    def type(self, keys):
        os.write(self.keyboard, keys.encode())

    def wait_for(self, pattern):
        """The next match in what comes out, control sequences left out."""
        deadline = time.monotonic() + HANG
        while True:
            found = re.compile(pattern).search(self.text, self.seen)
            if found:
                self.seen = found.end()
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"never came: {pattern}\n{self.text[self.seen:]!r}")

    def _read(self, seconds):
        if not select.select([self.keyboard], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.keyboard, 1 << 16)
        except OSError:  # the program has closed its end
            return False
        text = data.decode(errors="replace")
        self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        return True

    def wait(self):
        os.close(self.end)
        self.end = None
        deadline = time.monotonic() + HANG
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(HANG)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keyboard)
        if self.end is not None:
            os.close(self.end)


def has_terminals():
    """Not every container has /dev/pts."""
    try:
        for end in os.openpty():
            os.close(end)
        return True
    except OSError:
        return False


@unittest.skipUnless(has_terminals(), "this machine has no pseudo terminals")
class ChatTerminalTest(TandemTest):
    def terminal(self, model=MODELS / "t1-custom", tokens=4):
        terminal = Terminal(
            BIN / "tandem", "chat", "--model", model, "--dtype", "float32",
            "--temperature", "0", "--max-tokens", str(tokens), folder=self.folder)  # fmt: skip
        self.addCleanup(terminal.close)
        terminal.wait_for("/help lists")
        terminal.wait_for("> ")
        return terminal

    def said(self, terminal):
        """What was asked so far, by what /save says of it."""
        name = f"said{time.monotonic_ns()}.json"
        terminal.type(f"/save {name}\r")
        terminal.wait_for("turns? saved")
        terminal.wait_for("> ")
        messages = json.loads((self.folder / name).read_text())["messages"]
        return [m["content"] for m in messages if m["role"] == "user"]

    def quit(self, terminal):
        terminal.type(CTRL_D)
        self.assertEqual(terminal.wait(), 0)

    def ask(self, terminal, keys):
        terminal.type(keys)
        terminal.wait_for(r"tokens? in .*prompt \d+ tokens")
        terminal.wait_for("> ")

    def test_a_line_can_be_edited_and_brought_back(self):
        terminal = self.terminal()
        self.ask(terminal, "ello\x7fo" + CTRL_A + "H\r")
        self.ask(terminal, UP + "!\r")
        self.assertEqual(self.said(terminal), ["Hello", "Hello!"])
        self.quit(terminal)

    def test_other_letters_than_those_of_ascii_are_letters(self):
        terminal = self.terminal()
        self.ask(terminal, "\u00e4\u6c34x\x7f\u20ac\r")
        self.assertEqual(self.said(terminal), ["\u00e4\u6c34\u20ac"])
        self.quit(terminal)

    def test_tab_completes_commands_and_files(self):
        (self.folder / "tab").mkdir(exist_ok=True)
        picture = self.folder / "tab" / "my cat.png"
        picture.write_bytes(PICTURE.read_bytes())
        terminal = self.terminal()
        terminal.type("/he" + TAB + "\r")
        terminal.wait_for("Pictures")
        terminal.wait_for("> ")
        terminal.type("/re" + TAB)
        terminal.wait_for("/reset +/retry")
        terminal.type(CTRL_C)
        terminal.wait_for("> ")
        self.ask(terminal, "@ta" + TAB + "my" + TAB + "What?\r")
        parts = self.said(terminal)[0]
        self.assertEqual([part["type"] for part in parts], ["image_url", "text"])
        self.assertEqual(parts[1]["text"], "What?")
        self.quit(terminal)

    def test_a_missing_picture_is_told_and_the_line_can_be_mended(self):
        terminal = self.terminal()
        terminal.type("@nowhere.png What?\r")
        terminal.wait_for(r"nowhere\.png: [^\n]*\n[^\n]*nothing was sent")
        terminal.wait_for("> ")
        self.ask(terminal, UP + CTRL_A + f"@{PICTURE} \\\r")
        self.assertEqual(len(self.said(terminal)), 1)
        self.quit(terminal)

    def test_ctrl_c_at_the_prompt_drops_the_line_and_never_ends_the_program(self):
        terminal = self.terminal()
        terminal.type(CTRL_C)
        terminal.wait_for(r"Ctrl-D or /quit ends")
        terminal.wait_for("> ")
        terminal.type("not this" + CTRL_C)
        terminal.wait_for(r"\^C")
        terminal.wait_for("> ")
        self.ask(terminal, "but this\r")
        self.assertEqual(self.said(terminal), ["but this"])
        self.quit(terminal)

    def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(self):
        terminal = self.terminal(model=self.endless_model(), tokens=30000)
        terminal.type("Go on\r")
        terminal.wait_for(r"Go on[\r\n]+[^\r\n]")
        terminal.type(CTRL_C)
        terminal.wait_for(r"\(stopped; this turn is forgotten\)")
        terminal.wait_for("> ")
        terminal.type("/set max_tokens 3\r")
        terminal.wait_for("max_tokens 3")
        terminal.wait_for("> ")
        self.ask(terminal, "/retry\r")
        self.assertEqual(self.said(terminal), ["Go on"])
        terminal.type("/quit\r")
        self.assertEqual(terminal.wait(), 0)

    def test_ctrl_c_while_a_model_is_asked_by_one_prompt_ends_with_130(self):
        terminal = Terminal(
            BIN / "tandem", "chat", "--model", self.endless_model(), "--dtype", "float32",
            "--temperature", "0", "Go on", folder=self.folder)  # fmt: skip
        self.addCleanup(terminal.close)
        terminal.wait_for("[^\r\n]")
        terminal.type(CTRL_C)
        self.assertEqual(terminal.wait(), 130)

    def test_the_terminal_is_as_it_was(self):
        terminal = self.terminal()
        typing = termios.tcgetattr(terminal.keyboard)
        self.assertFalse(typing[3] & termios.ICANON)
        terminal.type("/quit\r")
        terminal.process.wait(HANG)
        after = termios.tcgetattr(terminal.keyboard)
        self.assertTrue(after[3] & termios.ICANON)
        self.assertTrue(after[3] & termios.ECHO)
        self.assertEqual(after[6][termios.VINTR], b"\x03")


if __name__ == "__main__":
    unittest.main()
