"""`POST /mcp`: the MCP server over streamable HTTP. Each message stands for itself, with its caller's API token; what
a tool does is a request to this same application, so that permissions, approvals and the audit log are those of any
other. The SDK is imported, and its server made, at the first message."""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from opsteward.api import problems
from opsteward.api.capacity import party_in
from opsteward.api.deps import client_address, same_origin
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Denied, OpsError, Unauthenticated
from opsteward.core.fair_share import FairShare

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from opsteward.client.connection import Call

PATH = "/mcp"
_AT_ONCE = 100  # messages; who waits for work may take minutes
#: What of a message's headers goes on to the requests that it stands for.
_HANDED_ON = frozenset({b"authorization", b"host", b"x-forwarded-proto"})


@dataclass(frozen=True)
class _Caller:
    """Who sent the message that is being answered."""

    headers: tuple[tuple[bytes, bytes], ...]
    address: tuple[str, int]


_caller: ContextVar[_Caller] = ContextVar("mcp_caller")


class McpEndpoint:
    """ASGI, for POST; one per application and event loop."""

    def __init__(self, *, patience: float) -> None:
        """`patience`: seconds that a message waits for its turn."""
        self._patience, self._shares = patience, FairShare(_AT_ONCE)
        self._started: asyncio.Future[StreamableHTTPSessionManager] | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One message."""
        request = Request(scope, receive)
        try:
            _check(request)
            await self._shares.acquire(party_in(scope), patience=self._patience)
        except OpsError as error:
            await problems.of_error(error)(scope, receive, send)
            return
        try:
            manager = await self._manager(scope["app"])
            handed_on = [(name, value) for name, value in scope["headers"] if name in _HANDED_ON]
            handed_on.append((b"x-correlation-id", scope["correlation_id"].encode()))
            _caller.set(_Caller(tuple(handed_on), (client_address(request), 0)))
            await manager.handle_request(scope, receive, send)
        finally:
            self._shares.release(party_in(scope))

    async def _manager(self, app: ASGIApp) -> StreamableHTTPSessionManager:
        if self._started is None:
            self._started = asyncio.get_running_loop().create_future()
            # in no context: what it begins later has its own caller's
            self._serving = asyncio.create_task(self._serve(app, self._started), context=Context())
            self._serving.add_done_callback(partial(self._ended, self._started))
        return await asyncio.shield(self._started)

    async def _serve(self, app: ASGIApp, started: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        """Until the process ends."""
        manager = await in_thread(_manager_of, app)
        async with manager.run():
            started.set_result(manager)
            await asyncio.Event().wait()

    def _ended(self, started: asyncio.Future[StreamableHTTPSessionManager], serving: asyncio.Task[None]) -> None:
        """The next message tries again."""
        self._started = None
        error = None if serving.cancelled() else serving.exception()
        if not started.done():
            started.set_exception(error) if error else started.cancel()


def _check(request: Request) -> None:
    if not request.headers.get("authorization"):
        raise Unauthenticated("no API token", remedy="send 'Authorization: Bearer <token>'")
    if request.headers.get("origin") and not same_origin(request):
        raise Denied("another site's pages may not ask here", remedy="use a client that is no web page")


def _manager_of(app: ASGIApp) -> StreamableHTTPSessionManager:
    """On a thread: importing and making it takes the better part of a second."""
    from mcp.server.transport_security import TransportSecuritySettings

    from opsteward.client import in_process
    from opsteward.client.mcp_tools import build_server

    async def send(call: Call[Any]) -> Any:
        caller = _caller.get()
        return await in_process.send(app, call, headers=caller.headers, address=caller.address)

    server = build_server(send)
    own_checks = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # a token is asked for in any case
    server.streamable_http_app(stateless_http=True, transport_security=own_checks)
    return server.session_manager
