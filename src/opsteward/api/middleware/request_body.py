"""The first thing a request meets: is there a credential at all, size, encoding and shape of its body, and its
correlation id.

What passes here can be stored in PostgreSQL: valid UTF-8, no NUL, no lone surrogate, no NaN, bounded depth and
size. So a hostile body is a clear 4xx that names the field, and never a failure further in.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Never
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
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
from opsteward.api.middleware.spooled_body import HELD_BYTES, SpooledBody
from opsteward.api.settings import ApiSettings
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import FieldProblem, Invalid, Malformed, OpsError, TooLarge, Unauthenticated
from opsteward.core.fair_share import Party, current_party
from opsteward.core.format_words import json_problem
from opsteward.core.ids import uuid7
from opsteward.core.json_types import Json
from opsteward.core.log import correlated, get_logger
from opsteward.telemetry import traces

log = get_logger(__name__)

Recognise = Callable[[Request], Awaitable[Identity]]

_CORRELATION = re.compile(r"[A-Za-z0-9._:-]{1,100}")
#: Routes that take many things at once, within the larger limit.
_INGEST = frozenset({"/api/v1/events", "/api/v1/tasks/bulk", "/scim/v2/Bulk"})
#: Routes that take good rows and reject bad ones: each row of an array is looked at by itself, in the route.
_BY_ROW = frozenset({"/api/v1/events"})
#: Routes that read their bodies themselves, piece by piece: they are files, and too large to be held.
STREAMED = frozenset({"/api/v1/users/bulk-import"})
_GUARDED = ("/api/v1/", "/api/v2/", "/api/agents/", "/agent/", "/scim/")
_OPEN = frozenset({"/agent/health", "/api/v1/sign-in"})
_OPEN_FORMS = "/sign-in"
_SIGNED = "/webhook/"
_PINGS = "/ping/"  # the key in the path is what admits; bodies are not read
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_BYTES = 16 * 1024  # largest body of who is not known yet
_FREE_BYTES = 16 * 1024  # bodies up to this are held without asking
_BODY_WITHIN = 120.0  # seconds
_VALUE_BYTES = 128  # what a value costs in memory, about
#: Larger bodies are parsed on a thread: the event loop also renews this process's hold on its work.
_LOOP_BYTES = 64 * 1024
#: Most values a body may hold: each costs memory many times its bytes, and this process has other callers too.
VALUES_LIMIT = 200_000
#: A string, or what begins a container or sets off a value. It never goes back over a byte that it has passed.
_STRING_OR_VALUE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|([\[{,])', re.DOTALL)
_SUSPICIOUS = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|[0-9][eE]\+?[0-9]{3}")
#: Whole numbers of more digits are refused: they fit no float, and what computes with one would fail on them.
_MAX_DIGITS = 200
_MANY_DIGITS = re.compile(rb"(?<![0-9])[0-9]{%d}" % _MAX_DIGITS)
#: Most problems of one body that are told, and most of a field's path that is.
_MAX_PROBLEMS = 20
_MAX_PATH = 200


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
                    await problems.of_error(error)(scope, receive, send)
                    return
                await self._app(scope, handed_on, send)

    async def _admit(self, request: Request) -> None:
        """Who asks, before anything is read. Nobody's body is, but for what signs in or is signed."""
        path = request.scope["path"]  # not request.url's, which depends on what the Host header says
        _check_query(request)
        if path.startswith(_SIGNED):
            read_signature(request.headers.get("x-opsteward-signature", ""))
            return
        if path.startswith(_PINGS):
            return
        if is_keyed(path) and not request.headers.get("authorization"):
            return  # who asks stands in the body
        guarded = f"{path}/".startswith(_GUARDED) and path.rstrip("/") not in _OPEN
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
            weight = len(body) + _VALUE_BYTES * min(_values_at_most(body), VALUES_LIMIT)
            await held.enter_async_context(self._capacity.parsed.of(party, weight, patience=self._capacity.patience))
        by_row = path.rstrip("/") in _BY_ROW and body.lstrip()[:1] == b"["
        if body and not by_row and (kind == "application/json" or kind.endswith("+json")):
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


def check_rows(body: bytes, *, max_depth: int) -> Sequence[object]:
    """The rows of a JSON array; in the place of a row that can't be stored, the Invalid that names its fields.

    Raises Malformed for what is no JSON array. Blocks as `check_json` does.
    """
    rows, suspicious = _parsed(body, max_depth=max_depth + 1)
    if not isinstance(rows, list):
        raise Malformed(problems=[_body_problem("is no JSON array", "send one")])
    if not suspicious:
        return rows
    found = ((row, list(islice(_unstorable(row, max_depth), _MAX_PROBLEMS))) for row in rows)
    return [Invalid(problems=problems) if problems else row for row, problems in found]


