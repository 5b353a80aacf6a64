"""What a call can be told."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

from typing_extensions import TypedDict

from tandem_client._proto.tandem.v1 import types_pb2


class CallOptions(TypedDict, total=False):
    """Of every call."""

    timeout: Optional[float]
    """Seconds for the whole call, repetitions included. Default: the client's."""
    request_id: str
    """The call's name in logs: 1 to 128 of [A-Za-z0-9._-]. Default: the server's."""
    traceparent: str
    """W3C Trace Context: the span that this call belongs to."""
    tracestate: str


class ChatOptions(CallOptions, total=False):
    """Of `chat` and `stream`. What is not given is the model's own setting."""

    model: str
    """Served name. Default: the client's, else the only model there is."""
    max_tokens: int
    """Most tokens to generate. Default: what is left of the context."""
    temperature: float
    """In [0, 2]; 0 takes the most likely token."""
    top_p: float
    """In (0, 1]."""
    top_k: int
    """Keeps the k most likely tokens; 0 keeps all."""
    min_p: float
    """In [0, 1]: drops tokens less likely than min_p x the likeliest."""
    repetition_penalty: float
    """In (0, 10]."""
    presence_penalty: float
    """In [-2, 2]."""
    frequency_penalty: float
    """In [-2, 2]."""
    seed: int
    """Same seed, prompt and settings: same tokens."""
    stop: Union[str, Sequence[str]]
    """Up to 16 texts; the answer ends before the first."""
    stop_token_ids: Sequence[int]
    ignore_eos: bool
    """Goes on past the model's own stop tokens."""
    min_tokens: int
    logprobs: bool
    """Reports the log probability of every token."""
    top_logprobs: int
    """Alternatives to report for every token, in [0, 20]; needs `logprobs`."""
    logit_bias: Mapping[int, float]
    """Added to the logits of these ids; each in [-100, 100]."""
    user: str
    metadata: Mapping[str, str]
    prompt_cache_key: str
    """Requests with the same key prefer the same replica."""


_CALL = frozenset(CallOptions.__annotations__)
_REQUEST = frozenset(("model", "user", "metadata", "prompt_cache_key"))
_SAMPLING = frozenset(ChatOptions.__annotations__) - _CALL - _REQUEST


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the request, and of the call. TypeError for one that is
    unknown."""
    unknown = set(options) - _CALL - _REQUEST - _SAMPLING
    if unknown:
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
    request = {k: v for k, v in options.items() if k not in _CALL and v is not None}
    return request, {k: v for k, v in options.items() if k in _CALL}


def sampling(options: Mapping[str, Any]) -> types_pb2.Sampling:
    """The protocol's Sampling of a request's options."""
    fields = {k: v for k, v in options.items() if k in _SAMPLING}
    if isinstance(fields.get("stop"), str):
        fields["stop"] = [fields["stop"]]
    return types_pb2.Sampling(**fields)


def of_request(options: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol's fields of a ChatRequest beside messages and sampling."""
    return {k: v for k, v in options.items() if k in _REQUEST}
