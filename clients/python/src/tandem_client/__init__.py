"""Asks a Tandem server about texts and pictures, over gRPC.

from tandem_client import Client, image

with Client("127.0.0.1:50051") as tandem:
    print(tandem.chat([image("photo.png"), "What is this?"]).text)
"""

from tandem_client.aio import AsyncChatStream, AsyncClient
from tandem_client.client import ChatStream, Client
from tandem_client.errors import (
    AuthenticationError,
    ContextLengthError,
    DeadlineExceededError,
    ImageError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PeerLostError,
    PermissionDeniedError,
    QuotaExceededError,
    RequestCancelledError,
    ServerError,
    TandemError,
    UnavailableError,
    UnsupportedError,
)
from tandem_client.messages import (
    Image,
    Message,
    RawPrompt,
    assistant,
    image,
    raw_prompt,
    system,
    user,
)
from tandem_client.options import CallOptions, ChatOptions
from tandem_client.types import (
    Answer,
    Chunk,
    Model,
    Timings,
    TokenCount,
    TokenLogprob,
    TopLogprob,
    Usage,
)

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "AsyncChatStream",
    "AsyncClient",
    "AuthenticationError",
    "CallOptions",
    "ChatOptions",
    "ChatStream",
    "Chunk",
    "Client",
    "ContextLengthError",
    "DeadlineExceededError",
    "Image",
    "ImageError",
    "InvalidRequestError",
    "Message",
    "Model",
    "NotFoundError",
    "OverloadedError",
    "PeerLostError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RawPrompt",
    "RequestCancelledError",
    "ServerError",
    "TandemError",
    "Timings",
    "TokenCount",
    "TokenLogprob",
    "TopLogprob",
    "UnavailableError",
    "UnsupportedError",
    "Usage",
    "assistant",
    "image",
    "raw_prompt",
    "system",
    "user",
]
