"""What happened lately: the incidents resolved last, and how many were opened in each hour."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.events.incident_views import view_of
from opsteward.events.models import Incident
from opsteward.events.types import IncidentStatus, IncidentView


async def last_resolved(session: AsyncSession, *, days: int, limit: int) -> list[IncidentView]:
    """Those resolved in the last days, the last one first."""
    rows = await session.scalars(
        sa.select(Incident)
        .where(
            Incident.tenant_id == tenant_of(session),
            Incident.status == IncidentStatus.RESOLVED,
            Incident.resolved_at > now() - timedelta(days=days),
        )
        .order_by(Incident.resolved_at.desc())
        .limit(limit)
    )
    return [view_of(row) for row in rows]


async def opened_per_hour(session: AsyncSession, *, hours: int) -> list[int]:
    """How many were opened in each of the last hours; the last number is that of the hour that ends now."""
    until = now()
    ago = sa.func.floor(sa.extract("epoch", sa.literal(until) - Incident.opened_at) / 3600).cast(sa.Integer)
    rows = await session.execute(
        sa.select(ago, sa.func.count())
        .where(
            Incident.tenant_id == tenant_of(session),
            Incident.opened_at > until - timedelta(hours=hours),
            Incident.opened_at <= until,
        )
        .group_by(ago)
    )
    found = {row[0]: row[1] for row in rows}
    return [found.get(hour, 0) for hour in range(hours - 1, -1, -1)]
