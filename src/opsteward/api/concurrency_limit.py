"""Requests take turns: so many use the database at once, the others wait in the order in which they came.

Without this a crowd would wait for connections several times in each request, in no order, and the unlucky would be
turned away while the lucky ones' next steps pass them by. Whoever waits here holds nothing but its own body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.api import problems
from opsteward.api.middleware.guard import STREAMED
from opsteward.core.errors import Unavailable
from opsteward.telemetry.metrics import HTTP_WAITING

#: What answers without the database, or must answer when all else waits, takes no turn.
_TAKE_TURNS = ("/api/", "/agent/", "/scim/")


class Busy(Unavailable):
    """So many requests wait already that this one's turn did not come in time; nothing of it was done."""

    code = "busy"
    title = "Too many requests at once; try again in a moment"


class ConcurrencyLimit:
    """Pure ASGI, inside the guard: who sends a body slowly keeps nobody from their turn."""

    def __init__(self, app: ASGIApp, *, at_once: int, patience: float) -> None:
        """`patience`: seconds after which a waiting request is told to come back later."""
        self._app = app
        self._concurrency_limit = asyncio.Semaphore(at_once)
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if (
            not path.startswith(_TAKE_TURNS) or path in STREAMED
        ):  # as slowly as its sender sends; the database is needed now and then
            await self._app(scope, receive, send)
            return
        try:
            with _counted():
                async with asyncio.timeout(self._patience):
                    await self._concurrency_limit.acquire()
        except TimeoutError:
            busy = Busy(f"nothing was taken within {self._patience:g} s", remedy="try again in a moment")
            await problems.of_error(busy)(scope, receive, send)
            return
        held = True

        def give_up() -> None:
            nonlocal held
            if held:
                held = False
                self._concurrency_limit.release()

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                give_up()  # the answer is ready: who reads it slowly keeps nobody waiting
            await send(message)

        try:
            await self._app(scope, receive, answered)
        finally:
            give_up()


@contextmanager
def _counted() -> Iterator[None]:
    HTTP_WAITING.inc()
    try:
        yield
    finally:
        HTTP_WAITING.dec()
