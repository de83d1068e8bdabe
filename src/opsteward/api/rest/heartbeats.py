"""`/ping/{key}`: calls of what must call us; and `/api/v1/heartbeats`: when each is due."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs, own_address
from opsteward.api.rest.schemas.base import Input, NoBody, Page, page_of
from opsteward.api.routes import Routes
from opsteward.systems import heartbeats
from opsteward.systems.heartbeats import HeartbeatInfo, NewHeartbeat, NewKey, Signal, signal_of

router = Routes(tags=["systems"])

Key = Annotated[str, Path(max_length=200)]
_NO_STORE = {"Cache-Control": "no-store"}


class HeartbeatIn(Input):
    """A heartbeat is due every `period` seconds, or at the times of `cron` in `timezone`; `grace` seconds later it is
    missed."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    period: Annotated[int | None, Field(strict=True, ge=1, le=31_622_400, description="seconds")] = None
    cron: Annotated[str | None, Field(max_length=200, description="five fields: minute hour day month weekday")] = None
    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    grace: Annotated[int, Field(strict=True, ge=0, le=2_678_400, description="seconds")] = 300
    criticality: Annotated[str, Field(max_length=40)] = "standard"


class HeartbeatKey(BaseModel):
    """The only time the key is seen. `ping_url` is what the work calls at its end; `/start`, `/fail` or its exit code
    may follow."""

    id: UUID
    key: str
    ping_url: str


@router.head("/ping/{key}", include_in_schema=False)
@router.post("/ping/{key}", include_in_schema=False)
@router.get("/ping/{key}", response_class=PlainTextResponse)
async def ping(key: Key, services: ServicesDep) -> PlainTextResponse:
    """The work is done. GET, HEAD or POST; no other credential is needed, and no body is read."""
    await heartbeats.take_ping(services.db, key=key, signal=Signal("success"))
    return PlainTextResponse("OK\n", headers=_NO_STORE)


@router.head("/ping/{key}/{signal}", include_in_schema=False)
@router.post("/ping/{key}/{signal}", include_in_schema=False)
@router.get("/ping/{key}/{signal}", response_class=PlainTextResponse)
async def ping_with_signal(
    key: Key,
    signal: Annotated[str, Path(max_length=200, description="start, success, fail, or an exit code 0-255")],
    services: ServicesDep,
) -> PlainTextResponse:
    """The work was started, is done, or has failed. GET, HEAD or POST."""
    await heartbeats.take_ping(services.db, key=key, signal=signal_of(signal))
    return PlainTextResponse("OK\n", headers=_NO_STORE)


@router.post("/api/v1/heartbeats", status_code=201)
async def register_heartbeat(
    body: HeartbeatIn,
    request: Request,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> HeartbeatKey:
    """Expect a call from now on; it is also a system, with health and history. The key is seen this once."""
    new = NewHeartbeat(**body.model_dump())
    _, key = await heartbeats.register(session, services.inventory, new=new, actor=identity.actor)
    return _told(request, key)


@router.get("/api/v1/heartbeats")
async def list_heartbeats(
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.read")],
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[HeartbeatInfo]:
    """What must call us, newest first; `after`: `next` of the page before."""
    return page_of(await heartbeats.list_heartbeats(session, after=after, limit=limit), limit=limit)


@router.get("/api/v1/heartbeats/{heartbeat_id}")
async def get_heartbeat(
    heartbeat_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("systems.read")]
) -> HeartbeatInfo:
    """One heartbeat."""
    return await heartbeats.get(session, system_id=heartbeat_id)


@router.post("/api/v1/heartbeats/{heartbeat_id}/key")
async def new_key(
    heartbeat_id: UUID,
    request: Request,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
    body: NoBody = None,
) -> HeartbeatKey:
    """A new key in the place of the old one, which is taken no more."""
    return _told(request, await heartbeats.new_key(session, system_id=heartbeat_id, actor=identity.actor))


@router.delete("/api/v1/heartbeats/{heartbeat_id}", status_code=204)
async def remove_heartbeat(
    heartbeat_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> Response:
    """Expect no call any more: the heartbeat, and the system that it is, are forgotten."""
    await heartbeats.get(session, system_id=heartbeat_id)
    await services.inventory.remove(session, system_id=heartbeat_id, actor=identity.actor)
    return Response(status_code=204)


def _told(request: Request, new: NewKey) -> HeartbeatKey:
    return HeartbeatKey(id=new.id, key=new.key, ping_url=f"{own_address(request)}/ping/{new.key}")
