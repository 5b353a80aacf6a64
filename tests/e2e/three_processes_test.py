"""Three processes answer like one, and the tensors between them cost what they
must."""

import unittest

from processes import MODELS, Proxy, TandemTest

TOKENS_PER_TILE = 256
HIDDEN = 96  # of model t1
FLOAT32 = 4  # bytes


class ThreeProcessesTest(TandemTest):
    def questions(self):
        one, two = self.picture(330, 310), self.picture(700, 340)
        return {
            "text": ["Hello, who are you?"],
            "system": ["--system", "Answer in one word.", "Hello, who are you?"],
            "one tile": ["--image", one, "Please describe the image shortly."],
            "three tiles": ["--image", two, "Read the text in the image."],
            "one tile of many": ["--image", two, "--max-tiles", 1, "What is it?"],
            "two images": ["--image", two, "--image", one, "Compare them."],
            "two images, other order": ["--image", one, "--image", two, "Compare them."],
        }

    def test_answers_are_those_of_tandem_serve_and_of_an_embedded_chat(self):
        self.cluster()
        serve = self.start(
            "tandem", "serve", "--model", MODELS / "t1-custom", "--dtype", "float32",
            "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0").ready()  # fmt: skip
        answers = {}
        for name, question in self.questions().items():
            with self.subTest(name):
                three = self.ask(self.gateway, *question).same()
                self.assertEqual(three, self.ask(serve, *question).same())
                self.assertEqual(len(three[0]), three[3]["completion_tokens"])
                answers[name] = three
        question = self.questions()["two images"]
        embedded = self.ask(MODELS / "t1-custom", *question).same()
        self.assertEqual(embedded, answers["two images"])
        # The pictures are seen: another order is another prompt.
        self.assertNotEqual(
            answers["two images"][0], answers["two images, other order"][0]
        )
        self.assertEqual(answers["three tiles"][3]["image_tokens"], 3 * TOKENS_PER_TILE)
        self.assertEqual(answers["one tile of many"][3]["image_tokens"], TOKENS_PER_TILE)
        self.assert_idle(self.gateway, self.llm, self.vision)
        self.assert_idle(serve, serve, serve)

    def test_a_conversation_of_many_turns(self):
        self.cluster()
        lines = (
            "Hello, who are you?\n"
            f"/image {self.picture(330, 310)}\n"
            "Please describe the image shortly.\n"
            f"/image {self.picture(700, 340)}\n"
            "And this one?\n"
            "/reset\n"
            "Hello, who are you?\n"
        ).encode()
        options = ["--temperature", 0, "--max-tokens", 12]
        three = self.chat(self.gateway, *options, stdin=lines)
        self.assertEqual(three.code, 0, three.err)
        one = self.chat(MODELS / "t1-custom", *options, stdin=lines)
        self.assertEqual(three.out, one.out)
        # After /reset the first question is the first again.
        first = self.ask(self.gateway, "Hello, who are you?", tokens=12).json["text"]
        self.assertTrue(three.out.startswith(first + "\n"), three.out)
        self.assertTrue(three.out.endswith(first + "\n"), three.out)
        self.assert_idle(self.gateway, self.llm, self.vision)

    def test_http_answers_what_grpc_does(self):
        self.cluster()
        for name, question in self.questions().items():
            with self.subTest(name):
                over_grpc = self.ask(self.gateway, *question).json
                over_http = self.ask(f"http://{self.gateway.http()}", *question).json
                for key in ("text", "finish_reason", "usage"):
                    self.assertEqual(over_http[key], over_grpc[key], key)
                self.assertGreater(over_http["timings_ms"]["prefill"], 0)
        self.assert_idle(self.gateway, self.llm, self.vision)

    def test_embeddings_take_their_bytes_and_one_percent(self):
        self.cluster(through=Proxy)
        self.addCleanup(self.vision_proxy.close)
        picture = self.picture(640, 480)  # 4 x 3 tiles and a thumbnail
        self.ask(self.gateway, "--image", self.picture(330, 310), "Warm up.", tokens=1)
        before = self.vision_proxy.bytes_back
        counter = "tandem_embedding_transfer_bytes_total"
        counted = self.received(counter)
        answer = self.ask(self.gateway, "--image", picture, "Look.", tokens=1)
        self.assertEqual(answer.json["usage"]["image_tokens"], 13 * TOKENS_PER_TILE)
        data = 13 * TOKENS_PER_TILE * HIDDEN * FLOAT32
        crossed = self.vision_proxy.bytes_back - before
        self.assertGreaterEqual(crossed, data)
        self.assertLessEqual(crossed, data * 1.01)
        # The counter counts data, without framing.
        self.assertEqual(self.received(counter) - counted, data)

    def received(self, counter):
        return sum(
            value
            for name, value in self.llm.metrics().items()
            if name.startswith(counter)
        )

    def test_an_llm_service_without_vision_answers_text_alone(self):
        llm = self.model_service("tandem-llm").ready()
        gateway = self.service("tandem-gateway", "--llm", llm.address()).ready()
        self.assertTrue(self.ask(gateway, "Hello").json["token_ids"])
        answer = self.chat(
            gateway, "--json", "--image", self.picture(330, 310), "What is it?"
        )
        self.assertEqual(answer.code, 1)
        self.assertEqual(answer.out, "")
        self.assert_idle(gateway, llm)


if __name__ == "__main__":
    unittest.main()
