"""The first thing a request meets: is there a credential at all, size, encoding and shape of its body, and its
correlation id.

What passes here can be stored in PostgreSQL: valid UTF-8, no NUL, no lone surrogate, no NaN, bounded depth and
size. So a hostile body is a clear 4xx that names the field, and never a failure further in.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.accounts.types import Identity
from opsteward.accounts.webhooks import WEBHOOK_BYTES_LIMIT, read_signature
from opsteward.api import problems
from opsteward.api.capacity import IDENTITY, PARTY, Capacity, party_in, party_of
from opsteward.api.intake_credentials import (
    INTAKE,
    KEYED_BYTES_LIMIT,
    adopt,
    adopt_from_body,
    is_keyed,
    speaks_protocol,
)
from opsteward.api.middleware.content_encoding import expand_body
from opsteward.api.middleware.json_limits import check_json, check_values
from opsteward.api.middleware.spooled_body import HELD_BYTES, SpooledBody
from opsteward.api.settings import ApiSettings
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import FieldProblem, Invalid, Malformed, OpsError, TooLarge, Unauthenticated
from opsteward.core.fair_share import Party, current_party
from opsteward.core.ids import uuid7
from opsteward.core.log import correlated, get_logger
from opsteward.core.plain_json import VALUES_LIMIT, values_at_most
from opsteward.telemetry import traces

log = get_logger(__name__)

Recognise = Callable[[Request], Awaitable[Identity]]

_CORRELATION = re.compile(r"[A-Za-z0-9._:-]{1,100}")
#: Routes that take many things at once, within the larger limit.
_INGEST = frozenset({"/api/v1/events", "/api/v1/tasks/bulk", "/scim/v2/Bulk"})
#: Routes that take good rows and reject bad ones: each row of an array is looked at by itself, in the route.
_BY_ROW = frozenset({"/api/v1/events"})
#: Routes that read their bodies themselves, piece by piece: they are files, and too large to be held.
STREAMED = frozenset({"/api/v1/users/bulk-import", "/api/v1/help/documents", "/help/documents/upload"})
_GUARDED = ("/api/v1/", "/api/v2/", "/api/agents/", "/agent/", "/scim/", "/mcp/")
_OPEN = frozenset({"/agent/health", "/api/v1/sign-in"})
_OPEN_FORMS = "/sign-in"
_SIGNED = "/webhook/"
SLACK = "/webhook/slack"
_PINGS = "/ping/"  # the key in the path is what admits; bodies are not read
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_BYTES = 16 * 1024  # largest body of who is not known yet
_FREE_BYTES = 16 * 1024  # bodies up to this are held without asking
_BODY_WITHIN = 120.0  # seconds
_VALUE_BYTES = 128  # what a value costs in memory, about
#: Larger bodies are parsed on a thread: the event loop also renews this process's hold on its work.
_LOOP_BYTES = 64 * 1024


class Guard:
    """Pure ASGI: it finds out who asks, then reads the body once, within the route's limit, and hands it on."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ApiSettings,
        capacity: Capacity,
        recognise: Recognise,
        spool_folder: Path | None = None,
    ) -> None:
        """`recognise` tells who a request's credential is of; it raises Unauthenticated or Denied. `spool_folder` is
        where large bodies lie while they come."""
        self._spool_folder = spool_folder
        self._app = app
        self._settings = settings
        self._capacity = capacity
        self._recognise = recognise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        adopt(scope)
        request = Request(scope, receive)
        given = request.headers.get("x-correlation-id", "") or traces.correlation_of(request.headers.get("traceparent"))
        # in the scope as well, for whoever handles a crash outside of this block
        scope["correlation_id"] = given if _CORRELATION.fullmatch(given) else str(uuid7())
        with correlated(scope["correlation_id"]):
            async with AsyncExitStack() as held:
                try:
                    await self._admit(request)
                    current_party.set(party_in(scope))
                    handed_on = await self._take_in(request, held)
                except ClientDisconnect:
                    return  # nobody is left to answer
                except OpsError as error:
                    await _refusal(error, request)(scope, receive, send)
                    return
                await self._app(scope, handed_on, send)

    async def _admit(self, request: Request) -> None:
        """Who asks, before anything is read. Nobody's body is, but for what signs in or is signed."""
        path = request.scope["path"]  # not request.url's, which depends on what the Host header says
        _check_query(request)
        if path.startswith(_SIGNED):
            read_signature(request.headers, slack=path == SLACK)
            return
        if path.startswith(_PINGS):
            return
        if is_keyed(path) and not request.headers.get("authorization"):
            return  # who asks stands in the body
        guarded = _is_guarded(path)
        if not guarded and (request.method in _SAFE or path.rstrip("/") in _OPEN or path.startswith(_OPEN_FORMS)):
            return
        if not request.headers.get("authorization") and not request.cookies.get(SESSION_COOKIE):
            raise Unauthenticated("no token and no session")
        await self._note_who_asks(request)

    async def _note_who_asks(self, request: Request) -> None:
        identity = await self._recognise(request)
        request.scope[IDENTITY], request.scope[PARTY] = identity, party_of(identity)

    async def _take_in(self, request: Request, held: AsyncExitStack) -> Receive:
        """The request's body, as the application is to receive it; `held` gives back what that takes up."""
        path, party = request.scope["path"], party_in(request.scope)
        if request.method == "POST" and path in STREAMED:
            await held.enter_async_context(self._capacity.uploads.of(party, patience=self._capacity.patience))
            return request.receive
        if request.method in _SAFE or path.startswith(_PINGS):
            return _replay(b"", request.receive)
        body = await self._body(request, party, held)
        if speaks_protocol(path) or path.startswith(INTAKE) or path.rstrip("/") in _INGEST:
            body = await self._plain(request, body, party, held)
        if is_keyed(path) and IDENTITY not in request.scope:
            adopt_from_body(request.scope, body)
            await self._note_who_asks(Request(request.scope))
            current_party.set(party_in(request.scope))
        if speaks_protocol(path):
            return _replay(body, request.receive)
        kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
        if len(body) > _LOOP_BYTES:
            weight = len(body) + _VALUE_BYTES * min(values_at_most(body), VALUES_LIMIT)
            await held.enter_async_context(self._capacity.parsed.of(party, weight, patience=self._capacity.patience))
        checks_itself = path.startswith(INTAKE) or (path.rstrip("/") in _BY_ROW and body.lstrip()[:1] == b"[")
        if body and not checks_itself and (kind == "application/json" or kind.endswith("+json")):
            if len(body) > _LOOP_BYTES:
                await in_thread(check_json, body, max_depth=self._settings.max_json_depth)
            else:
                check_json(body, max_depth=self._settings.max_json_depth)
        elif body:
            await in_thread(check_values, body)  # of many lines or of whatever else: all of it together
        return _replay(body, request.receive)

    async def _body(self, request: Request, party: Party, held: AsyncExitStack) -> bytes:
        limit = self._limit_of(request)
        declared = request.headers.get("content-length", "")
        size = limit
        if declared.isascii() and declared.isdigit():
            if len(declared) > 18 or int(declared) > limit:
                raise _too_large(limit)
            size = int(declared)
        patience = self._capacity.patience
        if size <= HELD_BYTES:
            if size > _FREE_BYTES:
                await held.enter_async_context(self._capacity.bodies.of(party, size, patience=patience))
            return await self._received(request, limit)
        # One of which the rest never comes keeps nobody else from memory: what of it is here lies on disk.
        async with (
            self._capacity.spooled.of(party, size, patience=patience),
            AsyncExitStack() as coming,
        ):
            await coming.enter_async_context(self._capacity.bodies.of(party, HELD_BYTES, patience=patience))
            body = SpooledBody(self._spool_folder)
            try:
                length = await self._received_into(body, request, limit)
                await coming.aclose()
                await held.enter_async_context(self._capacity.bodies.of(party, length, patience=patience))
                return await body.read()
            finally:
                body.close()

    async def _received(self, request: Request, limit: int) -> bytes:
        body = SpooledBody(self._spool_folder)
        await self._received_into(body, request, limit)
        return await body.read()

    async def _received_into(self, body: SpooledBody, request: Request, limit: int) -> int:
        size = 0
        try:
            async with asyncio.timeout(_BODY_WITHIN):
                async for part in request.stream():
                    size += len(part)
                    if size > limit:
                        raise _too_large(limit)
                    await body.add(part)
        except TimeoutError:
            late = f"the body did not come within {_BODY_WITHIN:g} s"
            raise Malformed.field("body", late, "send it faster, or less at once") from None
        return size

    async def _plain(self, request: Request, body: bytes, party: Party, held: AsyncExitStack) -> bytes:
        if "content-encoding" not in request.headers:
            return body

        async def hold(size: int) -> None:
            await held.enter_async_context(self._capacity.parsed.of(party, size, patience=self._capacity.patience))

        return await expand_body(request.scope, body, self._limit_of(request), hold)

    def _limit_of(self, request: Request) -> int:
        path = request.scope["path"].rstrip("/")
        if is_keyed(path) and PARTY not in request.scope:
            return min(KEYED_BYTES_LIMIT, self._settings.max_ingest_bytes)
        if path in _INGEST or path.startswith(INTAKE) or speaks_protocol(path):
            return self._settings.max_ingest_bytes
        if path.startswith(_SIGNED):
            return WEBHOOK_BYTES_LIMIT
        return self._settings.max_body_bytes if PARTY in request.scope else _OPEN_BYTES


