"""What a conversation is made of."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
import urllib.parse
from typing import Any, BinaryIO, Literal, Mapping, Optional, Sequence, Union, cast

from tandem_client._proto.tandem.v1 import gateway_pb2

Detail = Literal["auto", "low", "high"]
_DETAILS: dict[str, gateway_pb2.ImagePart.Detail] = {
    "auto": gateway_pb2.ImagePart.DETAIL_AUTO,
    "low": gateway_pb2.ImagePart.DETAIL_LOW,
    "high": gateway_pb2.ImagePart.DETAIL_HIGH,
    "original": gateway_pb2.ImagePart.DETAIL_HIGH,
}


@dataclasses.dataclass(frozen=True)
class Image:
    """A picture as a file's bytes. Made by `image`."""

    data: bytes = dataclasses.field(repr=False)
    detail: Detail = "auto"
    max_tiles: int = 0

    def __post_init__(self) -> None:
        if self.detail not in _DETAILS:
            raise ValueError(f"detail {self.detail!r} is none of {', '.join(_DETAILS)}")


Part = Union[str, Image, Mapping[str, Any]]
Content = Union[str, Image, Sequence[Part]]


@dataclasses.dataclass(frozen=True)
class Message:
    """One turn. Made by `system`, `user` and `assistant`."""

    role: str
    content: Content


@dataclasses.dataclass(frozen=True)
class RawPrompt:
    """Characters to go on from, without a template. Made by `raw_prompt`."""

    text: str


# One user turn (a text, an image, or a list of both), a conversation (a list of
# Message or of {"role": ..., "content": ...}), or a raw prompt.
Messages = Union[
    str, Image, Message, RawPrompt, Sequence[Union[Part, Message, Mapping[str, Any]]]
]


def image(
    source: Union[str, "os.PathLike[str]", bytes, BinaryIO],
    *,
    detail: Detail = "auto",
    max_tiles: int = 0,
) -> Image:
    """A picture: the path of a JPEG, PNG, WebP or BMP file, its bytes, or a
    file that is open in binary mode.

    detail     "auto": as many tiles as there is room for; "low": one;
               "high": as many as the picture fills, never fewer
    max_tiles  most tiles to cut, in [1, 40]; 0 is the server's default. Over 12
               needs detail "high"
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            data = file.read()
    else:
        data = source.read()
        if not isinstance(data, bytes):
            raise TypeError("an image is read from a file in binary mode")
    return Image(data, detail, max_tiles)


def system(content: Content) -> Message:
    """What the model is to be; the first message only."""
    return Message("system", content)


def user(*content: Part) -> Message:
    """A turn of the user: texts and images, in this order."""
    return Message("user", content)


def assistant(content: Content) -> Message:
    """A turn of the model, from before."""
    return Message("assistant", content)


def raw_prompt(text: str) -> RawPrompt:
    """Text that the model goes on with: no roles, no template."""
    return RawPrompt(text)


def to_request(
    messages: Messages,
) -> tuple[list[gateway_pb2.ChatMessage], Optional[str]]:
    """Messages, or a prompt, as the protocol has them. TypeError or ValueError
    for what is neither; what the server judges is left to it."""
    if isinstance(messages, RawPrompt):
        return [], messages.text
    return [_message(m) for m in _turns(messages)], None


def _turns(messages: Messages) -> list[Message]:
    if isinstance(messages, (str, Image)):
        return [user(messages)]
    if isinstance(messages, Message):
        return [messages]
    if isinstance(messages, (bytes, Mapping)) or not isinstance(messages, Sequence):
        raise TypeError(f"messages cannot be {type(messages).__name__}")
    turns = [_turn(m) for m in messages if _is_turn(m)]
    if turns and len(turns) != len(messages):
        raise ValueError("a list holds turns or the parts of one, not both")
    return turns or [user(*cast(Sequence[Part], messages))]


def _is_turn(value: object) -> bool:
    return isinstance(value, Message) or (
        isinstance(value, Mapping) and "role" in value
    )


def _turn(value: Any) -> Message:
    if isinstance(value, Message):
        return value
    content = value.get("content")
    if content is None:
        raise ValueError(f"a message of role {value['role']!r} has no content")
    return Message(value["role"], content)


def _message(message: Message) -> gateway_pb2.ChatMessage:
    content = message.content
    parts = [content] if isinstance(content, (str, Image, Mapping)) else content
    return gateway_pb2.ChatMessage(role=message.role, content=[_part(p) for p in parts])


def _part(part: Part) -> gateway_pb2.ContentPart:
    if isinstance(part, str):
        return gateway_pb2.ContentPart(text=part)
    if isinstance(part, Mapping):
        return _openai_part(part)
    if not isinstance(part, Image):
        raise TypeError(f"a part of a message cannot be {type(part).__name__}")
    return gateway_pb2.ContentPart(
        image=gateway_pb2.ImagePart(
            data=part.data, detail=_DETAILS[part.detail], max_tiles=part.max_tiles
        )
    )


def _openai_part(part: Mapping[str, Any]) -> gateway_pb2.ContentPart:
    """{"type": "text", ...} and {"type": "image_url", ...} with a data URL."""
    kind = part.get("type")
    if kind == "text":
        return gateway_pb2.ContentPart(text=part["text"])
    if kind != "image_url":
        raise ValueError(f"a part of type {kind!r} is neither text nor image_url")
    url = part["image_url"]
    options: dict[str, Any] = {"url": url} if isinstance(url, str) else dict(url)
    detail: Any = options.get("detail") or "auto"
    return _part(
        Image(_data_of_url(options["url"]), detail, options.get("max_tiles") or 0)
    )


def _data_of_url(url: str) -> bytes:
    head, comma, body = url.partition(",")
    if not head.startswith("data:") or not comma or not head.endswith(";base64"):
        raise ValueError("an image's URL is data:image/...;base64,...")
    try:
        return base64.b64decode(urllib.parse.unquote(body), validate=True)
    except binascii.Error as error:
        raise ValueError(f"an image's URL is not base64: {error}") from None
