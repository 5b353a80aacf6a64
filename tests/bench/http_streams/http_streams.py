"""The gateway's HTTP: many streams of server-sent events at once, what is
refused, and its times beside gRPC's and beside its own timings.

    ninja -C build/release tandem-gateway paced_llm http_load
    python3 tests/bench/http_streams/http_streams.py build/release

Starts a tandem-gateway of its own for each part, over a paced_llm, and asks it
with http_load: three processes on the machine's cores. Standard library alone.
"""

import argparse
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time


def raise_file_limit():
    """For the programs too, which inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Bench:
    def __init__(self, build):
        os.environ["TANDEM_BIN"] = str(build / "bin")
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
        import processes  # reads TANDEM_BIN

        self.program = processes.Program
        self.tools = build.resolve() / "tests"

    def load(self, what, *arguments):
        command = [self.tools / "http_load", what, *map(str, arguments)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def with_gateway(self, pace, options, act):
        """`act` with a gateway over an llm of (first token ms, tokens a second)."""
        llm = self.program(self.tools / "paced_llm", *pace)
        try:
            gateway = self.program(
                "tandem-gateway", "--llm", llm.address(), "--listen", "127.0.0.1:0",
                "--admin-listen", "127.0.0.1:0", *options)  # fmt: skip
            try:
                return act(gateway.ready())
            finally:
                gateway.kill()
        finally:
            llm.kill()

    def streams(self, count, tokens, rate, *options, idle=0):
        """Beside `idle` connections that ask nothing."""

        def act(gateway):
            pid = gateway.process.pid
            self.load("streams", gateway.http(), 1, 2, rate, pid)  # warms up
            host, port = gateway.http().rsplit(":", 1)
            others = [socket.create_connection((host, int(port))) for _ in range(idle)]
            if others:
                time.sleep(1)  # until they are accepted; they may stay for ten
            run = self.load("streams", gateway.http(), count, tokens, rate, pid)
            assert run["wrong"] == 0, run
            requests_refused = sum(
                value
                for series, value in gateway.metrics().items()
                if series.startswith("tandem_admission_rejections_total")
            )
            run["unheard"] = run["refused"] - int(requests_refused)
            for other in others:
                other.close()
            return run

        return self.with_gateway((0, rate), options, act)

    def paired(self, pairs, tokens, rate):
        def act(gateway):
            return self.load("paired", gateway.http(), gateway.address(), pairs, tokens)

        return self.with_gateway((0, rate), (), act)


def row(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def spread(values, unit=""):
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.3g} ({least:.3g} to {most:.3g}){unit}"


def show_open(args, bench):
    bounds = ("--max-in-flight", args.streams, "--max-http-connections", args.streams + 100)
    runs = [
        bench.streams(args.streams, args.tokens, args.rate, *bounds)
        for _ in range(args.rounds)
    ]
    print(f"\n{args.streams} streams of {args.tokens} tokens, {args.rate} a second each\n")
    row("", "")
    row("---", "---")
    row("complete and in order, of all", " ".join(str(run["complete"]) for run in runs))
    row("open at once, most", " ".join(str(run["most_open"]) for run in runs))
    for name in ("p50", "p99", "max"):
        row(f"late, {name}, ms", spread([run["late_ms"][name] for run in runs]))
    for name in ("p50", "p99", "max"):
        row(f"first event, {name}, ms", spread([run["first_event_ms"][name] for run in runs]))
    per_stream = [
        (run["rss_most"] - run["rss_before"]) / 1024 / args.streams for run in runs
    ]
    row("gateway, resident, before, MiB", spread([run["rss_before"] / 2**20 for run in runs]))
    row("gateway, resident, a stream more, KiB", spread(per_stream))
    row("gateway, cores", spread([run["cpu_seconds"] / run["seconds"] for run in runs]))


def show_refused(args, bench):
    print("\ndefault bounds; unheard: by a connection over the bound, without a request\n")
    row("streams asked for", "idle connections", "complete", "429", "of them with a delay", "of them unheard", "closed")
    row(*["---"] * 7)
    for count, idle in [(count, 0) for count in args.surplus] + [(200, 1024)]:
        run = bench.streams(count, 20, args.rate, idle=idle)
        names = ("complete", "refused", "refused_delayed", "unheard", "closed")
        row(count, idle, *(run[name] for name in names))


def show_paired(args, bench):
    rounds = [
        bench.paired(args.pairs, args.pair_tokens, args.pair_rate) for _ in range(args.rounds)
    ]

    def medians(value):
        return spread([statistics.median(map(value, pairs)) for pairs in rounds])

    print(f"\n{args.pairs} pairs of HTTP and gRPC, one at a time: ms\n")
    row("", "HTTP", "gRPC", "HTTP - gRPC", "HTTP - timings_ms")
    row(*["---"] * 5)
    for name, key in (("first token", "first"), ("between tokens", "gap")):
        http, grpc, told = (f"{who}_{key}" for who in ("http", "grpc", "told"))
        row(
            name,
            medians(lambda pair: pair[http]),
            medians(lambda pair: pair[grpc]),
            medians(lambda pair: pair[http] - pair[grpc]),
            medians(lambda pair: pair[http] - pair[told]),
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5, help="tokens a second and stream")
    parser.add_argument("--surplus", type=int, nargs="*", default=[1000, 2000])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--pair-tokens", type=int, default=9)
    parser.add_argument("--pair-rate", type=float, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("open", "refused", "paired"))
    args = parser.parse_args()

    raise_file_limit()
    bench = Bench(args.build)
    for name, show in (("open", show_open), ("refused", show_refused), ("paired", show_paired)):
        if args.only in (None, name):
            show(args, bench)


if __name__ == "__main__":
    main()
