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
from opsteward.systems.access_check import AccessCheck, check_access
from opsteward.systems.declaring import Declarations, SystemsPlan
from opsteward.systems.health_history import MAX_POINTS, HealthHistory, read_history
from opsteward.systems.service import NewSystem
from opsteward.systems.types import SystemHealth, SystemInfo

router = Routes(prefix="/api/v1/systems", tags=["systems"])

_ACCESS_CHECK_TIMEOUT = 25.0  # seconds

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
    enabled: bool = True
    owner: Annotated[str | None, Field(min_length=1, max_length=200, description="who answers for it")] = None
    tags: Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=50)] = []
    runbook_url: Annotated[str | None, Field(max_length=2000)] = None


class SystemChangeIn(Input):
    """What is to change; what is left out stays. `credentials` are replaced whole: {} removes them."""

    name: Name | None = None
    type: Annotated[str | None, Field(max_length=40, validation_alias=AliasChoices("type", "system_type"))] = None
    endpoint: Annotated[str | None, Field(min_length=1, max_length=2000)] = None
    health_check_url: Annotated[str | None, Field(max_length=2000)] = None
    sync_frequency: Annotated[int | None, Field(strict=True, ge=1, le=31_536_000, description="seconds")] = None
    criticality: str | None = None
    credentials: Annotated[dict[str, Annotated[str, Field(max_length=10_000)]], Field(max_length=50)] | None = None
    settings: JsonObject | None = None
    depends_on: Annotated[list[Name], Field(max_length=100)] | None = None
    enabled: bool | None = None
    owner: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    tags: Annotated[list[Annotated[str, Field(max_length=50)]], Field(max_length=50)] | None = None
    runbook_url: Annotated[str | None, Field(max_length=2000)] = None


#: Fields of a system that may be without a value.
_MAY_BE_EMPTY = frozenset({"health_check_url", "sync_frequency", "owner", "runbook_url"})


class DeclaredSystems(Input):
    """The inventory as a file declares it; `prune` removes the systems that it does not name."""

    systems: Annotated[list[SystemIn], Field(max_length=1000)]
    prune: bool = False

    def declared(self) -> list[NewSystem]:
        """As they would be registered; credentials that are not named stay as they are."""
        return [
            NewSystem(
                **one.model_dump(exclude={"credentials"}),
                credentials=one.credentials if "credentials" in one.model_fields_set else None,
            )
            for one in self.systems
        ]


@router.post("/plan")
async def plan_systems(
    body: DeclaredSystems,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> SystemsPlan:
    """How the inventory differs from what is declared, and what applying it would do; changes nothing."""
    return await Declarations(services.inventory).plan(session, declared=body.declared(), prune=body.prune)


@router.post("/apply")
async def apply_systems(
    body: DeclaredSystems,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> SystemsPlan:
    """Make the inventory as it is declared, all of it or nothing; gives what was done."""
    return await Declarations(services.inventory).apply(
        session, declared=body.declared(), prune=body.prune, actor=identity.actor
    )


@router.post("/{system_id}/access-check")
async def check_system_access(
    system_id: UUID, services: ServicesDep, identity: Annotated[Identity, needs("systems.write")]
) -> AccessCheck:
    """Try a system now: what works with its account, and which permission is missing, with what grants it."""
    async with services.db.unit_of_work(identity.tenant_id) as session:
        target, credentials = await services.inventory.ref_with_secret(session, system_id=system_id)
    secret = await credentials.followed()
    return await check_access(services.registry, target, secret, timeout=_ACCESS_CHECK_TIMEOUT)


@router.patch("/{system_id}")
async def change_system(
    system_id: UUID,
    body: SystemChangeIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.write")],
) -> SystemInfo:
    """Change a system, or take it out of use (`enabled`: false): it is neither watched nor worked on then."""
    changes = body.model_dump(exclude_unset=True)
    for name, value in changes.items():
        if value is None and name not in _MAY_BE_EMPTY:
            raise Invalid.field(name, "can't be without a value", "leave it out to keep it as it is")
    return await services.inventory.change(session, system_id=system_id, changes=changes, actor=identity.actor)


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
