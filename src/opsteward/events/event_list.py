"""The stream of events as they came in, the newest first, with filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from opsteward.core.db import tenant_of
from opsteward.core.errors import Invalid
from opsteward.events.models import Event, Incident

#: A filter looks at so many of the newest events at most.
SEARCHED_LIMIT = 20_000
_MESSAGE_LIMIT = 500  # characters of each


@dataclass(frozen=True, kw_only=True)
class EventInList:
    """An event in short: `message` is its beginning. `incident_number` is empty for one that is in no incident."""

    id: UUID
    received_at: datetime
    occurred_at: datetime
    source: str
    error_type: str | None
    message: str
    resolved: bool
    category: str
    severity: str
    action: str
    incident_id: UUID | None
    incident_number: int | None


async def list_events(
    session: AsyncSession,
    *,
    source: str | None = None,
    category: str | None = None,
    severity: str | None = None,
    search: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[EventInList]:
    """Those that fit; `search` is a part of the message. `before`: older than this event. Raises Invalid."""
    tenant_id = tenant_of(session)
    newest = sa.select(Event).where(Event.tenant_id == tenant_id)
    if before is not None:
        newest = newest.where(
            sa.tuple_(Event.received_at, Event.id) < sa.tuple_(await _received_at(session, before), before)
        )
    newest = newest.order_by(Event.received_at.desc(), Event.id.desc())
    fits = [(Event.source, source), (Event.category, category), (Event.severity, severity)]
    filtered = any(value for _, value in fits) or bool(search)
    found = newest.limit(SEARCHED_LIMIT if filtered else limit).subquery()
    event = aliased(Event, found)
    query = (
        sa.select(
            *(getattr(event, name) for name in _COLUMNS),
            sa.func.left(event.message, _MESSAGE_LIMIT).label("message"),
            Incident.number.label("incident_number"),
        )
        .outerjoin(Incident, (Incident.tenant_id == tenant_id) & (Incident.id == event.incident_id))
        .order_by(event.received_at.desc(), event.id.desc())
        .limit(limit)
    )
    for column, value in fits:
        if value:
            query = query.where(getattr(event, column.key) == value)
    if search:
        query = query.where(event.message.icontains(search, autoescape=True))
    return [EventInList(**row) for row in (await session.execute(query)).mappings()]


_COLUMNS = (
    "id", "received_at", "occurred_at", "source", "error_type", "resolved", "category", "severity", "action",
    "incident_id",
)  # fmt: skip


async def _received_at(session: AsyncSession, event_id: UUID) -> datetime:
    at = await session.scalar(
        sa.select(Event.received_at).where(Event.tenant_id == tenant_of(session), Event.id == event_id)
    )
    if at is None:
        raise Invalid.field("before", "is no event that is kept", "begin at the first page")
    return at
