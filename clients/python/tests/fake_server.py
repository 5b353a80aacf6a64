"""A ChatService that does what a test tells it to."""

from __future__ import annotations

from concurrent import futures
from typing import Any, Callable, Iterator

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from tandem_client._proto.tandem.v1 import gateway_pb2, types_pb2

CODES = {code.name: code for code in grpc.StatusCode}


def status(code: str, message: str, *details: Any) -> bytes:
    """google.rpc.Status, serialized."""
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    number = CODES[code].value[0]
    return status_pb2.Status(
        code=number, message=message, details=packed
    ).SerializeToString()


def info(reason: str, **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(
        reason=reason, domain="tandem", metadata=metadata
    )


def retry(seconds: float) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromNanoseconds(int(seconds * 1e9))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def chunk(text: str, last: bool = False) -> gateway_pb2.ChatChunk:
    message = gateway_pb2.ChatChunk(
        id="chat-1", model="fake", delta_text=text, token_ids=[1]
    )
    if last:
        message.finish_reason = types_pb2.FINISH_REASON_STOP
        message.usage.completion_tokens = 2
        message.timings_ms.total = 1.5
    return message


class Fail(Exception):
    """Ends a call with a status."""

    def __init__(self, code: str, message: str = "no", *details: Any) -> None:
        super().__init__(code)
        self.code, self.message = code, message
        self.serialized = status(code, message, *details) if details else b""


class FakeServer(grpc.GenericRpcHandler):
    """Answers calls of Chat and ChatUnary, one after another, with `script`:
    each entry is a list of chunks or a Fail, or chunks with a Fail at the end.
    The last entry goes on for ever."""

    def __init__(self, *script: list[Any]) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[self])
        self.target = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def close(self) -> None:
        self.server.stop(None).wait()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        name = details.method.rsplit("/", 1)[1]
        metadata = dict(details.invocation_metadata)

        def next_entry(request: Any) -> list[Any]:
            self.calls.append((name, request, metadata))
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

        if name == "Chat":
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._stream(next_entry(request), context),
                gateway_pb2.ChatRequest.FromString,
                gateway_pb2.ChatChunk.SerializeToString,
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._unary(next_entry(request), context),
            gateway_pb2.ChatRequest.FromString,
            gateway_pb2.ChatResponse.SerializeToString,
        )

    def _stream(
        self, entry: list[Any], context: Any
    ) -> Iterator[gateway_pb2.ChatChunk]:
        context.send_initial_metadata([("x-request-id", "req-fake")])
        for step in entry:
            if isinstance(step, Fail):
                _end(context, step)
            if isinstance(step, Callable):  # type: ignore[arg-type]
                step()
                continue
            yield step

    def _unary(self, entry: list[Any], context: Any) -> gateway_pb2.ChatResponse:
        chunks = list(self._stream(entry, context))
        return gateway_pb2.ChatResponse(
            id="chat-1",
            text="".join(c.delta_text for c in chunks),
            finish_reason=types_pb2.FINISH_REASON_STOP,
        )


def _end(context: Any, fail: Fail) -> None:
    if fail.serialized:
        context.set_trailing_metadata([("grpc-status-details-bin", fail.serialized)])
    context.abort(CODES[fail.code], fail.message)
