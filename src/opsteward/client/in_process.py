"""Calls of an application that runs in this very process: no socket, and all that guards a request from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeVar

import httpx

from opsteward.client.connection import Call, answer_of

Answer = TypeVar("Answer")
_Message = MutableMapping[str, Any]
#: An ASGI application.
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]],
    Awaitable[None],
]


async def send(
    app: Application,
    call: Call[Answer],
    *,
    headers: Sequence[tuple[bytes, bytes]],
    address: tuple[str, int],
) -> Answer:
    """What the application answers to who sends these headers from this address. Raises CallFailed."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=address)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://opsteward", headers=list(headers), trust_env=False
    ) as http:
        return answer_of(call, await http.request(call.method, call.path, **call.options()))
