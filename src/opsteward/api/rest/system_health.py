"""`/api/v1/maintenance-windows`, and systems over days: uptime and analytics."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page, page_of
from opsteward.api.routes import Routes
from opsteward.systems import maintenance, uptime
from opsteward.systems.early_warning.service import warnings
from opsteward.systems.early_warning.types import EarlyWarning
from opsteward.systems.maintenance import MaintenanceWindow, NewWindow
from opsteward.systems.uptime import MAX_DAYS, SystemAnalytics, Uptime

router = Routes(prefix="/api/v1", tags=["systems"])

Days = Annotated[int, Query(ge=1, le=MAX_DAYS)]


class WindowIn(Input):
    """A window that is open once (`ends_at`, and `starts_at` if not now) or recurs (`cron`, `timezone`, `duration`);
    without `system_id` for all systems."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    system_id: UUID | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    cron: Annotated[str | None, Field(max_length=200, description="five fields: minute hour day month weekday")] = None
    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    duration: Annotated[
        int | None, Field(strict=True, ge=1, le=31_536_000, description="seconds from each time of `cron` on")
    ] = None


@router.get("/maintenance-windows")
async def list_maintenance_windows(
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.read")],
    system_id: Annotated[UUID | None, Query(description="that concern this system")] = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[MaintenanceWindow]:
    """Windows in which trouble raises no alert, newest first; `after`: `next` of the page before."""
    found = await maintenance.list_windows(session, system_id=system_id, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.post("/maintenance-windows", status_code=201)
async def plan_maintenance_window(
    body: WindowIn, session: TenantSession, identity: Annotated[Identity, needs("systems.write")]
) -> MaintenanceWindow:
    """Plan a window: what fails in it is recorded, but nobody is alerted unless it still fails afterwards."""
    return await maintenance.plan_window(session, new=NewWindow(**body.model_dump()), actor=identity.actor)


@router.delete("/maintenance-windows/{window_id}", status_code=204)
async def end_maintenance_window(
    window_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("systems.write")]
) -> Response:
    """Remove a window, open or not; what still fails is alerted from now on."""
    await maintenance.end_window(session, window_id=window_id, actor=identity.actor)
    return Response(status_code=204)


@router.get("/systems/{system_id}/uptime")
async def system_uptime(
    system_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.read")],
    days: Days = 90,
    objective: Annotated[float, Query(gt=0, lt=100, description="availability that is promised, percent")] = 99.9,
) -> Uptime:
    """Availability day by day, and what is left of the error budget of an objective."""
    await services.inventory.get(session, system_id=system_id)
    return await uptime.uptime_of(session, system_id=system_id, days=days, objective_percent=objective)


@router.get("/early-warnings")
async def list_early_warnings(
    session: TenantSession,
    identity: Annotated[Identity, needs("systems.read")],
    system_id: Annotated[UUID | None, Query(description="of this system")] = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[EarlyWarning]:
    """What systems will have used up soon, by the trend of their figures; `after`: `next` of the page before."""
    return page_of(await warnings(session, system_id=system_id, after=after, limit=limit), limit=limit)


@router.get("/analytics/systems")
async def system_analytics(
    session: TenantSession, identity: Annotated[Identity, needs("systems.read")], days: Days = 30
) -> SystemAnalytics:
    """Figures of all systems: how many are healthy, how fast they answer, how available they were."""
    return await uptime.analytics(session, days=days)
