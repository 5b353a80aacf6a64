"""The client for programs with threads."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Callable, Iterator, Optional, Union

import grpc
from typing_extensions import Self, Unpack

from tandem_client import _channel, _wire
from tandem_client._proto.tandem.v1 import gateway_pb2
from tandem_client._retry import Budget
from tandem_client.errors import TandemError
from tandem_client.messages import Messages
from tandem_client.options import CallOptions, ChatOptions, split
from tandem_client.types import Answer, Chunk, Model, TokenCount


class ChatStream(Iterator[Chunk]):
    """The chunks of one answer, as they come. Ends with StopIteration, or with
    a TandemError. Not thread-safe, but for `close`.

    Whoever stops reading early closes it (or leaves its `with`): the server
    stops computing then.
    """

    def __init__(self, start: Callable[[Optional[float]], Any], budget: Budget) -> None:
        self._start = start
        self._budget = budget
        self._closed = False
        self._call = start(budget.left())
        self._chunks: list[Chunk] = []

    def __next__(self) -> Chunk:
        while not self._closed:
            try:
                self._chunks.append(_wire.chunk(next(self._call)))
                return self._chunks[-1]
            except grpc.RpcError as failed:
                error = _wire.error(failed)
            if not self._closed:
                self._try_again(error)
        raise StopIteration

    def _try_again(self, error: TandemError) -> None:
        if self._chunks:
            raise error
        time.sleep(self._budget.delay(error))
        self._call = self._start(self._budget.left())

    def answer(self) -> Answer:
        """Reads what is left and answers the whole."""
        for _ in self:
            pass
        return _wire.join(self._chunks, self.request_id)

    @property
    def request_id(self) -> str:
        """The call's name in the server's logs; waits for the server."""
        return _wire.request_id_of(self._call.initial_metadata())

    def close(self) -> None:
        """Gives the answer up where it has not ended. Reading ends."""
        self._closed = True
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """Talks to one server; thread-safe. Use it in a `with`, or close it."""

    def __init__(
        self,
        target: str = _channel.DEFAULT_TARGET,
        *,
        api_key: Optional[str] = None,
        model: str = "",
        timeout: Optional[float] = _channel.DEFAULT_TIMEOUT,
        max_retries: int = _channel.DEFAULT_RETRIES,
        tls: Union[bool, bytes] = False,
        channel: Optional[grpc.Channel] = None,
    ) -> None:
        """
        target       HOST:PORT of a gateway or of `tandem serve`, or any name of gRPC
        api_key      default: the environment's TANDEM_API_KEY
        model        of calls that name none; "" takes the only model there is
        timeout      seconds for a call that names none, None: the server's limit
        max_retries  of a call that failed before its first token, where the server
                     says after which delay it may succeed
        tls          True, or root certificates as PEM
        channel      instead of target and tls; it is the caller's to close
        """
        self._api_key = _channel.key_of(api_key)
        self._model = model
        self._timeout = timeout
        self._max_retries = max_retries
        self._owns_channel = channel is None
        self._channel: Any = channel or _open(target, tls)

    def chat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Answer:
        """Answers a text, a list of texts and images, or a conversation."""
        request_options, call = split(options)
        request = _wire.chat_request(self._model, messages, request_options)
        message, request_id = self._unary(
            "ChatUnary", request, gateway_pb2.ChatResponse, call
        )
        return _wire.answer(message, request_id)

    def stream(self, messages: Messages, **options: Unpack[ChatOptions]) -> ChatStream:
        """The same, a few tokens at a time."""
        request_options, call = split(options)
        request = _wire.chat_request(self._model, messages, request_options)
        method = self._channel.unary_stream(
            _wire.SERVICE + "Chat",
            request_serializer=gateway_pb2.ChatRequest.SerializeToString,
            response_deserializer=gateway_pb2.ChatChunk.FromString,
        )
        metadata = _wire.metadata_of(self._api_key, call)

        def start(timeout: Optional[float]) -> Any:
            return method(request, timeout=timeout, metadata=metadata)

        return ChatStream(start, Budget(call, self._timeout, self._max_retries))

    def count_tokens(
        self,
        messages: Messages,
        *,
        model: str = "",
        return_token_ids: bool = False,
        **options: Unpack[CallOptions],
    ) -> TokenCount:
        """Tokens of a prompt, which is not run."""
        request = _wire.count_request(model or self._model, messages, return_token_ids)
        message, _ = self._unary(
            "CountTokens", request, gateway_pb2.CountTokensResponse, options
        )
        return _wire.token_count(message)

    def models(self, **options: Unpack[CallOptions]) -> list[Model]:
        """What is served."""
        message, _ = self._unary(
            "ListModels",
            gateway_pb2.ListModelsRequest(),
            gateway_pb2.ListModelsResponse,
            options,
        )
        return [_wire.model(m) for m in message.models]

    def model(self, name: str, **options: Unpack[CallOptions]) -> Model:
        """One of them; NotFoundError where it is not served."""
        message, _ = self._unary(
            "GetModel",
            gateway_pb2.GetModelRequest(model=name),
            gateway_pb2.GetModelResponse,
            options,
        )
        return _wire.model(message.model)

    def _unary(
        self, name: str, request: Any, answer: Any, options: Any
    ) -> tuple[Any, str]:
        """The answer, and the call's request id."""
        method = self._channel.unary_unary(
            _wire.SERVICE + name,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        metadata = _wire.metadata_of(self._api_key, options)
        budget = Budget(options, self._timeout, self._max_retries)
        while True:
            try:
                message, call = method.with_call(
                    request, timeout=budget.left(), metadata=metadata
                )
                return message, _wire.request_id_of(call.initial_metadata())
            except grpc.RpcError as failed:
                error = _wire.error(failed)
            time.sleep(budget.delay(error))

    def close(self) -> None:
        """Ends calls in flight."""
        if self._owns_channel:
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


def _open(target: str, tls: Union[bool, bytes]) -> Any:
    credentials = _channel.credentials(tls)
    if credentials is None:
        return grpc.insecure_channel(target, options=_wire.CHANNEL_OPTIONS)
    return grpc.secure_channel(target, credentials, options=_wire.CHANNEL_OPTIONS)
