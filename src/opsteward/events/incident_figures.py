"""Figures of a tenant's last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.events.models import Incident
from opsteward.events.types import IncidentStatus

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """Of the last 24 hours, and what is open now. `longest_open`: numbers and titles, the oldest first."""

    opened: int
    resolved: int
    resolved_without_people: int
    mean_repair_seconds: float | None
    open_now: int
    unacknowledged: int
    muted: int
    open_by_severity: dict[str, int]
    longest_open: list[tuple[int, str]]


async def day_figures(session: AsyncSession) -> DayFigures:
    """In a fixed number of statements."""
    tenant_id, since = tenant_of(session), now() - timedelta(days=1)
    own = Incident.tenant_id == tenant_of(session)
    opened = await session.scalar(sa.select(sa.func.count()).where(own, Incident.opened_at > since))
    repair = sa.extract("epoch", Incident.resolved_at - Incident.opened_at)
    resolved, alone, mean = (
        await session.execute(
            sa.select(
                sa.func.count(),
                sa.func.count().filter(Incident.resolved_by.not_like("operator:%")),
                sa.func.avg(repair),
            ).where(own, Incident.resolved_at > since)
        )
    ).one()
    open_ones = Incident.status != IncidentStatus.RESOLVED
    rows = await session.execute(
        sa.select(
            Incident.severity,
            sa.func.count(),
            sa.func.count().filter(Incident.acknowledged_at.is_(None)),
            sa.func.count().filter(Incident.muted.is_not(None)),
        )
        .where(own, open_ones)
        .group_by(Incident.severity)
    )
    by_severity = {row[0]: (row[1], row[2], row[3]) for row in rows}
    oldest = await session.execute(
        sa.select(Incident.number, Incident.title)
        .where(Incident.tenant_id == tenant_id, open_ones)
        .order_by(Incident.opened_at)
        .limit(_SHOWN)
    )
    return DayFigures(
        opened=opened or 0,
        resolved=resolved,
        resolved_without_people=alone,
        mean_repair_seconds=float(mean) if mean is not None else None,
        open_now=sum(counts[0] for counts in by_severity.values()),
        unacknowledged=sum(counts[1] for counts in by_severity.values()),
        muted=sum(counts[2] for counts in by_severity.values()),
        open_by_severity={name: by_severity[name][0] for name in ("high", "medium", "low") if name in by_severity},
        longest_open=[(row[0], row[1]) for row in oldest],
    )
