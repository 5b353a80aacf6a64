"""Starts the three services on free ports, asks about pictures, stops them.

    python3 scripts/demo_session.py BIN_DIR
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "models/demo/weights"
PICTURES = ROOT / "models/demo/pictures"
START_SECONDS = 120
ANSWER_SECONDS = 300

# The programs must not read what the caller's shell has set.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")}

# Timings in the order in which a request meets them, and what each means.
STAGES = [
    ("image_decode", "picture file to pixels"),
    ("preprocess", "pixels to 448-px tiles"),
    ("encode_queue", "waiting for the vision tower"),
    ("encode", "vision tower and projector"),
    ("transfer", "embeddings over gRPC"),
    ("decode_queue", "waiting for the language model"),
    ("prefill", "language model reads the prompt"),
    ("decode", "language model writes the answer"),
]


class Service:
    """One process, its log in a file, its addresses from that log."""

    def __init__(self, command, log):
        self.name = pathlib.Path(command[0]).name
        self.log = log
        with open(log, "wb") as sink:
            self.process = subprocess.Popen(
                command,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=ENVIRONMENT,
            )

    def wait_for(self, pattern):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace")
            found = re.search(pattern, text)
            if found:
                return found
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode}:\n{text}")
            time.sleep(0.05)
        sys.exit(f"{self.name} did not start within {START_SECONDS} s:\n{text}")

    def address(self):
        return self.wait_for(r"grpc listens.*address=(\S+)").group(1)

    def ready(self):
        self.wait_for(r"INFO\s+ready\b")
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def start_services(bin_dir, folder, started):
    """The gateway's address. Whatever was started is in `started`, also where a
    later one fails."""
    listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    listen += ["--pre-drain", "0s"]

    def start(name, *options):
        service = Service(
            [str(bin_dir / name), *options, *listen], folder / f"{name}.log"
        )
        started.append(service)
        return service

    vision = start("tandem-vision", "--model", str(MODEL))
    vision_address = vision.ready().address()
    llm = start("tandem-llm", "--model", str(MODEL), "--vision", vision_address)
    llm_address = llm.ready().address()
    gateway = start("tandem-gateway", "--vision", vision_address, "--llm", llm_address,
                    "--http-listen", "127.0.0.1:0")  # fmt: skip
    gateway_address = gateway.ready().address()
    print(f"vision service  {vision_address}")
    print(f"llm service     {llm_address}")
    print(f"gateway         {gateway_address}")
    return gateway_address


def ask(bin_dir, gateway, images, question):
    command = [str(bin_dir / "tandem"), "chat", "--connect", gateway, "--json"]
    for image in images:
        command += ["--image", str(PICTURES / image)]
    done = subprocess.run(
        [*command, question],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"tandem chat ended with {done.returncode}")
    return json.loads(done.stdout)


def show(images, question, answer):
    names = ", ".join(f"models/demo/pictures/{image}" for image in images)
    usage, timings = answer["usage"], answer["timings_ms"]
    print(f"\nPicture   {names or '(none)'}")
    print(f"Question  {question}")
    print(f"Answer    {answer['text'].strip()}")
    print(
        f"Tokens    {usage['prompt_tokens']} in, of them {usage['image_tokens']} for "
        f"pictures; {usage['completion_tokens']} out"
    )
    for stage, meaning in STAGES:
        print(f"  {stage:14}{timings.get(stage, 0):9.1f} ms   {meaning}")
    print(f"  {'first token':14}{timings['time_to_first_token']:9.1f} ms")
    print(f"  {'total':14}{timings['total']:9.1f} ms")


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    questions = json.loads((PICTURES / "questions.json").read_text())
    wrong = []
    with tempfile.TemporaryDirectory(prefix="tandem-demo-") as folder:
        services = []
        try:
            gateway = start_services(bin_dir, pathlib.Path(folder), services)
            for item in questions:
                answer = ask(bin_dir, gateway, item["images"], item["question"])
                show(item["images"], item["question"], answer)
                if item["expected"].lower() not in answer["text"].lower():
                    wrong.append(f"{item['question']}: expected {item['expected']}")
        finally:
            for service in reversed(services):
                service.stop()
    if wrong:
        sys.exit("\nNot as expected: " + "; ".join(wrong))
    print(f"\nAll {len(questions)} answers are as expected. Next:")
    print("  build/release/bin/tandem serve --model models/demo/weights")
    print("  build/release/bin/tandem chat --model models/demo/weights")


if __name__ == "__main__":
    main()
