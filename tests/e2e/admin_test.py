"""What operators see of every process: health, version, metrics."""

import json
import unittest

from processes import DATA, MODELS, TandemTest

EVERYWHERE = """
tandem_build_info tandem_ready process_resident_memory_bytes
process_cpu_seconds_total process_open_fds
grpc_server_call_duration_seconds grpc_server_calls_started_total
"""
COMPUTES = """
tandem_engine_heartbeat_age_seconds tandem_model_load_seconds
tandem_device_memory_bytes tandem_device_info tandem_numeric_faults_total tandem_device_oom_total
tandem_queue_depth tandem_queue_limit
"""
GATEWAY = """
tandem_requests_total tandem_requests_in_flight tandem_request_duration_seconds
tandem_admission_rejections_total tandem_time_to_first_token_seconds
tandem_inter_token_latency_seconds tandem_time_per_output_token_seconds
tandem_stage_duration_seconds tandem_backend_replicas
tandem_backend_retries_total tandem_cancelled_requests_total
grpc_client_attempt_duration_seconds
"""
VISION = """
tandem_images_total tandem_image_tiles tandem_image_bytes tandem_image_pixels
tandem_vision_batch_tiles tandem_vision_cache_requests_total
tandem_vision_cache_bytes
"""
LLM = """
tandem_model_info tandem_prompt_tokens_total tandem_image_tokens_total
tandem_generated_tokens_total tandem_request_prompt_tokens
tandem_request_generated_tokens tandem_llm_batch_sequences
tandem_embedding_transfer_bytes_total tandem_embedding_transfer_errors_total
tandem_llm_requests_running tandem_llm_requests_waiting
tandem_kv_cache_usage_ratio tandem_kv_cache_blocks tandem_kv_cache_blocks_free
tandem_preemptions_total tandem_cancelled_requests_total
tandem_tokens_after_cancel_total grpc_client_attempt_duration_seconds
"""
STAGES = """
parse image_decode preprocess encode_queue encode transfer decode_queue prefill
first_token decode finish
""".split()


class AdminTest(TandemTest):
    def programs(self):
        self.cluster()
        serve = self.start(
            "tandem", "serve", "--model", MODELS / "t1-custom", "--dtype", "float32",
            "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0").ready()  # fmt: skip
        return {
            "tandem-gateway": (self.gateway, EVERYWHERE + GATEWAY),
            "tandem-vision": (self.vision, EVERYWHERE + COMPUTES + VISION),
            "tandem-llm": (self.llm, EVERYWHERE + COMPUTES + LLM),
            "tandem": (serve, EVERYWHERE + COMPUTES + GATEWAY + VISION + LLM),
        }

    def families(self, program):
        lines = program.get("/metrics")[1].splitlines()
        return [x.split()[2] for x in lines if x.startswith("# TYPE ")]

    def test_every_process_tells_how_it_is(self):
        for name, (program, families) in self.programs().items():
            with self.subTest(name):
                for path in ("/healthz", "/readyz", "/startupz"):
                    self.assertEqual(program.get(path)[0], 200, path)
                version = json.loads(program.get("/version")[1])
                self.assertEqual(version["program"], name)
                self.assertEqual(set(version), {"program", "version", "commit"})
                self.assertEqual(program.get("/nonsense")[0], 404)
                have = self.families(program)
                self.assertEqual(len(have), len(set(have)), "a family is there twice")
                missing = set(families.split()) - set(have)
                self.assertFalse(missing)
                self.assertEqual(program.metrics()["tandem_ready"], 1)

    def test_what_is_counted_adds_up(self):
        programs = {name: entry[0] for name, entry in self.programs().items()}
        gateway, serve = programs["tandem-gateway"], programs["tandem"]
        bad = DATA / "bad_images/jpeg_cut_50.bin"
        picture = self.picture(700, 340)
        for target in (gateway, serve):
            self.ask(target, "Hello, who are you?", tokens=5)
            answer = self.ask(target, "--image", picture, "Look.", tokens=5)
            self.assertEqual(self.chat(target, "--json", "--image", bad, "Look.").code, 78)
        self.check_gateway(gateway.metrics())
        self.check_gateway(serve.metrics())
        for program in (self.llm, self.vision, serve):
            device = 'tandem_device_info{name="cpu",uuid="",vendor="none"}'
            self.assertEqual(program.metrics()[device], 1)
        for program in (self.llm, serve):
            self.check_llm(program.metrics(), answer.json["usage"])
        for program in (self.vision, serve):
            self.check_vision(program.metrics())
        self.assert_idle(gateway, self.llm, self.vision)
        self.assert_idle(serve, serve, serve)

    def total(self, series, name, **labels):
        """Of all series of a family that have these labels."""
        return sum(
            value
            for key, value in series.items()
            if key.split("{")[0] == name
            and all(f'{k}="{v}"' in key for k, v in labels.items())
        )

    def check_gateway(self, series):
        requests = "tandem_requests_total"
        self.assertEqual(self.total(series, requests, method="chat"), 3)
        self.assertEqual(self.total(series, requests, method="chat", code="OK"), 2)
        for name in ("tandem_request_duration_seconds", "tandem_time_to_first_token_seconds"):
            self.assertGreaterEqual(self.total(series, name + "_count"), 2)
        stages = "tandem_stage_duration_seconds"
        for stage in STAGES:
            self.assertIn(f'{stages}_count{{stage="{stage}"}}', series)
        # Every finished request has been in every stage that it needed.
        self.assertEqual(self.total(series, stages + "_count", stage="prefill"), 2)
        duration = self.total(series, "tandem_request_duration_seconds_sum")
        self.assertLessEqual(self.total(series, stages + "_sum"), duration * 1.05 + 0.01)

    def check_llm(self, series, usage):
        self.assertEqual(self.total(series, "tandem_generated_tokens_total"), 10)
        self.assertEqual(
            self.total(series, "tandem_image_tokens_total"), usage["image_tokens"]
        )
        self.assertGreater(
            self.total(series, "tandem_prompt_tokens_total"), usage["prompt_tokens"]
        )
        self.assertEqual(self.total(series, "tandem_request_generated_tokens_count"), 2)

    def check_vision(self, series):
        images = "tandem_images_total"
        self.assertEqual(self.total(series, images, format="png", result="ok"), 1)
        self.assertEqual(self.total(series, images, format="jpeg", result="rejected"), 1)
        self.assertEqual(self.total(series, "tandem_vision_batch_tiles_sum"), 3)


if __name__ == "__main__":
    unittest.main()
