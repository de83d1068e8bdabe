"""How SCIM answers: its media type, and its own error documents in the place of problem+json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.api import problems
from opsteward.api.routes import LateRoute
from opsteward.core.errors import Conflict, Invalid, Malformed, OpsError, Unavailable
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.redact import redact_text
from opsteward.directory.scim.types import BadFilter

MEDIA_TYPE = "application/scim+json"
ROOT = "/scim/v2"
_SLASHES = re.compile(r"/{2,}")
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class Refused(Invalid):
    """A SCIM request that breaks the protocol's own rules; `extra` has the status and the scimType."""

    code = "scim_refused"
    http_status = 400
    title = "Not a SCIM request that can be taken"

    @classmethod
    def because(cls, detail: str, scim_type: str = "", status: int = 400) -> Refused:
        """With the protocol's own word for what is wrong."""
        return cls(detail, extra={"scim_type": scim_type, "status": status})


def answer(content: Json, *, status: int = 200, etag: str = "", location: str = "") -> Response:
    """A SCIM document."""
    headers = {name: value for name, value in (("ETag", etag), ("Location", location)) if value}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(text, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def error_document(status: int, detail: str, scim_type: str = "") -> JsonObject:
    """An error as RFC 7644 3.12 has it."""
    document: JsonObject = {"schemas": [_ERROR], "status": str(status), "detail": redact_text(detail)}
    return document | ({"scimType": scim_type} if scim_type else {})


def document_of(error: OpsError) -> JsonObject:
    """The SCIM error that one of our own errors is."""
    match error:
        case Refused():
            return error_document(error.extra.get("status", 400), error.detail, error.extra.get("scim_type", ""))
        case Malformed():
            return error_document(400, error.detail, "invalidSyntax")
        case BadFilter() if any(problem.field == "sortBy" for problem in error.problems):
            return error_document(400, error.detail, "invalidPath")
        case BadFilter():
            return error_document(400, error.detail, "invalidFilter")
        case Invalid():
            return error_document(400, error.detail, "invalidValue")
        case Conflict() if any(problem.problem == "is taken" for problem in error.problems):
            return error_document(409, error.detail, "uniqueness")
    return error_document(error.http_status, error.detail)


def of_error(error: OpsError) -> Response:
    """The answer that one of our own errors is."""
    document = document_of(error)
    response = answer(document, status=int(str(document["status"])))
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = problems.RETRY_AFTER
    return response


class ScimRoute(LateRoute):
    """A route whose refusals, those for want of a permission too, are SCIM errors."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with our errors as SCIM documents."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except OpsError as error:
                return of_error(error)

        return translated


class ScimErrors:
    """Pure ASGI, outside of the guard: a problem document of an address below /scim becomes a SCIM error.

    Slashes that a client's base address has too many of are passed over: `/scim//v2/`, `/scim/v2/Users/`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _SLASHES.sub("/", f"{scope['path']}/") if scope["type"] == "http" else ""
        if not path.startswith("/scim/"):
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": path.rstrip("/")}
        held: Message | None = None
        parts: list[bytes] = []

        async def translated(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                kind = MutableHeaders(raw=list(message["headers"])).get("content-type", "")
                if kind.startswith(problems.MEDIA_TYPE):
                    held = message
                    return
            elif held is not None:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    await _send_error(held, b"".join(parts), send)
                return
            await send(message)

        await self._app(scope, receive, translated)


async def _send_error(start: Message, body: bytes, send: Send) -> None:
    problem = json.loads(body)
    status = 400 if problem["status"] == 422 else problem["status"]
    words = {"malformed": "invalidSyntax", "invalid": "invalidValue"}
    document = error_document(status, problem["detail"], words.get(problem["code"], ""))
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-type"] = MEDIA_TYPE
    headers["content-length"] = str(len(text))
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": text})
