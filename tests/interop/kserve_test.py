"""KServe Open Inference Protocol v2 by NVIDIA's tritonclient, and the calls that
perf_analyzer --service-kind triton makes."""

import queue
import struct
import unittest

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from serving import FORMATS, MODEL, InteropTest, expand, table


def tensor(name, values, kind):
    array = np.array(values)
    made = triton.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array)
    return made


def inputs(text="Who are you?", images=(), max_tokens=32, temperature=0.0, stream=None):
    made = [
        tensor("text_input", np.array([text.encode()], dtype=np.object_), "BYTES"),
        tensor("max_tokens", np.array([max_tokens], dtype=np.int32), "INT32"),
        tensor("temperature", np.array([temperature], dtype=np.float32), "FP32"),
    ]
    if images:
        files = np.array([path.read_bytes() for path in images], dtype=np.object_)
        made.append(tensor("image", files, "BYTES"))
    if stream is not None:
        made.append(tensor("stream", np.array([stream]), "BOOL"))
    return made


def text_of(result):
    return b"".join(result.as_numpy("text_output")).decode()


class KServeTest(InteropTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = triton.InferenceServerClient(cls.server.address())
        cls.addClassCleanup(cls.client.close)

    def stream(self, requests, **options):
        """[(result, error)] of requests that share a stream; ends when each of
        them has ended."""
        answers = queue.Queue()
        with triton.InferenceServerClient(self.server.address()) as client:
            client.start_stream(
                callback=lambda result, error: answers.put((result, error))
            )
            for number, tensors in enumerate(requests):
                client.async_stream_infer(
                    MODEL,
                    tensors,
                    request_id=f"r{number}",
                    enable_empty_final_response=True,
                    **options,
                )
            seen, ended = [], 0
            while ended < len(requests):
                result, error = answers.get(timeout=300)
                seen.append((result, error))
                ended += error is not None or is_final(result)
            client.stop_stream()
        return seen


def is_final(result):
    parameters = result.get_response().parameters
    return parameters["triton_final_response"].bool_param


class Metadata(KServeTest):
    def test_the_server_is_live_and_ready(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())

    def test_the_model_is_ready_and_another_is_not(self):
        self.assertTrue(self.client.is_model_ready(MODEL))
        self.assertFalse(self.ready("nothing"))

    def ready(self, name):
        try:
            return self.client.is_model_ready(name)
        except InferenceServerException as error:
            self.assertEqual(error.status(), "StatusCode.NOT_FOUND")
            return False

    def test_the_server_says_who_it_is(self):
        answer = self.client.get_server_metadata()
        self.assertEqual(answer.name, "tandem")
        self.assertTrue(answer.version)

    def test_the_model_names_its_tensors(self):
        answer = self.client.get_model_metadata(MODEL)
        self.assertEqual(answer.name, MODEL)
        found = {t.name: (t.datatype, list(t.shape)) for t in answer.inputs}
        self.assertEqual(found["text_input"], ("BYTES", [1]))
        self.assertEqual(found["image"], ("BYTES", [-1]))
        self.assertEqual(found["max_tokens"], ("INT32", [1]))
        self.assertEqual(found["temperature"], ("FP32", [1]))
        self.assertEqual(found["stream"], ("BOOL", [1]))
        found = {t.name: (t.datatype, list(t.shape)) for t in answer.outputs}
        self.assertEqual(found["text_output"], ("BYTES", [1]))
        self.assertEqual(found["finish_reason"], ("BYTES", [1]))
        self.assertEqual(found["output_tokens"], ("INT32", [1]))

    def test_the_config_says_decoupled_and_what_is_optional(self):
        config = self.client.get_model_config(MODEL).config
        self.assertTrue(config.model_transaction_policy.decoupled)
        self.assertEqual(
            {i.name: i.optional for i in config.input}["text_input"], False
        )
        self.assertEqual({i.name: i.optional for i in config.input}["image"], True)

    def test_an_unknown_model_is_not_found(self):
        for ask in (self.client.get_model_metadata, self.client.get_model_config):
            with self.assertRaises(InferenceServerException) as raised:
                ask("nothing")
            self.assertEqual(raised.exception.status(), "StatusCode.NOT_FOUND")

    def test_what_is_not_built_is_unimplemented(self):
        for ask in (
            lambda: self.client.load_model(MODEL),
            self.client.get_system_shared_memory_status,
            self.client.get_trace_settings,
        ):
            with self.assertRaises(InferenceServerException) as raised:
                ask()
            self.assertEqual(raised.exception.status(), "StatusCode.UNIMPLEMENTED")


@expand
class Infer(KServeTest):
    def test_a_text_is_answered(self):
        result = self.client.infer(MODEL, inputs(), request_id="interop-1")
        self.assertIn("Tandem demo model", text_of(result))
        self.assertEqual(result.as_numpy("finish_reason")[0], b"stop")
        self.assertGreater(result.as_numpy("output_tokens")[0], 0)
        self.assertEqual(result.get_response().id, "interop-1")
        self.assertEqual(result.get_response().model_name, MODEL)

    def test_max_tokens_end_with_length(self):
        result = self.client.infer(MODEL, inputs(max_tokens=3))
        self.assertEqual(result.as_numpy("finish_reason")[0], b"length")
        self.assertEqual(result.as_numpy("output_tokens")[0], 3)

    @table(FORMATS)
    def test_an_image_of_a_format(self, path):
        self.assertTrue(
            text_of(self.client.infer(MODEL, inputs("What is it?", [path])))
        )

    def test_the_model_sees_the_picture(self):
        result = self.client.infer(
            MODEL, inputs("What is in the picture?", [FORMATS["png"]])
        )
        self.assertIn("heart", text_of(result))

    def test_outputs_can_be_chosen(self):
        wanted = [triton.InferRequestedOutput("text_output")]
        result = self.client.infer(MODEL, inputs(), outputs=wanted)
        self.assertIn("Tandem", text_of(result))
        self.assertIsNone(result.as_numpy("output_tokens"))

    def test_asynchronous_calls_work(self):
        answers = queue.Queue()
        for _ in range(6):
            self.client.async_infer(
                MODEL, inputs(), lambda result, error: answers.put((result, error))
            )
        texts = set()
        for _ in range(6):
            result, error = answers.get(timeout=300)
            self.assertIsNone(error)
            texts.add(text_of(result))
        self.assertEqual(len(texts), 1)

    def test_a_deadline_of_the_client_ends_the_work(self):
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer(
                MODEL, inputs(max_tokens=30000, temperature=2.0), client_timeout=0.05
            )
        self.assertEqual(raised.exception.status(), "StatusCode.DEADLINE_EXCEEDED")
        self.assert_idle()


class Streams(KServeTest):
    def test_tokens_come_one_after_another_and_the_last_is_marked(self):
        answers = self.stream([inputs(stream=True)])
        self.assertTrue(all(error is None for _, error in answers))
        self.assertGreater(len(answers), 1)
        final = [is_final(result) for result, _ in answers]
        self.assertEqual(final, [False] * (len(answers) - 1) + [True])
        whole = "".join(
            text_of(r) for r, _ in answers if r.as_numpy("text_output") is not None
        )
        self.assertEqual(whole, text_of(self.client.infer(MODEL, inputs())))

    def test_requests_of_one_stream_are_told_apart_by_their_ids(self):
        answers = self.stream(
            [inputs(stream=True), inputs("What can you do?", stream=True)]
        )
        self.assertEqual({r.get_response().id for r, _ in answers}, {"r0", "r1"})

    def test_an_error_of_one_request_leaves_the_stream_open(self):
        answers = self.stream(
            [inputs(temperature=9.0, stream=True), inputs(stream=True)]
        )
        errors = [error for _, error in answers if error is not None]
        self.assertEqual(len(errors), 1)
        self.assertIn("temperature", errors[0].message())
        self.assertTrue(any(r is not None and is_final(r) for r, _ in answers))

    def test_leaving_a_stream_frees_its_place(self):
        started = queue.Queue()
        client = triton.InferenceServerClient(self.server.address())
        client.start_stream(callback=lambda result, error: started.put(error))
        client.async_stream_infer(
            MODEL, inputs(max_tokens=30000, temperature=2.0, stream=True)
        )
        started.get(timeout=300)
        client.stop_stream(cancel_requests=True)
        client.close()
        self.assert_idle()


@expand
class Validation(KServeTest):
    """Requests that tritonclient would not make."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        channel = grpc.insecure_channel(cls.server.address())
        cls.addClassCleanup(channel.close)
        cls.stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

    TEXT = ("text_input", "BYTES", [1], struct.pack("<I", 2) + b"Hi")

    def request(self, *tensors, model=MODEL):
        request = service_pb2.ModelInferRequest(model_name=model)
        for name, kind, shape, raw in tensors:
            request.inputs.add(name=name, datatype=kind, shape=shape)
            request.raw_input_contents.append(raw)
        return request

    def refused(self, request, *words):
        with self.assertRaises(grpc.RpcError) as raised:
            self.stub.ModelInfer(request)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        for word in words:
            self.assertIn(word, raised.exception.details())

    @table(
        {
            "unknown_input": ([TEXT, ("nothing", "INT32", [1], bytes(4))], "nothing"),
            "no_text": ([("max_tokens", "INT32", [1], bytes(4))], "text_input"),
            "wrong_datatype": (
                [TEXT, ("max_tokens", "INT64", [1], bytes(8))],
                "max_tokens",
            ),
            "too_few_bytes": (
                [TEXT, ("max_tokens", "INT32", [1], bytes(3))],
                "max_tokens",
            ),
            "too_many_bytes": (
                [TEXT, ("max_tokens", "INT32", [1], bytes(8))],
                "max_tokens",
            ),
            "negative_dimension": (
                [TEXT, ("max_tokens", "INT32", [-1], bytes(4))],
                "max_tokens",
            ),
            "overflowing_shape": (
                [TEXT, ("max_tokens", "INT32", [2**62, 2**62], bytes(4))],
                "max_tokens",
            ),
            "two_values": (
                [TEXT, ("max_tokens", "INT32", [2], bytes(8))],
                "max_tokens",
            ),
            "length_past_the_end": (
                [("text_input", "BYTES", [1], struct.pack("<I", 2**31) + b"Hi")],
                "text_input",
            ),
            "twice": ([TEXT, TEXT], "text_input"),
        }
    )
    def test_a_tensor_is_refused_and_named(self, tensors, name):
        self.refused(self.request(*tensors), name)

    def test_contents_and_raw_bytes_do_not_mix(self):
        request = self.request(self.TEXT)
        request.inputs[0].contents.bytes_contents.append(b"Hi")
        self.refused(request, "text_input")

    def test_raw_entries_that_nothing_belongs_to_are_refused(self):
        request = self.request(self.TEXT)
        request.raw_input_contents.append(b"more")
        self.refused(request, "raw_input_contents")

    def test_typed_contents_are_read(self):
        request = service_pb2.ModelInferRequest(model_name=MODEL)
        request.inputs.add(name="text_input", datatype="BYTES", shape=[1])
        request.inputs[0].contents.bytes_contents.append(b"Who are you?")
        request.inputs.add(name="temperature", datatype="FP32", shape=[1])
        request.inputs[1].contents.fp32_contents.append(0)
        answer = self.stub.ModelInfer(request)
        self.assertIn(b"Tandem", answer.raw_output_contents[0])

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.stub.ModelInfer(self.request(self.TEXT, model="nothing"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_an_image_that_is_none_is_refused(self):
        bad = struct.pack("<I", 4) + b"nope"
        self.refused(self.request(self.TEXT, ("image", "BYTES", [1], bad)), "image")


class PerfAnalyzer(KServeTest):
    """In the order of perf_analyzer -m MODEL -i grpc --async --streaming."""

    def test_its_calls_go_through(self):
        with grpc.insecure_channel(self.server.address()) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            extensions = stub.ServerMetadata(
                service_pb2.ServerMetadataRequest()
            ).extensions
            metadata = stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=MODEL))
            config = stub.ModelConfig(service_pb2.ModelConfigRequest(name=MODEL)).config
            self.assertEqual(
                [i.name for i in metadata.inputs], [i.name for i in config.input]
            )
            self.assertTrue(config.model_transaction_policy.decoupled)
            # It asks for statistics only where they are said to be there.
            self.assertNotIn("statistics", extensions)

            request = service_pb2.ModelInferRequest(model_name=MODEL, id="0")
            request.parameters["triton_enable_empty_final_response"].bool_param = True
            for made in inputs(stream=True):
                request.inputs.append(made._get_tensor())
                request.raw_input_contents.append(made._get_content())
            request.outputs.add(name="text_output")
            answers = list(stub.ModelStreamInfer(iter([request])))
        self.assertEqual({a.error_message for a in answers}, {""})
        final = [
            a.infer_response.parameters["triton_final_response"].bool_param
            for a in answers
        ]
        self.assertEqual(sum(final), 1)
        self.assertTrue(final[-1])


if __name__ == "__main__":
    unittest.main()
