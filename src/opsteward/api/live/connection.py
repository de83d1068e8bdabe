"""One open connection of the live feed: what goes out to it, and the commands that come in.

Out: `{id, type, at, ...}` for each change. In: `{"action": ..., ...}`, answered by `{ok, action, re?, result | error}`.
Who may connect at all is `api.ws`'s; which change goes to whom is `api.hub`'s.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TypeGuard

from fastapi import WebSocket
from pydantic import TypeAdapter, ValidationError

from opsteward.accounts import permission_denials, tokens
from opsteward.accounts.types import Identity
from opsteward.api import problems
from opsteward.api.capacity import Capacity, party_of
from opsteward.api.live.allowance import RATE, Allowance
from opsteward.api.live.commands import COMMANDS
from opsteward.api.live.hub import GAP, Follower, Hub
from opsteward.api.middleware.json_limits import check_json
from opsteward.api.services import ApiServices
from opsteward.core.changes import TYPES
from opsteward.core.error_words import problems_of
from opsteward.core.errors import Invalid, LimitExceeded, OpsError, Unavailable
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlated
from opsteward.telemetry.metrics import WS_GAPS, WS_SENT

_MAX_FRAME = 65_536  # bytes
_MAX_DEPTH = 16
_POLICY, _TRY_AGAIN = 1008, 1013  # codes of a close, RFC 6455
_JSON: TypeAdapter[Mapping[str, object]] = TypeAdapter(Mapping[str, object])


class Connection:
    """One socket: who it is, what it follows, and the task that writes to it."""

    def __init__(
        self,
        socket: WebSocket,
        services: ApiServices,
        capacity: Capacity,
        hub: Hub,
        identity: Identity,
        secret: str,
        *,
        allowance: Allowance,
    ) -> None:
        """`allowance`: of its operator, for all of their connections."""
        self._socket = socket
        self._services = services
        self._capacity = capacity
        self._hub = hub
        self._sending = asyncio.Lock()
        self._allowance = allowance
        self.secret = secret
        self.follower = Follower(identity, buffer=services.settings.api.ws_buffer)

    async def serve(self, after: int | None) -> None:
        """Until it is closed; `after` is the last change that it has."""
        try:
            last = await self._hub.join(self.follower, after=after)
        except Unavailable:
            await self._close(_TRY_AGAIN, "the database is away for a moment")
            return
        telling = hearing = None
        try:
            tenant_id = str(self.follower.identity.tenant_id)
            await self._send({"type": "hello", "last_event_id": last, "tenant_id": tenant_id})
            telling, hearing = asyncio.create_task(self._tell()), asyncio.create_task(self._hear())
            await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.follower.end()
            self._hub.leave(self.follower)
            running = [task for task in (telling, hearing) if task]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    # -- out ---------------------------------------------------------------------------------------------------

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
                if self.follower.wants(one):
                    try:
                        async with asyncio.timeout(self._services.settings.api.ws_stall_timeout), self._sending:
                            if self.follower.over or self.follower.moved:
                                break
                            await self._socket.send_text(one.text)
                    except TimeoutError:
                        await self._close(_TRY_AGAIN, f"too slow: come back with last_event_id={self.follower.sent}")
                        return
                    (WS_GAPS if one.type == GAP else WS_SENT).inc()
                if self.follower.moved:
                    break
                self.follower.sent = one.id
            await asyncio.sleep(0)  # one that takes everything at once leaves the loop to the others now and then

    async def _send(self, body: Mapping[str, object]) -> None:
        async with self._sending:
            await self._socket.send_text(_JSON.dump_json(body).decode())

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._socket.close(code, reason)
        except (TimeoutError, RuntimeError):
            pass  # it is gone, or was closed already

    # -- in ----------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            within = self._allowance.take()
            await self._send(await self._answer_to(message.get("text"), within=within))
            if not within:
                await self._allowance.slow_down()  # the rest waits at the sender's

    async def _answer_to(self, text: str | None, *, within: bool) -> dict[str, object]:
        answer: dict[str, object] = {"ok": False}
        with correlated(str(uuid7())):
            try:
                command = _command(text)
                answer |= {"action": command["action"]} | ({"re": command["id"]} if "id" in command else {})
                if not within:
                    raise LimitExceeded("too many commands at once", remedy=f"send {RATE:g} a second")
                party = party_of(self.follower.identity)
                async with self._capacity.concurrency_limit.of(party, patience=self._capacity.patience):
                    answer |= {"ok": True, "result": await self._do(command)}
            except OpsError as error:
                answer["error"] = json.loads(bytes(problems.of_error(error).body))
            except Exception as error:  # a boundary: what goes wrong with one command leaves the feed as it is
                answer["error"] = json.loads(bytes(problems.of_crash(error, path="/ws").body))
        return answer

    async def _do(self, command: JsonObject) -> object:
        identity = self.follower.identity = await tokens.authenticate(self._services.db, secret=self.secret)
        fields = {key: value for key, value in command.items() if key not in ("action", "id")}
        name = str(command["action"])
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
            await permission_denials.note_denied(self._services.db, identity, permission=known.permission)
        identity.require(known.permission)
        try:
            body = known.model.model_validate(fields)
        except ValidationError as error:
            raise Invalid(problems=problems_of(error.errors(include_url=False), given=fields)) from None
        async with self._services.db.unit_of_work(identity.tenant_id) as session:
            return await known.run(self._services, session, identity, body)

    def _resume(self, fields: JsonObject) -> JsonObject:
        after = fields.get("last_event_id")
        if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after < 2**63:
            raise Invalid.field("last_event_id", "is no event's id", "send the id of the last change that you have")
        last = self._hub.head(self.follower.identity.tenant_id)
        self.follower.start_after(min(after, last))
        return {"last_event_id": last}

    def _subscribe(self, fields: JsonObject) -> dict[str, object]:
        types = fields.get("types")
        if types is not None and not _are_texts(types):
            raise Invalid.field("types", "is no list of names", "send the types to be told of, or null for all")
        unknown = [name for name in types or () if name not in TYPES]
        if unknown:
            raise Invalid.field("types", f"{unknown[0][:60]!r} is none", f"use some of {', '.join(TYPES)}")
        wanted = TYPES.keys() if types is None else set(types)
        self.follower.types = None if types is None else frozenset(types)
        return {"types": sorted(name for name in wanted if self.follower.identity.may(TYPES[name]))}


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _command(text: str | None) -> JsonObject:
    if text is None:
        raise Invalid.field("message", "is binary", "send JSON text")
    body = text.encode("utf-8", "surrogatepass")
    if len(body) > _MAX_FRAME:
        raise Invalid.field("message", f"is longer than {_MAX_FRAME} bytes", "send less at once")
    value = check_json(body, max_depth=_MAX_DEPTH)
    if not isinstance(value, dict) or not isinstance(value.get("action"), str):
        raise Invalid.field("action", "is missing", 'send an object like {"action": "ping"}')
    if not isinstance(value.get("id"), str | int | None):
        raise Invalid.field("id", "is neither text nor a whole number", "send one of these, or none")
    return value
