#!/usr/bin/env python3
"""Asks a running gateway the questions of questions.json and counts the right answers, a row each and a language each.

    node draw.mjs questions.json PICTURES
    python second.py --target 127.0.0.1:8080 --pictures PICTURES --answers answers.jsonl

The target is the gateway's HTTP address. Every answer is greedy, and the model's own answers are the history of what follows. A
line of the answers: row, language, pictures, ask, want, answer. `--score` counts answers that were written before anew.
"""
import argparse
import base64
import collections
import concurrent.futures
import json
import pathlib
import re
import urllib.request

import words

HERE = pathlib.Path(__file__).parent


def ask(target: str, model: str, messages: list) -> str:
    """One greedy answer of the gateway."""
    body = json.dumps({"model": model, "messages": messages, "temperature": 0, "max_tokens": 96}).encode()
    request = urllib.request.Request(f"http://{target}/v1/chat/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=180) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def converse(target: str, model: str, pictures: pathlib.Path, talk: dict) -> list[dict]:
    """The scored turns of a conversation, each with its answer; the pictures stand before the first question or, if "behind", after it."""
    messages, out = [], []
    for turn in talk["turns"]:
        content = [{"type": "text", "text": turn["ask"]}]
        if not messages:
            data = [base64.b64encode((pictures / f"{name}.png").read_bytes()).decode() for name in talk["pictures"]]
            shown = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{d}"}} for d in data]
            content = content + shown if talk.get("behind") else shown + content
        messages.append({"role": "user", "content": content if talk["pictures"] else turn["ask"]})
        answer = ask(target, model, messages)
        messages.append({"role": "assistant", "content": answer})
        if "want" in turn:
            out.append({**{k: talk[k] for k in ("row", "language", "pictures")}, **turn, "answer": answer})
    return out


def table(answers: list[dict]) -> None:
    """Prints right/asked of each row, in all, English and Chinese, and how often "cannot tell" was said where it is wrong."""
    counts = collections.defaultdict(lambda: [0, 0])
    unwilling = []
    for a in answers:
        a["right"] = words.told(a["answer"], a["want"], a["ask"])
        for key in ((a["row"], "all"), (a["row"], a["language"]), ("all", "all"), ("all", a["language"])):
            counts[key][0] += a["right"]
            counts[key][1] += 1
        if not a["right"] and not {"cannot", "no_picture"} & a["want"].keys() and re.search(words.CANNOT, a["answer"].lower()):
            unwilling.append(a)
    print("| row | right | English | Chinese |\n| --- | --- | --- | --- |")
    for row in dict.fromkeys(row for row, _ in counts if row != "all") | {"all": None}:
        print(f"| {row} | " + " | ".join("{}/{}".format(*counts[row, kind]) for kind in ("all", "en", "zh")) + " |")
    print(f"\n{len(unwilling)} false 'cannot tell'")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", help="HOST:PORT of the gateway's HTTP")
    parser.add_argument("--pictures", type=pathlib.Path, help="what draw.mjs has drawn")
    parser.add_argument("--answers", type=pathlib.Path, required=True, help="JSON lines, written, or read with --score")
    parser.add_argument("--score", action="store_true", help="asks nothing")
    parser.add_argument("--rows", nargs="*", help="only these")
    args = parser.parse_args()
    if args.score:
        return table([json.loads(line) for line in args.answers.open()])
    with urllib.request.urlopen(f"http://{args.target}/v1/models", timeout=10) as reply:
        model = json.load(reply)["data"][0]["id"]
    talks = [t for t in json.loads((HERE / "questions.json").read_text())["talks"] if not args.rows or t["row"] in args.rows]
    answers = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool, args.answers.open("w") as out:
        for turns in pool.map(lambda t: converse(args.target, model, args.pictures, t), talks):
            answers += turns
            print(*(json.dumps(a, ensure_ascii=False) for a in turns), sep="\n", file=out, flush=True)
    table(answers)


if __name__ == "__main__":
    main()
