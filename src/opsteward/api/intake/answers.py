"""How the protocols answer: refusals in the form that each one's clients read, and what browsers ask for beforehand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.api import problems
from opsteward.api.intake_credentials import OPSGENIE, OTLP, PAGERDUTY, PAGERDUTY_V1, SENTRY, VICTOROPS
from opsteward.core.json_types import JsonObject

PROTOBUF = "application/x-protobuf"
_SLASHES = re.compile(r"/{2,}")
_ALLOWED = "content-type, content-encoding, authorization, x-sentry-auth, sentry-trace, baggage, traceparent"
_EXPOSED = "x-sentry-error, x-sentry-rate-limits, retry-after"


@dataclass(frozen=True)
class Refusal:
    """A refusal as a protocol's client reads it."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class ProtocolAnswers:
    """Pure ASGI, outside of the guard: a problem document at a protocol's address becomes the protocol's own.

    Slashes that a client's base address has too many of are passed over.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        if "//" in path:
            path = _SLASHES.sub("/", path)
        form = _form_of(path)
        if form is None:
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": path}
        if scope["method"] == "OPTIONS":
            await _send(send, Refusal(200, b"", "text/plain", (("Access-Control-Max-Age", "3600"),)))
            return
        kind = Headers(scope=scope).get("content-type", "")
        held: Message | None = None
        parts: list[bytes] = []

        async def translated(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                if headers.get("content-type", "").startswith(problems.MEDIA_TYPE):
                    held = message
                    return
                _allow_browsers(headers)
            elif held is not None:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    wait = Headers(raw=held["headers"]).get("retry-after", problems.RETRY_AFTER)
                    await _send(send, form(json.loads(b"".join(parts)), wait, kind))
                return
            await send(message)

        await self._app(scope, receive, translated)


def _form_of(path: str) -> Callable[[JsonObject, str, str], Refusal] | None:
    for addresses, form in ((SENTRY, _for_sentry), (OPSGENIE, _for_opsgenie), (VICTOROPS, _for_victorops)):
        if addresses.fullmatch(path):
            return form
    forms = {OTLP: _for_otlp, **dict.fromkeys(PAGERDUTY, _for_pagerduty), PAGERDUTY_V1: _for_pagerduty_v1}
    return forms.get(path.rstrip("/"))


async def _send(send: Send, refusal: Refusal) -> None:
    headers = MutableHeaders(
        {"Content-Type": refusal.media_type, "Content-Length": str(len(refusal.body)), **dict(refusal.headers)}
    )
    _allow_browsers(headers)
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": refusal.body})


def _allow_browsers(headers: MutableHeaders) -> None:
    """Pages of any origin may send: what admits is the key, which no browser adds by itself."""
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
    headers["Access-Control-Allow-Headers"] = _ALLOWED
    headers["Access-Control-Expose-Headers"] = _EXPOSED


def _status(problem: JsonObject) -> int:
    """Of the problem; these protocols know no 422."""
    status = problem["status"]
    return status if isinstance(status, int) and status != 422 else 400


def _for_sentry(problem: JsonObject, wait: str, _: str) -> Refusal:
    status, detail = _status(problem), str(problem["detail"])
    headers = [("X-Sentry-Error", detail.encode("ascii", "replace").decode()[:200].replace("\n", " "))]
    if status in (429, 503):
        headers += [("Retry-After", wait), ("X-Sentry-Rate-Limits", f"{wait}::organization")]
    return Refusal(status, _json({"detail": detail, "causes": _causes(problem)}), headers=tuple(headers))


def _for_pagerduty(problem: JsonObject, wait: str, _: str) -> Refusal:
    status = _status(problem)
    if status == 429:
        body = {"status": "throttle exceeded", "message": "Requests are arriving too quickly. Retry later."}
        return Refusal(status, _json(body), headers=(("Retry-After", wait),))
    if status >= 500:
        body = {"status": "error", "message": str(problem["detail"])}
        return Refusal(status, _json(body), headers=(("Retry-After", wait),))
    if status in (401, 403):  # its clients know no 401: the key is a field of the event
        found: JsonObject = {"errors": ["'routing_key' is no token that may send events"]}
        status = 400
    else:
        found = {"errors": list(_causes(problem)) or [str(problem["detail"])]}
    return Refusal(status, _json({"status": "invalid event", "message": "Event object is invalid"} | found))


def _for_pagerduty_v1(problem: JsonObject, wait: str, kind: str) -> Refusal:
    """Of v1's clients: what comes too fast is a 403 to them."""
    refusal = _for_pagerduty(problem, wait, kind)
    if refusal.status == 429:
        return replace(refusal, status=403)
    return replace(refusal, body=refusal.body.replace(b"'routing_key'", b"'service_key'"))


def _for_opsgenie(problem: JsonObject, wait: str, _: str) -> Refusal:
    status, errors = int(str(problem["status"])), _problems(problem)
    message = {
        401: "Could not authenticate",
        403: "You are not authorized to access this resource",
        422: "Request body is not processable. Please check the errors.",
        429: "You are making too many requests!",
    }.get(status, str(problem["detail"]))
    body: JsonObject = {"message": message, "took": 0.0, "requestId": str(problem.get("correlation_id", ""))}
    if errors:
        body["errors"] = {str(error.get("field")): error.get("problem") for error in errors}
    return Refusal(status, _json(body), headers=(("Retry-After", wait),) if status in (429, 503) else ())


def _for_victorops(problem: JsonObject, wait: str, _: str) -> Refusal:
    status = _status(problem)
    message = "; ".join(_causes(problem)) or str(problem["detail"])
    headers = (("Retry-After", wait),) if status in (429, 503) else ()
    return Refusal(status, _json({"result": "failure", "message": message}), headers=headers)


def _for_otlp(problem: JsonObject, wait: str, kind: str) -> Refusal:
    """A google.rpc.Status in the encoding of the request."""
    status = _status(problem)
    headers = (("Retry-After", wait),) if status in (429, 503) else ()
    codes = {400: 3, 401: 16, 403: 7, 404: 5, 413: 3, 429: 8, 503: 14}
    code, message = codes.get(status, 13), str(problem["detail"])[:2000]
    if kind.startswith("application/json"):
        return Refusal(status, _json({"code": code, "message": message}), headers=headers)
    text = message.encode()
    size = len(text)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return Refusal(status, bytes([8, code, 18]) + length + text, PROTOBUF, headers)


def _causes(problem: JsonObject) -> list[str]:
    return [f"{error.get('field')}: {error.get('problem')}" for error in _problems(problem)]


def _problems(problem: JsonObject) -> list[JsonObject]:
    errors = problem.get("errors")
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
