"""On-call schedules: made, changed and read; who is on call now, who comes next, and when nobody is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.oncall.models import NotificationRoute, OncallOverride, OncallSchedule
from opsteward.oncall.people import operator_id, reference_of, references_of
from opsteward.oncall.rotation import Turn, turns, who_is_on_call
from opsteward.oncall.types import WEEKDAYS, Override, Rotation, ScheduleView, Shift
from opsteward.telemetry import audit

SCHEDULES_LIMIT = 200
ROTATIONS_LIMIT = 10
PARTICIPANTS_LIMIT = 50
_AHEAD = timedelta(days=14)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_YEARS = range(2000, 2200)


async def save_schedule(
    session: AsyncSession, *, name: str, timezone: str, rotations: Sequence[Rotation], by: Identity
) -> ScheduleView:
    """Make the schedule of this name, or give it these rotations. Raises Invalid naming the field."""
    if timezone not in available_timezones():
        raise Invalid.field("timezone", f"{timezone[:60]!r} is none", "use an IANA name like Europe/Vienna")
    if not 1 <= len(rotations) <= ROTATIONS_LIMIT:
        raise Invalid.field("rotations", f"are none, or more than {ROTATIONS_LIMIT}", "give one for each layer")
    checked = [await _checked(session, one, f"rotations.{place}") for place, one in enumerate(rotations)]
    row = await _find(session, name)
    if row is None:
        count = sa.select(sa.func.count()).where(OncallSchedule.tenant_id == tenant_of(session))
        if (await session.scalar(count) or 0) >= SCHEDULES_LIMIT:
            raise Conflict(f"there are {SCHEDULES_LIMIT} schedules already", remedy="remove those that are not needed")
        row = OncallSchedule(id=uuid7(), tenant_id=tenant_of(session), name=name, created_by=by.actor)
        session.add(row)
    row.timezone, row.rotations = timezone, [dict(asdict(one)) for one in checked]
    await session.flush()
    await _note(session, "saved", row, by)
    return (await _views(session, [row]))[0]


async def _checked(session: AsyncSession, given: Rotation, field: str) -> Rotation:
    if not 1 <= len(given.participants) <= PARTICIPANTS_LIMIT:
        raise Invalid.field(f"{field}.participants", f"are none, or more than {PARTICIPANTS_LIMIT}", "name operators")
    people = await references_of(session, given.participants, field=f"{field}.participants")
    if not 1 <= given.every <= 52:
        raise Invalid.field(f"{field}.every", "is not between 1 and 52", "say how many days or weeks a turn lasts")
    for part in ("handover", "from_time", "to_time"):
        if not _CLOCK.fullmatch(getattr(given, part)):
            raise Invalid.field(f"{field}.{part}", "is no time of the day", "write 09:00")
    try:
        first = date.fromisoformat(given.starts_on)
    except ValueError:
        first = None
    if first is None or first.year not in _YEARS:
        raise Invalid.field(f"{field}.starts_on", "is no day", "write 2026-01-31")
    strange = [day for day in given.days if day not in WEEKDAYS]
    if strange or not given.days:
        raise Invalid.field(f"{field}.days", f"{(strange or [''])[0][:20]!r} is no day", f"use {', '.join(WEEKDAYS)}")
    return replace(given, participants=tuple(people), starts_on=first.isoformat())


async def remove_schedule(session: AsyncSession, *, schedule_id: UUID, by: Identity) -> None:
    """With its overrides. Raises NotFound."""
    row = await _row(session, schedule_id)
    await session.delete(row)
    await _note(session, "removed", row, by)


async def add_override(
    session: AsyncSession,
    *,
    schedule_id: UUID,
    operator: str,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    by: Identity,
) -> ScheduleView:
    """Somebody else for a while; of two at once the later one counts. Raises Invalid, NotFound."""
    row = await _row(session, schedule_id)
    if ends_at <= max(starts_at, now()) or ends_at - starts_at > timedelta(days=366):
        raise Invalid.field("ends_at", "is past, not after the start, or over a year after it", "give a later instant")
    session.add(
        OncallOverride(
            id=uuid7(),
            tenant_id=row.tenant_id,
            schedule_id=row.id,
            operator_id=operator_id(await reference_of(session, operator, field="operator")),
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            created_by=by.actor,
        )
    )
    await session.flush()
    await _note(session, "overridden", row, by)
    return (await _views(session, [row]))[0]


async def remove_override(session: AsyncSession, *, override_id: UUID, by: Identity) -> None:
    """Raises NotFound."""
    gone = await session.scalar(
        sa.delete(OncallOverride)
        .where(OncallOverride.tenant_id == tenant_of(session), OncallOverride.id == override_id)
        .returning(OncallOverride.schedule_id)
    )
    if gone is None:
        raise NotFound("no override of this id")
    await _note(session, "override_removed", await _row(session, gone), by)


async def list_schedules(session: AsyncSession) -> list[ScheduleView]:
    """All of them by name, each with who is on call."""
    rows = await session.scalars(
        sa.select(OncallSchedule).where(OncallSchedule.tenant_id == tenant_of(session)).order_by(OncallSchedule.name)
    )
    return await _views(session, rows.all())


async def get_schedule(session: AsyncSession, *, schedule_id: UUID) -> ScheduleView:
    """Raises NotFound."""
    return (await _views(session, [await _row(session, schedule_id)]))[0]


async def on_call_now(session: AsyncSession, *, name: str, at: datetime) -> str | None:
    """The reference of who is on call in the schedule of this name; None for nobody, or no such schedule."""
    row = await _find(session, name)
    if row is None:
        return None
    overrides = await _overrides(session, [row.id], since=at)
    who, _ = who_is_on_call(_rotations(row), _turns_of(overrides.get(row.id, [])), row.timezone, at=at)
    return who


async def schedule_names(session: AsyncSession) -> set[str]:
    """What schedules are called."""
    return set(
        await session.scalars(sa.select(OncallSchedule.name).where(OncallSchedule.tenant_id == tenant_of(session)))
    )


async def _views(session: AsyncSession, rows: Sequence[OncallSchedule]) -> list[ScheduleView]:
    at = now()
    overrides = await _overrides(session, [row.id for row in rows], since=at)
    people = {who for row in rows for rotation in _rotations(row) for who in rotation.participants}
    people |= {f"operator:{o.operator_id}" for found in overrides.values() for o in found}
    actors = await actors_of(session, [*people, *(o.created_by for found in overrides.values() for o in found)])
    reachable = {
        f"operator:{one}"
        for one in await session.scalars(
            sa.select(NotificationRoute.operator_id).where(
                NotificationRoute.tenant_id == tenant_of(session), NotificationRoute.operator_id.is_not(None)
            )
        )
    }
    return [_view(row, overrides.get(row.id, []), actors, reachable, at) for row in rows]


def _view(
    row: OncallSchedule, overrides: list[OncallOverride], actors: Actors, reachable: set[str], at: datetime
) -> ScheduleView:
    rotations = _rotations(row)
    found = turns(rotations, _turns_of(overrides), row.timezone, since=at, until=at + _AHEAD)
    shifts = [Shift(starts_at=t.starts_at, ends_at=t.ends_at, operator=actors.maybe(t.who), by=t.by) for t in found]
    people = {who for one in rotations for who in one.participants} | {f"operator:{o.operator_id}" for o in overrides}
    return ScheduleView(
        id=row.id,
        name=row.name,
        timezone=row.timezone,
        rotations=[replace(one, participants=tuple(actors(who).name for who in one.participants)) for one in rotations],
        overrides=[
            Override(
                id=one.id,
                operator=actors(f"operator:{one.operator_id}"),
                starts_at=one.starts_at,
                ends_at=one.ends_at,
                reason=one.reason,
                created_by=actors(one.created_by),
            )
            for one in overrides
        ],
        now=shifts[0].operator,
        until=shifts[0].ends_at if len(shifts) > 1 else None,
        shifts=shifts,
        gaps=[shift for shift in shifts if shift.operator is None],
        unreachable=sorted(actors(who).name for who in people - reachable),
    )


def _turns_of(overrides: Sequence[OncallOverride]) -> list[Turn]:
    return [Turn(o.starts_at, o.ends_at, f"operator:{o.operator_id}", "override") for o in overrides]


def _rotations(row: OncallSchedule) -> list[Rotation]:
    found = []
    for kept in row.rotations:
        fields: dict[str, Any] = dict(kept)
        found.append(
            Rotation(**fields | {"participants": tuple(fields["participants"]), "days": tuple(fields["days"])})
        )
    return found


async def _overrides(
    session: AsyncSession, schedules: Sequence[UUID], *, since: datetime
) -> dict[UUID, list[OncallOverride]]:
    rows = await session.scalars(
        sa.select(OncallOverride)
        .where(
            OncallOverride.tenant_id == tenant_of(session),
            OncallOverride.schedule_id.in_(schedules),
            OncallOverride.ends_at > since,
        )
        .order_by(OncallOverride.id)
    )
    found: dict[UUID, list[OncallOverride]] = {}
    for row in rows:
        found.setdefault(row.schedule_id, []).append(row)
    return found


async def _find(session: AsyncSession, name: str) -> OncallSchedule | None:
    found: OncallSchedule | None = await session.scalar(
        sa.select(OncallSchedule).where(OncallSchedule.tenant_id == tenant_of(session), OncallSchedule.name == name)
    )
    return found


async def _row(session: AsyncSession, schedule_id: UUID) -> OncallSchedule:
    row = await session.scalar(
        sa.select(OncallSchedule).where(
            OncallSchedule.tenant_id == tenant_of(session), OncallSchedule.id == schedule_id
        )
    )
    if row is None:
        raise NotFound("no on-call schedule of this id", remedy="see GET /api/v1/oncall/schedules")
    return row


async def _note(session: AsyncSession, what: str, row: OncallSchedule, by: Identity) -> None:
    await audit.record(
        session,
        actor=by.actor,
        verb=f"oncall.schedule.{what}",
        object_type="oncall_schedule",
        object_id=str(row.id),
        detail={"name": row.name},
    )