def _is_guarded(path: str) -> bool:
    return f"{path}/".startswith(_GUARDED) and path.rstrip("/") not in _OPEN


def _refusal(error: OpsError, request: Request) -> Response:
    """A person whose session ended while a form was open is led to sign in; a program is told as ever."""
    path = request.scope["path"]
    if isinstance(error, Unauthenticated) and _is_from_a_page(request):
        return RedirectResponse("/sign-in", status_code=303)
    return problems.of_error(error, path=path)


def _is_from_a_page(request: Request) -> bool:
    """Programs accept HTML as well, Java's by default, and would take a sign-in page for success."""
    path = request.scope["path"]
    is_for_programs = _is_guarded(path) or path.startswith(("/api/", _SIGNED, _PINGS)) or speaks_protocol(path)
    accepts_pages = "text/html" in request.headers.get("accept", "")
    return accepts_pages and not is_for_programs and not request.headers.get("authorization")


def _too_large(limit: int) -> TooLarge:
    too_large = FieldProblem(field="body", problem=f"is larger than {limit} bytes", remedy="send less at once")
    return TooLarge(f"the body is larger than {limit} bytes", remedy="send less at once", problems=[too_large])


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        while given:
            message = await receive()
            if message["type"] != "http.request":  # the body that came with a GET is dropped
                return message
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _check_query(request: Request) -> None:
    query = request.scope.get("query_string", b"")
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="replace"):
        if "\x00" in key or "\x00" in value:
            raise Invalid.field(key.replace("\x00", "") or "query", "holds a NUL character", "remove it")
    if "\x00" in request.scope.get("path", ""):
        raise Invalid.field("path", "holds a NUL character", "remove it")


def security_headers(response: Response) -> Response:
    """For the pages we write ourselves."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
