"""The console's addresses: who may ask, which page answers, and what is said when none can.

Every page and form runs in one unit of work of its tenant, with the rights that its session has at that moment.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from opsteward.accounts import permission_denials
from opsteward.accounts import sessions as browser_sessions
from opsteward.accounts.types import Identity
from opsteward.console import assets, flash
from opsteward.console.languages import COOKIE, KEPT_SECONDS, _, language_of, speak
from opsteward.console.navigation import read_waiting, rooms_of
from opsteward.console.page import CSRF_FIELD, Page, Route, Visit, check_csrf, csrf_token, session_secret
from opsteward.console.pauses import read_pauses
from opsteward.console.public_status import PublicStatus
from opsteward.console.rendering import render
from opsteward.console.services import ConsoleServices
from opsteward.console.stream import Streams, about_of
from opsteward.console.uploads import read_upload
from opsteward.core.errors import Conflict, Denied, NotFound, OpsError, Unauthenticated, Unavailable
from opsteward.core.fair_share import Busy, FairShare, Party, current_party
from opsteward.core.ids import uuid7
from opsteward.core.log import correlated, correlation_id, get_logger

log = get_logger(__name__)

STREAM = "/console/stream"
_SAFE = frozenset({"GET", "HEAD"})
#: What begins so is the API's to answer, found or not.
_OTHERS = ("/api/", "/agent/", "/scim/", "/webhook/", "/sign-", "/metrics", "/ws", "/health", "/live", "/ready")
_AT_ONCE = 8
_WAITING_LIMIT = 2000
_COMPUTING_AT_ONCE = 4
_COMPUTING_WAITING_LIMIT = 20
_PATIENCE = 30.0  # seconds that a page waits for its turn
_FIELDS_LIMIT = 2000
_COMPRESSED_FROM = 1000  # bytes
_COMPRESSION = 5  # of 9: a page of 100 kB takes a millisecond, the next step twice that

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Site:
    """ASGI: the pages of these routes."""

    def __init__(self, services: ConsoleServices, routes: Sequence[Route]) -> None:
        self._services = services
        self._routes = routes
        self._turns = FairShare(_AT_ONCE, waiting_limit=_WAITING_LIMIT)
        self._computing = FairShare(_COMPUTING_AT_ONCE, waiting_limit=_COMPUTING_WAITING_LIMIT)
        self._public = PublicStatus(services.db, services.inventory, services.incidents, services.status_pages)
        self.streams = Streams(services.feed)

    def owns(self, scope: Scope) -> bool:
        """Whether this is for these pages: an address of theirs, or one of nobody that a browser's user typed."""
        path = scope["path"]
        if (
            path.startswith("/console/")
            or self._public.has(path)
            or any(route.pattern.fullmatch(path) for route in self._routes)
        ):
            return True
        return not path.startswith(_OTHERS) and "text/html" in Request(scope).headers.get("accept", "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        if scope["path"].startswith(assets.PREFIX) or scope["path"] == assets.WORKER:
            await (assets.serve(request) or Response(status_code=404))(scope, receive, send)
            return
        identity = None
        speak(language_of(request))
        try:
            if not _is_asked_by_us(request):
                raise Denied("another site's page asks for this", remedy="open this page by its own address")
            if self._public.has(scope["path"]) and request.method in _SAFE:
                response: Response = HTMLResponse(await self._public.html(scope["path"]))
            else:
                identity = await browser_sessions.identify(self._services.db, secret=session_secret(request))
                if scope["path"] == STREAM:
                    await self._stream(identity, request, receive, send)
                    return
                response = await self._answer(identity, request)
        except Unauthenticated:
            response = RedirectResponse("/sign-in", status_code=303)
        except _WrongMethod:
            error = Conflict("this address can't be used that way", remedy="open it as a page")
            response = _apology(error, request, identity, status=405)
        except OpsError as error:
            response = _apology(error, request, identity)
        except Exception:  # the pages' boundary
            log.exception("console.page.crashed", path=scope["path"])
            response = _apology(OpsError(), request, identity)
        response.headers.update(_HEADERS)
        _compress(response, request)
        await response(scope, receive, send)

    async def _stream(self, identity: Identity, request: Request, receive: Receive, send: Send) -> None:
        if self.streams.full(identity):
            response = Response("Too many pages are open.", status_code=429, headers={"Retry-After": "30"})
            await response(request.scope, receive, send)
            return
        about = about_of(request.query_params.get("about", ""))
        await self.streams.serve(identity, about, request.query_params.get("since", ""), receive, send)

    async def _answer(self, identity: Identity, request: Request) -> Response:
        route, arguments = self._route_of(request)
        try:
            party = Party(str(identity.tenant_id), str(identity.operator_id))
            current_party.set(party)
            if route.takes_bytes is not None:
                return await self._take_files(route, party, identity, request, arguments)
            turns = self._computing if route.computes else self._turns
            async with turns.of(party, patience=_PATIENCE):
                if route.method == "GET":
                    return await self._show(
                        route, Visit(services=self._services, identity=identity, request=request, arguments=arguments)
                    )
                form = await _form_of(request)
                check_csrf(request, form.get(CSRF_FIELD, ""))
                return await self._do(
                    route,
                    Visit(services=self._services, identity=identity, request=request, arguments=arguments, form=form),
                )
        except Busy as busy:
            raise Unavailable("Many pages are asked for at once", remedy="try again in a moment") from busy

    async def _take_files(
        self, route: Route, party: Party, identity: Identity, request: Request, arguments: dict[str, str]
    ) -> Response:
        """A form with files: they come as slowly as they are sent, and keep nobody from a turn while they do."""
        assert route.takes_bytes is not None
        await self._require(route, identity)
        form, files = await read_upload(request, route.takes_bytes(self._services))
        check_csrf(request, form.get(CSRF_FIELD, ""))
        visit = Visit(
            services=self._services, identity=identity, request=request, arguments=arguments, form=form, files=files
        )
        async with self._computing.of(party, patience=_PATIENCE):
            return await self._do(route, visit)

    def _route_of(self, request: Request) -> tuple[Route, dict[str, str]]:
        path, method = request.scope["path"], "GET" if request.method in _SAFE else request.method
        here = [(route, found) for route in self._routes if (found := route.pattern.fullmatch(path))]
        for route, found in here:
            if route.method == method:
                return route, found.groupdict()
        if here:
            raise _WrongMethod
        raise NotFound("there is no page at this address", remedy="check the address, or go to the overview")

    async def _require(self, route: Route, identity: Identity) -> None:
        for permission in route.needs:
            if not identity.may(permission):
                await permission_denials.note_denied(self._services.db, identity, permission=permission)
            identity.require(permission)

    async def _show(self, route: Route, visit: Visit) -> Response:
        await self._require(route, visit.identity)
        position = str(self.streams.position)
        async with self._services.db.unit_of_work(visit.identity.tenant_id) as session:
            page = await route.run(visit, session)
            assert isinstance(page, Page)
            frame = {**await self._frame(visit, session, page), "position": position}
        return _page(page, frame)

    async def _do(self, route: Route, visit: Visit) -> Response:
        with correlated(correlation_id.get() or str(uuid7())):
            await self._require(route, visit.identity)
            ready = await route.run(visit) if route.computes else None
            async with visit.unit_of_work() as session:
                done = ready or await route.run(visit, session)
                if isinstance(done, Page):
                    return _page(done, await self._frame(visit, session, done))
        answer = RedirectResponse(done.to, status_code=303)
        flash.say(visit.request, answer, done)
        if done.language is not None:
            _keep_language(visit.request, answer, done.language)
        return answer

    async def _frame(self, visit: Visit, session: Any, page: Page) -> dict[str, Any]:
        me = visit.identity
        waiting = await read_waiting(self._services, session, me)
        return frame_of(
            visit.request,
            me,
            rooms=rooms_of(me, visit.request.scope["path"], waiting),
            pauses=await read_pauses(session, me),
            about=",".join(page.about),
        )


class _WrongMethod(Exception):
    """The address exists, and takes no such request."""


def frame_of(request: Request, me: Identity | None, **given: object) -> dict[str, object]:
    """What every page's frame shows."""
    frame: dict[str, object] = {"rooms": [], "pauses": [], "about": "", "position": "", "me": me}
    return {
        **frame,
        "said": flash.said(request),
        "csrf": csrf_token(session_secret(request)),
        "path": request.scope["path"],
        "here": str(request.url.path) + (f"?{request.url.query}" if request.url.query else ""),
        **given,
    }


def _page(page: Page, frame: dict[str, object]) -> Response:
    html = render(page.template, title=page.title, **{**frame, **page.values})
    response = HTMLResponse(html, status_code=page.status)
    if frame["said"]:
        flash.forget(response)
    return response


def _keep_language(request: Request, answer: Response, chosen: str) -> None:
    """In this browser; none: it is what the browser asks for, as at first."""
    if chosen:
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, chosen, max_age=KEPT_SECONDS, httponly=True, samesite="lax", path="/", secure=secure)
    else:
        answer.delete_cookie(COOKIE, path="/")


