"""`/ws`: the live feed over a WebSocket, and commands with the permissions of the API.

Out: `{id, type, at, ...}` for each change. In: `{"action": ..., ...}`, answered by `{ok, action, re?, result | error}`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from opsteward.api import problems
from opsteward.api.commands import COMMANDS
from opsteward.api.guard import check_json
from opsteward.api.hub import Follower, Hub, Message
from opsteward.api.rooms import Rooms
from opsteward.core.changes import TYPES
from opsteward.core.errors import Denied, Invalid, LimitExceeded, OpsError, Unauthenticated, Unavailable
from opsteward.core.feed import Notice
from opsteward.core.ids import uuid7
from opsteward.core.log import correlated, get_logger
from opsteward.identity.service import access, refusals
from opsteward.identity.service.browser import SESSION_COOKIE, is_same_origin
from opsteward.identity.types import Identity
from opsteward.telemetry.metrics import WS_GAPS, WS_SENT

log = get_logger(__name__)

router = APIRouter()

PROTOCOL = "opsteward"
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 - how a browser names its token, having no header to put it in
_MOST_FRAME = 65_536
_MOST_DEPTH = 16
#: Commands that one connection may send at once, and how many more it may each second.
_BURST, _RATE = 100, 20.0
_POLICY, _TRY_AGAIN = 1008, 1013  # codes of a close, RFC 6455
_RECHECK_EVERY = 60.0  # seconds


class _Connection:
    """One socket: who it is, what it follows, and the task that writes to it."""

    def __init__(self, socket: WebSocket, rooms: Rooms, hub: Hub, identity: Identity, secret: str) -> None:
        self._socket = socket
        self._rooms = rooms
        self._hub = hub
        self._secret = secret
        self._sending = asyncio.Lock()
        self._allowed = float(_BURST)
        self._seen = asyncio.get_running_loop().time()
        self.follower = Follower(identity, buffer=rooms.settings.ws_buffer)

    async def serve(self, after: int | None) -> None:
        """Until it is closed."""
        last = await self._hub.join(self.follower, after=after)
        await self._send({"type": "hello", "last_event_id": last, "tenant_id": str(self.follower.identity.tenant_id)})
        telling, hearing = asyncio.create_task(self._tell()), asyncio.create_task(self._hear())
        try:
            await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.follower.end()
            self._hub.leave(self.follower)
            for task in (telling, hearing):
                task.cancel()
            await asyncio.gather(telling, hearing, return_exceptions=True)

    async def _tell(self) -> None:
        while True:
            try:
                batch = await self.follower.next(self._hub)
            except Unavailable:
                await asyncio.sleep(1.0)
                continue
            if not batch:
                await self._close(_POLICY, "this credential is no longer good")
                return
            for one in batch:
                try:
                    async with asyncio.timeout(self._rooms.settings.ws_stall_timeout):
                        if not isinstance(one, Message):
                            await self._send(one)
                            WS_GAPS.inc()
                        elif self.follower.wants(one):
                            async with self._sending:
                                await self._socket.send_text(one.text)
                            WS_SENT.inc()
                except TimeoutError:
                    await self._close(_TRY_AGAIN, f"too slow: come back with last_event_id={self.follower.sent}")
                    return
                if isinstance(one, Message):
                    self.follower.sent = one.id
                if self.follower.over:
                    break

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            answer: dict[str, Any] = {"ok": False}
            try:
                command = _command(text)
                answer |= {"action": command.get("action")} | ({"re": command["id"]} if "id" in command else {})
                self._limit()
                with correlated(str(uuid7())):
                    answer |= {"ok": True, "result": await self._do(command)}
            except OpsError as error:
                answer["error"] = json.loads(bytes(problems.of_error(error).body))
            await self._send(answer)

    def _limit(self) -> None:
        at = asyncio.get_running_loop().time()
        self._allowed = min(float(_BURST), self._allowed + (at - self._seen) * _RATE)
        self._seen = at
        if self._allowed < 1:
            raise LimitExceeded("too many commands on this connection", remedy=f"send at most {_RATE:g} a second")
        self._allowed -= 1

    async def _do(self, command: dict[str, Any]) -> Any:
        identity = self.follower.identity = await _identity(self._rooms, self._secret)
        fields = {key: value for key, value in command.items() if key not in ("action", "id")}
        name = command["action"]
        if name == "ping":
            return {}
        if name == "resume":
            return self._resume(fields)
        if name == "subscribe":
            return self._subscribe(fields)
        known = COMMANDS.get(name)
        if known is None:
            names = ", ".join(["ping", "resume", "subscribe", *COMMANDS])
            raise Invalid.field("action", f"{name[:60]!r} is none", f"use one of {names}")
        if not identity.may(known.permission):
            await refusals.note_denied(self._rooms.db, identity, permission=known.permission)
        identity.require(known.permission)
        try:
            body = known.model.model_validate(fields)
        except ValidationError as error:
            raise Invalid(problems=problems.field_problems(error.errors())) from None
        return await known.run(self._rooms, identity, body)

    def _resume(self, fields: dict[str, Any]) -> dict[str, Any]:
        after = fields.get("last_event_id")
        if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after < 2**63:
            raise Invalid.field("last_event_id", "is no event's id", "send the id of the last change that you have")
        last = self._hub.head(self.follower.identity.tenant_id)
        self.follower.start_after(min(after, last))
        return {"last_event_id": last}

    def _subscribe(self, fields: dict[str, Any]) -> dict[str, Any]:
        types = fields.get("types")
        if types is not None and (not isinstance(types, list) or not all(isinstance(t, str) for t in types)):
            raise Invalid.field("types", "is no list of names", "send the types to be told of, or null for all")
        unknown = [name for name in types or () if name not in TYPES]
        if unknown:
            raise Invalid.field("types", f"{unknown[0][:60]!r} is none", f"use some of {', '.join(TYPES)}")
        self.follower.types = None if types is None else frozenset(types)
        return {"types": sorted(name for name in types or TYPES if self.follower.identity.may(TYPES[name]))}

    async def recheck(self) -> None:
        """Whether the credential is still good; if not, the connection ends."""
        try:
            self.follower.identity = await _identity(self._rooms, self._secret)
        except Unavailable:
            pass
        except OpsError:
            self.follower.end()

    async def _send(self, body: dict[str, Any]) -> None:
        async with self._sending:
            await self._socket.send_text(json.dumps(body, ensure_ascii=False, default=str))

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._socket.close(code, reason)
        except (TimeoutError, RuntimeError):
            pass  # it takes nothing, or is gone already


class LiveFeed:
    """All connections of this process."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.hub = Hub(rooms.db)
        self._connections: set[_Connection] = set()
        self._rechecking: set[asyncio.Task[None]] = set()

    def hear(self, notice: Notice) -> None:
        """A notice of the feed."""
        self.hub.hear(notice)
        if notice.kind == "token":
            self.recheck(notice.tenant_id)

    async def run(self) -> None:
        """Tell what changes, and look now and then whether who is connected may still be, until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.hub.run())
            parts.create_task(self._recheck_now_and_then())

    async def _recheck_now_and_then(self) -> None:
        while True:  # credentials run out without a notice
            await asyncio.sleep(_RECHECK_EVERY)
            self.recheck(None)

    def recheck(self, tenant_id: UUID | None) -> None:
        """A credential or an operator has changed: whoever is no longer good is let go."""
        for connection in list(self._connections):
            if tenant_id is None or connection.follower.identity.tenant_id == tenant_id:
                task = asyncio.create_task(connection.recheck())
                self._rechecking.add(task)
                task.add_done_callback(self._rechecking.discard)

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        with correlated(str(uuid7())):
            try:
                secret = _secret_of(socket)
                identity = await _identity(self._rooms, secret, kind="session" if _is_session(socket) else "api")
                after = _last_event_id(socket)
            except OpsError as error:
                await socket.send_denial_response(problems.of_error(error))
                return
            offered = socket.scope.get("subprotocols", [])
            await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
            connection = _Connection(socket, self._rooms, self.hub, identity, secret)
            self._connections.add(connection)
            try:
                await connection.serve(after)
            except (WebSocketDisconnect, RuntimeError, Unavailable):
                pass  # it is gone, in the middle of a message perhaps
            finally:
                self._connections.discard(connection)


@router.websocket("/ws")
async def live_feed(socket: WebSocket) -> None:
    """Follow what changes."""
    feed: LiveFeed = socket.app.state.live_feed
    await feed.serve(socket)


def _is_session(socket: WebSocket) -> bool:
    offered = socket.scope.get("subprotocols", [])
    return not socket.headers.get("authorization") and not any(p.startswith(_TOKEN_PROTOCOL) for p in offered)


def _secret_of(socket: WebSocket) -> str:
    """The credential: a header, a subprotocol, or our own pages' cookie. Raises Unauthenticated, Denied."""
    scheme, _, secret = socket.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated("the Authorization header is not 'Bearer <token>'")
        return secret.strip()
    for offered in socket.scope.get("subprotocols", []):
        if offered.startswith(_TOKEN_PROTOCOL):
            return str(offered.removeprefix(_TOKEN_PROTOCOL))
    cookie = socket.cookies.get(SESSION_COOKIE, "")
    if not cookie:
        raise Unauthenticated("no token and no session")
    if not is_same_origin(socket.headers.get("origin"), socket.headers.get("host")):
        raise Denied("a session may follow from the console's own pages only")
    return cookie


async def _identity(rooms: Rooms, secret: str, *, kind: str | None = None) -> Identity:
    async with rooms.db.unit_of_work(None) as session:
        identity = await access.authenticate(session, secret=secret)
    if kind is not None and identity.kind != kind:
        await refusals.note_refused_sign_in(rooms.db, identity, used_as=kind)
        raise Unauthenticated("this credential is not for that use")
    return identity


def _last_event_id(socket: WebSocket) -> int | None:
    given = socket.query_params.get("last_event_id")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise Invalid.field("last_event_id", "is no event's id", "send the id of the last change that you have")
    return int(given)


def _command(text: str | None) -> dict[str, Any]:
    if text is None:
        raise Invalid.field("message", "is binary", "send JSON text")
    if len(text) > _MOST_FRAME:
        raise Invalid.field("message", f"is longer than {_MOST_FRAME} characters", "send less at once")
    value = check_json(text.encode("utf-8", "surrogatepass"), max_depth=_MOST_DEPTH)
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        raise Invalid.field("action", "is missing", 'send an object like {"action": "ping"}')
    if not isinstance(value.get("id"), str | int | None):
        raise Invalid.field("id", "is neither text nor a whole number", "send one of these, or none")
    return value
