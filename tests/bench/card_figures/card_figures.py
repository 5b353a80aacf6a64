"""Tandem on cards: time to first token stage by stage, time per token, memory.

    python3 tests/bench/card_figures/card_figures.py --bin BIN --rounds 5 \\
        --vision-device cuda:0 --llm-device cuda:1

Random weights in InternVL3-8B's shapes, bfloat16, one request at a time, pictures
of 1, 7 and 13 tiles and 64 text tokens. First the three services as three
processes on the two devices, then `tandem serve` on the llm's device alone: the
difference is the price of the split. Every round has a new picture. With one
card give it twice. Prints Markdown, writes JSON.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "first_figures"))

from pictures import write_png  # noqa: E402
from processes import Service, Tandem  # noqa: E402

# Tiles, and a picture that is cut into so many with its thumbnail.
PICTURES = {1: (448, 448), 7: (1344, 896), 13: (1792, 1344)}
STAGES = [
    "image_decode",
    "preprocess",
    "encode",
    "transfer",
    "prefill",
    "time_to_first_token",
]


class Serve(Tandem):
    """`tandem serve`, one process."""

    def __init__(self, bin_dir, model, threads, folder, devices):
        self.chat = [str(bin_dir / "tandem"), "chat"]
        command = [str(bin_dir / "tandem"), "serve", *model, "--device", devices[1]]
        self.services = [Service(command, folder / "serve.log", threads)]
        self.gateway = self.services[0].address


class Split(Tandem):
    """Three processes."""

    def __init__(self, bin_dir, model, threads, folder, devices):
        self.chat = [str(bin_dir / "tandem"), "chat"]
        self.services = []

        def start(name, *options):
            command = [str(bin_dir / name), *options]
            service = Service(command, folder / f"{name}.log", threads)
            self.services.append(service)
            return service.address

        try:
            vision = start("tandem-vision", *model, "--device", devices[0])
            llm = start(
                "tandem-llm", *model, "--device", devices[1], "--vision", vision
            )
            shared = ["--allow-shared-device"] if devices[0] == devices[1] else []
            self.gateway = start(
                "tandem-gateway", "--vision", vision, "--llm", llm, *shared
            )
        except BaseException:
            self.stop()
            raise


def device_memory_mib(service):
    """{device: MiB in use on it, by anybody} as the service saw when ready."""
    text = service.log.read_text(errors="replace")
    admin = re.search(r"admin listens.*address=(\S+)", text).group(1)
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    pattern = r'tandem_device_memory_bytes\{device="(cuda:\d+)",kind="used"\} (\S+)'
    return {
        device: float(used) / 2**20 for device, used in re.findall(pattern, metrics)
    }


def ask(tandem, picture, tiles, new_tokens):
    command = [*tandem.chat, "--connect", tandem.gateway, "--json"]
    command += ["--temperature", "0", "--max-tokens", str(new_tokens)]
    command += ["--max-tiles", str(max(1, tiles - 1))]
    command += ["--image", str(picture), "a" * 40]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=600, check=True)
    answer = json.loads(done.stdout)
    usage, timings = answer["usage"], answer["timings_ms"]
    assert usage["image_tokens"] == tiles * 256, usage
    timings["prompt_tokens"] = usage["prompt_tokens"]
    timings["per_token"] = timings["decode"] / (usage["completion_tokens"] - 1)
    return timings


def measure(kind, options, folder):
    model = ["--random-weights", str(options.config), "--dtype", "bfloat16"]
    devices = (options.vision_device, options.llm_device)
    tandem = kind(options.bin, model, options.threads, folder, devices)
    try:
        rounds = {}
        for tiles in options.tiles:
            rounds[tiles] = []
            for number in range(options.rounds + 1):  # the first warms up
                picture = folder / f"{kind.__name__}-{tiles}-{number}.png"
                write_png(picture, 100 * tiles + number, *PICTURES[tiles])
                timings = ask(tandem, picture, tiles, options.new_tokens)
                if number > 0:
                    rounds[tiles].append(timings)
        services = {
            service.name: {
                "seconds_to_ready": service.seconds_to_ready,
                "peak_loading_mib": service.peak_loading_mib,
                "peak_mib": service.peak_mib(),
                "device_mib": device_memory_mib(service),
            }
            for service in tandem.services
        }
        return {"kind": kind.__name__, "rounds": rounds, "services": services}
    finally:
        tandem.stop()


def spread(values, digits):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def print_result(result, options):
    split = result["kind"] == "Split"
    where = (
        f"three processes, {options.vision_device} and {options.llm_device}"
        if split
        else f"tandem serve, {options.llm_device}"
    )
    print(f"\n{where}: ms, median (least to most) of {options.rounds}\n")
    print("| tiles | prompt tokens | " + " | ".join(STAGES) + " | per token |")
    print("| --- " * (len(STAGES) + 3) + "|")
    for tiles, rounds in result["rounds"].items():
        cells = [spread([r.get(s, 0) for r in rounds], 1) for s in STAGES]
        cells.append(spread([r["per_token"] for r in rounds], 2))
        tokens = rounds[0]["prompt_tokens"]
        print(f"| {tiles} | {tokens} | " + " | ".join(cells) + " |")
    print("\n| process | ready after | host peak when ready | card in use |")
    print("| --- | --- | --- | --- |")
    for name, one in result["services"].items():
        used = ", ".join(f"{d} {m:.0f} MiB" for d, m in one["device_mib"].items())
        print(
            f"| {name} | {one['seconds_to_ready']:.1f} s "
            f"| {one['peak_loading_mib']:.0f} MiB | {used or 'none'} |"
        )


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bin", type=pathlib.Path, default="build/card/bin")
    parser.add_argument(
        "--config", type=pathlib.Path, default=HERE / "internvl3-8b", metavar="DIR"
    )
    parser.add_argument("--vision-device", default="cuda:0")
    parser.add_argument("--llm-device", default="cuda:1")
    parser.add_argument("--tiles", type=int, nargs="+", default=list(PICTURES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--json", type=pathlib.Path, default="card_figures.json")
    return parser.parse_args()


def main():
    options = parse_options()
    results = []
    for kind in (Split, Serve):
        with tempfile.TemporaryDirectory(prefix="card-figures-") as folder:
            results.append(measure(kind, options, pathlib.Path(folder)))
        print_result(results[-1], options)
        sys.stdout.flush()
    options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
