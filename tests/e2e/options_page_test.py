"""docs/options.md is what the programs say of their options."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "options.md"


class OptionsPageTest(unittest.TestCase):
    def check(self, *arguments):
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "options-doc", "--check", *arguments],
            capture_output=True,
            text=True,
        )

    def test_the_page_is_current(self):
        done = self.check()
        hint = "run scripts/options-doc"
        self.assertEqual(done.returncode, 0, f"{hint}\n{done.stdout}{done.stderr}")

    def test_a_page_that_is_not_current_is_told(self):
        text = PAGE.read_text(encoding="utf-8")
        changes = {
            "an option that is gone": text + "| `--no-such-option` | | |\n",
            "another default": text.replace("`127.0.0.1:8080`", "`127.0.0.1:8081`", 1),
            "a missing option": text.replace("`--strict-fields`", "", 1),
        }
        for what, changed in changes.items():
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                self.assertNotEqual(changed, text)
                other = pathlib.Path(folder) / "options.md"
                other.write_text(changed, encoding="utf-8")
                self.assertEqual(self.check("--page", other).returncode, 1)


if __name__ == "__main__":
    unittest.main()
