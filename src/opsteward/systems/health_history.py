"""A system's health over time: written minute by minute as it is checked, read back in as many points as are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.systems.models import HealthDay, HealthMinute

MAX_POINTS = 1000
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class HealthPoint:
    """From `at` on, for the seconds of a point. Response times in seconds, null where nothing answered; availability is
    the share of checks that did not fail, 0-100."""

    at: datetime
    checks: int
    failed: int
    availability_percent: float
    response_time: float | None
    response_time_max: float | None


@dataclass(frozen=True, kw_only=True)
class HealthHistory:
    """A period of a system's health, and all of it in one figure. A point without any check is left out."""

    system_id: UUID
    since: datetime
    until: datetime
    seconds_per_point: int
    checks: int
    failed: int
    availability_percent: float | None
    response_time: float | None
    response_time_max: float | None
    points: list[HealthPoint]


async def note_check(
    session: AsyncSession, *, system_id: UUID, at: datetime, failed: bool, response_time: float | None
) -> None:
    """Count one check of a system."""
    seconds = response_time or 0.0
    row = {
        "tenant_id": tenant_of(session),
        "system_id": system_id,
        "minute": at.replace(second=0, microsecond=0),
        "checks": 1,
        "failed": int(failed),
        "answered": int(response_time is not None),
        "response_total": seconds,
        "response_max": seconds,
    }
    new = insert(HealthMinute).values(row)
    summed = ("checks", "failed", "answered", "response_total")
    changed = {name: getattr(HealthMinute, name) + new.excluded[name] for name in summed}
    changed["response_max"] = sa.func.greatest(HealthMinute.response_max, new.excluded.response_max)
    keys = ["tenant_id", "system_id", "minute"]
    await session.execute(new.on_conflict_do_update(index_elements=keys, set_=changed))
    of_day = {name: row[name] for name in ("tenant_id", "system_id", *summed)}
    today = insert(HealthDay).values(day=at.astimezone(UTC).date(), **of_day)
    added = {name: getattr(HealthDay, name) + today.excluded[name] for name in summed}
    keys = ["tenant_id", "system_id", "day"]
    await session.execute(today.on_conflict_do_update(index_elements=keys, set_=added))


async def read_history(
    session: AsyncSession, *, system_id: UUID, since: datetime, until: datetime, points: int = 100
) -> HealthHistory:
    """At most about `points` of them, of whole minutes; the database sums up."""
    width = max(60, 60 * -(-int((until - since).total_seconds()) // (60 * points)))
    step = sa.literal(timedelta(seconds=width), sa.Interval)
    at = sa.func.date_bin(step, HealthMinute.minute, sa.literal(_EPOCH)).label("at")
    rows = await session.execute(
        sa.select(
            at,
            sa.func.sum(HealthMinute.checks).label("checks"),
            sa.func.sum(HealthMinute.failed).label("failed"),
            sa.func.sum(HealthMinute.answered).label("answered"),
            sa.func.sum(HealthMinute.response_total).label("total"),
            sa.func.max(HealthMinute.response_max).label("most"),
        )
        .where(
            HealthMinute.tenant_id == tenant_of(session),
            HealthMinute.system_id == system_id,
            HealthMinute.minute >= since,
            HealthMinute.minute < until,
        )
        .group_by(at)
        .order_by(at)
    )
    found = rows.all()
    checks, failed, answered = (sum(getattr(row, name) for row in found) for name in ("checks", "failed", "answered"))
    return HealthHistory(
        system_id=system_id,
        since=since,
        until=until,
        seconds_per_point=width,
        checks=checks,
        failed=failed,
        availability_percent=_available(checks, failed) if checks else None,
        response_time=round(sum(row.total for row in found) / answered, 6) if answered else None,
        response_time_max=max((row.most for row in found if row.answered), default=None),
        points=[
            HealthPoint(
                at=row.at,
                checks=row.checks,
                failed=row.failed,
                availability_percent=_available(row.checks, row.failed),
                response_time=round(row.total / row.answered, 6) if row.answered else None,
                response_time_max=row.most if row.answered else None,
            )
            for row in found
        ],
    )


def _available(checks: int, failed: int) -> float:
    return round(100 * (checks - failed) / checks, 4)
