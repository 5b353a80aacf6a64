"""Failures as a fake server makes them: classes, fields, repetitions."""

import asyncio
import os
import threading
import unittest
from unittest import mock

import tandem_client as tc
from fake_server import Fail, FakeServer, chunk, info, retry
from google.rpc import error_details_pb2

ANSWER = [chunk("Hello"), chunk(".", last=True)]
BUSY = [Fail("RESOURCE_EXHAUSTED", "busy", info("OVERLOADED"), retry(0.001))]


class FakeTest(unittest.TestCase):
    def serve(self, *script):
        server = FakeServer(*script)
        self.addCleanup(server.close)
        return server

    def client(self, *script, **options):
        self.fake = self.serve(*script)
        client = tc.Client(self.fake.target, **options)
        self.addCleanup(client.close)
        return client


class Classes(FakeTest):
    CASES = (
        ("INVALID_ARGUMENT", "FIELD_INVALID", tc.InvalidRequestError),
        ("INVALID_ARGUMENT", "IMAGE_TRUNCATED", tc.ImageError),
        ("INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED", tc.ContextLengthError),
        ("UNAUTHENTICATED", "CREDENTIALS_INVALID", tc.AuthenticationError),
        ("PERMISSION_DENIED", "ACCESS_DENIED", tc.PermissionDeniedError),
        ("NOT_FOUND", "MODEL_NOT_FOUND", tc.NotFoundError),
        ("RESOURCE_EXHAUSTED", "OVERLOADED", tc.OverloadedError),
        ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", tc.QuotaExceededError),
        ("UNAVAILABLE", "DRAINING", tc.UnavailableError),
        ("UNAVAILABLE", "PEER_LOST", tc.PeerLostError),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", tc.DeadlineExceededError),
        ("CANCELLED", "", tc.RequestCancelledError),
        ("UNIMPLEMENTED", "NOT_IMPLEMENTED", tc.UnsupportedError),
        ("INTERNAL", "NUMERIC_FAULT", tc.ServerError),
        ("UNKNOWN", "", tc.ServerError),
    )

    def test_code_and_reason_choose_the_class(self):
        for code, reason, kind in self.CASES:
            with self.subTest(reason or code):
                client = self.client([Fail(code, "why", info(reason))])
                for ask in (client.chat, lambda m: list(client.stream(m))):
                    with self.assertRaises(tc.TandemError) as raised:
                        ask("Hi")
                    self.assertIs(type(raised.exception), kind)
                    self.assertEqual(raised.exception.code, code)
                    self.assertEqual(raised.exception.reason, reason)
                    self.assertEqual(raised.exception.message, "why")

    def test_the_details_are_attributes(self):
        violation = error_details_pb2.BadRequest.FieldViolation(field="sampling.top_p")
        client = self.client(
            [
                Fail(
                    "INVALID_ARGUMENT",
                    "sampling.top_p: 2",
                    info("FIELD_INVALID", value="2"),
                    error_details_pb2.BadRequest(field_violations=[violation]),
                    error_details_pb2.RequestInfo(request_id="req-7"),
                )
            ]
        )
        with self.assertRaises(tc.InvalidRequestError) as raised:
            client.chat("Hi")
        error = raised.exception
        self.assertEqual(error.field, "sampling.top_p")
        self.assertEqual(error.metadata, {"value": "2"})
        self.assertEqual(error.request_id, "req-7")
        self.assertIsNone(error.retry_after)
        self.assertEqual(
            str(error), "INVALID_ARGUMENT FIELD_INVALID: sampling.top_p: 2"
        )

    def test_an_error_without_details_has_its_code(self):
        client = self.client([Fail("INTERNAL", "bare")])
        with self.assertRaises(tc.ServerError) as raised:
            client.chat("Hi")
        self.assertEqual((raised.exception.reason, raised.exception.field), ("", None))
        self.assertEqual(raised.exception.request_id, "req-fake")

    def test_details_that_cannot_be_read_hide_nothing(self):
        fail = Fail("NOT_FOUND", "gone")
        fail.serialized = b"\xff\xff\xff"
        with self.assertRaises(tc.NotFoundError) as raised:
            self.client([fail]).chat("Hi")
        self.assertEqual(raised.exception.message, "gone")

    def test_nobody_who_listens_is_unavailable(self):
        with tc.Client("127.0.0.1:1") as client:
            with self.assertRaises(tc.UnavailableError):
                client.chat("Hi")


