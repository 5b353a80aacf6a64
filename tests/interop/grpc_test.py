"""grpcio: the native API as any gRPC program calls it, with code that protoc
wrote and nothing of ours."""

import threading
import unittest

import grpc
from google.rpc import error_details_pb2, status_pb2

from serving import FORMATS, MODEL, SHAPES, InteropTest, expand, table
from tandem_client._proto.tandem.v1 import gateway_pb2, types_pb2

SERVICE = "/tandem.v1.ChatService/"
METHODS = {
    "ChatUnary": (gateway_pb2.ChatRequest, gateway_pb2.ChatResponse),
    "CountTokens": (gateway_pb2.CountTokensRequest, gateway_pb2.CountTokensResponse),
    "GetModel": (gateway_pb2.GetModelRequest, gateway_pb2.GetModelResponse),
    "ListModels": (gateway_pb2.ListModelsRequest, gateway_pb2.ListModelsResponse),
}


def text(words):
    return gateway_pb2.ContentPart(text=words)


def picture(data, **options):
    return gateway_pb2.ContentPart(
        image=gateway_pb2.ImagePart(
            data=data, detail=gateway_pb2.ImagePart.DETAIL_LOW, **options
        )
    )


def turn(role, *parts):
    return gateway_pb2.ChatMessage(role=role, content=parts)


def request(*messages, **sampling):
    return gateway_pb2.ChatRequest(
        messages=messages or [turn("user", text("Who are you?"))],
        sampling=types_pb2.Sampling(**{"temperature": 0, "max_tokens": 32, **sampling}),
    )


def endless(**sampling):
    return request(ignore_eos=True, **{"max_tokens": 30000, **sampling})


def details(error):
    """{type's name: detail} of an error's google.rpc.Status."""
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.ResourceInfo,
    )
    found = {}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            assert status.code == error.code().value[0]
            assert status.message == error.details()
            for detail in status.details:
                for kind in kinds:
                    if detail.Is(kind.DESCRIPTOR):
                        found[kind.__name__] = kind.FromString(detail.value)
    return found


