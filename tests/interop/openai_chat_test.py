"""The official OpenAI SDK for Python: what works."""

import asyncio
import unittest

import openai

from openai_case import ENDLESS, HELLO, OpenAiTest, joined
from serving import FORMATS, IMAGES, MODEL, expand, image_part, question, table


class Unary(OpenAiTest):
    def test_an_answer_has_the_shape_that_the_SDK_knows(self):
        answer = self.ask()
        self.assertTrue(answer.id.startswith("chatcmpl-"))
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.model, MODEL)
        self.assertGreater(answer.created, 1_600_000_000)
        self.assertTrue(answer.system_fingerprint)
        (choice,) = answer.choices
        self.assertEqual((choice.index, choice.finish_reason), (0, "stop"))
        self.assertIsNone(choice.logprobs)
        self.assertEqual(choice.message.role, "assistant")
        self.assertIsNone(choice.message.refusal)
        self.assertIn("Tandem demo model", choice.message.content)

    def test_usage_adds_up(self):
        usage = self.ask(question("What is in the picture?", FORMATS["png"])).usage
        self.assertEqual(
            usage.total_tokens, usage.prompt_tokens + usage.completion_tokens
        )
        self.assertGreater(usage.prompt_tokens, 256)
        self.assertEqual(usage.prompt_tokens_details.cached_tokens, 0)
        self.assertEqual(usage.prompt_tokens_details.image_tokens, 256)

    def test_the_request_id_is_where_the_SDK_looks_for_it(self):
        self.assertTrue(self.ask()._request_id)
        answer = self.ask(extra_headers={"x-request-id": "interop.py-1"})
        self.assertEqual(answer._request_id, "interop.py-1")

    def test_a_request_id_that_is_none_is_replaced(self):
        answer = self.ask(extra_headers={"x-request-id": "not an id!"})
        self.assertNotEqual(answer._request_id, "not an id!")
        self.assertTrue(answer._request_id)

    def test_timings_come_where_they_are_asked_for(self):
        self.assertNotIn("timings_ms", self.ask().model_extra)
        timings = self.ask(extra_headers={"x-tandem-timings": "1"}).model_extra[
            "timings_ms"
        ]
        self.assertGreaterEqual(timings["total"], timings["time_to_first_token"])
        self.assertGreater(timings["prefill"], 0)

    def test_many_at_once_get_the_answer_they_get_alone(self):
        alone = self.text()

        async def ask_all():
            async with self.new_client(openai.AsyncOpenAI) as client:
                create = client.chat.completions.create
                options = {"model": MODEL, "messages": HELLO, "temperature": 0}
                return await asyncio.gather(*(create(**options) for _ in range(16)))

        texts = {a.choices[0].message.content for a in asyncio.run(ask_all())}
        self.assertEqual(texts, {alone})


