"""Counts and times every HTTP request, by its route's pattern and never by its address."""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsteward.telemetry.metrics import HTTP_OPEN, HTTP_REQUESTS, HTTP_SECONDS

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """Pure ASGI, the outermost part of the application: what the guard refuses is counted too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0  # nobody waited for an answer

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = perf_counter()
        HTTP_OPEN.inc()
        try:
            await self._app(scope, receive, watched)
        except BaseException:
            status = status or 500
            raise
        finally:
            HTTP_OPEN.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = route_of(scope)
            HTTP_REQUESTS.labels(route, method, str(status)).inc()
            HTTP_SECONDS.labels(route, method).observe(perf_counter() - began)


def route_of(scope: Scope) -> str:
    """The pattern of the route that took the request; `other` for what no route took, and for the console's pages."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else "other"