class GrpcTest(InteropTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = grpc.insecure_channel(
            cls.server.address(), [("grpc.max_send_message_length", -1)]
        )
        cls.addClassCleanup(cls.channel.close)

    def call(self, name, message, **options):
        request_type, response_type = METHODS[name]
        method = self.channel.unary_unary(
            SERVICE + name,
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        return method.with_call(message, **options)

    def stream(self, message, **options):
        return self.channel.unary_stream(
            SERVICE + "Chat",
            request_serializer=gateway_pb2.ChatRequest.SerializeToString,
            response_deserializer=gateway_pb2.ChatChunk.FromString,
        )(message, **options)

    def fails(self, message, name="ChatUnary", **options):
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(name, message, **options)
        return raised.exception


@expand
class Answers(GrpcTest):
    def test_a_stream_ends_with_reason_usage_and_timings_together(self):
        chunks = list(self.stream(request()))
        for chunk in chunks[:-1]:
            self.assertEqual(chunk.finish_reason, types_pb2.FINISH_REASON_UNSPECIFIED)
            self.assertFalse(chunk.HasField("usage"))
        last = chunks[-1]
        self.assertEqual(last.finish_reason, types_pb2.FINISH_REASON_STOP)
        self.assertGreater(last.usage.prompt_tokens, 0)
        self.assertGreater(last.timings_ms.total, 0)
        self.assertEqual(len({c.id for c in chunks}), 1)

    def test_unary_and_stream_say_the_same(self):
        whole, _ = self.call("ChatUnary", request())
        chunks = list(self.stream(request()))
        self.assertEqual(whole.text, "".join(c.delta_text for c in chunks))
        self.assertEqual(
            list(whole.token_ids), [i for c in chunks for i in c.token_ids]
        )
        self.assertIn("Tandem demo model", whole.text)

    @table({name: path for name, path in FORMATS.items()})
    def test_an_image_of_a_format(self, path):
        answer, _ = self.call(
            "ChatUnary",
            request(turn("user", picture(path.read_bytes()), text("What is it?"))),
        )
        self.assertEqual(answer.usage.image_tokens, 256)
        self.assertTrue(answer.text)

    def test_the_model_sees_the_picture(self):
        heart = picture((SHAPES / "heart.png").read_bytes())
        answer, _ = self.call(
            "ChatUnary", request(turn("user", heart, text("What is in the picture?")))
        )
        self.assertIn("heart", answer.text)

    def test_equal_seeds_draw_equal_tokens(self):
        drawn = [
            list(
                self.call(
                    "ChatUnary", endless(temperature=2, max_tokens=24, seed=seed)
                )[0].token_ids
            )
            for seed in (7, 7, 8)
        ]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])

    def test_requests_at_once_get_the_answers_they_get_alone(self):
        alone = self.call("ChatUnary", request())[0].text
        method = self.channel.unary_unary(
            SERVICE + "ChatUnary",
            request_serializer=gateway_pb2.ChatRequest.SerializeToString,
            response_deserializer=gateway_pb2.ChatResponse.FromString,
        )
        together = [method.future(request()) for _ in range(12)]
        self.assertEqual({f.result().text for f in together}, {alone})

    def test_a_request_id_comes_back_in_the_metadata_of_an_error(self):
        error = self.fails(
            request(temperature=9), metadata=[("x-request-id", "interop-1")]
        )
        self.assertEqual(details(error)["RequestInfo"].request_id, "interop-1")

    def test_a_request_id_comes_back_in_the_initial_metadata(self):
        _, call = self.call(
            "ChatUnary", request(), metadata=[("x-request-id", "interop-2")]
        )
        self.assertIn(("x-request-id", "interop-2"), list(call.initial_metadata()))

    def test_a_raw_prompt_is_gone_on_from(self):
        answer, _ = self.call(
            "ChatUnary",
            gateway_pb2.ChatRequest(
                prompt="I am the",
                sampling=types_pb2.Sampling(temperature=0, max_tokens=4),
            ),
        )
        self.assertEqual(answer.usage.completion_tokens, len(answer.token_ids))

    def test_models_are_listed_and_described(self):
        listed, _ = self.call("ListModels", gateway_pb2.ListModelsRequest())
        self.assertEqual([m.id for m in listed.models], [MODEL])
        got, _ = self.call("GetModel", gateway_pb2.GetModelRequest(model=MODEL))
        self.assertEqual(got.model, listed.models[0])

    def test_counted_tokens_are_those_of_the_answer(self):
        message = turn(
            "user", picture((SHAPES / "heart.png").read_bytes()), text("What?")
        )
        counted, _ = self.call(
            "CountTokens",
            gateway_pb2.CountTokensRequest(messages=[message], return_token_ids=True),
        )
        answered, _ = self.call("ChatUnary", request(message, max_tokens=1))
        self.assertEqual(counted.prompt_tokens, answered.usage.prompt_tokens)
        self.assertEqual(counted.image_tokens, 256)
        self.assertEqual(len(counted.token_ids), counted.prompt_tokens)


