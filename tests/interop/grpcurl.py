"""The calls that examples/grpcurl.sh makes, for a machine without grpcurl: the
same arguments, the same way over reflection, JSON in and out.

    grpcurl.py -plaintext [-H "NAME: VALUE"] [-d JSON] HOST:PORT list [SERVICE]
    grpcurl.py -plaintext [-H "NAME: VALUE"] [-d JSON] HOST:PORT SERVICE/METHOD
"""

import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


def parse(arguments):
    """(headers, data, the rest)"""
    headers, data, rest = [], "{}", []
    words = iter(arguments)
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(":")
            headers.append((name.strip().lower(), value.strip()))
        elif word == "-d":
            data = next(words)
        elif word != "-plaintext":
            rest.append(word)
    return headers, data, rest


def listed(database, pool, service=None):
    if service is None:
        return sorted(database.get_services())
    methods = pool.FindServiceByName(service).methods
    return [f"{service}.{method.name}" for method in methods]


def call(channel, pool, path, headers, data):
    """The answers of a method, as JSON."""
    service, name = path.rsplit("/", 1)
    method = pool.FindServiceByName(service).methods_by_name[name]
    request = json_format.Parse(
        data, message_factory.GetMessageClass(method.input_type)()
    )
    send = channel.unary_stream if method.server_streaming else channel.unary_unary
    answers = send(
        f"/{path}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(
            method.output_type
        ).FromString,
    )(request, metadata=headers)
    for answer in answers if method.server_streaming else [answers]:
        yield json_format.MessageToJson(answer)


def main():
    headers, data, (target, what, *more) = parse(sys.argv[1:])
    with grpc.insecure_channel(target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        try:
            lines = (
                listed(database, pool, *more)
                if what == "list"
                else call(channel, pool, what, headers, data)
            )
            for line in lines:
                print(line)
        except grpc.RpcError as error:
            sys.exit(
                f"ERROR:\n  Code: {error.code().name}\n  Message: {error.details()}"
            )


if __name__ == "__main__":
    main()
