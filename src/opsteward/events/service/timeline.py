"""The story of an incident, line by line, in the transaction of what it tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import derived_id, uuid7
from opsteward.events.models import TimelineEntry
from opsteward.events.types import TimelineView


async def tell(
    session: AsyncSession,
    *,
    incident_id: UUID,
    kind: str,
    title: str,
    detail: dict[str, Any] | None = None,
    key: str | None = None,
    at: datetime | None = None,
) -> None:
    """Add a line, and tell who watches. With a `key` (a repeated step) the second time does nothing."""
    await session.execute(
        insert(TimelineEntry)
        .values(
            id=derived_id(incident_id, key) if key else uuid7(),
            tenant_id=tenant_of(session),
            incident_id=incident_id,
            at=at or now(),
            kind=kind,
            title=title,
            detail=detail or {},
        )
        .on_conflict_do_nothing()
    )
    await feed.announce(session, kind="incident", object_id=str(incident_id))


async def read(session: AsyncSession, *, incident_id: UUID, limit: int = 1000) -> list[TimelineView]:
    """The lines in order of time."""
    rows = await session.scalars(
        sa.select(TimelineEntry)
        .where(TimelineEntry.tenant_id == tenant_of(session), TimelineEntry.incident_id == incident_id)
        .order_by(TimelineEntry.at, TimelineEntry.id)
        .limit(limit)
    )
    return [TimelineView(id=r.id, at=r.at, kind=r.kind, title=r.title, detail=r.detail) for r in rows]
