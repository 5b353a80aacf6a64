"""The processes that are compared: three of Tandem, one of Transformers."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
START_SECONDS = 600
ANSWER_SECONDS = 900


def peak_mib(pid):
    """The most memory that the process has held, shared libraries counted."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024


class Service:
    """One of the three: started, ready when this is made."""

    def __init__(self, command, log, threads):
        self.name = pathlib.Path(command[0]).name
        listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        self.log = log
        begin = time.monotonic()
        with open(log, "wb") as sink:
            self.process = subprocess.Popen(
                [*command, *listen, "--pre-drain", "0s"],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": str(threads),
                     "TANDEM_HTTP_LISTEN": "127.0.0.1:0"},  # fmt: skip
            )
        self.address = self.wait_for(r"grpc listens.*address=(\S+)").group(1)
        self.wait_for(r"INFO\s+ready\b")
        self.seconds_to_ready = time.monotonic() - begin
        self.peak_loading_mib = peak_mib(self.process.pid)

    def wait_for(self, pattern):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace")
            found = re.search(pattern, text)
            if found:
                return found
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode}:\n{text}")
            time.sleep(0.02)
        self.stop()
        sys.exit(f"{self.name} did not start within {START_SECONDS} s:\n{text}")

    def peak_mib(self):
        return peak_mib(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Tandem:
    """Vision service, llm service and gateway with random weights."""

    def __init__(self, bin_dir, config_dir, dtype, threads, folder):
        self.chat = [str(bin_dir / "tandem"), "chat"]
        self.services = []
        model = ["--random-weights", str(config_dir), "--dtype", dtype]
        model += ["--profile", "hf"]

        def start(name, *options):
            log = folder / f"{name}-{dtype}.log"
            service = Service([str(bin_dir / name), *options], log, threads)
            self.services.append(service)
            return service.address

        try:
            vision = start("tandem-vision", *model)
            llm = start("tandem-llm", *model, "--vision", vision)
            self.gateway = start("tandem-gateway", "--vision", vision, "--llm", llm)
        except BaseException:
            self.stop()
            raise

    def ask(self, image, text, new_tokens):
        command = [*self.chat, "--connect", self.gateway, "--json"]
        command += ["--temperature", "0", "--max-tokens", str(new_tokens)]
        command += ["--max-tiles", "1", "--image", str(image), text]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=ANSWER_SECONDS, check=True
        )
        answer = json.loads(done.stdout)
        usage, timings = answer["usage"], answer["timings_ms"]
        return {
            "prompt_tokens": usage["prompt_tokens"],
            "image_tokens": usage["image_tokens"],
            "new_tokens": usage["completion_tokens"],
            "first_token": timings["time_to_first_token"],
            "prefill": timings["prefill"],
            "decode": timings["decode"],
            "timings": timings,
        }

    def stop(self):
        for service in reversed(self.services):
            service.stop()


class Peer:
    """The process of peer.py."""

    def __init__(self, python, config_dir, dtype, threads):
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [python, str(HERE / "peer.py"), str(config_dir), dtype, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            text=True,
        )
        self.versions = self._read()["versions"]
        self.seconds_to_ready = time.monotonic() - begin

    def ask(self, image, text_tokens, new_tokens):
        request = {
            "image": str(image),
            "text_tokens": text_tokens,
            "new_tokens": new_tokens,
        }
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the peer ended with {self.process.wait()}")
        return json.loads(line)

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(60)
