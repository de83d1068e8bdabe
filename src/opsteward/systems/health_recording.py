"""Stores what looks at systems have shown: a change with all that follows from it, the uneventful many in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.check import CheckStatus
from opsteward.contracts.connector import SystemRef
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.log import get_logger
from opsteward.systems.health_checks import evidence_of, health_of
from opsteward.systems.health_history import note_check
from opsteward.systems.health_silence import silenced_by
from opsteward.systems.health_state import TROUBLE, HealthState, RecoveryRules, next_state
from opsteward.systems.models import System
from opsteward.systems.settings import SystemSettings
from opsteward.systems.types import CheckOutcome, HealthChanged

log = get_logger(__name__)

_STEADY = sa.text("""
with seen as (
    select * from unnest(cast(:ids as uuid[]), cast(:at as timestamptz[]), cast(:seconds as double precision[]))
        as seen(id, at, seconds)
), of_system as (
    select id, count(*) as looks, max(at) as last_at, (array_agg(seconds order by at desc))[1] as seconds
    from seen group by id
), looked as (
    update opsteward.systems s
    set checked_at = o.last_at, response_time = o.seconds, checks_total = s.checks_total + o.looks,
        passes_in_a_row = s.passes_in_a_row + o.looks, warnings_in_a_row = 0
    from of_system o where s.tenant_id = :tenant_id and s.id = o.id and s.health = 'healthy'
    returning s.id
), of_day as (
    insert into opsteward.health_days as d (tenant_id, system_id, day, checks, failed, answered, response_total)
    select :tenant_id, id, cast(at at time zone 'UTC' as date), count(*), 0, count(seconds), coalesce(sum(seconds), 0)
    from seen join looked using (id)
    group by id, cast(at at time zone 'UTC' as date)
    order by id
    on conflict (tenant_id, system_id, day) do update
    set checks = d.checks + excluded.checks, answered = d.answered + excluded.answered,
        response_total = d.response_total + excluded.response_total
)
insert into opsteward.health_minutes as m
    (tenant_id, system_id, minute, checks, failed, answered, response_total, response_max)
select :tenant_id, id, date_trunc('minute', at), count(*), 0, count(seconds), coalesce(sum(seconds), 0),
    coalesce(max(seconds), 0)
from seen join looked using (id)
group by id, date_trunc('minute', at)
order by id, date_trunc('minute', at)
on conflict (tenant_id, system_id, minute) do update
set checks = m.checks + excluded.checks, answered = m.answered + excluded.answered,
    response_total = m.response_total + excluded.response_total,
    response_max = greatest(m.response_max, excluded.response_max)
""")


@dataclass(frozen=True)
class SteadyLook:
    """A look at a healthy system that found it healthy."""

    system_id: UUID
    at: datetime
    seconds: float | None


def response_time_of(outcomes: Sequence[CheckOutcome]) -> float | None:
    """Seconds: the slowest of the checks that measured one."""
    return max((o.result.seconds for o in outcomes if o.result.seconds is not None), default=None)


async def record_steady(session: AsyncSession, looks: Sequence[SteadyLook]) -> None:
    """Count looks at this tenant's systems in one statement; those no longer healthy or registered are left out."""
    await session.execute(
        _STEADY,
        {
            "tenant_id": tenant_of(session),
            "ids": [look.system_id for look in looks],
            "at": [look.at for look in looks],
            "seconds": [look.seconds for look in looks],
        },
    )


async def record_look(
    session: AsyncSession,
    *,
    target: SystemRef,
    outcomes: Sequence[CheckOutcome],
    seen_at: datetime,
    bus: Bus,
    settings: SystemSettings,
    asked: bool = False,
) -> str:
    """Store one look, publish `HealthChanged` where it is news; the system's health now. Raises NotFound. `asked`:
    somebody will read the evidence, also of what is as it was."""
    row = await session.scalar(
        sa.select(System).where(System.tenant_id == tenant_of(session), System.id == target.id).with_for_update()
    )
    if row is None:
        raise NotFound("no system of this id")
    seen = health_of(outcomes)
    failed = any(o.result.status is CheckStatus.FAIL for o in outcomes)
    rules = RecoveryRules(passes=settings.recovery_passes, lasting=timedelta(seconds=settings.recovery_seconds))
    was, after = row.health, next_state(_state_of(row), seen=seen, at=seen_at, rules=rules)
    in_trouble = after.health in TROUBLE
    is_degraded = after.health == "degraded"
    reason = (
        await silenced_by(session, system_id=target.id, at=seen_at, is_degraded=is_degraded) if in_trouble else None
    )
    # trouble that outlives its silence is news, once it is seen again
    untold = row.silenced_by is not None and in_trouble
    silence = reason or (row.silenced_by if untold and seen not in TROUBLE else None)
    response_time = response_time_of(outcomes)
    values: dict[str, object] = {
        "checked_at": seen_at,  # of what it was before a slow look ended nobody knows afterwards
        "response_time": response_time,
        "checks_total": System.checks_total + 1,
        "checks_failed": System.checks_failed + int(failed),
        "passes_in_a_row": after.passes,
        "warnings_in_a_row": after.warnings,
        "passing_since": after.passing_since,
        "relapses": after.relapses,
        "silenced_by": silence,
    }
    if after.health != was:
        values |= {"health": after.health, "health_since": now()}
    if asked or after.health != was or after.health != "healthy" or not row.evidence:
        values["evidence"] = evidence_of(outcomes)
    await session.execute(
        sa.update(System).where(System.tenant_id == target.tenant_id, System.id == target.id).values(values)
    )
    if seen != "unknown":
        await note_check(session, system_id=target.id, at=seen_at, failed=failed, response_time=response_time)
    if after.health != was or (untold and silence is None):
        log.info("systems.health.changed", system=target.name, was=was, now=after.health, silenced_by=silence)
        await bus.publish(
            session,
            HealthChanged(
                system=target,
                criticality=row.criticality,
                was=was,
                now=after.health,
                seen_at=seen_at,
                outcomes=list(outcomes),
                silenced_by=silence,
            ),
        )
    return after.health


def _state_of(row: System) -> HealthState:
    return HealthState(
        health=row.health,
        since=row.health_since,
        passes=row.passes_in_a_row,
        warnings=row.warnings_in_a_row,
        passing_since=row.passing_since,
        relapses=row.relapses,
    )
