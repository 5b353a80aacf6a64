"""Between the protocol's messages and ours. No network here."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence, Union, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tandem_client import errors, options as opts
from tandem_client._proto.tandem.v1 import gateway_pb2, types_pb2
from tandem_client.messages import Messages, to_request
from tandem_client.types import (
    Answer,
    Chunk,
    FinishReason,
    Model,
    Timings,
    TokenCount,
    TokenLogprob,
    TopLogprob,
    Usage,
)

SERVICE = "/tandem.v1.ChatService/"
REQUEST_ID = "x-request-id"
# The service's own bound of a message, and room for a status with details.
CHANNEL_OPTIONS: list[tuple[str, Union[int, str]]] = [
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.max_metadata_size", 16 << 10),
    ("grpc.primary_user_agent", "tandem-client-python/0.1.0"),
]

Metadata = Sequence[tuple[str, Union[str, bytes]]]


def chat_request(
    model: str, messages: Messages, options: Mapping[str, Any]
) -> gateway_pb2.ChatRequest:
    turns, prompt = to_request(messages)
    fields = {"model": model, **opts.of_request(options)}
    return gateway_pb2.ChatRequest(
        messages=turns, prompt=prompt, sampling=opts.sampling(options), **fields
    )


def count_request(
    model: str, messages: Messages, return_token_ids: bool
) -> gateway_pb2.CountTokensRequest:
    turns, prompt = to_request(messages)
    return gateway_pb2.CountTokensRequest(
        model=model, messages=turns, prompt=prompt, return_token_ids=return_token_ids
    )


def metadata_of(api_key: Optional[str], call: Mapping[str, Any]) -> Metadata:
    """What goes ahead of the request."""
    found = [("authorization", f"Bearer {api_key}")] if api_key else []
    if call.get("request_id"):
        found.append((REQUEST_ID, call["request_id"]))
    for name in ("traceparent", "tracestate"):
        if call.get(name):
            found.append((name, call[name]))
    return found


def request_id_of(metadata: Optional[Iterable[Any]]) -> str:
    for key, value in metadata or ():
        if key == REQUEST_ID:
            return str(value)
    return ""


def chunk(message: gateway_pb2.ChatChunk) -> Chunk:
    last = message.finish_reason != types_pb2.FINISH_REASON_UNSPECIFIED
    return Chunk(
        id=message.id,
        model=message.model,
        created=message.created,
        text=message.delta_text,
        token_ids=tuple(message.token_ids),
        logprobs=tuple(map(_logprob, message.logprobs)),
        system_fingerprint=message.system_fingerprint,
        finish_reason=_finish_reason(message.finish_reason) if last else None,
        usage=_usage(message.usage) if last else None,
        timings=_timings(message.timings_ms) if last else None,
    )


def answer(message: gateway_pb2.ChatResponse, request_id: str) -> Answer:
    return Answer(
        id=message.id,
        model=message.model,
        created=message.created,
        text=message.text,
        token_ids=tuple(message.token_ids),
        logprobs=tuple(map(_logprob, message.logprobs)),
        system_fingerprint=message.system_fingerprint,
        finish_reason=_finish_reason(message.finish_reason),
        usage=_usage(message.usage),
        timings=_timings(message.timings_ms),
        request_id=request_id,
    )


def join(chunks: Sequence[Chunk], request_id: str) -> Answer:
    """The answer that a whole stream was. ServerError where its end is missing."""
    last = chunks[-1] if chunks else None
    if not last or not last.finish_reason or not last.usage or not last.timings:
        raise errors.ServerError(
            "the stream ended without a finish_reason",
            code="INTERNAL",
            request_id=request_id,
        )
    return Answer(
        id=last.id,
        model=last.model,
        created=last.created,
        text="".join(c.text for c in chunks),
        token_ids=tuple(i for c in chunks for i in c.token_ids),
        logprobs=tuple(p for c in chunks for p in c.logprobs),
        system_fingerprint=last.system_fingerprint,
        finish_reason=last.finish_reason,
        usage=last.usage,
        timings=last.timings,
        request_id=request_id,
    )


def model(message: gateway_pb2.Model) -> Model:
    return Model(
        id=message.id,
        max_context_tokens=message.max_context_tokens,
        accepts_images=message.accepts_images,
        max_tiles=message.max_tiles,
        tile_size=message.tile_size,
        tokens_per_tile=message.tokens_per_tile,
        fingerprint=message.fingerprint,
        profile=types_pb2.Profile.Name(message.profile)
        .removeprefix("PROFILE_")
        .lower(),
        dtype=types_pb2.DType.Name(message.dtype).removeprefix("DTYPE_").lower(),
    )


def token_count(message: gateway_pb2.CountTokensResponse) -> TokenCount:
    return TokenCount(
        message.prompt_tokens, message.image_tokens, tuple(message.token_ids)
    )


def error(failed: grpc.RpcError) -> errors.TandemError:
    """The error that a call of grpc or grpc.aio ended with."""
    call = cast(Any, failed)
    code, text = call.code().name, call.details() or ""
    found: dict[str, Any] = {"request_id": request_id_of(call.initial_metadata())}
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            found.update(_details(value))
    return errors.error_class(code, found.get("reason", ""))(text, code=code, **found)


def _details(serialized: bytes) -> dict[str, Any]:
    try:
        status = status_pb2.Status.FromString(serialized)
    except DecodeError:
        return {}
    found: dict[str, Any] = {}
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    request = error_details_pb2.RequestInfo()
    for detail in status.details:
        if detail.Unpack(info):
            found.update(reason=info.reason, metadata=dict(info.metadata))
        elif detail.Unpack(bad_request) and bad_request.field_violations:
            found["field"] = bad_request.field_violations[0].field
        elif detail.Unpack(retry):
            found["retry_after"] = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(request):
            found["request_id"] = request.request_id
    return found


def _finish_reason(value: types_pb2.FinishReason) -> FinishReason:
    name = types_pb2.FinishReason.Name(value).removeprefix("FINISH_REASON_").lower()
    return cast(FinishReason, name)


def _usage(message: types_pb2.Usage) -> Usage:
    return Usage(
        message.prompt_tokens,
        message.completion_tokens,
        message.image_tokens,
        message.cached_tokens,
    )


def _timings(message: types_pb2.Timings) -> Timings:
    return Timings(
        **{name: getattr(message, name) for name in Timings.__dataclass_fields__}
    )


def _logprob(message: types_pb2.TokenLogprob) -> TokenLogprob:
    top = tuple(TopLogprob(t.token_id, t.logprob, t.bytes) for t in message.top)
    return TokenLogprob(message.token_id, message.logprob, message.bytes, top)