class Streams(OpenAiTest):
    def test_the_pieces_are_the_whole(self):
        self.assertEqual(joined(self.chunks()), self.text())

    def test_all_chunks_are_of_one_answer(self):
        chunks = self.chunks()
        self.assertGreater(len(chunks), 1)
        self.assertEqual(len({(c.id, c.created, c.model) for c in chunks}), 1)
        self.assertEqual({c.object for c in chunks}, {"chat.completion.chunk"})

    def test_the_role_comes_with_the_first_token_and_never_again(self):
        first, *others = self.chunks()
        self.assertEqual(first.choices[0].delta.role, "assistant")
        self.assertTrue(first.choices[0].delta.content)
        self.assertEqual({c.choices[0].delta.role for c in others}, {None})

    def test_the_last_chunk_alone_has_the_reason(self):
        *others, last = self.chunks()
        self.assertEqual(last.choices[0].finish_reason, "stop")
        self.assertEqual({c.choices[0].finish_reason for c in others}, {None})

    def test_without_include_usage_there_is_no_usage(self):
        self.assertEqual({c.usage for c in self.chunks()}, {None})

    def test_include_usage_makes_one_chunk_more_without_choices(self):
        *others, last = self.chunks(stream_options={"include_usage": True})
        self.assertEqual(last.choices, [])
        self.assertEqual(
            last.usage.completion_tokens, self.ask().usage.completion_tokens
        )
        self.assertEqual({c.usage for c in others}, {None})

    def test_continuous_usage_counts_up(self):
        *others, last = self.chunks(
            stream_options={"include_usage": True, "continuous_usage_stats": True}
        )
        counts = [c.usage.completion_tokens for c in others]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], last.usage.completion_tokens)

    def test_timings_come_with_the_last_chunk(self):
        chunks = self.chunks(extra_headers={"x-tandem-timings": "1"})
        self.assertGreater(chunks[-1].model_extra["timings_ms"]["total"], 0)
        self.assertNotIn("timings_ms", chunks[0].model_extra)

    def test_closing_a_stream_stops_the_work(self):
        with self.ask(stream=True, **ENDLESS) as stream:
            next(iter(stream))
        self.assert_idle()

    def test_the_SDKs_stream_helper_works(self):
        options = {"model": MODEL, "messages": HELLO, "temperature": 0}
        with self.client.chat.completions.stream(**options) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, self.text())

    def test_asyncio_streams_too(self):
        async def read():
            async with self.new_client(openai.AsyncOpenAI) as client:
                stream = await client.chat.completions.create(
                    model=MODEL, messages=HELLO, temperature=0, stream=True
                )
                return joined([c async for c in stream])

        self.assertEqual(asyncio.run(read()), self.text())


@expand
class Pictures(OpenAiTest):
    @table(FORMATS)
    def test_a_data_url_of_a_format(self, path):
        answer = self.ask(question("What is in the picture?", path))
        self.assertEqual(answer.usage.prompt_tokens_details.image_tokens, 256)
        self.assertTrue(answer.choices[0].message.content)

    def test_the_model_sees_the_picture(self):
        self.assertIn(
            "heart", self.text(question("What is in the picture?", FORMATS["png"]))
        )
        self.assertIn(
            "moon", self.text(question("What is in the picture?", FORMATS["jpeg"]))
        )

    def test_two_pictures_stand_in_their_order(self):
        messages = question(
            "What is in the second picture?", FORMATS["png"], FORMATS["jpeg"]
        )
        self.assertIn("moon", self.text(messages))
        messages = question(
            "What is in the second picture?", FORMATS["jpeg"], FORMATS["png"]
        )
        self.assertIn("heart", self.text(messages))

    @table(
        {
            "low": ({"detail": "low"}, 1),
            "auto_of_3_tiles": ({"detail": "auto", "max_tiles": 3}, 3),
            "high_of_3_tiles": ({"detail": "high", "max_tiles": 3}, 3),
            "original_is_high": ({"detail": "original", "max_tiles": 3}, 3),
            "none_is_auto": ({"max_tiles": 2}, 3),
        }
    )
    def test_a_detail_decides_over_tiles(self, options, tiles):
        # 2:1, so two tiles and the thumbnail where there may be more than one.
        part = image_part(IMAGES / "jpeg_896x448.jpg", **options)
        messages = [
            {"role": "user", "content": [part, {"type": "text", "text": "What?"}]}
        ]
        answer = self.ask(messages, max_tokens=1)
        self.assertEqual(answer.usage.prompt_tokens_details.image_tokens, 256 * tiles)

    def test_a_later_turn_asks_about_an_earlier_picture(self):
        first = question("What shape do you see?", FORMATS["png"])
        said = self.ask(first).choices[0].message
        # As users do: the SDK's own object goes back in.
        turns = [*first, said, {"role": "user", "content": "And what color is it?"}]
        answer = self.ask(turns)
        self.assertEqual(answer.usage.prompt_tokens_details.image_tokens, 256)
        self.assertTrue(answer.choices[0].message.content)


