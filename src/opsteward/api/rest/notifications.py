"""`/api/v1/notifications`: the ways to reach people, and what was told by them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, NoBody, Page, page_of
from opsteward.api.routes import Routes
from opsteward.oncall.routes import NewRoute
from opsteward.oncall.types import NoticeView, RouteView

router = Routes(prefix="/api/v1/notifications", tags=["notifications"])

_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]
_Clock = Annotated[str, Field(max_length=5, description="a time of the day, as 08:00")]


class HoursIn(Input):
    """Only then the route counts; a `to_time` before `from_time` goes over midnight."""

    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1, max_length=7)]
    from_time: _Clock
    to_time: _Clock
    timezone: Annotated[str, Field(max_length=60)] = "UTC"


class RouteIn(Input):
    """`urls` are Apprise URLs, stored encrypted and never shown; left out, those that it has stay.

    With `matchers` it tells of incidents that match all of them; without, it is only for policies and reports.
    """

    urls: Annotated[list[Annotated[str, Field(max_length=2000)]] | None, Field(max_length=10)] = None
    operator: Annotated[str | None, Field(max_length=320, description="it reaches this operator alone")] = None
    position: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 100
    matchers: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=20)] = []
    begins: Literal["opened", "escalated"] = "escalated"
    approvals: Annotated[bool, Field(description="it tells of plans that wait for an approval")] = False
    hours: HoursIn | None = None
    next_route: Annotated[_Name | None, Field(description="tried when no service of this one takes a notice")] = None
    group_seconds: Annotated[
        int, Field(strict=True, ge=0, le=86_400, description="what comes within is one notice; a digest, if long")
    ] = 30
    repeat_seconds: Annotated[
        int | None, Field(strict=True, ge=60, le=604_800, description="again, while nobody has acknowledged")
    ] = None
    report_at: Annotated[_Clock | None, Field(description="a daily report at this time of `timezone`")] = None
    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    title: Annotated[str | None, Field(max_length=200, description="a template: {severity} {title} {link} ...")] = None
    body: Annotated[str | None, Field(max_length=4000)] = None


@router.get("/routes")
async def list_notification_routes(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("oncall.read")]
) -> Page[RouteView]:
    """In their order, each with what became of its last notice."""
    return Page(items=await services.oncall.routes.read_all(session))


@router.put("/routes/{name}")
async def save_notification_route(
    name: _Name,
    body: RouteIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("notifications.write")],
) -> RouteView:
    """Make the route of this name, or change it."""
    return await services.oncall.routes.save(session, new=NewRoute(name=name, **body.model_dump()), by=identity)


@router.delete("/routes/{route_id}", status_code=204)
async def remove_notification_route(
    route_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("notifications.write")],
) -> Response:
    """Its URLs are forgotten."""
    await services.oncall.routes.remove(session, route_id=route_id, by=identity)
    return Response(status_code=204)


@router.post("/routes/{route_id}/test", status_code=202)
async def test_notification_route(
    route_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("notifications.write")],
    body: NoBody = None,
) -> NoticeView:
    """Send a test by this route alone; what became of it says its notice."""
    return await services.oncall.notices.test(session, route_id=route_id, by=identity)


@router.get("/notices")
async def list_notices(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("oncall.read")],
    incident_id: UUID | None = None,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[NoticeView]:
    """What was told, newest first."""
    found = await services.oncall.notices.page(session, incident_id=incident_id, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.get("/notices/{notice_id}")
async def get_notice(
    notice_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("oncall.read")],
) -> NoticeView:
    """One notice, and what became of it."""
    return await services.oncall.notices.get(session, notice_id=notice_id)
