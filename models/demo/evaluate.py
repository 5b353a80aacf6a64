"""Asks the model the questions of generate.py and counts the right answers.

    python evaluate.py --questions DIR --bin ../../build/release/bin     starts Tandem's three services and asks the gateway
    python evaluate.py --questions DIR --target HOST:PORT                a running gateway
    python evaluate.py --questions DIR --backend torch --device cuda     plain PyTorch

DIR is a folder of generate.py; where it has no questions yet, they are made
first (--count a row). Answers are appended to --answers as they come; the same
command goes on where it stopped. Then the table is printed and written to
--json.

An answer is right when it equals the expected one, spaces at its ends aside. A
list may name its things in any order; of small talk any of the accepted answers
is right. The questions about small print are asked once more with one tile a
picture (row print_one_tile), where it should not be readable. Intervals are
Wilson's, of 95 %; they take the questions for independent, though some share a
picture.
"""

import argparse
import collections
import concurrent.futures
import importlib
import itertools
import json
import math
import os
import pathlib
import re
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LONGEST = 96  # tokens of an answer
CANNOT = re.compile(r"I cannot tell|(从图里)?看不出来")
# What the model card promises; per cent.
TARGETS = {"name": 97, "name_new": 60, "shapes": 97, "count": 92, "count_colour": 92, "digits": 96, "read": 90, "read_new_fonts": 80,
           "list": 92, "exist": 98, "print": 75, "several": 95, "followup": 95, "cannot_tell": 97, "style": 95, "phrasing_en": 90,
           "phrasing_zh": 90, "talk": 95}


# ---- Who answers ------------------------------------------------------------

class TorchBackend:
    """Answers with model.py, from the files of a model directory; many
    questions at a time."""

    together = 32  # questions at a time

    def __init__(self, directory, device, dtype):
        import torch
        import model
        import tokenizer
        self.tokenizer = tokenizer.DemoTokenizer(directory)
        self.model = model.load(directory, device, getattr(torch, dtype))
        self.device, self.dtype, self.lock = device, getattr(torch, dtype), threading.Lock()

    def about(self):
        return {"backend": "torch", "dtype": str(self.dtype).split(".")[1]}

    def ask(self, questions, folder, max_tiles):
        import torch
        import tiles
        from PIL import Image
        cuts = {name: tiles.cut(Image.open(folder / name), max_tiles or tiles.MAX_TILES) for q in questions for name in pictures(q)}
        inside = lambda part: len(cuts[part["image"]]) if "image" in part else part["text"]
        said = lambda message: (message["role"], [inside(part) for part in message["content"]])
        prompts = [self.tokenizer.prompt(list(map(said, question["messages"]))) for question in questions]
        with self.lock, torch.inference_mode():
            encode = lambda part: self.model.encode(tiles.normalise(part.to(self.device)).to(self.dtype)).flatten(0, 1)
            visual = {name: torch.cat([encode(part) for part in cut.split(4)]) for name, cut in cuts.items()}
            embedded = []
            for question, ids in zip(questions, prompts):
                seen = [visual[name] for name in pictures(question)]
                ids = torch.tensor(ids, device=self.device)
                embedded.append(self.model.embed(ids, self.tokenizer.image, torch.cat(seen) if seen else None))
            answers = self._generate(embedded)
        return [(self.tokenizer.decode(ids), ids) for ids in answers]

    def _generate(self, prompts):
        """Greedy answers to embedded prompts, without their ends. Shorter ones are
        filled up behind, which what comes before them never sees."""
        import torch
        count, longest = len(prompts), max(map(len, prompts))
        lengths = torch.tensor([len(x) for x in prompts], device=self.device)
        seen = torch.arange(longest, device=self.device)[None] < lengths[:, None]
        caches = [Batch() for _ in self.model.language_model.model.layers]
        decoder, head = self.model.language_model.model, self.model.language_model.lm_head
        x = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True)
        hidden = decoder(x, torch.arange(longest, device=self.device).expand(count, -1), caches)
        hidden = hidden[torch.arange(count, device=self.device), lengths - 1]
        answers, open_rows, stop = [[] for _ in prompts], set(range(count)), (self.tokenizer.end, self.tokenizer.pad)
        for step in range(LONGEST):
            tokens = head(hidden).argmax(-1)
            for row, token in enumerate(tokens.tolist()):
                if token in stop:
                    open_rows.discard(row)
                elif row in open_rows:
                    answers[row].append(token)
            if not open_rows:
                break
            seen = torch.cat((seen, torch.ones_like(seen[:, :1])), 1)
            for cache in caches:
                cache.seen = seen[:, None, None]
            hidden = decoder(decoder.embed_tokens(tokens[:, None]), (lengths + step)[:, None], caches)[:, 0]
        return answers

    def close(self):
        pass