@expand
class Fields(OpenAiTest):
    """Every field of a request, where it is right."""

    def test_max_tokens_ends_with_length(self):
        answer = self.ask(max_tokens=3)
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 3)

    def test_max_completion_tokens_wins_over_max_tokens(self):
        answer = self.ask(max_tokens=7, max_completion_tokens=2)
        self.assertEqual(answer.usage.completion_tokens, 2)

    @table({"a_string": "demo", "a_list": ["nothing", "demo"]})
    def test_a_stop_ends_the_text_before_it(self, stop):
        answer = self.ask(stop=stop)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertNotIn("demo", answer.choices[0].message.content)
        self.assertTrue(self.text().startswith(answer.choices[0].message.content))

    def test_a_stop_ends_a_stream_before_it(self):
        self.assertEqual(joined(self.chunks(stop="demo")), self.text(stop="demo"))

    def test_equal_seeds_draw_equal_texts(self):
        def draw(seed):
            return self.text(temperature=2, seed=seed, extra_body={"ignore_eos": True})

        self.assertEqual(draw(7), draw(7))
        self.assertNotEqual(draw(7), draw(8))

    def test_a_stream_draws_what_a_whole_answer_draws(self):
        options = {"temperature": 1.5, "seed": 11}
        self.assertEqual(joined(self.chunks(**options)), self.text(**options))

    def test_a_bias_forbids_a_token(self):
        answer = self.ask(max_tokens=1, logprobs=True, top_logprobs=2)
        first = answer.choices[0].logprobs.content[0].token
        ids = self.post("/tokenize", {"model": MODEL, "prompt": first}).json["tokens"]
        biased = self.text(max_tokens=1, logit_bias={str(ids[0]): -100})
        self.assertNotEqual(biased, first)

    def test_logprobs_are_those_of_the_text(self):
        content = self.ask(logprobs=True, top_logprobs=3).choices[0].logprobs.content
        said = b"".join(bytes(entry.bytes) for entry in content).decode()
        self.assertTrue(said.startswith(self.text()))
        for entry in content:
            self.assertLessEqual(entry.logprob, 0)
            self.assertEqual(len(entry.top_logprobs), 3)
            self.assertEqual(entry.top_logprobs[0].token, entry.token)
            self.assertEqual(entry.token.encode(), bytes(entry.bytes))

    def test_logprobs_without_alternatives_have_none(self):
        content = self.ask(logprobs=True).choices[0].logprobs.content
        self.assertEqual({len(entry.top_logprobs) for entry in content}, {0})

    def test_a_stream_has_the_logprobs_of_the_whole(self):
        whole = self.ask(logprobs=True).choices[0].logprobs.content
        pieces = [
            entry
            for chunk in self.chunks(logprobs=True)
            if chunk.choices[0].logprobs
            for entry in chunk.choices[0].logprobs.content or []
        ]
        self.assertEqual([e.token for e in pieces], [e.token for e in whole])

    @table(
        {
            "top_p": {"top_p": 0.5},
            "n_of_1": {"n": 1},
            "no_stop": {"stop": None},
            "an_empty_list_of_stops": {"stop": []},
            "presence_penalty": {"presence_penalty": 0.1},
            "frequency_penalty": {"frequency_penalty": -0.1},
            "user": {"user": "u-1"},
            "metadata": {"metadata": {"a": "b"}},
            "store": {"store": False},
            "service_tier": {"service_tier": "auto"},
            "safety_identifier": {"safety_identifier": "s"},
            "response_format_text": {"response_format": {"type": "text"}},
            "no_tools": {"tools": []},
            "tool_choice_none": {"tool_choice": "none"},
            "modalities_text": {"modalities": ["text"]},
            "prompt_cache_key": {"prompt_cache_key": "k"},
            "an_unknown_field": {"extra_body": {"nobody_knows_this": 1}},
            "top_k": {"extra_body": {"top_k": 5}},
            "top_k_of_minus_1": {"extra_body": {"top_k": -1}},
            "min_p": {"extra_body": {"min_p": 0.1}},
            "repetition_penalty": {"extra_body": {"repetition_penalty": 1.0}},
            "stop_token_ids": {"extra_body": {"stop_token_ids": []}},
        }
    )
    def test_a_field_is_taken_and_the_greedy_answer_stays(self, fields):
        self.assertEqual(self.text(**fields), self.text())

    def test_min_tokens_and_ignore_eos_go_on(self):
        answer = self.ask(extra_body={"ignore_eos": True}, max_tokens=40)
        self.assertEqual(answer.usage.completion_tokens, 40)
        answer = self.ask(extra_body={"min_tokens": 30}, max_tokens=40)
        self.assertGreaterEqual(answer.usage.completion_tokens, 30)

    def test_a_stop_token_ends_the_answer(self):
        ids = self.post("/tokenize", {"model": MODEL, "prompt": " demo"}).json["tokens"]
        answer = self.ask(extra_body={"stop_token_ids": ids})
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertNotIn("demo", answer.choices[0].message.content)

    @table({"system": "system", "developer": "developer"})
    def test_a_role_of_the_first_message(self, role):
        turns = [{"role": role, "content": "Be brief."}, *HELLO]
        answer = self.ask(turns)
        self.assertGreater(answer.usage.prompt_tokens, 0)
        self.assertTrue(answer.choices[0].message.content)

    def test_developer_is_system(self):
        def counted(role):
            return self.ask(
                [{"role": role, "content": "Be brief."}, *HELLO]
            ).usage.prompt_tokens

        self.assertEqual(counted("developer"), counted("system"))

    def test_text_parts_are_one_text(self):
        parts = [{"type": "text", "text": "Who are"}, {"type": "text", "text": " you?"}]
        answer = self.ask([{"role": "user", "content": parts}])
        self.assertIn("Tandem", answer.choices[0].message.content)


