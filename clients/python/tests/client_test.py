"""Both clients with a real server, at TANDEM_TARGET."""

import asyncio
import concurrent.futures
import os
import struct
import unittest
import zlib

import tandem_client as tc

ENDLESS = {"ignore_eos": True, "max_tokens": 30000}


def red_png(size=64):
    def part(kind, data):
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = (b"\0" + b"\xff\0\0" * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", header)
        + part(b"IDAT", zlib.compress(rows))
        + part(b"IEND", b"")
    )


class SyncClient(unittest.TestCase):
    def setUp(self):
        self.tandem = tc.Client(os.environ["TANDEM_TARGET"])
        self.addCleanup(self.tandem.close)

    def test_an_answer_has_text_usage_timings_and_an_id(self):
        answer = self.tandem.chat("Who are you?", temperature=0)
        self.assertIn("demo model", answer.text)
        self.assertEqual(answer.finish_reason, "stop")
        self.assertEqual(answer.usage.completion_tokens, len(answer.token_ids))
        self.assertGreater(answer.usage.total_tokens, answer.usage.prompt_tokens)
        self.assertGreaterEqual(
            answer.timings.total, answer.timings.time_to_first_token
        )
        self.assertTrue(answer.request_id)

    def test_a_stream_is_the_answer_in_pieces(self):
        whole = self.tandem.chat("Who are you?", temperature=0)
        with self.tandem.stream("Who are you?", temperature=0) as chunks:
            pieces = list(chunks)
        self.assertEqual("".join(c.text for c in pieces), whole.text)
        self.assertEqual(
            [c.finish_reason for c in pieces[:-1]], [None] * (len(pieces) - 1)
        )
        self.assertEqual(pieces[-1].usage, whole.usage)
        self.assertIsNotNone(pieces[-1].timings)

    def test_a_stream_answers_what_is_left_of_it(self):
        stream = self.tandem.stream("Who are you?", temperature=0)
        next(stream)
        self.assertEqual(
            stream.answer().text, self.tandem.chat("Who are you?", temperature=0).text
        )

    def test_a_picture_is_counted_in_the_usage(self):
        red = tc.image(red_png(), detail="low")
        answer = self.tandem.chat([red, "What is it?"], temperature=0, max_tokens=8)
        self.assertEqual(answer.usage.image_tokens, 256)

    def test_a_conversation_goes_on(self):
        turns = [
            tc.system("Be brief."),
            tc.user("Hi"),
            tc.assistant("Hello."),
            tc.user("Who?"),
        ]
        longer = self.tandem.count_tokens(turns).prompt_tokens
        self.assertGreater(longer, self.tandem.count_tokens(turns[:2]).prompt_tokens)
        self.assertTrue(self.tandem.chat(turns, temperature=0).text)

    def test_logprobs_are_those_of_the_tokens(self):
        answer = self.tandem.chat(
            "Hi", temperature=0, max_tokens=4, logprobs=True, top_logprobs=3
        )
        self.assertEqual([p.token_id for p in answer.logprobs], list(answer.token_ids))
        for entry in answer.logprobs:
            self.assertEqual(len(entry.top), 3)
            self.assertEqual(entry.top[0].token_id, entry.token_id)

    def test_a_stop_string_ends_the_text_before_it(self):
        answer = self.tandem.chat("Who are you?", temperature=0, stop="demo")
        self.assertEqual(answer.finish_reason, "stop")
        self.assertNotIn("demo", answer.text)

    def test_models_are_described(self):
        (model,) = self.tandem.models()
        self.assertEqual(self.tandem.model(model.id), model)
        self.assertTrue(model.accepts_images)
        self.assertEqual(model.profile, "custom")
        self.assertGreater(model.tile_size, 0)

    def test_the_prompts_ids_are_answered_where_asked_for(self):
        count = self.tandem.count_tokens("Hi", return_token_ids=True)
        self.assertEqual(len(count.token_ids), count.prompt_tokens)
        self.assertEqual(self.tandem.count_tokens("Hi").token_ids, ())

    def test_a_raw_prompt_has_no_template_around_it(self):
        raw = self.tandem.count_tokens(tc.raw_prompt("Hi")).prompt_tokens
        self.assertLess(raw, self.tandem.count_tokens("Hi").prompt_tokens)
        answer = self.tandem.chat(tc.raw_prompt("I am"), temperature=0, max_tokens=2)
        self.assertEqual(
            answer.usage.prompt_tokens,
            self.tandem.count_tokens(tc.raw_prompt("I am")).prompt_tokens,
        )

    def test_a_wrong_number_is_named(self):
        with self.assertRaises(tc.InvalidRequestError) as raised:
            self.tandem.chat("Hi", temperature=3, request_id="wrong-1")
        self.assertEqual(raised.exception.field, "sampling.temperature")
        self.assertEqual(raised.exception.request_id, "wrong-1")

    def test_a_broken_picture_is_named(self):
        with self.assertRaises(tc.ImageError) as raised:
            self.tandem.chat(["What?", tc.image(red_png()[:-20])])
        self.assertEqual(raised.exception.field, "messages[0].content[1].image")

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(tc.NotFoundError):
            self.tandem.chat("Hi", model="nothing")

    def test_a_timeout_is_an_error_of_its_own(self):
        with self.assertRaises(tc.DeadlineExceededError):
            self.tandem.chat("Hi", timeout=0.3, **ENDLESS)

    def test_a_client_is_shared_by_threads(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            texts = set(
                pool.map(
                    lambda _: self.tandem.chat("Who are you?", temperature=0).text,
                    range(16),
                )
            )
        self.assertEqual(len(texts), 1)

    def test_leaving_a_stream_early_lets_the_next_call_in(self):
        for _ in range(40):  # more than may run at once
            with self.tandem.stream("Hi", **ENDLESS) as chunks:
                next(chunks)
        self.assertTrue(
            self.tandem.chat("Who are you?", temperature=0, timeout=60).text
        )


class AsyncioClient(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.tandem = tc.AsyncClient(os.environ["TANDEM_TARGET"])
        self.addAsyncCleanup(self.tandem.close)

    async def test_an_answer_and_a_stream_say_the_same(self):
        whole = await self.tandem.chat("Who are you?", temperature=0)
        pieces = [c async for c in self.tandem.stream("Who are you?", temperature=0)]
        self.assertEqual("".join(c.text for c in pieces), whole.text)
        self.assertEqual(pieces[-1].finish_reason, "stop")
        self.assertTrue(whole.request_id)

    async def test_calls_run_side_by_side(self):
        answers = await asyncio.gather(
            *(self.tandem.chat("Who are you?", temperature=0) for _ in range(12))
        )
        self.assertEqual(len({a.text for a in answers}), 1)

    async def test_cancelling_the_task_cancels_the_call(self):
        started = asyncio.Event()

        async def read():
            async for _ in self.tandem.stream("Hi", **ENDLESS):
                started.set()

        for _ in range(40):  # more than may run at once
            started.clear()
            task = asyncio.create_task(read())
            await started.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.assertTrue((await self.tandem.chat("Who are you?", temperature=0)).text)

    async def test_cancelling_a_whole_answer_works_too(self):
        task = asyncio.create_task(self.tandem.chat("Hi", **ENDLESS))
        await asyncio.sleep(0.05)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task

    async def test_leaving_a_stream_early_ends_it(self):
        async with self.tandem.stream("Hi", **ENDLESS) as chunks:
            async for _ in chunks:
                break
        self.assertEqual([c async for c in chunks], [])

    async def test_errors_are_the_same(self):
        with self.assertRaises(tc.InvalidRequestError) as raised:
            await self.tandem.chat("Hi", top_p=2)
        self.assertEqual(raised.exception.field, "sampling.top_p")
        with self.assertRaises(tc.NotFoundError):
            await self.tandem.stream("Hi", model="nothing").answer()
        with self.assertRaises(tc.DeadlineExceededError):
            await self.tandem.stream("Hi", timeout=0.3, **ENDLESS).answer()

    async def test_models_and_counts(self):
        (model,) = await self.tandem.models()
        self.assertEqual(await self.tandem.model(model.id), model)
        self.assertGreater((await self.tandem.count_tokens("Hi")).prompt_tokens, 0)


if __name__ == "__main__":
    unittest.main()
