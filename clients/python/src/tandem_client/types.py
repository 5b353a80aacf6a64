"""What the server answers, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Literal, Optional

# "stop": a stop token or a stop string. "length": max_tokens or the context's
# end.
FinishReason = Literal["stop", "length", "cancelled", "error"]


@dataclasses.dataclass(frozen=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    """All of the prompt, those of images too."""
    completion_tokens: int
    image_tokens: int
    """Of prompt_tokens, those that stand for images."""
    cached_tokens: int
    """Of prompt_tokens, those that were found in the prefix cache."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclasses.dataclass(frozen=True)
class Timings:
    """Where one request's time went, in milliseconds; 0 where a stage did not
    happen."""

    queue: float
    image_decode: float
    preprocess: float
    encode_queue: float
    encode: float
    transfer: float
    decode_queue: float
    prefill: float
    time_to_first_token: float
    decode: float
    total: float


@dataclasses.dataclass(frozen=True)
class TopLogprob:
    """What could have been the token."""

    token_id: int
    logprob: float
    bytes: bytes
    """A token may end inside a UTF-8 character."""


@dataclasses.dataclass(frozen=True)
class TokenLogprob:
    """One generated token: log-softmax of the raw logits."""

    token_id: int
    logprob: float
    bytes: bytes
    """A token may end inside a UTF-8 character."""
    top: tuple[TopLogprob, ...]
    """The likeliest first, `top_logprobs` of them."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A piece of an answer."""

    id: str
    model: str
    created: int
    """Seconds since 1970."""
    text: str
    """What has been added: whole UTF-8 characters, or nothing."""
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]
    system_fingerprint: str
    finish_reason: Optional[FinishReason]
    """On the last chunk, with usage and timings."""
    usage: Optional[Usage]
    timings: Optional[Timings]


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer."""

    id: str
    model: str
    created: int
    """Seconds since 1970."""
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]
    """One for each token, where asked for."""
    system_fingerprint: str
    """Changes when weights or program change."""
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    request_id: str
    """The call's name in the server's logs."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A served model."""

    id: str
    max_context_tokens: int
    accepts_images: bool
    max_tiles: int
    """Of an image that names none."""
    tile_size: int
    """A tile's edge in pixels."""
    tokens_per_tile: int
    fingerprint: str
    profile: str
    """"custom" or "hf"."""
    dtype: str
    """"float32" or "bfloat16"."""


@dataclasses.dataclass(frozen=True)
class TokenCount:
    """Tokens of a prompt that was not run."""

    prompt_tokens: int
    """With the template around messages and those of images."""
    image_tokens: int
    token_ids: tuple[int, ...]
    """Where asked for; an image is its context token, repeated."""
