"""Many streams of server-sent events at once, through tandem-gateway, over a
paced llm service: tests/bench/http_streams in small, without its times.
"""

import json
import os
import pathlib
import subprocess
import unittest

from processes import HANG, TandemTest

TOOLS = pathlib.Path(os.environ["TANDEM_TOOLS"])
RATE = 5  # tokens a second and stream


class HttpStreamsTest(TandemTest):
    def gateway_over_a_paced_llm(self, *options):
        llm = self.start(TOOLS / "paced_llm", 0, RATE)
        self.gateway = self.service(
            "tandem-gateway", "--llm", llm.address(), *options
        ).ready()

    def load(self, *arguments):
        done = subprocess.run(
            [TOOLS / "http_load", *map(str, arguments)],
            stdout=subprocess.PIPE,
            check=True,
            timeout=HANG,
        )
        return json.loads(done.stdout)

    def streams(self, count):
        pid = self.gateway.process.pid
        result = self.load("streams", self.gateway.http(), count, 10, RATE, pid)
        self.assertEqual(result["wrong"], 0, result["wrong_head"])
        self.assertEqual(result["refused_delayed"], result["refused"])
        return result

    def test_a_hundred_streams_at_once_are_complete_and_in_order(self):
        self.gateway_over_a_paced_llm("--max-in-flight", 100)
        result = self.streams(100)
        self.assertEqual(result["complete"], 100)
        self.assertEqual(result["most_open"], 100)

    def test_requests_over_the_bounds_are_told_when_to_come_back(self):
        self.gateway_over_a_paced_llm("--max-in-flight", 20, "--max-queued", 10)
        result = self.streams(100)
        self.assertGreaterEqual(result["complete"], 30)
        self.assertGreater(result["refused"], 0)
        self.assertEqual(result["complete"] + result["refused"], 100)

    def test_connections_over_the_bound_are_told_when_to_come_back(self):
        self.gateway_over_a_paced_llm("--max-http-connections", 60)
        result = self.streams(100)
        self.assertGreaterEqual(result["complete"], 60)
        self.assertEqual(result["complete"] + result["refused"], 100)

    def test_http_and_grpc_give_the_same_tokens_and_http_its_timings(self):
        self.gateway_over_a_paced_llm()
        pairs = self.load("paired", self.gateway.http(), self.gateway.address(), 3, 3)
        self.assertEqual(len(pairs), 3)
        for pair in pairs:
            self.assertGreaterEqual(pair["http_first"], pair["told_first"])
            self.assertGreater(pair["told_gap"], 0)


if __name__ == "__main__":
    unittest.main()
