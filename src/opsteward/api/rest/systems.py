"""`/api/v1/systems`: the inventory and its health."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import AliasChoices, Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.core.json_types import JsonObject
from opsteward.systems.health_history import MAX_POINTS, HealthHistory, read_history
from opsteward.systems.service import NewSystem
from opsteward.systems.types import SystemHealth, SystemInfo

router = Routes(prefix="/api/v1/systems", tags=["systems"])

Name = Annotated[str, Field(min_length=1, max_length=100)]


class SystemIn(Input):
    """A system to register. `credentials` can be written, never read."""

    name: Name
    type: Annotated[str, Field(max_length=40, validation_alias=AliasChoices("type", "system_type"))]
    endpoint: Annotated[str, Field(min_length=1, max_length=2000)]
    health_check_url: Annotated[str | None, Field(max_length=2000)] = None
    sync_frequency: Annotated[int, Field(strict=True, ge=1, le=31_536_000, description="seconds")] | None = None
    criticality: str = "standard"
    credentials: Annotated[dict[str, Annotated[str, Field(max_length=10_000)]], Field(max_length=50)] = {}
    settings: JsonObject = {}
    depends_on: Annotated[list[Name], Field(max_length=100)] = []


@router.post("", status_code=201)
async def register_system(
    body: SystemIn, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("systems.write")]
) -> SystemInfo:
    """Register a system; it is watched from now on."""
    return await services.inventory.register(session, new=NewSystem(**body.model_dump()), actor=identity.actor)


@router.get("")
async def list_systems(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.read")],
    status: Annotated[str | None, Query(max_length=40, description="of its health")] = None,
    system_type: Annotated[str | None, Query(alias="type", max_length=40)] = None,
    criticality: Annotated[str | None, Query(max_length=40)] = None,
    search: Annotated[str | None, Query(max_length=100, description="a part of its name")] = None,
    ref: Ref = None,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[SystemInfo]:
    """With their present health, by name; `after`: `next` of the page before."""
    found = await services.inventory.page(
        session,
        status=status,
        system_type=system_type,
        criticality=criticality,
        search=search,
        ref=ref,
        after=after,
        limit=limit,
    )
    return page_of(found, limit=limit, cursor="name")


@router.get("/{system_id}")
async def get_system(
    system_id: UUID, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("systems.read")]
) -> SystemInfo:
    """One system."""
    return await services.inventory.get(session, system_id=system_id)


@router.get("/{system_id}/health")
async def system_health(
    system_id: UUID, services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("systems.read")]
) -> SystemHealth:
    """Its health as last measured."""
    return (await services.inventory.get(session, system_id=system_id)).health


@router.get("/{system_id}/health/history")
async def system_health_history(
    system_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.read")],
    since: Annotated[Instant | None, Query(description="a day before `until` if it is left out")] = None,
    until: Annotated[Instant | None, Query(description="now if it is left out")] = None,
    points: Annotated[int, Query(ge=1, le=MAX_POINTS)] = 100,
) -> HealthHistory:
    """Response times and availability over a period, summed up into about so many points of whole minutes."""
    end = until or now()
    start = since or end - timedelta(days=1)
    if start >= end:
        raise Invalid.field("since", "is not before until", "give an earlier instant")
    await services.inventory.get(session, system_id=system_id)
    return await read_history(session, system_id=system_id, since=start, until=end, points=points)


@router.delete("/{system_id}", status_code=204)
async def remove_system(
    system_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> Response:
    """Forget a system and its credentials."""
    await services.inventory.remove(session, system_id=system_id, actor=identity.actor)
    return Response(status_code=204)
