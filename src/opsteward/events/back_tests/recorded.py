"""Reads what is recorded of a span, piece by piece, in the order of its arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.events.back_tests.types import RecordedEvent
from opsteward.events.deciding import subject_of
from opsteward.events.event_drafts import shortened
from opsteward.events.flapping import FLAPPING_WITHIN, FLAPS
from opsteward.events.models import Event, Incident, TimelineEntry
from opsteward.events.standing_orders.document import TEXT_LIMIT
from opsteward.systems.service import Inventory
from opsteward.systems.types import KnownSystem

_TITLE = 120
Place = tuple[datetime, UUID]


async def count(session: AsyncSession, since: datetime, until: datetime, *, limit: int) -> int:
    """How many events arrived; at most `limit`, which is not counted beyond."""
    some = sa.select(sa.literal(1)).select_from(Event).where(*_span(session, since, until)).limit(limit)
    return await session.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


async def events(
    session: AsyncSession,
    inventory: Inventory,
    *,
    since: datetime,
    until: datetime,
    after: Place | None,
    limit: int,
    systems: dict[str, KnownSystem | None],
) -> list[RecordedEvent]:
    """The next events of a span. `systems` keeps which system a source is, from piece to piece."""
    query = (
        sa.select(
            Event.id, Event.received_at, Event.source, Event.error_type, Event.category, Event.severity, Event.action,
            Event.fingerprint, Event.resolved, Event.incident_id, Incident.opened_at, Incident.resolved_at,
            sa.func.left(Event.message, TEXT_LIMIT).label("message"),
        )
        .outerjoin(Incident, (Incident.id == Event.incident_id) & (Incident.tenant_id == Event.tenant_id))
        .where(*_span(session, after[0] if after else since, until))
        .order_by(Event.received_at, Event.id)
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        query = query.where(sa.tuple_(Event.received_at, Event.id) > sa.tuple_(*map(sa.literal, after)))
    rows = (await session.execute(query)).all()
    await _know(session, inventory, {row.source.casefold() for row in rows if row.source}, systems)
    return [_recorded(row, systems) for row in rows]


async def returns(session: AsyncSession, since: datetime, until: datetime) -> dict[UUID, list[datetime]]:
    """When the trouble of an incident was back after its own recovery, and all was asked for again: each time but those
    at which it flapped."""
    rows = await session.execute(
        sa.select(TimelineEntry.incident_id, TimelineEntry.at, TimelineEntry.detail)
        .where(
            TimelineEntry.tenant_id == tenant_of(session),
            TimelineEntry.kind == "reopened",
            TimelineEntry.at >= since - FLAPPING_WITHIN,
            TimelineEntry.at < until,
        )
        .order_by(TimelineEntry.at)
    )
    found: dict[UUID, list[datetime]] = {}
    reopened: dict[UUID, list[datetime]] = {}
    for incident_id, at, detail in rows.all():
        before = sum(at - one < FLAPPING_WITHIN for one in reopened.setdefault(incident_id, []))
        if detail.get("automatic") and before + 1 < FLAPS and at >= since:
            found.setdefault(incident_id, []).append(at)
        reopened[incident_id].append(at)
    return found


def _span(session: AsyncSession, since: datetime, until: datetime) -> Sequence[sa.ColumnElement[bool]]:
    return Event.tenant_id == tenant_of(session), Event.received_at >= since, Event.received_at < until


async def _know(
    session: AsyncSession, inventory: Inventory, names: set[str], systems: dict[str, KnownSystem | None]
) -> None:
    if new := names - systems.keys():
        systems |= dict.fromkeys(new) | await inventory.by_name(session, names=new)


def _recorded(row: Any, systems: Mapping[str, KnownSystem | None]) -> RecordedEvent:
    subject = subject_of(
        category=row.category,
        severity=row.severity,
        source=row.source,
        error_type=row.error_type,
        message=row.message,
        system=systems.get(row.source.casefold()),
    )
    first_line = row.message[: 4 * _TITLE].strip().partition("\n")[0] or "(no message)"
    return RecordedEvent(
        id=row.id,
        at=row.received_at,
        subject=subject,
        title=shortened(first_line)[:_TITLE],
        fingerprint=row.fingerprint,
        resolved=row.resolved,
        action=row.action,
        incident_id=row.incident_id,
        known_since=row.opened_at,
        known_until=row.resolved_at,
    )