@expand
class Errors(GrpcTest):
    @table(
        {
            "temperature": ({"temperature": 2.5}, "sampling.temperature"),
            "top_p": ({"top_p": 1.5}, "sampling.top_p"),
            "min_p": ({"min_p": -1}, "sampling.min_p"),
            "repetition_penalty": (
                {"repetition_penalty": 11},
                "sampling.repetition_penalty",
            ),
            "presence_penalty": ({"presence_penalty": 3}, "sampling.presence_penalty"),
            "frequency_penalty": (
                {"frequency_penalty": -3},
                "sampling.frequency_penalty",
            ),
            "max_tokens": ({"max_tokens": 0}, "sampling.max_tokens"),
            "min_tokens": ({"min_tokens": 33}, "sampling.min_tokens"),
            "top_logprobs": (
                {"logprobs": True, "top_logprobs": 21},
                "sampling.top_logprobs",
            ),
            "logit_bias": ({"logit_bias": {1: 101}}, "sampling.logit_bias[1]"),
            "stop": ({"stop": [""]}, "sampling.stop[0]"),
            "stop_token_ids": ({"stop_token_ids": [10**9]}, "sampling.stop_token_ids"),
        }
    )
    def test_a_number_out_of_range_is_named(self, sampling, field):
        error = self.fails(request(**sampling))
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        found = details(error)
        self.assertEqual(found["ErrorInfo"].reason, "FIELD_INVALID")
        self.assertEqual(found["ErrorInfo"].domain, "tandem")
        self.assertEqual(found["BadRequest"].field_violations[0].field, field)

    @table(
        {
            "no_image": (b"nope", "IMAGE_UNSUPPORTED_FORMAT"),
            "gif": (b"GIF89a" + bytes(20), "IMAGE_UNSUPPORTED_FORMAT"),
            "cut": ((SHAPES / "moon.jpg").read_bytes()[:-200], "IMAGE_TRUNCATED"),
            "empty": (b"", "IMAGE_INVALID"),
        }
    )
    def test_an_image_that_is_none_is_named(self, data, reason):
        error = self.fails(request(turn("user", text("What?"), picture(data))))
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        found = details(error)
        self.assertEqual(found["ErrorInfo"].reason, reason)
        self.assertEqual(
            found["BadRequest"].field_violations[0].field,
            "messages[0].content[1].image",
        )

    def test_an_unknown_model_is_named_as_a_resource(self):
        error = self.fails(gateway_pb2.GetModelRequest(model="gpt"), "GetModel")
        self.assertEqual(error.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(details(error)["ResourceInfo"].resource_name, "gpt")

    def test_a_context_that_is_too_short_says_by_how_much(self):
        info = details(self.fails(request(max_tokens=100000)))["ErrorInfo"]
        self.assertEqual(info.reason, "CONTEXT_LENGTH_EXCEEDED")
        self.assertEqual(info.metadata["maxTokens"], "100000")

    def test_an_unknown_method_is_unimplemented(self):
        method = self.channel.unary_unary(SERVICE + "Nothing")
        with self.assertRaises(grpc.RpcError) as raised:
            method(b"")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_bytes_that_are_no_message_do_no_harm(self):
        method = self.channel.unary_unary(SERVICE + "ChatUnary")
        with self.assertRaises(grpc.RpcError) as raised:
            method(b"\xff" * 64)
        # The library's own answer, which differs with the kind of handler.
        self.assertIn(
            raised.exception.code(),
            (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED),
        )
        self.assertTrue(self.call("ChatUnary", request())[0].text)

    def test_a_message_over_32_MiB_is_refused_by_size(self):
        error = self.fails(request(turn("user", picture(bytes(33 << 20)))))
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)


class Endings(GrpcTest):
    def test_a_cancelled_stream_frees_its_place(self):
        call = self.stream(endless())
        next(call)
        call.cancel()
        with self.assertRaises(grpc.RpcError) as raised:
            list(call)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.CANCELLED)
        self.assert_idle()

    def test_a_cancelled_unary_call_frees_its_place(self):
        method = self.channel.unary_unary(
            SERVICE + "ChatUnary",
            request_serializer=gateway_pb2.ChatRequest.SerializeToString,
        )
        call = method.future(endless())
        self.until(lambda: self.server.in_flight() > 0, "a request in flight")
        call.cancel()
        self.assertTrue(call.cancelled())
        self.assert_idle()

    def test_a_deadline_ends_a_stream_and_frees_its_place(self):
        with self.assertRaises(grpc.RpcError) as raised:
            list(self.stream(endless(), timeout=0.5))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assert_idle()

    def test_a_channel_that_closes_frees_what_it_asked_for(self):
        channel = grpc.insecure_channel(self.server.address())
        call = channel.unary_stream(
            SERVICE + "Chat",
            request_serializer=gateway_pb2.ChatRequest.SerializeToString,
            response_deserializer=gateway_pb2.ChatChunk.FromString,
        )(endless())
        next(call)
        channel.close()
        self.assert_idle()


class Overload(GrpcTest):
    OPTIONS = ("--max-in-flight", 1, "--max-queued", 0)

    def test_a_refusal_says_when_to_come_back(self):
        running = self.stream(endless())
        self.addCleanup(running.cancel)
        next(running)
        error = self.fails(request())
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        found = details(error)
        self.assertEqual(found["ErrorInfo"].reason, "OVERLOADED")
        self.assertGreater(found["RetryInfo"].retry_delay.ToNanoseconds(), 0)

    def test_a_program_with_threads_gets_an_answer_or_a_typed_refusal(self):
        ends = []

        def ask():
            try:
                ends.append(self.call("ChatUnary", request())[0].text)
            except grpc.RpcError as error:
                ends.append(details(error)["ErrorInfo"].reason)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(ends), 8)
        self.assertTrue(any("Tandem demo model" in end for end in ends), ends)
        self.assertTrue(
            all("Tandem demo model" in e or e == "OVERLOADED" for e in ends), ends
        )


if __name__ == "__main__":
    unittest.main()
