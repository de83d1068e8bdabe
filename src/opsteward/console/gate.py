"""Before every page, script and socket of the console: who is it, and does a page of ours ask?

Pure ASGI, and free of the pages' own machinery, so that it stands from the first request on. A socket stays open
long after it was let in, so the gate remembers it and closes it when its session is revoked.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import cast
from uuid import UUID

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.accounts import sessions as browser_sessions
from opsteward.accounts.types import Identity
from opsteward.core.db import Database
from opsteward.core.errors import Unauthenticated, Unavailable
from opsteward.core.fair_share import Busy, FairShare, Party
from opsteward.core.feed import Notice

#: Where the gate leaves the identity in the ASGI scope.
IDENTITY = "opsteward.directory"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_REVOKED = 4401  # close code of a socket whose session is over
_PARTS_OF_PAGES = ("/_nicegui/", "/_nicegui_ws/")
#: Pages that are open: of one operator, and of all. Each takes about 2 MB.
_PAGES_OF_OPERATOR_LIMIT, _PAGES_LIMIT = 40, 100
_MADE_AT_ONCE = 4
_PATIENCE = 5.0  # seconds that a page waits to be made
_FAREWELL = 0.5  # seconds that an open page has to leave by itself before its socket is closed

#: Scripts and styles inside a page are NiceGUI's and our own; nothing is loaded from or sent to another address,
#: and no other page may put ours into a frame and have it clicked.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_WAIT_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Opsteward</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="1"><style>
:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;
min-height:90vh;margin:0}}</style></head><body><p role="status">{words}</p></body></html>"""


def wait_page(words: str, *, status: int = 503) -> Response:
    """A tiny page that loads itself again each second; `words` are our own."""
    return HTMLResponse(_WAIT_PAGE.format(words=words), status_code=status, headers={"Retry-After": "1"})


def identity_of(scope: Scope) -> Identity:
    """Who was let in with this request or socket."""
    return cast(Identity, scope[IDENTITY])


class Gate:
    """Lets a valid session of our own pages through to `inner`; one per process."""

    def __init__(self, db: Database, inner: ASGIApp, *, live_pages: Callable[[], list[str]]) -> None:
        """`live_pages` names the operator of each page that is open."""
        self._db = db
        self._inner = inner
        self._live_pages = live_pages
        self._making = FairShare(_MADE_AT_ONCE, waiting_limit=10)
        self._sockets: dict[UUID, set[_Socket]] = defaultdict(set)

    def hear(self, notice: Notice) -> None:
        """Close the sockets of a session that was revoked, after the pages had a moment to leave."""
        if notice.kind == "token":
            token_id = UUID(notice.id)
            asyncio.get_running_loop().call_later(_FAREWELL, lambda: _close(self._sockets.get(token_id, ())))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything but a valid session is sent to sign in; a socket, or a foreign page, is refused."""
        connection = HTTPConnection(scope)
        if not _is_asked_by_us(connection):
            await _refuse(scope, receive, send)
            return
        try:
            secret = connection.cookies.get(browser_sessions.SESSION_COOKIE, "")
            identity = await browser_sessions.identify(self._db, secret=secret)
        except Unauthenticated:
            await _refuse(scope, receive, send, instead=RedirectResponse("/sign-in", status_code=303))
            return
        except Unavailable:
            waiting = wait_page("The database is away for a moment; trying again.")
            await _refuse(scope, receive, send, instead=waiting)
            return
        scope = {**scope, IDENTITY: identity}
        if scope["type"] == "websocket":
            await self._hold(identity.token_id, scope, receive, send)
        elif scope["path"].startswith(_PARTS_OF_PAGES):
            await self._inner(scope, receive, _with_headers(send))
        else:
            await self._show(identity, scope, receive, send)

    async def _show(self, identity: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        """A page: each costs memory for as long as it is open, and time of the event loop while it is made."""
        operator_id = str(identity.operator_id)
        live = self._live_pages()
        if len(live) >= _PAGES_LIMIT or live.count(operator_id) >= _PAGES_OF_OPERATOR_LIMIT:
            many = wait_page("Too many pages are open. Close some, and this one comes by itself.", status=429)
            await _refuse(scope, receive, send, instead=many)
            return
        try:
            async with self._making.of(Party(str(identity.tenant_id), operator_id), patience=_PATIENCE):
                await self._inner(scope, receive, _with_headers(send))
        except Busy:
            await _refuse(scope, receive, send, instead=wait_page("Many pages are asked for; this one comes next."))

    async def _hold(self, token_id: UUID, scope: Scope, receive: Receive, send: Send) -> None:
        socket = _Socket(receive, send)
        self._sockets[token_id].add(socket)
        try:
            await self._inner(scope, socket.receive, socket.send)
        finally:
            self._sockets[token_id].discard(socket)
            if not self._sockets[token_id]:
                del self._sockets[token_id]


class _Socket:
    """A socket that can be closed from outside: its application sees an ordinary disconnect."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.over = asyncio.Event()

    async def receive(self) -> Message:
        message = asyncio.ensure_future(self._receive())
        over = asyncio.ensure_future(self.over.wait())
        try:
            await asyncio.wait({message, over}, return_when=asyncio.FIRST_COMPLETED)
            if not self.over.is_set():
                return message.result()
        finally:
            over.cancel()
            if not message.done():
                message.cancel()
        await self._send({"type": "websocket.close", "code": _REVOKED})
        return {"type": "websocket.disconnect", "code": _REVOKED}

    async def send(self, message: Message) -> None:
        if not self.over.is_set():
            await self._send(message)


def _close(sockets: Iterable[_Socket]) -> None:
    for socket in sockets:
        socket.over.set()


def _is_asked_by_us(connection: HTTPConnection) -> bool:
    """A socket, and what may change something, must name our origin; the rest must not name another."""
    origin = connection.headers.get("origin")
    if origin is None and connection.scope["type"] == "http":
        return connection.scope["method"] in _SAFE
    return browser_sessions.is_same_origin(origin, connection.headers.get("host"))


async def _refuse(scope: Scope, receive: Receive, send: Send, *, instead: Response | None = None) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})  # before it was accepted: 403
        return
    response = instead or HTMLResponse("Open this page by its own address.", status_code=403)
    await response(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return send_with_headers
