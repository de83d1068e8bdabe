"""The console as a part of the application: its addresses, and its coming up behind the rest.

NiceGUI takes more than a second to import, so `run` loads it once the rest of the process is up. Nothing here
imports it before. It keeps its state in the module, so there is one console in a process.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from opsteward.console.gate import Gate, wait_page
from opsteward.console.services import ConsoleServices
from opsteward.console.web.routes import ROUTES
from opsteward.console.web.site import Site
from opsteward.core.blocking import in_thread
from opsteward.core.log import get_logger

log = get_logger(__name__)

_LOOK_EVERY = 0.25  # seconds
_PAGES = frozenset({"/access-reviews"})
_FOLDERS = ("/users/", "/access-reviews/", "/_nicegui/", "/_nicegui_ws/")


class Console:
    """ASGI: takes the console's addresses, and leaves all others to `otherwise`."""

    def __init__(
        self, services: ConsoleServices, *, otherwise: ASGIApp, leaving: Callable[[], bool] = lambda: False
    ) -> None:
        """`leaving`: whether the server has begun to stop. The streams end then, so that it need not wait for them."""
        self._leaving = leaving
        self._services = services
        self._otherwise = otherwise
        self._site = Site(services, ROUTES)
        self._gate = Gate(services.db, self._page, live_pages=lambda: self._live_pages())  # noqa: PLW0108 -- what it is changes
        self._loaded: ASGIApp | None = None
        self._live_pages: Callable[[], list[str]] = list

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or socket."""
        if scope["type"] in ("http", "websocket") and self._site.owns(scope["path"]):
            await self._site(scope, receive, send)
            return
        owned = scope["type"] in ("http", "websocket") and _is_ours(scope["path"])
        await (self._gate if owned else self._otherwise)(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loaded is not None:
            await self._loaded(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})  # try again later
        else:
            await wait_page("Opsteward is up; its console is starting.")(scope, receive, send)

    async def run(self) -> None:
        """Load the pages and serve them until cancelled."""
        await in_thread(importlib.import_module, "opsteward.console.site")
        from opsteward.console import site

        host = site.build(self._services)
        # The host comes up and goes down as under a server of its own. NiceGUI's context does not clean up when an
        # error passes through it, and being cancelled is one; so it is left by hand, without.
        context = host.router.lifespan_context(host)
        await context.__aenter__()
        stop_listening = self._services.feed.listen(self._gate.hear)
        self._loaded, self._live_pages = host, site.operators_of_live_pages
        _spare_what_stays()
        log.info("console.pages.loaded")
        try:
            while not self._leaving():  # noqa: ASYNC110 -- the server tells it by a flag
                await asyncio.sleep(_LOOK_EVERY)
            self._site.streams.end()
            await asyncio.Event().wait()
        finally:
            self._loaded = None
            stop_listening()
            await context.__aexit__(None, None, None)


def _spare_what_stays() -> None:
    """All modules are loaded now, and live as long as the process: looking through them for cycles again and again,
    for every few hundred new objects, made one request in twenty wait (measured: a third off the 95th percentile)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _is_ours(path: str) -> bool:
    return path in _PAGES or path.startswith(_FOLDERS)
