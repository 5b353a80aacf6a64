"""clients/python as a package: what is checked in is current, typed, and can be
installed from what would be published."""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

from serving import ROOT

PACKAGE = ROOT / "clients" / "python"
USE = """
from tandem_client import Client

def ask(client: Client) -> float:
    return client.chat("Hi", {option}).timings.total
"""


class PackageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_in(self, folder, *command, **environment):
        done = subprocess.run(
            [str(c) for c in command],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def succeeds(self, folder, *command, **environment):
        code, output = self.run_in(folder, *command, **environment)
        self.assertEqual(code, 0, output)
        return output

    def mypy(self, *arguments):
        return self.run_in(
            self.folder,
            sys.executable,
            *("-m", "mypy", "--cache-dir", self.folder / "cache"),
            *("--config-file", PACKAGE / "pyproject.toml"),
            *arguments,
            MYPYPATH=str(PACKAGE / "src"),
        )


class Stubs(PackageTest):
    def test_the_generated_files_are_those_of_the_protos(self):
        self.succeeds(ROOT, PACKAGE / "generate", self.folder)
        checked_in = PACKAGE / "src" / "tandem_client" / "_proto"
        names = [p.relative_to(self.folder) for p in self.folder.rglob("*.py*")]
        self.assertIn(pathlib.Path("tandem/v1/gateway_pb2.py"), names)
        _, differing, missing = filecmp.cmpfiles(
            self.folder, checked_in, names, shallow=False
        )
        self.assertEqual((differing, missing), ([], []), "run clients/python/generate")


class Types(PackageTest):
    def test_the_package_is_typed_strictly(self):
        code, output = self.mypy(PACKAGE / "src" / "tandem_client")
        self.assertEqual(code, 0, output)

    def test_a_checker_knows_the_options(self):
        good, bad = self.folder / "good.py", self.folder / "bad.py"
        good.write_text(USE.format(option="temperature=0"))
        bad.write_text(USE.format(option="temprature=0"))
        code, output = self.mypy(good)
        self.assertEqual(code, 0, output)
        code, output = self.mypy(bad)
        self.assertEqual(code, 1, output)
        self.assertIn("temprature", output)


class Distribution(PackageTest):
    def test_it_is_installed_from_its_own_archive(self):
        # In a copy: a build leaves folders behind.
        source = shutil.copytree(
            PACKAGE,
            self.folder / "source",
            ignore=shutil.ignore_patterns("build", "*.egg-info"),
        )
        build = "import setuptools.build_meta as b; b.build_sdist('../dist')"
        self.succeeds(source, sys.executable, "-c", build)
        (archive,) = (self.folder / "dist").glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            names = {name.split("/", 1)[-1] for name in tar.getnames()}
        self.assertLessEqual({"LICENSE", "README.md", "pyproject.toml"}, names)
        target = self.folder / "target"
        self.succeeds(
            self.folder,
            *(
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-index",
                "--no-deps",
            ),
            *("--no-build-isolation", "--target", target, archive),
        )
        self.assertTrue((target / "tandem_client" / "py.typed").exists())
        self.assertTrue(
            (target / "tandem_client/_proto/tandem/v1/gateway_pb2.pyi").exists()
        )
        said = self.succeeds(
            self.folder,
            *(sys.executable, "-c"),
            "import tandem_client, sys; print(tandem_client.__file__, tandem_client.Client())",
            PYTHONPATH=str(target),
        )
        self.assertIn(str(target), said)


if __name__ == "__main__":
    unittest.main()
