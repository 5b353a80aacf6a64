"""Starts the three services on free ports, asks about pictures, stops them.

    python3 scripts/demo_session.py BIN_DIR

What is asked stands in models/demo/pictures/questions.json: a list of
{"images": [...], "question": ..., "expected": ...} and, for a conversation, of
{"images": [...], "turns": [{"question": ..., "expected": ...}, ...]}. Fails
where an answer does not hold what is expected.
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


def start_services(bin_dir, folder, started, engine=("--model", str(MODEL))):
    """{name: address}. `engine` are options of the services that hold a model.
    Whatever was started is in `started`, also where a later one fails."""
    listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    listen += ["--pre-drain", "0s"]

    def start(name, *options):
        service = Service(
            [str(bin_dir / name), *options, *listen], folder / f"{name}.log"
        )
        started.append(service)
        return service

    vision = start("tandem-vision", *engine).ready().address()
    llm = start("tandem-llm", *engine, "--vision", vision).ready().address()
    gateway = start("tandem-gateway", "--vision", vision, "--llm", llm,
                    "--http-listen", "127.0.0.1:0").ready().address()  # fmt: skip
    return {"vision service": vision, "llm service": llm, "gateway": gateway}


def run_chat(bin_dir, gateway, images, *arguments, lines=()):
    """`tandem chat` as a user calls it; `lines` are what is typed."""
    command = [str(bin_dir / "tandem"), "chat", "--connect", gateway]
    for image in images:
        command += ["--image", str(PICTURES / image)]
    done = subprocess.run(
        [*command, *arguments],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"tandem chat ended with {done.returncode}\n{done.stderr}")
    return done


def ask(bin_dir, gateway, images, question):
    return json.loads(run_chat(bin_dir, gateway, images, "--json", question).stdout)


def converse(bin_dir, gateway, images, questions, folder):
    """[(answer, its tokens and times)], each question with all that was said
    before it; the pictures go with the first one."""
    saved = pathlib.Path(tempfile.mkdtemp(dir=folder)) / "conversation.json"
    lines = ["/timings on", *questions, f"/save {saved}"]
    notes = run_chat(bin_dir, gateway, images, lines=lines).stderr
    messages = json.loads(saved.read_text("utf-8"))["messages"]
    answers = [m["content"] for m in messages if m["role"] == "assistant"]
    timings = re.findall(r"^\d+ tokens? in .*$", notes, re.MULTILINE)
    if not len(answers) == len(timings) == len(questions):
        sys.exit(f"{len(questions)} questions, {len(answers)} answers\n{notes}")
    return list(zip(answers, timings))


def tokens_per_tile():
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    patches = config["force_image_size"] // config["vision_config"]["patch_size"]
    return int(patches * config["downsample_ratio"]) ** 2


def show_pictures(images):
    names = ", ".join(f"models/demo/pictures/{image}" for image in images)
    print(f"\nPicture   {names or '(none)'}")


def show_turn(question, answer, tokens):
    print(f"Question  {question}")
    print(f"Answer    {answer.strip()}")
    print(f"Tokens    {tokens}")


def show(question, answer):
    usage, timings = answer["usage"], answer["timings_ms"]
    tiles = usage["image_tokens"] // tokens_per_tile()
    show_turn(
        question,
        answer["text"],
        f"{usage['prompt_tokens']} in, of them {usage['image_tokens']} for "
        f"pictures ({tiles} {'tile' if tiles == 1 else 'tiles'}); "
        f"{usage['completion_tokens']} out",
    )
    for stage, meaning in STAGES:
        print(f"  {stage:14}{timings.get(stage, 0):9.1f} ms   {meaning}")
    print(f"  {'first token':14}{timings['time_to_first_token']:9.1f} ms")
    print(f"  {'total':14}{timings['total']:9.1f} ms")


def answers_to(bin_dir, gateway, item, folder):
    """Asks and shows; [(question, answer, what it must hold)]."""
    images = item["images"]
    turns = item.get("turns")
    show_pictures(images)
    if turns is None:
        answer = ask(bin_dir, gateway, images, item["question"])
        show(item["question"], answer)
        return [(item["question"], answer["text"], item["expected"])]
    questions = [turn["question"] for turn in turns]
    said = converse(bin_dir, gateway, images, questions, folder)
    for question, (answer, timing) in zip(questions, said):
        show_turn(question, answer, timing)
    return [(t["question"], answer, t["expected"]) for t, (answer, _) in zip(turns, said)]


def main():
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    items = json.loads((PICTURES / "questions.json").read_text("utf-8"))
    asked = []
    with tempfile.TemporaryDirectory(prefix="tandem-demo-") as folder:
        services = []
        try:
            addresses = start_services(bin_dir, pathlib.Path(folder), services)
            for name, address in addresses.items():
                print(f"{name:16}{address}")
            for item in items:
                asked += answers_to(bin_dir, addresses["gateway"], item, folder)
        finally:
            for service in reversed(services):
                service.stop()
    wrong = [
        f"{question}: expected {expected}"
        for question, answer, expected in asked
        if expected.lower() not in answer.lower()
    ]
    if wrong:
        sys.exit("\nNot as expected: " + "; ".join(wrong))
    print(f"\nAll {len(asked)} answers are as expected. Next:")
    print("  build/release/bin/tandem serve --model models/demo/weights")
    print("  build/release/bin/tandem chat --model models/demo/weights")


if __name__ == "__main__":
    main()
