"""Tandem's three services beside Transformers: first token, tokens per second,
peak memory; random weights, one picture of one tile, one request at a time.

    python3 -m venv /tmp/peer
    /tmp/peer/bin/pip install -r tests/bench/first_figures/requirements.txt
    python3 tests/bench/first_figures/first_figures.py \\
        --bin build/release/bin --python /tmp/peer/bin/python3 --rounds 5

Both sides stay loaded and take turns, so that what else the machine does meets
both; each round's ratio counts, and of these the median. Every round has a new
picture, which no cache knows. Both have the same number of threads. Prints
Markdown, writes JSON.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import tempfile

from pictures import write_png
from processes import Peer, Tandem

HERE = pathlib.Path(__file__).resolve().parent


def weight_mib(config_dir, dtype):
    """Of the weights that each service keeps, from the configuration alone."""
    config = json.loads((config_dir / "config.json").read_text())
    text, vision = config["text_config"], config["vision_config"]
    item = {"float32": 4, "bfloat16": 2}[dtype]
    h, inner = text["hidden_size"], text["intermediate_size"]
    kv = h // text["num_attention_heads"] * text["num_key_value_heads"]
    layer = (h + 2 * kv) * (h + 1) + h * h + 3 * inner * h + 2 * h
    llm = text["num_hidden_layers"] * layer + 2 * text["vocab_size"] * h + h

    w, inner = vision["hidden_size"], vision["intermediate_size"]
    patch = vision["patch_size"][0]
    positions = (vision["image_size"][0] // patch) ** 2 + 1
    embeddings = w * 3 * patch**2 + w + w + positions * w
    layer = 4 * w * w + 4 * w + 2 * inner * w + inner + w + 6 * w
    projector = 2 * 4 * w + h * 4 * w + h + h * h + h
    tower = embeddings + vision["num_hidden_layers"] * layer + projector
    return {
        "tandem-vision": tower * item / 2**20,
        "tandem-llm": llm * item / 2**20,
        "tandem-gateway": 0.0,
    }


def machine(threads):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    return {
        "cpu": model.group(1) if model else "unknown",
        "cores": os.cpu_count(),
        "threads": threads,
        "avx512_bf16": " avx512_bf16" in cpuinfo,
    }


def fit_text(tandem, image, text_tokens):
    """Letters whose prompt, template counted, has `text_tokens` beside the tile.

    Without a tokenizer a letter is a token. The question asked for this also
    warms Tandem up.
    """
    usage = tandem.ask(image, "a", 4)
    template = usage["prompt_tokens"] - usage["image_tokens"] - 1
    return "a" * max(1, text_tokens - template)


def with_rates(sample):
    return {
        **sample,
        "before_prompt": sample["first_token"] - sample["prefill"],
        "tokens_per_second": 1e3 * (sample["new_tokens"] - 1) / sample["decode"],
    }


def run_rounds(tandem, peer, options, folder):
    """[{"tandem": .., "peer": ..}] of each round, after one that warms up."""
    picture = folder / "warm.png"
    write_png(picture, 0)
    text = fit_text(tandem, picture, options.text_tokens)
    rounds = []
    for number in range(options.rounds + 1):
        picture = folder / f"{number}.png"
        write_png(picture, number + 1)
        asked = {
            "tandem": lambda p=picture: tandem.ask(p, text, options.new_tokens),
            "peer": lambda p=picture: peer.ask(
                p, options.text_tokens, options.new_tokens
            ),
        }
        order = sorted(asked, reverse=number % 2 == 0)
        samples = {side: with_rates(asked[side]()) for side in order}
        for work in ("prompt_tokens", "new_tokens"):
            done = {side: sample[work] for side, sample in samples.items()}
            assert len(set(done.values())) == 1, f"{work} differ: {done}"
        if number > 0:
            rounds.append(samples)
    return rounds


def measure(dtype, options, folder):
    tandem = Tandem(options.bin, options.config, dtype, options.threads, folder)
    peer = None
    try:
        peer = Peer(options.python, options.config, dtype, options.threads)
        rounds = run_rounds(tandem, peer, options, folder)
        weights = weight_mib(options.config, dtype)
        services = {
            service.name: {
                "seconds_to_ready": service.seconds_to_ready,
                "weights_mib": weights[service.name],
                "peak_loading_mib": service.peak_loading_mib,
                "peak_mib": service.peak_mib(),
            }
            for service in tandem.services
        }
    finally:
        tandem.stop()
        if peer is not None:
            peer.stop()
    return {
        "dtype": dtype,
        "rounds": rounds,
        "services": services,
        "peer": {
            "versions": peer.versions,
            "seconds_to_ready": peer.seconds_to_ready,
            "peak_mib": rounds[-1]["peer"]["peak_kib"] / 1024,
        },
    }


def spread(values, digits):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def print_speed(result):
    rows = [
        ("first token, ms", "first_token", 0, True),
        ("of it: picture to embeddings, ms", "before_prompt", 0, True),
        ("of it: prompt, ms", "prefill", 0, True),
        ("tokens per second after the first", "tokens_per_second", 2, False),
    ]
    rounds = result["rounds"]
    print(f"\n{result['dtype']}, {len(rounds)} rounds: median (least to most)\n")
    print("| | Tandem | Transformers | times as fast |")
    print("| --- | --- | --- | --- |")
    for title, key, digits, less_is_faster in rows:
        ours = [samples["tandem"][key] for samples in rounds]
        theirs = [samples["peer"][key] for samples in rounds]
        pairs = zip(theirs, ours) if less_is_faster else zip(ours, theirs)
        ratios = [above / below for above, below in pairs]
        print(
            f"| {title} | {spread(ours, digits)} | {spread(theirs, digits)} "
            f"| {spread(ratios, 2)} |"
        )


def print_memory(results):
    print()
    print("| process | weights | ready after | peak when ready ", end="")
    print("| less the weights | peak at the end |")
    print("| --- | --- | --- | --- | --- | --- |")
    for result in results:
        dtype = result["dtype"]
        for name, one in result["services"].items():
            above = one["peak_loading_mib"] - one["weights_mib"]
            print(
                f"| {name}, {dtype} | {one['weights_mib']:.0f} MiB "
                f"| {one['seconds_to_ready']:.1f} s "
                f"| {one['peak_loading_mib']:.0f} MiB "
                f"| {above:.0f} MiB | {one['peak_mib']:.0f} MiB |"
            )
        total = sum(one["peak_mib"] for one in result["services"].values())
        weights = sum(one["weights_mib"] for one in result["services"].values())
        peer = result["peer"]
        print(f"| the three, {dtype} | {weights:.0f} MiB | | | | {total:.0f} MiB |")
        print(
            f"| Transformers, {dtype} | {weights:.0f} MiB "
            f"| {peer['seconds_to_ready']:.1f} s | | | {peer['peak_mib']:.0f} MiB |"
        )


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bin", type=pathlib.Path, default="build/release/bin")
    parser.add_argument("--python", default="python3", help="has requirements.txt")
    parser.add_argument(
        "--config", type=pathlib.Path, default=HERE / "internvl3-1b", metavar="DIR"
    )
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--text-tokens", type=int, default=64, help="template counted")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=pathlib.Path, default="first_figures.json")
    options = parser.parse_args()
    if options.rounds < 1 or options.new_tokens < 2:
        parser.error("--rounds must be at least 1, --new-tokens at least 2")
    return options


def main():
    options = parse_options()
    about = machine(options.threads)
    print(f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads a side")
    results = []
    for dtype in options.dtypes:
        with tempfile.TemporaryDirectory(prefix="first-figures-") as folder:
            results.append(measure(dtype, options, pathlib.Path(folder)))
        print_speed(results[-1])
    print_memory(results)
    report = {"machine": about, "config": options.config.name, "results": results}
    options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
