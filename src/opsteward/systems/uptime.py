"""Systems over days: availability day by day, what is left of the error budget, and the figures of all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.systems.models import HealthDay, System

MAX_DAYS = 366


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day (UTC) of a system; a day without any check is left out."""

    day: date
    checks: int
    failed: int
    availability_percent: float


@dataclass(frozen=True, kw_only=True)
class Uptime:
    """The last `days` days. `error_budget_left` is a fraction of the failures that the objective allows: 1 when none
    has failed, 0 when it is used up, below 0 beyond; null where nothing was checked."""

    system_id: UUID
    days: int
    objective_percent: float
    checks: int
    failed: int
    availability_percent: float | None
    error_budget_left: float | None
    by_day: list[Day]


@dataclass(frozen=True, kw_only=True)
class SystemAnalytics:
    """Figures of all systems. Rates are 0-100, times seconds; availability and response times are those of the last
    `days` days, null where nothing was measured. `silenced_systems` have trouble that raises no alert."""

    days: int
    system_health_percentage: float
    average_response_time: float | None
    availability_percent: float | None
    healthy_systems: int
    degraded_systems: int
    down_systems: int
    unknown_systems: int
    silenced_systems: int
    total_systems: int
    checks: int
    failed_checks: int
    by_type: dict[str, int]
    by_criticality: dict[str, int]


async def days_of(session: AsyncSession, *, system_ids: Collection[UUID], days: int = 90) -> dict[UUID, list[Day]]:
    """Of each of these systems its last days, oldest first."""
    rows = await session.execute(
        sa.select(HealthDay.system_id, HealthDay.day, HealthDay.checks, HealthDay.failed)
        .where(
            HealthDay.tenant_id == tenant_of(session),
            HealthDay.system_id.in_(system_ids),
            HealthDay.day > now().date() - timedelta(days=days),
        )
        .order_by(HealthDay.system_id, HealthDay.day)
    )
    found: dict[UUID, list[Day]] = {system_id: [] for system_id in system_ids}
    for row in rows:
        available = _percent(row.checks - row.failed, row.checks)
        found[row.system_id].append(
            Day(day=row.day, checks=row.checks, failed=row.failed, availability_percent=available)
        )
    return found


async def uptime_of(session: AsyncSession, *, system_id: UUID, days: int, objective_percent: float) -> Uptime:
    """One system over its last days, against an objective below 100."""
    by_day = (await days_of(session, system_ids=[system_id], days=days))[system_id]
    checks, failed = sum(day.checks for day in by_day), sum(day.failed for day in by_day)
    return Uptime(
        system_id=system_id,
        days=days,
        objective_percent=objective_percent,
        checks=checks,
        failed=failed,
        availability_percent=_percent(checks - failed, checks) if checks else None,
        error_budget_left=round(1 - failed / (checks * (1 - objective_percent / 100)), 4) if checks else None,
        by_day=by_day,
    )


async def analytics(session: AsyncSession, *, days: int) -> SystemAnalytics:
    """Figures of all systems of the tenant."""
    tenant_id = tenant_of(session)
    rows = (
        await session.execute(
            sa.select(
                System.health,
                System.type,
                System.criticality,
                sa.func.count().label("systems"),
                sa.func.count(System.silenced_by).label("silenced"),
            )
            .where(System.tenant_id == tenant_id)
            .group_by(System.health, System.type, System.criticality)
        )
    ).all()
    looks = (
        await session.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(HealthDay.checks), 0).label("checks"),
                sa.func.coalesce(sa.func.sum(HealthDay.failed), 0).label("failed"),
                sa.func.coalesce(sa.func.sum(HealthDay.answered), 0).label("answered"),
                sa.func.sum(HealthDay.response_total).label("seconds"),
            ).where(HealthDay.tenant_id == tenant_id, HealthDay.day > now().date() - timedelta(days=days))
        )
    ).one()
    of_health = _counts(rows, "health")
    total, healthy = sum(row.systems for row in rows), of_health.get("healthy", 0)
    return SystemAnalytics(
        days=days,
        system_health_percentage=_percent(healthy, total) if total else 100.0,
        average_response_time=round(looks.seconds / looks.answered, 6) if looks.answered else None,
        availability_percent=_percent(looks.checks - looks.failed, looks.checks) if looks.checks else None,
        healthy_systems=healthy,
        degraded_systems=of_health.get("degraded", 0),
        down_systems=of_health.get("down", 0),
        unknown_systems=of_health.get("unknown", 0),
        silenced_systems=sum(row.silenced for row in rows),
        total_systems=total,
        checks=looks.checks,
        failed_checks=looks.failed,
        by_type=_counts(rows, "type"),
        by_criticality=_counts(rows, "criticality"),
    )


def _counts(rows: Sequence[Any], column: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        name: str = getattr(row, column)
        found[name] = found.get(name, 0) + row.systems
    return dict(sorted(found.items()))


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 4)
