"""A chat request with a picture of 10 MB as a data URL: Tandem's reader beside
Python's json.loads and base64.b64decode of the same body.

    ninja -C build/release openai_body
    python3 tests/bench/openai_body/openai_body.py build/release/tests/openai_body

Both sides keep the body in memory and take turns, so that what else the machine
does meets both; each round's ratio counts, and of these the median. Standard
library alone.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import tempfile
import time


def make_body(picture):
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    message = {"role": "user", "content": parts}
    return json.dumps({"model": "m", "messages": [message]}).encode()


def python_side(body):
    """Milliseconds from bytes to the picture's bytes, and how many they are."""
    start = time.perf_counter()
    request = json.loads(body)
    url = request["messages"][0]["content"][-1]["image_url"]["url"]
    picture = base64.b64decode(url.partition(",")[2])
    return 1e3 * (time.perf_counter() - start), len(picture)


class TandemSide:
    def __init__(self, program, path):
        self.process = subprocess.Popen(
            [program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        milliseconds, size = self.process.stdout.readline().split()
        return float(milliseconds), int(size)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=5, help="a side in a round")
    args = parser.parse_args()

    picture = os.urandom(int(args.megabytes * 1e6))
    body = make_body(picture)
    ours, theirs, ratios = [], [], []
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(body)
        file.flush()
        tandem = TandemSide(args.program, file.name)
        for round_number in range(args.rounds + 1):
            mine = [tandem() for _ in range(args.times)]
            other = [python_side(body) for _ in range(args.times)]
            assert {size for _, size in mine + other} == {len(picture)}
            if round_number == 0:
                continue  # Warms both up.
            ours.append(statistics.median(ms for ms, _ in mine))
            theirs.append(statistics.median(ms for ms, _ in other))
            ratios.append(ours[-1] / theirs[-1])
        tandem.close()
    print(f"body {len(body) / 1e6:.1f} MB, {args.rounds} rounds: median (least to most)")
    print(f"Tandem  {spread(ours)} ms")
    print(f"Python  {spread(theirs)} ms")
    print(f"Tandem's part of Python's time: {spread(ratios)}")


if __name__ == "__main__":
    main()
