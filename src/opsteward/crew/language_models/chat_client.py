"""The client of an OpenAI-compatible interface, of which the library uses one call: a completion of a chat.

The SDK's way of sending it copies and checks each request several times, which takes more time than all else of a call.
Replies are bounded before memory grows. Tries, and what a failure means, belong to `language_models.calls`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import httpx2
from openai import APIConnectionError, AsyncOpenAI, Omit
from openai.types.chat import ChatCompletion
from pydantic_ai.exceptions import ModelHTTPError

from opsteward.core.json_types import JsonObject
from opsteward.crew.language_models.replies import replied_document, usual_completion

#: What the library asks for and a chat is sent with; the rest are options of the SDK.
_SENT = frozenset(
    {
        *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format"),
        *("max_tokens", "max_completion_tokens", "stop", "seed", "temperature", "top_p"),
        *("presence_penalty", "frequency_penalty", "reasoning_effort"),
    }
)
REPLY_LIMIT = 4 * 1024 * 1024  # bytes


class ReplyTooLarge(httpx2.TransportError):
    """A server sends more than any reply of a model can be."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > REPLY_LIMIT:
                raise ReplyTooLarge(f"the reply is larger than {REPLY_LIMIT} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response


def connections(timeout: float) -> httpx2.AsyncClient:
    """Kept connections to models' servers, which lead nowhere else."""
    return httpx2.AsyncClient(
        transport=_BoundedTransport(limits=httpx2.Limits(max_connections=200), retries=0),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


class ChatClient(AsyncOpenAI):
    """Sends chats and gives their completions. A provider whose requests differ overrides what differs."""

    def __init__(self, http: httpx2.AsyncClient, *, url: str, key: str) -> None:
        super().__init__(base_url=url, api_key=key, max_retries=0, http_client=http)
        self._http = http

    @cached_property
    def chat(self) -> Any:
        """As the library asks for it: `chat.completions.create(...)`."""
        return SimpleNamespace(completions=SimpleNamespace(create=self._complete))

    async def _complete(self, **asked: Any) -> ChatCompletion:
        """Raises TimeoutError, ModelHTTPError, APIConnectionError, UnexpectedModelBehavior."""
        body = {key: value for key, value in asked.items() if key in _SENT and not isinstance(value, Omit)}
        address, sent = self.request_of(body)
        headers = {"Content-Type": "application/json", "Accept": "application/json", **await self.login()}
        try:
            response = await self._http.post(address, content=json.dumps(sent).encode(), headers=headers)
        except httpx2.TimeoutException as error:
            raise TimeoutError from error
        except httpx2.TransportError as error:
            raise APIConnectionError(request=error.request) from error
        if not response.is_success:
            self.refused(response)
            raise ModelHTTPError(response.status_code, str(body.get("model")), headers=dict(response.headers))
        told: dict[str, Any] = usual_completion(
            self.completion_of(replied_document(response.content)), str(body.get("model"))
        )
        return ChatCompletion.construct(**told)

    def request_of(self, asked: JsonObject) -> tuple[str, JsonObject]:
        """The address, and the body that is sent to it."""
        return f"{str(self.base_url).rstrip('/')}/chat/completions", asked

    async def login(self) -> Mapping[str, str]:
        """The headers that say who asks."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def refused(self, response: httpx2.Response) -> None:
        """What is to be forgotten after such an answer."""

    def completion_of(self, replied: JsonObject) -> JsonObject:
        """The reply as OpenAI's interface words it."""
        return replied
