"""Asks the model questions it has never seen and counts the right answers.

    python evaluate.py                                     plain PyTorch
    python evaluate.py --backend gateway --target HOST:PORT   a running Tandem

An answer is right when it equals the expected sentence, spaces at its ends
aside. Prints a table by kind of question; --json writes it to a file as well.
"""

import argparse
import collections
import importlib
import json
import pathlib
import sys
import tempfile
import time

import generate

HERE = pathlib.Path(__file__).resolve().parent
SEED = 1_000_000  # no training step uses it


class TorchBackend:
    """Answers with model.py, from the files of a model directory."""

    def __init__(self, directory, device, dtype):
        import torch
        import model
        import tokenizer
        self.tokenizer = tokenizer.DemoTokenizer(directory)
        self.model = model.load(directory, device, getattr(torch, dtype))
        self.device, self.dtype = device, getattr(torch, dtype)
        self.seen = {}

    def about(self):
        return {"backend": "torch", "dtype": str(self.dtype)}

    def _encode(self, path):
        import torch
        import tiles
        from PIL import Image
        if path not in self.seen:
            if len(self.seen) > 8:
                self.seen.clear()
            with torch.inference_mode():
                cut = tiles.normalise(tiles.cut(Image.open(path))).to(self.device, self.dtype)
                self.seen[path] = torch.cat([self.model.encode(part) for part in cut.split(4)]).flatten(0, 1)
        return self.seen[path]

    def __call__(self, messages, folder):
        import torch
        visual, conversation = [], []
        for message in messages:
            parts = []
            for part in message["content"]:
                if "image" in part:
                    visual.append(self._encode(folder / part["image"]))
                    parts.append(len(visual[-1]) // 256)
                else:
                    parts.append(part["text"])
            conversation.append((message["role"], parts))
        ids = self.tokenizer.prompt(conversation)
        answer = self.model.generate(ids, self.tokenizer.image, torch.cat(visual) if visual else None, (self.tokenizer.end, self.tokenizer.pad))
        return self.tokenizer.decode(answer)


class GatewayBackend:
    """Asks Tandem's public gRPC service."""

    def __init__(self, target, proto):
        import grpc
        import grpc_tools.protoc
        self.stubs = tempfile.TemporaryDirectory()
        files = [str(p) for p in sorted((proto / "tandem" / "v1").glob("*.proto"))]
        well_known = pathlib.Path(grpc_tools.protoc.__file__).parent / "_proto"
        code = grpc_tools.protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={self.stubs.name}",
                                       f"--grpc_python_out={self.stubs.name}", *files])
        if code:
            raise RuntimeError(f"protoc ended with {code}")
        sys.path.insert(0, self.stubs.name)
        self.proto = importlib.import_module("tandem.v1.gateway_pb2")
        channel = grpc.insecure_channel(target, options=[("grpc.max_send_message_length", 64 << 20)])
        self.service = importlib.import_module("tandem.v1.gateway_pb2_grpc").ChatServiceStub(channel)
        self.system_fingerprint = ""

    def about(self):
        """What answered: the program's version and commit, the model's fingerprint, dtype and preprocessing."""
        model = self.service.ListModels(self.proto.ListModelsRequest(), timeout=60).models[0]
        names = lambda field, value: type(model).DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[value].name
        return {"backend": "gateway", "system": self.system_fingerprint, "fingerprint": model.fingerprint,
                "dtype": names("dtype", model.dtype), "profile": names("profile", model.profile)}

    def __call__(self, messages, folder):
        request = self.proto.ChatRequest()
        for message in messages:
            to = request.messages.add(role=message["role"])
            for part in message["content"]:
                if "image" in part:
                    to.content.add().image.data = (folder / part["image"]).read_bytes()
                else:
                    to.content.add().text = part["text"]
        request.sampling.max_tokens = 128
        request.sampling.temperature = 0
        response = self.service.ChatUnary(request, timeout=300)
        self.system_fingerprint = response.system_fingerprint
        return response.text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("torch", "gateway"), default="torch")
    parser.add_argument("--model", type=pathlib.Path, default=HERE / "weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--target", default="127.0.0.1:50051")
    parser.add_argument("--proto", type=pathlib.Path, default=HERE.parent.parent / "proto")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--questions", type=pathlib.Path, help="a folder of generate.py, instead of a seed and a count")
    parser.add_argument("--answers", type=pathlib.Path, help="a file for every answer, one JSON line each, as it comes")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--wrong", type=int, default=10, help="wrong answers to print")
    args = parser.parse_args()
    temporary = tempfile.TemporaryDirectory()
    folder = args.questions or pathlib.Path(temporary.name)
    if not args.questions:
        generate.write(args.seed, args.count, folder)
    ask = GatewayBackend(args.target, args.proto) if args.backend == "gateway" else TorchBackend(args.model, args.device, args.dtype)

    answers = args.answers.open("w", buffering=1) if args.answers else None
    table, started, shown = collections.defaultdict(lambda: [0, 0]), time.time(), 0
    for line in (folder / "questions.jsonl").read_text().splitlines():
        question = json.loads(line)
        answer = ask(question["messages"], folder).strip()
        right = answer == question["answer"]
        if answers:
            answers.write(json.dumps({"kind": question["kind"], "answer": answer, "expected": question["answer"]}) + "\n")
        for kind in (question["kind"], "all"):
            table[kind][0] += right
            table[kind][1] += 1
        if table["all"][1] % 20 == 0:
            print(f"{table['all'][0]} of {table['all'][1]} right, {time.time() - started:.0f} s", file=sys.stderr, flush=True)
        if not right and shown < args.wrong:
            shown += 1
            print(f"[{question['kind']}] {question['messages'][-1]['content']}\n  expected: {question['answer']}\n  answered: {answer}", flush=True)
    everything = table.pop("all")
    rows = [*sorted(table.items()), ("all", everything)]
    print(f"{'kind':28s}{'right':>7s}{'asked':>7s}{'accuracy':>10s}")
    for kind, (right, asked) in rows:
        print(f"{kind:28s}{right:7d}{asked:7d}{100 * right / asked:9.1f}%")
    print(f"{time.time() - started:.0f} s, {args.backend}")
    if args.json:
        args.json.write_text(json.dumps({**ask.about(), "seed": args.seed, "kinds": {
            kind: {"right": right, "asked": asked} for kind, (right, asked) in rows}}, indent=2) + "\n")


if __name__ == "__main__":
    main()
