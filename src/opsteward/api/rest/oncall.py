"""`/api/v1/oncall`: who is on call, and whom incidents are escalated to."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page
from opsteward.api.routes import Routes
from opsteward.oncall import policies, schedules
from opsteward.oncall.types import EscalationView, PolicyView, Rotation, ScheduleView, Step

router = Routes(prefix="/api/v1/oncall", tags=["oncall"])

_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]
_Person = Annotated[str, Field(min_length=1, max_length=320)]
_Clock = Annotated[str, Field(max_length=5, description="a time of the day, as 09:00")]
_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class RotationIn(Input):
    """`participants` take turns of `every` days or weeks, from `starts_on`, handing over at `handover`."""

    name: _Name
    participants: Annotated[list[_Person], Field(min_length=1, max_length=50)]
    unit: Literal["day", "week"] = "week"
    every: Annotated[int, Field(strict=True, ge=1, le=52)] = 1
    starts_on: Annotated[str, Field(max_length=10, description="a day, as 2026-01-31")]
    handover: _Clock = "09:00"
    days: list[_Day] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    from_time: _Clock = "00:00"
    to_time: _Clock = "00:00"


class ScheduleIn(Input):
    """Of several rotations the later ones go before the earlier ones."""

    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    rotations: Annotated[list[RotationIn], Field(min_length=1, max_length=10)]


class OverrideIn(Input):
    operator: _Person
    starts_at: Instant
    ends_at: Instant
    reason: Annotated[str, Field(max_length=2000)] = ""


class StepIn(Input):
    """Whom to page: who is on call in `schedules`, `operators`, `routes`; the next step comes `wait_minutes` later."""

    schedules: Annotated[list[_Name], Field(max_length=20)] = []
    operators: Annotated[list[_Person], Field(max_length=20)] = []
    routes: Annotated[list[_Name], Field(max_length=20)] = []
    wait_minutes: Annotated[float, Field(gt=0, le=policies.MAX_WAIT_MINUTES)] = 10.0


class PolicyIn(Input):
    """`begins`: when an incident that matches is `opened`, or only when a person is needed (`escalated`)."""

    matchers: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=20)] = []
    begins: Literal["opened", "escalated"] = "escalated"
    steps: Annotated[list[StepIn], Field(min_length=1, max_length=20)]
    repeats: Annotated[int, Field(strict=True, ge=0, le=100)] = 2
    position: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 100


@router.get("/now")
async def who_is_on_call(
    session: TenantSession, identity: Annotated[Identity, needs("oncall.read")]
) -> Page[ScheduleView]:
    """Each schedule with who is on call now, who comes next, and when nobody is."""
    return Page(items=await schedules.list_schedules(session))


@router.put("/schedules/{name}")
async def save_oncall_schedule(
    name: _Name,
    body: ScheduleIn,
    session: TenantSession,
    identity: Annotated[Identity, needs("oncall.write")],
) -> ScheduleView:
    """Make the schedule of this name, or change it."""
    rotations = [
        Rotation(**one.model_dump() | {"participants": tuple(one.participants), "days": tuple(one.days)})
        for one in body.rotations
    ]
    return await schedules.save_schedule(session, name=name, timezone=body.timezone, rotations=rotations, by=identity)


@router.delete("/schedules/{oncall_schedule_id}", status_code=204)
async def remove_oncall_schedule(
    oncall_schedule_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("oncall.write")]
) -> Response:
    """With its overrides."""
    await schedules.remove_schedule(session, schedule_id=oncall_schedule_id, by=identity)
    return Response(status_code=204)


@router.post("/schedules/{oncall_schedule_id}/overrides", status_code=201)
async def add_oncall_override(
    oncall_schedule_id: UUID,
    body: OverrideIn,
    session: TenantSession,
    identity: Annotated[Identity, needs("oncall.write")],
) -> ScheduleView:
    """Somebody else is on call for a while."""
    return await schedules.add_override(session, schedule_id=oncall_schedule_id, by=identity, **body.model_dump())


@router.delete("/overrides/{override_id}", status_code=204)
async def remove_oncall_override(
    override_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("oncall.write")]
) -> Response:
    """The rotation counts again."""
    await schedules.remove_override(session, override_id=override_id, by=identity)
    return Response(status_code=204)


@router.get("/policies")
async def list_escalation_policies(
    session: TenantSession, identity: Annotated[Identity, needs("oncall.read")]
) -> Page[PolicyView]:
    """In the order in which they are tried; the first that matches an incident counts."""
    return Page(items=await policies.list_policies(session))


@router.put("/policies/{name}")
async def save_escalation_policy(
    name: _Name,
    body: PolicyIn,
    session: TenantSession,
    identity: Annotated[Identity, needs("oncall.write")],
) -> PolicyView:
    """Make the policy of this name, or change it; escalations under way go on as they began."""
    steps = [
        Step(
            schedules=tuple(one.schedules),
            operators=tuple(one.operators),
            routes=tuple(one.routes),
            wait_minutes=one.wait_minutes,
        )
        for one in body.steps
    ]
    return await policies.save_policy(
        session,
        name=name,
        matchers=body.matchers,
        begins=body.begins,
        steps=steps,
        repeats=body.repeats,
        position=body.position,
        by=identity,
    )


@router.delete("/policies/{policy_id}", status_code=204)
async def remove_escalation_policy(
    policy_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("oncall.write")]
) -> Response:
    """Escalations under way go on."""
    await policies.remove_policy(session, policy_id=policy_id, by=identity)
    return Response(status_code=204)


@router.get("/escalations")
async def list_escalations(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("oncall.read")],
    incident_id: Annotated[UUID | None, Query(description="all of this incident; else those under way")] = None,
) -> Page[EscalationView]:
    """Those under way, the next step first; or all of one incident, newest first."""
    escalations = services.oncall.escalations
    if incident_id is not None:
        return Page(items=await escalations.of_incident(session, incident_id=incident_id))
    return Page(items=await escalations.running(session))
