"""Clients that know nothing but the address: reflection, as grpcurl uses it, and
health, as load balancers do."""

import unittest

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from serving import InteropTest, expand, table


class ChannelTest(InteropTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = grpc.insecure_channel(cls.server.address())
        cls.addClassCleanup(cls.channel.close)


class ReflectionLibrary(ChannelTest):
    """grpcio-reflection, which speaks v1alpha."""

    def setUp(self):
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def message(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def test_services_are_listed(self):
        services = self.database.get_services()
        self.assertIn("tandem.v1.ChatService", services)
        self.assertIn("grpc.health.v1.Health", services)

    def test_kserve_is_listed(self):
        self.assertIn("inference.GRPCInferenceService", self.database.get_services())

    def test_a_method_has_its_types(self):
        service = self.pool.FindServiceByName("tandem.v1.ChatService")
        chat = service.methods_by_name["Chat"]
        self.assertEqual(chat.input_type.full_name, "tandem.v1.ChatRequest")
        self.assertEqual(chat.output_type.full_name, "tandem.v1.ChatChunk")

    def test_a_call_can_be_made_of_what_was_found(self):
        request = self.message("tandem.v1.ChatRequest")()
        request.messages.add(role="user").content.add(text="Who are you?")
        request.sampling.temperature = 0
        answer = self.channel.unary_unary(
            "/tandem.v1.ChatService/ChatUnary",
            request_serializer=type(request).SerializeToString,
            response_deserializer=self.message("tandem.v1.ChatResponse").FromString,
        )(request)
        self.assertIn("Tandem demo model", answer.text)


@expand
class ReflectionByHand(ChannelTest):
    """Both versions, which differ in nothing but the service's name."""

    BOTH = {"v1": "grpc.reflection.v1", "v1alpha": "grpc.reflection.v1alpha"}

    def ask(self, package, **request):
        stream = self.channel.stream_stream(
            f"/{package}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        message = reflection_pb2.ServerReflectionRequest(**request)
        return next(stream(iter([message])))

    @table(BOTH)
    def test_services_are_listed(self, package):
        answer = self.ask(package, list_services="")
        names = [s.name for s in answer.list_services_response.service]
        self.assertIn("tandem.v1.ChatService", names)

    @table(BOTH)
    def test_a_symbol_has_its_file_and_what_it_imports(self, package):
        answer = self.ask(package, file_containing_symbol="tandem.v1.ChatService")
        files = b"".join(answer.file_descriptor_response.file_descriptor_proto)
        self.assertIn(b"tandem/v1/gateway.proto", files)
        answer = self.ask(package, file_by_filename="tandem/v1/types.proto")
        self.assertEqual(len(answer.file_descriptor_response.file_descriptor_proto), 1)

    @table(BOTH)
    def test_an_unknown_symbol_is_an_answer_and_no_end(self, package):
        answer = self.ask(package, file_containing_symbol="tandem.v1.Nothing")
        self.assertEqual(
            answer.error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0]
        )


@expand
class Health(ChannelTest):
    def setUp(self):
        self.stub = health_pb2_grpc.HealthStub(self.channel)

    @table(
        {
            "of_the_server": "",
            "liveness": "liveness",
            "readiness": "readiness",
            "of_the_service": "tandem.v1.ChatService",
            "of_pictures": "tandem.v1.ChatService/vision",
        }
    )
    def test_a_name_is_served(self, name):
        answer = self.stub.Check(health_pb2.HealthCheckRequest(service=name))
        self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_an_unknown_name_is_not_found(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_a_watch_of_an_unknown_name_waits_for_it(self):
        watch = self.stub.Watch(health_pb2.HealthCheckRequest(service="nothing"))
        self.addCleanup(watch.cancel)
        self.assertEqual(
            next(watch).status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        )


class HealthOfAStop(ChannelTest):
    OPTIONS = ("--pre-drain", "60s")

    def test_a_watch_hears_of_a_stop_before_it_comes(self):
        stub = health_pb2_grpc.HealthStub(self.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"))
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVING)
        self.server.process.terminate()
        self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.NOT_SERVING)
        watch.cancel()


if __name__ == "__main__":
    unittest.main()