class Retries(FakeTest):
    def test_a_refusal_with_a_delay_is_tried_again(self):
        client = self.client(BUSY, BUSY, ANSWER)
        self.assertEqual(client.chat("Hi").text, "Hello.")
        self.assertEqual(len(self.fake.calls), 3)

    def test_a_stream_is_tried_again_before_its_first_token(self):
        client = self.client(BUSY, ANSWER)
        self.assertEqual(client.stream("Hi").answer().text, "Hello.")
        self.assertEqual(len(self.fake.calls), 2)

    def test_a_stream_is_never_tried_again_after_its_first_token(self):
        client = self.client([chunk("Hel"), *BUSY])
        stream = client.stream("Hi")
        self.assertEqual(next(stream).text, "Hel")
        with self.assertRaises(tc.OverloadedError):
            next(stream)
        self.assertEqual(len(self.fake.calls), 1)

    def test_tries_end(self):
        client = self.client(BUSY, max_retries=1)
        with self.assertRaises(tc.OverloadedError) as raised:
            client.chat("Hi")
        self.assertAlmostEqual(raised.exception.retry_after, 0.001)
        self.assertEqual(len(self.fake.calls), 2)

    def test_an_error_without_a_delay_is_final(self):
        client = self.client([Fail("UNAVAILABLE", "no", info("PEER_LOST"))])
        with self.assertRaises(tc.PeerLostError):
            client.chat("Hi")
        self.assertEqual(len(self.fake.calls), 1)

    def test_a_delay_beyond_the_timeout_is_not_waited_for(self):
        client = self.client(
            [Fail("RESOURCE_EXHAUSTED", "busy", info("OVERLOADED"), retry(900))]
        )
        with self.assertRaises(tc.OverloadedError):
            client.chat("Hi", timeout=30)
        self.assertEqual(len(self.fake.calls), 1)

    def test_asyncio_tries_again_too(self):
        async def ask():
            async with tc.AsyncClient(self.serve(BUSY, ANSWER).target) as client:
                text = (await client.chat("Hi")).text
            async with tc.AsyncClient(self.serve(BUSY, ANSWER).target) as client:
                return text, (await client.stream("Hi").answer()).text

        self.assertEqual(asyncio.run(ask()), ("Hello.", "Hello."))


class Sent(FakeTest):
    def metadata(self):
        return self.fake.calls[-1][2]

    def test_the_key_goes_with_every_call(self):
        self.client(ANSWER, api_key="k-1").chat("Hi")
        self.assertEqual(self.metadata()["authorization"], "Bearer k-1")

    def test_the_key_is_read_from_the_environment(self):
        with mock.patch.dict(os.environ, TANDEM_API_KEY="k-2"):
            self.client(ANSWER).stream("Hi").answer()
        self.assertEqual(self.metadata()["authorization"], "Bearer k-2")

    def test_without_a_key_none_is_sent(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("TANDEM_API_KEY", None)
            self.client(ANSWER).chat("Hi")
        self.assertNotIn("authorization", self.metadata())

    def test_request_id_and_trace_context_are_metadata(self):
        trace = {
            "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
            "tracestate": "a=b",
        }
        self.client(ANSWER).chat("Hi", request_id="mine", **trace)
        self.assertEqual(self.metadata()["x-request-id"], "mine")
        for name, value in trace.items():
            self.assertEqual(self.metadata()[name], value)

    def test_options_are_fields_of_the_request(self):
        self.client(ANSWER, model="m").chat(
            "Hi",
            max_tokens=3,
            temperature=0,
            stop="x",
            logit_bias={5: 1.5},
            metadata={"a": "b"},
            prompt_cache_key="c",
            seed=2**63,
        )
        request = self.fake.calls[-1][1]
        self.assertEqual(request.model, "m")
        self.assertEqual(list(request.sampling.stop), ["x"])
        self.assertEqual(dict(request.sampling.logit_bias), {5: 1.5})
        self.assertTrue(request.sampling.HasField("temperature"))
        self.assertFalse(request.sampling.HasField("top_p"))
        self.assertEqual(dict(request.metadata), {"a": "b"})
        self.assertEqual(request.sampling.seed, 2**63)

    def test_a_model_of_the_call_wins(self):
        self.client(ANSWER, model="m").chat("Hi", model="other")
        self.assertEqual(self.fake.calls[-1][1].model, "other")

    def test_an_unknown_option_is_a_type_error(self):
        with self.assertRaisesRegex(TypeError, "temprature"):
            self.client(ANSWER).chat("Hi", temprature=0)
        self.assertEqual(self.fake.calls, [])


class Streams(FakeTest):
    def test_closing_ends_reading_from_another_thread(self):
        go = threading.Event()
        self.addCleanup(go.set)
        stream = self.client(
            [chunk("a"), lambda: go.wait(60), chunk("b", True)]
        ).stream("Hi")
        next(stream)
        threading.Timer(0.05, stream.close).start()
        self.assertEqual(list(stream), [])

    def test_a_stream_without_an_end_is_no_answer(self):
        stream = self.client([chunk("a")]).stream("Hi")
        with self.assertRaisesRegex(tc.ServerError, "finish_reason"):
            stream.answer()

    def test_a_stream_knows_its_request_id(self):
        self.assertEqual(self.client(ANSWER).stream("Hi").request_id, "req-fake")

    def test_a_given_channel_stays_open(self):
        import grpc

        fake = self.serve(ANSWER)
        with grpc.insecure_channel(fake.target) as channel:
            for _ in range(2):
                with tc.Client(channel=channel) as client:
                    self.assertEqual(client.chat("Hi").text, "Hello.")


if __name__ == "__main__":
    unittest.main()
