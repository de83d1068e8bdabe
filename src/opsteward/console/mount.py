"""The console as a part of the application: its addresses, and the streams of its open pages."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from opsteward.console.routes import ROUTES
from opsteward.console.services import ConsoleServices
from opsteward.console.site import Site

_LOOK_EVERY = 0.25  # seconds


class Console:
    """ASGI: takes the console's addresses, and leaves all others to `otherwise`."""

    def __init__(
        self, services: ConsoleServices, *, otherwise: ASGIApp, leaving: Callable[[], bool] = lambda: False
    ) -> None:
        """`leaving`: whether the server has begun to stop. The streams end then, so that it need not wait for them."""
        self._otherwise = otherwise
        self._leaving = leaving
        self._site = Site(services, ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        owned = scope["type"] == "http" and self._site.owns(scope)
        await (self._site if owned else self._otherwise)(scope, receive, send)

    async def run(self) -> None:
        """Look after the open pages until cancelled."""
        _spare_what_stays()
        while not self._leaving():  # noqa: ASYNC110 -- the server tells it by a flag
            await asyncio.sleep(_LOOK_EVERY)
        self._site.streams.end()
        await asyncio.Event().wait()


def _spare_what_stays() -> None:
    """All modules are loaded now, and live as long as the process: looking through them for cycles again and again,
    for every few hundred new objects, made one request in twenty wait (measured: a third off the 95th percentile)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
