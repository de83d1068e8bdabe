"""A route that fails is an incident of its own, until it takes a notice again."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.events.intake import Intake
from opsteward.events.types import NewEvent
from opsteward.oncall.models import NoticeRow

ACTOR = "system:oncall"


async def report_trouble(
    session: AsyncSession, intake: Intake, route_id: UUID, name: str, error: str, *, resolved: bool
) -> None:
    """Tell that a route took no notice, or (`resolved`) that it takes them again."""
    if resolved:
        before = await session.scalar(
            sa.select(NoticeRow.status)
            .where(
                NoticeRow.tenant_id == tenant_of(session),
                NoticeRow.route_id == route_id,
                NoticeRow.ended_at.is_not(None),
                NoticeRow.status != "skipped",
            )
            .order_by(NoticeRow.ended_at.desc())
            .offset(1)
            .limit(1)
        )
        if before not in ("failed", "interrupted"):
            return
    told = NewEvent(
        message=f"The notification route {name} takes notices again"
        if resolved
        else f"The notification route {name} took no notice: {error}",
        source="notifications",
        error_type="NotificationFailed",
        context={"route": name},
        severity="high",
        category="system_error",
        resolved=resolved,
        group_key=f"notification route {route_id}",
    )
    await intake.take(session, events=[told], actor=ACTOR)