def check_json(body: bytes, *, max_depth: int) -> Json:
    """The parsed body. Raises Malformed for what is no JSON, Invalid naming the field for what can't be stored.

    Its time and memory are bounded by `VALUES_LIMIT` and the body's length; it blocks, so give it a thread when large.
    """
    value, suspicious = _parsed(body, max_depth=max_depth)
    if suspicious and (found := list(islice(_unstorable(value, max_depth), _MAX_PROBLEMS))):
        raise Invalid(problems=found)
    return value


def _parsed(body: bytes, *, max_depth: int) -> tuple[Json, bool]:
    """The value, and whether there may be something in it that can't be stored. Raises Malformed."""
    check_values(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(problems=[_body_problem(f"is not UTF-8 at byte {error.start}", "encode it as UTF-8")]) from None
    if "\x00" in text:
        raise Malformed(problems=[_body_problem("holds a NUL byte", "remove it")])
    many_digits = _MANY_DIGITS.search(body) is not None
    try:
        value: Json = json.loads(
            text, parse_constant=_refuse_constant, parse_int=_bounded_integer if many_digits else None
        )
    except RecursionError:
        raise Malformed(problems=[_body_problem(f"is nested deeper than {max_depth}", "flatten it")]) from None
    except ValueError as error:
        raise Malformed(problems=[_body_problem(json_problem(error), "send valid JSON")]) from None
    deep = body.count(b"[") + body.count(b"{") > max_depth
    return value, bool(many_digits or deep or _SUSPICIOUS.search(body))


def _values_at_most(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def check_values(body: bytes) -> None:
    """Raises Invalid for more than `VALUES_LIMIT`, of all lines together where a body is lines.

    Before anything is made of it: few commas and brackets are few values; of many, those within strings are none."""
    if _values_at_most(body) <= VALUES_LIMIT:
        return
    values = 0
    for number, found in enumerate(_STRING_OR_VALUE.finditer(body)):
        values += found.lastindex is not None
        # JSON has at most a key and a text to each value; what has more strings is none, and ends here too.
        if values > VALUES_LIMIT or number > 4 * VALUES_LIMIT:
            raise Invalid.field("body", f"holds more than {VALUES_LIMIT} values", "send less at once")


def _body_problem(problem: str, remedy: str) -> FieldProblem:
    return FieldProblem(field="body", problem=problem, remedy=remedy)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _bounded_integer(text: str) -> int:
    if len(text.removeprefix("-")) > _MAX_DIGITS:
        raise Malformed(problems=[_body_problem(f"holds a number of over {_MAX_DIGITS} digits", "send it as a string")])
    return int(text)


#: Where a value stands: its container's own link, and the key or the index in it. A path is built only to be told.
_Link = tuple["_Link", str | int] | None


def _unstorable(root: Json, max_depth: int) -> Iterator[FieldProblem]:
    """What PostgreSQL could not store, wherever it stands; without recursion, the depth being the caller's."""
    stack: list[tuple[_Link, int, object]] = [(None, 1, root)]
    while stack:
        link, depth, value = stack.pop()
        if isinstance(value, str):
            if why := _bad_text(value):
                yield FieldProblem(field=_path(link), problem=why, remedy="remove it")
        elif isinstance(value, float):
            if not math.isfinite(value):
                yield FieldProblem(field=_path(link), problem="is no finite number", remedy="send it as a string")
        elif isinstance(value, dict | list):
            if depth > max_depth:
                yield FieldProblem(field=_path(link), problem=f"is nested deeper than {max_depth}", remedy="flatten it")
                return
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in items:
                if isinstance(key, str) and (why := _bad_text(key)):
                    yield FieldProblem(field=_path(link), problem=f"has a key that {why}", remedy="rename it")
                elif isinstance(inner, str | float | dict | list):
                    stack.append(((link, key), depth + 1, inner))


def _path(link: _Link) -> str:
    """The dotted name of a place, cut where it is too long to tell."""
    keys: list[str] = []
    while link is not None:
        link, key = link
        keys.append(str(key)[:_MAX_PATH])
    return ".".join(reversed(keys))[:_MAX_PATH] or "body"


def _bad_text(text: str) -> str:
    if "\x00" in text:
        return "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    return ""


def security_headers(response: Response) -> Response:
    """For the pages we write ourselves."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
