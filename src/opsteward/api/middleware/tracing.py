"""A span around every request that the guard lets in. Not part of the application when traces are off."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.api.middleware.request_metrics import route_of
from opsteward.telemetry import traces


class Traced:
    """Pure ASGI, inside the guard, so that the request has its correlation id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"][:10]
        status = 0
        parent = Headers(scope=scope).get("traceparent", "")
        with traces.span(method, {"http.request.method": method}, parent=parent, serves=True) as span:

            async def watched(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                route = route_of(scope)
                span.rename(f"{method} {route}")
                span.note({"http.route": route, "http.response.status_code": status})
                if status >= 500:
                    span.fail(f"status {status}")
