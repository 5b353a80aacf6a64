"""The client for programs with asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Callable, Optional, Union

import grpc
import grpc.aio
from typing_extensions import Self, Unpack

from tandem_client import _channel, _wire
from tandem_client._proto.tandem.v1 import gateway_pb2
from tandem_client._retry import Budget
from tandem_client.errors import TandemError
from tandem_client.messages import Messages
from tandem_client.options import CallOptions, ChatOptions, split
from tandem_client.types import Answer, Chunk, Model, TokenCount


class AsyncChatStream(AsyncIterator[Chunk]):
    """The chunks of one answer, as they come. Ends with StopAsyncIteration, or
    with a TandemError. Cancelling the task that reads gives the answer up, as
    `aclose` and leaving its `async with` do.
    """

    def __init__(self, start: Callable[[Optional[float]], Any], budget: Budget) -> None:
        self._start = start
        self._budget = budget
        self._closed = False
        self._call = start(budget.left())
        self._chunks: list[Chunk] = []

    async def __anext__(self) -> Chunk:
        while not self._closed:
            try:
                message = await self._call.read()
            except grpc.aio.AioRpcError as failed:
                error = _wire.error(failed)
            except asyncio.CancelledError:
                if self._closed:
                    break
                self._call.cancel()
                raise
            else:
                if message is grpc.aio.EOF:
                    break
                self._chunks.append(_wire.chunk(message))
                return self._chunks[-1]
            await self._try_again(error)
        raise StopAsyncIteration

    async def _try_again(self, error: TandemError) -> None:
        if self._chunks:
            raise error
        await asyncio.sleep(self._budget.delay(error))
        self._call = self._start(self._budget.left())

    async def answer(self) -> Answer:
        """Reads what is left and answers the whole."""
        async for _ in self:
            pass
        return _wire.join(self._chunks, await self.request_id())

    async def request_id(self) -> str:
        """The call's name in the server's logs; waits for the server."""
        return _wire.request_id_of(await self._call.initial_metadata())

    async def aclose(self) -> None:
        """Gives the answer up where it has not ended. Reading ends."""
        self._closed = True
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncClient:
    """Talks to one server, within one event loop. Use it in an `async with`, or
    close it. Arguments and methods are those of Client."""

    def __init__(
        self,
        target: str = _channel.DEFAULT_TARGET,
        *,
        api_key: Optional[str] = None,
        model: str = "",
        timeout: Optional[float] = _channel.DEFAULT_TIMEOUT,
        max_retries: int = _channel.DEFAULT_RETRIES,
        tls: Union[bool, bytes] = False,
        channel: Optional[grpc.aio.Channel] = None,
    ) -> None:
        self._api_key = _channel.key_of(api_key)
        self._model = model
        self._timeout = timeout
        self._max_retries = max_retries
        self._target = target
        self._credentials = _channel.credentials(tls)
        self._given = channel
        self._owned: Any = None

    async def chat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Answer:
        """Answers a text, a list of texts and images, or a conversation."""
        request_options, call = split(options)
        request = _wire.chat_request(self._model, messages, request_options)
        message, request_id = await self._unary(
            "ChatUnary", request, gateway_pb2.ChatResponse, call
        )
        return _wire.answer(message, request_id)

    def stream(
        self, messages: Messages, **options: Unpack[ChatOptions]
    ) -> AsyncChatStream:
        """The same, a few tokens at a time. To be called in the event loop."""
        request_options, call = split(options)
        request = _wire.chat_request(self._model, messages, request_options)
        method = self._channel().unary_stream(
            _wire.SERVICE + "Chat",
            request_serializer=gateway_pb2.ChatRequest.SerializeToString,
            response_deserializer=gateway_pb2.ChatChunk.FromString,
        )
        metadata = tuple(_wire.metadata_of(self._api_key, call))

        def start(timeout: Optional[float]) -> Any:
            return method(request, timeout=timeout, metadata=metadata)

        return AsyncChatStream(start, Budget(call, self._timeout, self._max_retries))

    async def count_tokens(
        self,
        messages: Messages,
        *,
        model: str = "",
        return_token_ids: bool = False,
        **options: Unpack[CallOptions],
    ) -> TokenCount:
        """Tokens of a prompt, which is not run."""
        request = _wire.count_request(model or self._model, messages, return_token_ids)
        message, _ = await self._unary(
            "CountTokens", request, gateway_pb2.CountTokensResponse, options
        )
        return _wire.token_count(message)

    async def models(self, **options: Unpack[CallOptions]) -> list[Model]:
        """What is served."""
        message, _ = await self._unary(
            "ListModels",
            gateway_pb2.ListModelsRequest(),
            gateway_pb2.ListModelsResponse,
            options,
        )
        return [_wire.model(m) for m in message.models]

    async def model(self, name: str, **options: Unpack[CallOptions]) -> Model:
        """One of them; NotFoundError where it is not served."""
        message, _ = await self._unary(
            "GetModel",
            gateway_pb2.GetModelRequest(model=name),
            gateway_pb2.GetModelResponse,
            options,
        )
        return _wire.model(message.model)

    async def _unary(
        self, name: str, request: Any, answer: Any, options: Any
    ) -> tuple[Any, str]:
        """The answer, and the call's request id."""
        method = self._channel().unary_unary(
            _wire.SERVICE + name,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        metadata = tuple(_wire.metadata_of(self._api_key, options))
        budget = Budget(options, self._timeout, self._max_retries)
        while True:
            call = method(request, timeout=budget.left(), metadata=metadata)
            try:
                message = await call
                return message, _wire.request_id_of(await call.initial_metadata())
            except grpc.aio.AioRpcError as failed:
                error = _wire.error(failed)
            await asyncio.sleep(budget.delay(error))

    def _channel(self) -> Any:
        """gRPC binds a channel to the event loop that it is made in."""
        if self._given is not None:
            return self._given
        if self._owned is None:
            self._owned = self._open()
        return self._owned

    def _open(self) -> Any:
        if self._credentials is None:
            return grpc.aio.insecure_channel(
                self._target, options=_wire.CHANNEL_OPTIONS
            )
        return grpc.aio.secure_channel(
            self._target, self._credentials, options=_wire.CHANNEL_OPTIONS
        )

    async def close(self) -> None:
        """Ends calls in flight."""
        if self._owned is not None:
            await self._owned.close()
            self._owned = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
