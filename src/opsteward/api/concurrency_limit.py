"""Requests take turns: so many use the database at once, the others wait, and tenants and operators are served alike.

Without this a crowd would wait for connections several times in each request, in no order, and the unlucky would be
turned away while the lucky ones' next steps pass them by. Whoever waits here holds nothing but its own body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.api import problems
from opsteward.api.capacity import TURN, party_in
from opsteward.api.middleware.request_body import STREAMED
from opsteward.core.fair_share import Busy, FairShare, Party
from opsteward.telemetry.metrics import HTTP_WAITING

#: What answers without the database, or must answer when all else waits, takes no turn.
_TAKE_TURNS = ("/api/", "/v1/", "/v2/", "/agent/", "/scim/", "/webhook/", "/sign-in", "/sign-out", "/metrics")
_WITHOUT = ("/api/schema/", "/agent/health")


class Turn:
    """One request's turn."""

    def __init__(self, concurrency_limit: FairShare, party: Party, patience: float) -> None:
        self._concurrency_limit = concurrency_limit
        self._party = party
        self._patience = patience
        self._held = False

    async def take(self) -> None:
        """Wait for it. Raises Busy."""
        with _counted():
            await self._concurrency_limit.acquire(self._party, patience=self._patience)
        self._held = True

    def give_up(self) -> None:
        """Others are next; harmless when it is not held."""
        if self._held:
            self._held = False
            self._concurrency_limit.release(self._party)

    async def sleep(self, seconds: float) -> None:
        """Wait without holding it, and take it again. Raises Busy."""
        self.give_up()
        await asyncio.sleep(seconds)
        await self.take()


class ConcurrencyLimit:
    """Pure ASGI, inside the guard: who sends a body slowly keeps nobody from their turn."""

    def __init__(self, app: ASGIApp, *, concurrency_limit: FairShare, patience: float) -> None:
        """`patience`: seconds after which a waiting request is told to come back later."""
        self._app = app
        self._concurrency_limit = concurrency_limit
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if not path.startswith(_TAKE_TURNS) or path.startswith(_WITHOUT) or path in STREAMED:
            await self._app(scope, receive, send)  # a file comes as slowly as it is sent: see Capacity.uploads
            return
        turn = Turn(self._concurrency_limit, party_in(scope), self._patience)
        try:
            await turn.take()
        except Busy as busy:
            await problems.of_error(busy, path=path)(scope, receive, send)
            return
        scope[TURN] = turn

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                turn.give_up()  # the answer is ready: who reads it slowly keeps nobody waiting
            await send(message)

        try:
            await self._app(scope, receive, answered)
        finally:
            turn.give_up()


def give_up_turn(request: Request) -> None:
    """This request needs no connection of its own any more: what it waits for is another's work, or has bounds of its
    own."""
    turn = request.scope.get(TURN)
    if isinstance(turn, Turn):
        turn.give_up()


@contextmanager
def _counted() -> Iterator[None]:
    HTTP_WAITING.inc()
    try:
        yield
    finally:
        HTTP_WAITING.dec()
