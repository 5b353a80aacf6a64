"""Runs the Python half of the interop tests and says how many there were.

    run.py [NAME...]     NAMEs choose: a module, a class or a test

Wants TANDEM_BIN and what tests/interop/install has installed; ends with 77,
which ctest counts as skipped, where that is not there.
"""

import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENT = ROOT / "build" / "interop" / "venv"


def suite_of(names):
    loader = unittest.TestLoader()
    if names:
        return loader.loadTestsFromNames(names)
    return unittest.TestSuite(
        loader.discover(str(folder), pattern="*_test.py", top_level_dir=str(folder))
        for folder in (HERE, ROOT / "clients" / "python" / "tests")
    )


def main():
    python = ENVIRONMENT / "bin" / "python"
    if pathlib.Path(sys.prefix) != ENVIRONMENT:
        if not (ENVIRONMENT / "installed.txt").exists():
            print("run tests/interop/install first, or scripts/test, which does")
            sys.exit(77)
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    sys.path[:0] = [str(HERE), str(ROOT / "clients" / "python" / "tests")]
    import serving  # found now, and finds clients/python

    # For the tests of clients/python, which know no more than an address.
    server = serving.Server()
    os.environ["TANDEM_TARGET"] = server.ready().address()
    try:
        runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2)
        result = runner.run(suite_of(sys.argv[1:]))
    finally:
        server.stop()
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    print(
        f"interop_python: {result.testsRun - failed - skipped} passed,"
        f" {failed} failed, {skipped} skipped"
    )
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