def _compress(response: Response, request: Request) -> None:
    """Pages are words, most of them the same again and again: a tenth goes over the wire."""
    response.headers["Vary"] = "Accept-Encoding"
    body = bytes(response.body)
    if len(body) < _COMPRESSED_FROM or "gzip" not in request.headers.get("accept-encoding", ""):
        return
    response.body = gzip.compress(body, _COMPRESSION, mtime=0)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))


def in_words(error: OpsError) -> str:
    """An error for a person: what, and the remedy; what its title says already is not said again."""
    said = [error.detail, error.remedy, *(p.remedy for p in error.problems)]
    return ". ".join(dict.fromkeys(part.rstrip(".") for part in said if part and part != error.title))


def _apology(error: OpsError, request: Request, me: Identity | None, *, status: int = 0) -> Response:
    status, words = status or error.http_status, in_words(error)
    back = urlsplit(request.headers.get("referer", ""))
    to = back.path + (f"?{back.query}" if back.query else "") if back.netloc == request.headers.get("host") else ""
    reference = correlation_id.get() if status >= 500 else ""
    rooms = rooms_of(me, request.scope["path"], {}) if me else []
    frame = frame_of(request, me, said=None, rooms=rooms)
    html = render(
        "error.html",
        **frame,
        title=_(error.title),
        words=words,
        status=status,
        back=to,
        reference=reference,
        again=error.retryable and request.method in _SAFE,
    )
    headers = {"Retry-After": "2"} if error.retryable else {}
    return HTMLResponse(html, status_code=status, headers=headers)


def _is_asked_by_us(connection: HTTPConnection) -> bool:
    """What may change something must name our origin; the rest must not name another."""
    origin = connection.headers.get("origin")
    if origin is None:
        return connection.scope["method"] in _SAFE
    return browser_sessions.is_same_origin(origin, connection.headers.get("host"))


async def _form_of(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Conflict("this address takes a form of the console's own pages", remedy="use the API for other formats")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=_FIELDS_LIMIT))
    except ValueError:
        raise Conflict("the form has too many fields", remedy="send fewer at once") from None
