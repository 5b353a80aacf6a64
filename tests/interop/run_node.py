"""Runs the Node half of the interop tests and says how many there were.

    run_node.py [FILE...]     FILEs choose: openai.test.mjs

Wants TANDEM_BIN and what tests/interop/install has installed; TANDEM_NODE is
another node to run them with. Ends with 77, which ctest counts as skipped,
where there is nothing installed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import serving

HERE = pathlib.Path(__file__).resolve().parent
WORK = serving.ROOT / "build" / "interop" / "node"
NODE = serving.ROOT / "build" / "interop" / "venv" / "bin" / "node"


def count(report, what):
    found = re.search(rf"^# {what} (\d+)$", report, re.MULTILINE)
    return int(found.group(1)) if found else 0


def run(files, environment):
    """Node looks for modules beside a file: the tests run where those are."""
    for file in (HERE / "node").glob("*.mjs"):
        shutil.copy(file, WORK)
    command = [
        os.environ.get("TANDEM_NODE", NODE),
        "--test",
        "--test-reporter=tap",
        *files,
    ]
    process = subprocess.run(
        command, cwd=WORK, env=environment, stdout=subprocess.PIPE, text=True
    )
    print(process.stdout)
    passed, failed = count(process.stdout, "pass"), count(process.stdout, "fail")
    print(f"interop_node: {passed} passed, {failed} failed")
    return process.returncode or (0 if passed else 1)


def main():
    if not (WORK / "installed.json").exists():
        print("run tests/interop/install first, or scripts/test, which does")
        return 77
    files = sys.argv[1:] or sorted(f.name for f in (HERE / "node").glob("*.test.mjs"))
    server = serving.Server()
    busy = serving.Server("--max-in-flight", 1, "--max-queued", 0)
    try:
        environment = {
            **os.environ,
            "TANDEM_ROOT": str(serving.ROOT),
            "TANDEM_GRPC": server.ready().address(),
            "TANDEM_HTTP": server.http(),
            "TANDEM_ADMIN": server.admin(),
            "TANDEM_BUSY_GRPC": busy.ready().address(),
            "TANDEM_BUSY_HTTP": busy.http(),
        }
        return run(files, environment)
    finally:
        server.stop()
        busy.stop()


if __name__ == "__main__":
    sys.exit(main())