class Models(OpenAiTest):
    def test_the_list_has_the_served_model(self):
        (model,) = self.client.models.list().data
        self.assertEqual((model.id, model.object), (MODEL, "model"))
        self.assertGreater(model.model_extra["max_model_len"], 0)
        self.assertTrue(model.model_extra["tandem"]["accepts_images"])

    def test_one_can_be_retrieved(self):
        self.assertEqual(
            self.client.models.retrieve(MODEL), self.client.models.list().data[0]
        )


class Completions(OpenAiTest):
    def complete(self, prompt="I am the", **options):
        settings = {"temperature": 0, "max_tokens": 8, **options}
        return self.client.completions.create(model=MODEL, prompt=prompt, **settings)

    def test_a_prompt_is_gone_on_from(self):
        answer = self.complete()
        self.assertTrue(answer.id.startswith("cmpl-"))
        self.assertEqual(answer.object, "text_completion")
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertGreater(answer.usage.completion_tokens, 0)

    def test_the_pieces_are_the_whole(self):
        chunks = list(self.complete(stream=True))
        self.assertEqual(
            "".join(c.choices[0].text for c in chunks), self.complete().choices[0].text
        )
        self.assertEqual({c.object for c in chunks}, {"text_completion"})

    def test_include_usage_makes_one_chunk_more(self):
        *_, last = self.complete(stream=True, stream_options={"include_usage": True})
        self.assertEqual(last.choices, [])
        self.assertEqual(
            last.usage.completion_tokens, self.complete().usage.completion_tokens
        )

    def test_a_list_of_one_prompt_is_that_prompt(self):
        self.assertEqual(
            self.complete(["I am the"]).choices[0].text, self.complete().choices[0].text
        )

    def test_16_tokens_are_the_default(self):
        answer = self.client.completions.create(
            model=MODEL, prompt="I am", temperature=0, extra_body={"ignore_eos": True}
        )
        self.assertEqual(answer.usage.completion_tokens, 16)

    def test_logprobs_are_lists_side_by_side(self):
        logprobs = self.complete(logprobs=2).choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), len(logprobs.token_logprobs))
        self.assertEqual(len(logprobs.tokens), len(logprobs.top_logprobs))
        self.assertEqual(len(logprobs.tokens), len(logprobs.text_offset))


if __name__ == "__main__":
    unittest.main()
