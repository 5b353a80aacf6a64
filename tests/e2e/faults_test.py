"""Processes that die, come back, do not fit, or are asked to stop."""

import os
import signal
import socket
import subprocess
import threading
import unittest

from processes import BIN, ENVIRONMENT, HANG, MODELS, Proxy, TandemTest

TILE_BYTES = 256 * 96 * 4  # of model t1 in float32
LONG = 4000  # tokens: still running when something happens to it
FOR_EVER = 30000  # tokens: minutes


class FaultsTest(TandemTest):
    def image_question(self):
        return ["--image", self.picture(700, 340), "Read the text in the image."]

    def test_without_vision_text_goes_on_and_images_come_back_with_it(self):
        self.cluster()
        want_text = self.ask(self.gateway, "Hello, who are you?").same()
        want_image = self.ask(self.gateway, *self.image_question()).same()
        address = self.vision.address()
        self.vision.kill()
        self.assertEqual(
            self.ask(self.gateway, "Hello, who are you?").same(), want_text
        )
        self.assert_fails(
            self.chat(self.gateway, "--json", *self.image_question()),
            "UNAVAILABLE BACKEND_UNAVAILABLE",
        )
        self.vision = self.model_service("tandem-vision", listen=address).ready()
        answer = self.until(
            lambda: self.answer_or_unavailable(*self.image_question()),
            "images are answered again",
        )
        self.assertEqual(answer.same(), want_image)
        self.assert_idle(self.gateway, self.llm, self.vision)

    def answer_or_unavailable(self, *question):
        """None while the gateway has not noticed; any other error fails."""
        answer = self.chat(
            self.gateway, "--json", "--temperature", 0, "--max-tokens", 16, *question
        )
        if answer.code == 0:
            return answer
        self.assert_fails(answer, "UNAVAILABLE BACKEND_UNAVAILABLE")
        return None

    def test_vision_killed_in_mid_transfer_is_an_error_and_the_next_one_works(self):
        self.cluster(through=Proxy)
        self.addCleanup(self.vision_proxy.close)
        address = self.vision.address()
        killed = self.kill_at(self.vision_proxy, self.vision, TILE_BYTES // 2)
        picture = self.picture(640, 480)
        answer = self.chat(self.gateway, "--json", "--image", picture, "Look.")
        self.assertTrue(killed.is_set())
        self.assert_fails(answer, "UNAVAILABLE BACKEND_UNAVAILABLE")
        self.assert_idle(self.gateway, self.llm)
        self.vision.wait()
        self.vision = self.model_service("tandem-vision", listen=address).ready()
        self.until(
            lambda: self.answer_or_unavailable("--image", picture, "Look."),
            "the next request is answered",
        )

    def kill_at(self, proxy, program, num_bytes):
        killed = threading.Event()

        def kill(total):
            if total > num_bytes and not killed.is_set():
                killed.set()
                program.process.kill()

        proxy.bytes_back = 0
        proxy.on_bytes_back = kill
        return killed

    def test_vision_killed_in_mid_transfer_is_replaced_by_the_other_replica(self):
        visions = [self.model_service("tandem-vision") for _ in range(2)]
        proxies = [self.proxy(vision.ready().address()) for vision in visions]
        llm = self.model_service(
            "tandem-llm", "--vision", proxies[0].address, "--vision", proxies[1].address
        )
        gateway = self.gateway_of(visions, llm)
        question = ["--image", self.picture(640, 480), "Look."]
        want = self.ask(MODELS / "t1-custom", *question).same()
        # Whichever replica is chosen dies; the other one stays.
        killed = threading.Event()
        lock = threading.Lock()
        for proxy, vision in zip(proxies, visions):
            proxy.bytes_back = 0

            def kill(total, vision=vision):
                with lock:
                    if total > TILE_BYTES // 2 and not killed.is_set():
                        killed.set()
                        vision.process.kill()

            proxy.on_bytes_back = kill
        self.assertEqual(self.ask(gateway, *question).same(), want)
        self.assertTrue(killed.is_set())
        retries = sum(
            value
            for name, value in gateway.metrics().items()
            if name.startswith("tandem_backend_retries_total")
        )
        self.assertEqual(retries, 1)
        self.assert_idle(gateway, llm)

    def test_llm_killed_after_the_first_token_is_a_lost_peer(self):
        self.cluster(model=self.endless_model())
        chat = self.streaming_chat(self.gateway)
        first = chat.stdout.read(1)
        self.assertTrue(first)
        self.llm.kill()
        rest, error = chat.communicate(timeout=HANG)
        self.assertEqual(chat.returncode, 1)
        self.assertIn(b"UNAVAILABLE PEER_LOST", error)
        self.assertEqual(len(error.splitlines()), 1, error)

    def streaming_chat(self, gateway, tokens=FOR_EVER):
        """A chat whose answer has so many tokens if the model is endless."""
        chat = subprocess.Popen(
            [BIN / "tandem", "chat", "--connect", gateway.address(), "--temperature",
             "0", "--max-tokens", str(tokens), "Hello, who are you?"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT,
            bufsize=0)  # fmt: skip; communicate() would lose what is buffered
        self.addCleanup(chat.stderr.close)
        self.addCleanup(chat.stdout.close)
        self.addCleanup(chat.kill)
        return chat

    def test_sigterm_lets_the_answer_finish(self):
        for serve in (False, True):
            with self.subTest("tandem serve" if serve else "tandem-gateway"):
                model = self.endless_model()
                if serve:
                    gateway = self.serving(model)
                else:
                    self.cluster(model=model)
                    gateway = self.gateway
                chat = self.streaming_chat(gateway, LONG)
                first = chat.stdout.read(1)
                gateway.process.send_signal(signal.SIGTERM)
                rest, error = chat.communicate(timeout=HANG)
                self.assertEqual(chat.returncode, 0, error)
                self.assertEqual(gateway.wait(), 0, gateway.log())
                again = self.ask(model, "Hello, who are you?", tokens=LONG)
                self.assertEqual(len(again.json["token_ids"]), LONG)
                self.assertEqual((first + rest).decode(), again.json["text"] + "\n")

    def serving(self, model=MODELS / "t1-custom"):
        return self.start(
            "tandem", "serve", "--model", model, "--dtype", "float32",
            "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0").ready()  # fmt: skip

    def test_sigterm_ends_every_program_with_0(self):
        self.cluster()
        for program in (self.gateway, self.llm, self.vision, self.serving()):
            self.assertEqual(program.terminate(), 0, program.log())

    def test_a_second_signal_ends_the_answer_too(self):
        serve = self.serving(self.endless_model())
        chat = self.streaming_chat(serve)
        self.assertTrue(chat.stdout.read(1))
        # Who takes nothing cannot come to the end of the answer.
        chat.send_signal(signal.SIGSTOP)
        serve.process.send_signal(signal.SIGTERM)
        self.until(lambda: serve.get("/readyz")[0] == 503, "the stop is noticed")
        serve.process.send_signal(signal.SIGTERM)
        self.assertEqual(serve.wait(), 0, serve.log())
        self.assertIn("cancels calls", serve.log())
        chat.send_signal(signal.SIGCONT)
        rest, error = chat.communicate(timeout=HANG)
        self.assertEqual(chat.returncode, 1)
        self.assertIn(b"UNAVAILABLE", error)

    def test_a_signal_before_the_backends_are_asked_is_a_stop_like_any_other(self):
        # It listens, and waits for answers from a backend that gives none.
        with socket.create_server(("127.0.0.1", 0)) as mute:
            gateway = self.service(
                "tandem-gateway", "--llm", "127.0.0.1:%d" % mute.getsockname()[1]
            )
            gateway.address()
            self.assertEqual(gateway.terminate(), 0, gateway.log())

    def test_ctrl_c_stops_the_answer_everywhere(self):
        self.cluster(model=self.endless_model())
        chat = self.streaming_chat(self.gateway)
        self.assertTrue(chat.stdout.read(1))
        chat.send_signal(signal.SIGINT)
        chat.communicate(timeout=HANG)
        self.assertEqual(chat.returncode, 130)
        self.assert_idle(self.gateway, self.llm, self.vision)

    def test_a_client_that_is_killed_leaves_nothing_behind(self):
        self.cluster(model=self.endless_model())
        chat = self.streaming_chat(self.gateway)
        self.assertTrue(chat.stdout.read(1))
        os.kill(chat.pid, signal.SIGKILL)
        chat.wait(HANG)
        self.assert_idle(self.gateway, self.llm, self.vision)

    def test_vision_with_other_weights_is_refused(self):
        vision = self.model_service("tandem-vision", model="t2-custom").ready()
        llm = self.model_service("tandem-llm", "--vision", vision.address())
        gateway = self.gateway_of([vision], llm)
        self.assert_fails(
            self.chat(gateway, "--json", *self.image_question()),
            "FAILED_PRECONDITION EMBEDDING_INCOMPATIBLE",
        )
        self.assertTrue(self.ask(gateway, "Hello").json["token_ids"])
        self.assert_idle(gateway, llm, vision)


if __name__ == "__main__":
    unittest.main()
