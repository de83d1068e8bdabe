"""Escalation policies: whom to page for which incidents, one step after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.types import Identity
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.events.muting.matchers import all_hold, loaded, parse_matchers, stored
from opsteward.oncall.models import EscalationPolicy
from opsteward.oncall.people import references_of
from opsteward.oncall.routes import route_names
from opsteward.oncall.schedules import schedule_names
from opsteward.oncall.types import Begins, PolicyView, Step
from opsteward.telemetry import audit

POLICIES_LIMIT = 200
STEPS_LIMIT = 20
MAX_WAIT_MINUTES = 7 * 24 * 60


async def save_policy(
    session: AsyncSession,
    *,
    name: str,
    matchers: Sequence[str],
    begins: Begins,
    steps: Sequence[Step],
    repeats: int,
    position: int,
    by: Identity,
) -> PolicyView:
    """Make the policy of this name, or change it; escalations under way go on as they began. Raises Invalid."""
    if not 1 <= len(steps) <= STEPS_LIMIT:
        raise Invalid.field("steps", f"are none, or more than {STEPS_LIMIT}", "say whom to page first, and who is next")
    schedules, routes = await schedule_names(session), await route_names(session)
    checked = [await _checked(session, step, f"steps.{place}", schedules, routes) for place, step in enumerate(steps)]
    row = await session.scalar(
        sa.select(EscalationPolicy).where(
            EscalationPolicy.tenant_id == tenant_of(session), EscalationPolicy.name == name
        )
    )
    if row is None:
        if len(await list_policies(session)) >= POLICIES_LIMIT:
            raise Conflict(f"there are {POLICIES_LIMIT} policies already", remedy="remove those that are not needed")
        row = EscalationPolicy(id=uuid7(), tenant_id=tenant_of(session), name=name, created_by=by.actor)
        session.add(row)
    row.matchers = stored(parse_matchers(matchers)) if matchers else []
    row.begins, row.repeats, row.position = begins, repeats, position
    row.steps = [dict(asdict(step)) for step in checked]
    await session.flush()
    await _note(session, "saved", row, by)
    return (await _views(session, [row]))[0]


async def _checked(session: AsyncSession, step: Step, field: str, schedules: set[str], routes: set[str]) -> Step:
    if not (step.schedules or step.operators or step.routes):
        raise Invalid.field(field, "pages nobody", "name schedules, operators or routes")
    for kind, known, given in (("schedules", schedules, step.schedules), ("routes", routes, step.routes)):
        for place, one in enumerate(given):
            if one not in known:
                raise Invalid.field(f"{field}.{kind}.{place}", f"{one[:60]!r} is none", "make it first")
    if not 0 < step.wait_minutes <= MAX_WAIT_MINUTES:
        raise Invalid.field(f"{field}.wait_minutes", "is not between 0 and a week", "give minutes, such as 10")
    people = await references_of(session, step.operators, field=f"{field}.operators")
    return replace(step, operators=tuple(people))


async def remove_policy(session: AsyncSession, *, policy_id: UUID, by: Identity) -> None:
    """Raises NotFound."""
    row = await session.scalar(
        sa.select(EscalationPolicy).where(
            EscalationPolicy.tenant_id == tenant_of(session), EscalationPolicy.id == policy_id
        )
    )
    if row is None:
        raise NotFound("no escalation policy of this id", remedy="see GET /api/v1/oncall/policies")
    await session.delete(row)
    await _note(session, "removed", row, by)


async def list_policies(session: AsyncSession) -> list[PolicyView]:
    """In the order in which they are tried."""
    return await _views(session, await _rows(session))


async def policy_for(
    session: AsyncSession, values: dict[str, str], *, begins: Begins
) -> tuple[str, list[Step], int] | None:
    """Name, steps and repeats of the first policy whose matchers all hold and that begins so, or None."""
    for row in await _rows(session):
        if row.begins == begins and all_hold(loaded(row.matchers), values):
            return row.name, [step_of(kept) for kept in row.steps], row.repeats
    return None


def step_of(kept: JsonObject) -> Step:
    """From a table."""
    fields: dict[str, Any] = dict(kept)
    lists = {name: tuple(fields[name]) for name in ("schedules", "operators", "routes")}
    return Step(wait_minutes=float(fields["wait_minutes"]), **lists)


async def _rows(session: AsyncSession) -> Sequence[EscalationPolicy]:
    found = await session.scalars(
        sa.select(EscalationPolicy)
        .where(EscalationPolicy.tenant_id == tenant_of(session))
        .order_by(EscalationPolicy.position, EscalationPolicy.name)
    )
    return found.all()


async def _views(session: AsyncSession, rows: Sequence[EscalationPolicy]) -> list[PolicyView]:
    steps = {row.id: [step_of(kept) for kept in row.steps] for row in rows}
    people = {who for each in steps.values() for step in each for who in step.operators}
    actors = await actors_of(session, [*people, *(row.created_by for row in rows)])
    return [
        PolicyView(
            id=row.id,
            name=row.name,
            position=row.position,
            matchers=[str(one) for one in loaded(row.matchers)],
            begins="opened" if row.begins == "opened" else "escalated",
            steps=[replace(s, operators=tuple(actors(who).name for who in s.operators)) for s in steps[row.id]],
            repeats=row.repeats,
            created_by=actors(row.created_by),
            created_at=row.created_at,
        )
        for row in rows
    ]


async def _note(session: AsyncSession, what: str, row: EscalationPolicy, by: Identity) -> None:
    await audit.record(
        session,
        actor=by.actor,
        verb=f"oncall.policy.{what}",
        object_type="escalation_policy",
        object_id=str(row.id),
        detail={"name": row.name},
    )