class Batch:
    """Keys and values of one layer for several prompts; `seen` tells which of
    them a new token attends to."""

    def __init__(self):
        self.k = self.v = self.seen = None

    def __call__(self, q, k, v):
        import torch
        import model
        if self.k is None:
            self.k, self.v = k, v
            return model.grouped(q, k, v, is_causal=True)
        self.k, self.v = torch.cat((self.k, k), 2), torch.cat((self.v, v), 2)
        return model.grouped(q, self.k, self.v, attn_mask=self.seen)


class GatewayBackend:
    """Asks Tandem's public gRPC service; starts the three services first where
    no address is given."""

    together = 1

    def __init__(self, target, programs, directory, dtype, device="cpu"):
        self.folder, self.services = tempfile.TemporaryDirectory(), []
        try:
            self._connect(target or self._start(programs.resolve(), directory.resolve(), dtype, device))
        except BaseException:
            self.close()
            raise

    def _start(self, programs, directory, dtype, device):
        # Vision and language service share the cores.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))
        sys.path.insert(0, str(ROOT / "scripts"))
        from demo_session import start_services
        engine = ("--model", str(directory), "--dtype", dtype, "--device", device)
        return start_services(programs, pathlib.Path(self.folder.name), self.services, engine)["gateway"]

    def _connect(self, target):
        import grpc
        import grpc_tools.protoc
        proto = ROOT / "proto"
        files = [str(p) for p in sorted((proto / "tandem" / "v1").glob("*.proto"))]
        well_known = pathlib.Path(grpc_tools.protoc.__file__).parent / "_proto"
        code = grpc_tools.protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={self.folder.name}",
                                       f"--grpc_python_out={self.folder.name}", *files])
        if code:
            raise RuntimeError(f"protoc ended with {code}")
        sys.path.insert(0, self.folder.name)
        self.proto = importlib.import_module("tandem.v1.gateway_pb2")
        channel = grpc.insecure_channel(target, options=[("grpc.max_send_message_length", 64 << 20)])
        self.service = importlib.import_module("tandem.v1.gateway_pb2_grpc").ChatServiceStub(channel)

    def about(self):
        """What answers: the model's fingerprint, dtype and preprocessing."""
        model = self.service.ListModels(self.proto.ListModelsRequest(), timeout=60).models[0]
        names = lambda field, value: type(model).DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[value].name
        return {"backend": "gateway", "fingerprint": model.fingerprint, "dtype": names("dtype", model.dtype),
                "profile": names("profile", model.profile)}

    def ask(self, questions, folder, max_tiles):
        for question in questions:
            request = self.proto.ChatRequest()
            for message in question["messages"]:
                to = request.messages.add(role=message["role"])
                for part in message["content"]:
                    if "image" in part:
                        image = to.content.add().image
                        image.data = (folder / part["image"]).read_bytes()
                        image.max_tiles = max_tiles
                    else:
                        to.content.add().text = part["text"]
            request.sampling.max_tokens = LONGEST
            request.sampling.temperature = 0
            response = self.service.ChatUnary(request, timeout=600)
            yield response.text, list(response.token_ids)

    def close(self):
        for service in reversed(self.services):
            service.stop()
        self.folder.cleanup()


# ---- What is right ----------------------------------------------------------

def things(answer):
    """A list's opening words, and what it names in alphabetical order."""
    opening, names = re.fullmatch(r"(I see |我看到)?(.*?)[.。]?", answer, re.S).groups()
    return opening, sorted(re.split(r", | and |、|和", names.lower()))


def right(question, answer):
    answer, expected = answer.strip(), question["answer"]
    if isinstance(expected, list):
        return answer in expected
    return answer == expected or question["kind"] == "list" and things(answer) == things(expected)


