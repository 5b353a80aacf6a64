"""Why a call failed."""

from __future__ import annotations

from typing import Mapping, Optional


class TandemError(Exception):
    """A call that failed; every error of this package that a server or the way
    to it caused is one."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        reason: str = "",
        field: Optional[str] = None,
        retry_after: Optional[float] = None,
        metadata: Optional[Mapping[str, str]] = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        """For people; names value and bound."""
        self.code = code
        """gRPC's status code: "INVALID_ARGUMENT"."""
        self.reason = reason
        """For programs: "IMAGE_TRUNCATED"; empty where no Tandem answered."""
        self.field = field
        """What of the request is wrong: "messages[0].content[1].image"."""
        self.retry_after = retry_after
        """Seconds after which the same call may succeed; None: it will not."""
        self.metadata: dict[str, str] = dict(metadata or {})
        """Every variable that the message mentions."""
        self.request_id = request_id
        """The call's name in the server's logs."""

    def __str__(self) -> str:
        label = " ".join(filter(None, (self.code, self.reason)))
        return f"{label}: {self.message}"


class InvalidRequestError(TandemError):
    """The request is wrong: `field` says where."""


class ImageError(InvalidRequestError):
    """An image that cannot be used: `reason` says why."""


class ContextLengthError(InvalidRequestError):
    """Prompt, images and max_tokens do not fit the model's context."""


class AuthenticationError(TandemError):
    """No API key, or one that the server does not know."""


class PermissionDeniedError(TandemError):
    """The key may not do this."""


class NotFoundError(TandemError):
    """No such model."""


class OverloadedError(TandemError):
    """No room at the moment: try again after `retry_after` seconds."""


class QuotaExceededError(OverloadedError):
    """This key's requests or tokens are used up for now."""


class UnavailableError(TandemError):
    """Nobody answers, or the server has nobody to ask."""


class PeerLostError(UnavailableError):
    """The answer broke off after its first token."""


class DeadlineExceededError(TandemError):
    """The answer was not there in time."""


class RequestCancelledError(TandemError):
    """The call was cancelled."""


class UnsupportedError(TandemError):
    """The server cannot do this."""


class ServerError(TandemError):
    """Anything else: tell the operator, with `request_id`."""


_BY_CODE: dict[str, type[TandemError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "NOT_FOUND": NotFoundError,
    "RESOURCE_EXHAUSTED": OverloadedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "CANCELLED": RequestCancelledError,
    "UNIMPLEMENTED": UnsupportedError,
}
_BY_REASON: dict[str, type[TandemError]] = {
    "CONTEXT_LENGTH_EXCEEDED": ContextLengthError,
    "QUOTA_EXCEEDED": QuotaExceededError,
    "PEER_LOST": PeerLostError,
}


def error_class(code: str, reason: str) -> type[TandemError]:
    """The class for a status code and a reason."""
    if code == "INVALID_ARGUMENT" and reason.startswith("IMAGE_"):
        return ImageError
    return _BY_REASON.get(reason) or _BY_CODE.get(code, ServerError)
