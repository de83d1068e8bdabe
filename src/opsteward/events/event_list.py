"""The stream of events as they came in, with filters; the newest first, or in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from opsteward.core.db import tenant_of
from opsteward.core.errors import Invalid
from opsteward.core.keyset import in_order
from opsteward.events.models import Event, Incident

#: A filter, and an order by something else than time, look at so many of the newest events at most.
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
    by: str = "received",
    descending: bool = True,
) -> list[EventInList]:
    """Those that fit, by one of ORDERS; `search` is a part of the message. `before`: behind this event. Raises
    Invalid."""
    tenant_id = tenant_of(session)
    own = sa.select(Event).where(Event.tenant_id == tenant_id)
    if before is not None and await session.scalar(sa.select(Event.id).where(Event.id == before)) is None:
        raise Invalid.field("before", "is no event that is kept", "begin at the first page")
    fits = [(Event.source, source), (Event.category, category), (Event.severity, severity)]
    filtered = any(value for _, value in fits) or bool(search)
    in_time = by == "received"
    window = in_order(
        own,
        by=Event.received_at,
        row_id=Event.id,
        descending=descending or not in_time,
        after=before if in_time else None,
    )
    found = window.limit(SEARCHED_LIMIT if filtered or not in_time else limit).subquery()
    event = aliased(Event, found)
    query = (
        sa.select(
            *(getattr(event, name) for name in _COLUMNS),
            sa.func.left(event.message, _MESSAGE_LIMIT).label("message"),
            Incident.number.label("incident_number"),
        )
        .outerjoin(Incident, (Incident.tenant_id == tenant_id) & (Incident.id == event.incident_id))
        .limit(limit)
    )
    query = in_order(
        query,
        by=ORDERS[by](event),
        row_id=event.id,
        descending=descending,
        after=None if in_time else before,
    )
    for column, value in fits:
        if value:
            query = query.where(getattr(event, column.key) == value)
    if search:
        query = query.where(event.message.icontains(search, autoescape=True))
    return [EventInList(**row) for row in (await session.execute(query)).mappings()]


#: What events can be ordered by, of a selection of them.
ORDERS: dict[str, Callable[[type[Event]], Any]] = {
    "received": lambda event: event.received_at,
    "source": lambda event: sa.func.lower(event.source),
    "severity": lambda event: sa.case({"high": 2, "medium": 1}, value=event.severity, else_=0),
}
_COLUMNS = (
    "id", "received_at", "occurred_at", "source", "error_type", "resolved", "category", "severity", "action",
    "incident_id",
)  # fmt: skip