def wilson(right, asked, z=1.96):
    """Bounds of a share, per cent."""
    share, square = right / asked, z * z / asked
    middle, half = share + square / 2, z * math.sqrt(share * (1 - share) / asked + square / asked / 4)
    return [round(100 * (middle + sign * half) / (1 + square), 1) for sign in (-1, 1)]


class Tally:
    def __init__(self):
        self.right, self.asked = 0, 0

    def add(self, right):
        self.right += right
        self.asked += 1

    def __str__(self):
        return f"{100 * self.right / self.asked:.1f}" if self.asked else ""


def report(questions, answers):
    """The rows' figures, from the questions that have an answer."""
    rows, false_cannot = {}, Tally()
    for question in questions:
        if question["id"] not in answers:
            continue
        answer = answers[question["id"]]["text"]
        good = right(question, answer)
        row = rows.setdefault(question["row"], collections.defaultdict(Tally))
        keys = ["all", question["language"], f"kind {question['kind']}", f"style {question['style']}"]
        if question["tiles"]:
            keys.append("grid" if max(question["tiles"]) > 1 else "one tile")
        for key in keys:
            row[key].add(good)
        expected = question["answer"]
        if question["row"] not in ("cannot_tell", "print_one_tile") and not (isinstance(expected, str) and CANNOT.match(expected)):
            row["false cannot"].add(bool(CANNOT.match(answer.strip())))
            false_cannot.add(bool(CANNOT.match(answer.strip())))
    return rows, false_cannot


