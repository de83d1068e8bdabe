"""`/ws`: the live feed over a WebSocket. Who may connect, and who must go; the rest is `api.connection`'s."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from uuid import UUID
from weakref import WeakValueDictionary

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from opsteward.accounts import tokens
from opsteward.accounts.sessions import SESSION_COOKIE, is_same_origin
from opsteward.accounts.types import Identity
from opsteward.api import problems
from opsteward.api.capacity import Capacity, party_of
from opsteward.api.deps import admitted
from opsteward.api.live.allowance import Allowance
from opsteward.api.live.connection import Connection
from opsteward.api.live.hub import Hub
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.core.errors import Denied, Invalid, LimitExceeded, OpsError, Unauthenticated, Unavailable
from opsteward.core.fair_share import Busy
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.ids import uuid7
from opsteward.core.log import correlated, get_logger

log = get_logger(__name__)

router = Routes()

PROTOCOL = "opsteward"
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 - how a browser names its token, having no header to put it in
_RECHECK_EVERY = 60.0  # seconds


class LiveFeed:
    """All connections of this process."""

    def __init__(self, services: ApiServices, capacity: Capacity) -> None:
        self._services = services
        self._capacity = capacity
        self.hub = Hub(services.db)
        self._connections: set[Connection] = set()
        self._allowances: WeakValueDictionary[UUID, Allowance] = WeakValueDictionary()  # by operator
        self._rechecking: set[asyncio.Task[None]] = set()

    def hear(self, notice: Notice) -> None:
        """A notice of the feed."""
        self.hub.hear(notice)
        if notice.kind == "token":
            self._recheck_soon(notice.tenant_id)
        elif notice.kind == RECONNECTED:  # what was revoked meanwhile, nobody has told us
            self._recheck_soon(None)

    async def run(self) -> None:
        """Tell what changes, and look now and then whether who is connected may still be, until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.hub.run())
            parts.create_task(self._recheck_now_and_then())

    async def _recheck_now_and_then(self) -> None:
        while True:  # credentials run out without a notice
            await asyncio.sleep(_RECHECK_EVERY)
            self._recheck_soon(None)

    def _recheck_soon(self, tenant_id: UUID | None) -> None:
        task = asyncio.create_task(self.recheck(tenant_id))
        self._rechecking.add(task)
        task.add_done_callback(self._rechecking.discard)

    async def recheck(self, tenant_id: UUID | None) -> None:
        """A credential or an operator has changed: whoever is no longer good is let go. One look for each credential,
        one after the other. `None` looks at those of all tenants."""
        bearers: dict[str, list[Connection]] = defaultdict(list)
        for connection in self._connections:
            if tenant_id is None or connection.follower.identity.tenant_id == tenant_id:
                bearers[connection.secret].append(connection)
        for secret, connections in bearers.items():
            try:
                identity = await tokens.authenticate(self._services.db, secret=secret)
            except Unavailable:
                return  # nothing is told meanwhile; once the database is back, the feed is, and we look again
            except Unauthenticated:
                for connection in connections:
                    connection.follower.end()
            else:
                for connection in connections:
                    connection.follower.identity = identity

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        with correlated(str(uuid7())):
            try:
                secret, kind = _credential_of(socket)
                identity = await admitted(self._services, secret=secret, kind=kind)
                after = _last_event_id(socket)
                await self._take_place(identity)
            except OpsError as error:
                await socket.send_denial_response(problems.of_error(error))
                return
            try:
                await self._serve(socket, identity, secret, after)
            finally:
                self._capacity.followers.release(party_of(identity))

    async def _take_place(self, identity: Identity) -> None:
        """Raises LimitExceeded: a connection that follows keeps its place, so that nobody may have them all."""
        try:
            await self._capacity.followers.acquire(party_of(identity), patience=0)
        except Busy:
            raise LimitExceeded("too many of your connections follow already", remedy="close some of them") from None

    async def _serve(self, socket: WebSocket, identity: Identity, secret: str, after: int | None) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        allowance = self._allowances.setdefault(identity.operator_id, Allowance())
        connection = Connection(socket, self._services, self._capacity, self.hub, identity, secret, allowance=allowance)
        self._connections.add(connection)
        try:
            await connection.serve(after)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it is gone, in the middle of a message perhaps
        finally:
            self._connections.discard(connection)


@router.websocket("/ws")
async def live_feed(socket: WebSocket) -> None:
    """Follow what changes."""
    feed: LiveFeed = socket.app.state.live_feed
    await feed.serve(socket)


def _credential_of(socket: WebSocket) -> tuple[str, str]:
    """The secret and its kind: in a header, a subprotocol, or our own pages' cookie. Raises Unauthenticated, Denied."""
    scheme, _, secret = socket.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated("the Authorization header is not 'Bearer <token>'")
        return secret.strip(), "api"
    for offered in socket.scope.get("subprotocols", []):
        if offered.startswith(_TOKEN_PROTOCOL):
            return str(offered.removeprefix(_TOKEN_PROTOCOL)), "api"
    cookie = socket.cookies.get(SESSION_COOKIE, "")
    if not cookie:
        raise Unauthenticated("no token and no session")
    if not is_same_origin(socket.headers.get("origin"), socket.headers.get("host")):
        raise Denied("a session may follow from the console's own pages only")
    return cookie, "session"


def _last_event_id(socket: WebSocket) -> int | None:
    given = socket.query_params.get("last_event_id")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise Invalid.field("last_event_id", "is no event's id", "send the id of the last change that you have")
    return int(given)