def as_table(rows, false_cannot):
    lines = ["| row | right | wanted | 95 % | asked | en | zh | one tile | grid | weakest kind |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
    for name, row in rows.items():
        low, high = wilson(row["all"].right, row["all"].asked)
        wanted = "<= 10" if name == "print_one_tile" else TARGETS.get(name, "")
        kinds = [(tally.right / tally.asked, key[5:], tally) for key, tally in row.items() if key.startswith("kind ") and tally.asked > 9]
        weakest = f"{min(kinds)[1]} {min(kinds)[2]}" if len(kinds) > 1 else ""
        lines.append(f"| {name} | {row['all']} % | {wanted} | {low:.1f}..{high:.1f} | {row['all'].asked} | {row['en']} | {row['zh']} | "
                     f"{row['one tile']} | {row['grid']} | {weakest} |")
    if false_cannot.asked:
        lines += ["", f"\"I cannot tell\" where the picture tells: {false_cannot} % of {false_cannot.asked} (wanted: <= 3 %)."]
    return "\n".join(lines)


def as_json(rows, false_cannot):
    figures = lambda tally: {"right": tally.right, "asked": tally.asked}
    return {"rows": {name: {**figures(row["all"]), "interval": wilson(row["all"].right, row["all"].asked),
                            "parts": {key: figures(tally) for key, tally in row.items() if key not in ("all", "false cannot")},
                            "false_cannot": row["false cannot"].right} for name, row in rows.items()},
            "false_cannot": figures(false_cannot)}


# ---- Asking -----------------------------------------------------------------

def load(folder, rows=None):
    """The questions; those about small print a second time, with one tile."""
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    once_more = {"row": "print_one_tile", "max_tiles": 1, "tiles": [1]}
    questions += [{**q, **once_more, "id": q["id"] + "/1"} for q in questions if q["row"] == "print"]
    return [q for q in questions if not rows or q["row"] in rows]


def pictures(question):
    return [part["image"] for message in question["messages"] for part in message["content"] if "image" in part]


def groups(questions, least=1):
    """Questions about the same pictures, which one after another come cheaper;
    as many such groups as hold `least` questions, those of like size together."""
    key = lambda q: (q["row"], pictures(q) or q["id"])
    single = [list(group) for _, group in itertools.groupby(questions, key)]
    if least > 1:
        single.sort(key=lambda group: (group[0].get("max_tiles", 0), sum(group[0]["tiles"])))
    result = []
    for group in single:
        if result and len(result[-1]) < least and result[-1][0].get("max_tiles", 0) == group[0].get("max_tiles", 0):
            result[-1] += group
        else:
            result.append(group)
    return result


class Progress:
    """A line now and then, with the time that is left by the tiles that are."""

    def __init__(self, todo):
        self.left = self.total = sum(map(self.cost, todo))
        self.questions, self.done, self.right, self.lock = sum(map(len, todo)), 0, 0, threading.Lock()
        self.started = self.shown = time.monotonic()

    @staticmethod
    def cost(group):
        seen = {str(pictures(question)): sum(question["tiles"]) for question in group}
        return sum(seen.values()) + 0.5 * len(group)

    def add(self, group, good):
        with self.lock:
            self.left -= self.cost(group)
            self.done += len(group)
            self.right += good
            now = time.monotonic()
            if now - self.shown > 10 or self.done == self.questions:
                self.shown, spent = now, now - self.started
                rest = spent * self.left / max(self.total - self.left, 1e-9)
                right = 100 * self.right / self.done
                print(f"{self.done} of {self.questions}, {right:.1f} % right, {spent:.0f} s, about {rest:.0f} s left",
                      file=sys.stderr, flush=True)


def ask_all(backend, questions, folder, answers, path, concurrency):
    """Adds to `answers`, and to the file at `path`, what is not there yet."""
    todo = groups([q for q in questions if q["id"] not in answers], backend.together)
    progress, lock = Progress(todo), threading.Lock()
    with open(path, "a", buffering=1, encoding="utf-8") as file:
        def work(group):
            good = 0
            replies = backend.ask(group, folder, group[0].get("max_tiles", 0))
            for question, (text, tokens) in zip(group, replies):
                good += right(question, text)
                with lock:
                    answers[question["id"]] = {"text": text, "tokens": tokens}
                    file.write(json.dumps({"id": question["id"], "text": text, "tokens": tokens}, ensure_ascii=False) + "\n")
            progress.add(group, good)

        with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
            jobs = [pool.submit(work, group) for group in todo]
            try:
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def read_answers(path, about):
    """Earlier answers of the same model; the first line says whose they are."""
    if not path.exists() or not path.stat().st_size:
        path.write_text(json.dumps({"about": about}) + "\n")
        return {}
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):  # it was stopped while it wrote
        text = text[:text.rfind("\n") + 1]
        path.write_text(text, encoding="utf-8")
    first, *lines = map(json.loads, text.splitlines())
    if about and first["about"] != about:
        sys.exit(f"{path} holds answers of {first['about']}, not of {about}")
    return {line["id"]: line for line in lines}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=500, help="questions a row, where they are yet to be made")
    parser.add_argument("--rows", help="only these, with commas between")
    parser.add_argument("--backend", choices=("torch", "gateway"), default="gateway")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs to start")
    parser.add_argument("--target", help="a running gateway, instead of --bin")
    parser.add_argument("--model", type=pathlib.Path, default=HERE / "weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("bfloat16", "float32"), help="float32 is the faster one on most CPUs")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--answers", type=pathlib.Path, help="default: answers.jsonl beside the questions")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("evaluation.json"))
    parser.add_argument("--wrong", type=int, default=5, help="wrong answers of a row to print")
    parser.add_argument("--only-report", action="store_true", help="ask nothing")
    args = parser.parse_args()
    if not (args.questions / "questions.jsonl").exists():
        import generate
        generate.write(args.questions, args.count)
    questions = load(args.questions, args.rows and args.rows.split(","))
    path = args.answers or args.questions / "answers.jsonl"
    started = time.monotonic()
    if args.only_report:
        about, answers = json.loads(path.open(encoding="utf-8").readline())["about"], read_answers(path, None)
    else:
        backend = (GatewayBackend(args.target, args.bin, args.model, args.dtype, args.device) if args.backend == "gateway"
                   else TorchBackend(args.model, args.device, args.dtype))
        try:
            about = backend.about()
            answers = read_answers(path, about)
            ask_all(backend, questions, args.questions, answers, path, args.concurrency)
        finally:
            backend.close()
    rows, false_cannot = report(questions, answers)
    shown = collections.Counter()
    for question in questions:
        answer = answers.get(question["id"])
        if answer and question["row"] != "print_one_tile" and not right(question, answer["text"]) and shown[question["row"]] < args.wrong:
            shown[question["row"]] += 1
            asked = " | ".join(part["text"] for message in question["messages"] for part in message["content"] if "text" in part)
            print(f"[{question['id']} {question['kind']}] {pictures(question)} {asked}\n"
                  f"  expected: {question['answer']}\n  answered: {answer['text']}")
    print(as_table(rows, false_cannot))
    print(f"{time.monotonic() - started:.0f} s, {about}", file=sys.stderr)
    args.json.write_text(json.dumps({**about, **as_json(rows, false_cannot)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
