"""Incidents: read them, and move them along. Opening one is the intake's work."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.types import Identity
from opsteward.actions.approval_types import IncidentRef
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, NotFound
from opsteward.core.references import called
from opsteward.events import recoveries, timeline
from opsteward.events.models import Event, Incident, IncidentFingerprint
from opsteward.events.types import EventView, IncidentChanged, IncidentStatus, IncidentView
from opsteward.telemetry import audit

#: A search for text looks at the newest so many.
SEARCHED_LIMIT = 20_000
_NUMBER = re.compile(r"[0-9]{1,9}")


class Incidents:
    """One per process; publishes every change on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def get(self, session: AsyncSession, *, incident_id: UUID) -> IncidentView:
        """Raises NotFound."""
        row = await self._row(session, incident_id)
        return view_of(row, await actors_of(session, (row.acknowledged_by, row.resolved_by)))

    async def page(
        self,
        session: AsyncSession,
        *,
        status: list[str] | None = None,
        severity: str | None = None,
        source: str | None = None,
        system_id: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
        ref: str | None = None,
        newest_first: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[IncidentView]:
        """What is not resolved before what is, the severe before the less severe, the newest first; or just the newest
        first. `before`: behind the incident of this number, the last of the previous page. `since` and `until` are of
        its opening, `search`: words in title or source, `ref`: by number, id, or a part of the id."""
        query = sa.select(Incident).where(Incident.tenant_id == tenant_of(session))
        for condition in await self._conditions(session, ref=ref, search=search):
            query = query.where(condition)
        if status:
            query = query.where(Incident.status.in_(status))
        for column, value in (
            (Incident.severity, severity),
            (Incident.source, source),
            (Incident.system_id, system_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(Incident.opened_at >= since)
        if until is not None:
            query = query.where(Incident.opened_at < until)
        if before is not None:
            query = query.where(await self._behind(session, before, newest_first=newest_first))
        order = (Incident.number.desc(),) if newest_first else (Incident.urgency.desc(), Incident.number.desc())
        rows = (await session.scalars(query.order_by(*order).limit(limit))).all()
        actors = await actors_of(session, (one for row in rows for one in (row.acknowledged_by, row.resolved_by)))
        return [view_of(row, actors) for row in rows]

    async def _conditions(
        self, session: AsyncSession, *, ref: str | None, search: str | None
    ) -> list[sa.ColumnElement[bool]]:
        found: list[sa.ColumnElement[bool]] = []
        if ref is not None:
            by_number = [Incident.number == int(ref)] if _NUMBER.fullmatch(ref) else []
            found.append(Incident.id.in_(await called(session, Incident, ref, names=by_number)))
        words = (search or "").split()
        if words:
            newest = (
                sa.select(Incident.id)
                .where(Incident.tenant_id == tenant_of(session))
                .order_by(Incident.number.desc())
                .limit(SEARCHED_LIMIT)
            )
            found.append(Incident.id.in_(newest))
        for word in words:
            somewhere = [column.icontains(word, autoescape=True) for column in (Incident.title, Incident.source)]
            found.append(sa.or_(*somewhere))
        return found

    async def _behind(self, session: AsyncSession, number: int, *, newest_first: bool) -> sa.ColumnElement[bool]:
        urgency = None
        if not newest_first:
            urgency = await session.scalar(
                sa.select(Incident.urgency).where(Incident.tenant_id == tenant_of(session), Incident.number == number)
            )
        if urgency is None:
            return Incident.number < number
        return sa.tuple_(Incident.urgency, Incident.number) < sa.tuple_(sa.literal(urgency), sa.literal(number))

    async def waiting_of_system(self, session: AsyncSession, *, system_id: UUID) -> list[UUID]:
        """Incidents of a system that nobody works on at the moment: they end when it is well again."""
        waiting = [IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED, IncidentStatus.ESCALATED]
        return list(
            await session.scalars(
                sa.select(Incident.id).where(
                    Incident.tenant_id == tenant_of(session),
                    Incident.system_id == system_id,
                    Incident.status.in_(waiting),
                )
            )
        )

    async def count_open(self, session: AsyncSession) -> int:
        """Incidents that are not resolved, the escalated ones among them."""
        return (
            await session.scalar(
                sa.select(sa.func.count()).where(
                    Incident.tenant_id == tenant_of(session), Incident.status != IncidentStatus.RESOLVED
                )
            )
        ) or 0

    async def refs(self, session: AsyncSession, incident_ids: Collection[UUID]) -> dict[UUID, IncidentRef]:
        """Number and title of these incidents, for what speaks of them."""
        if not incident_ids:
            return {}
        rows = await session.execute(
            sa.select(Incident.id, Incident.number, Incident.title).where(
                Incident.tenant_id == tenant_of(session), Incident.id.in_(incident_ids)
            )
        )
        return {row.id: IncidentRef(id=row.id, number=row.number, title=row.title) for row in rows}

    async def events(self, session: AsyncSession, *, incident_id: UUID, limit: int = 50) -> list[EventView]:
        """The newest events of an incident."""
        rows = await session.scalars(
            sa.select(Event)
            .where(Event.tenant_id == tenant_of(session), Event.incident_id == incident_id)
            .order_by(Event.received_at.desc(), Event.id.desc())
            .limit(limit)
        )
        return [view_of_event(row) for row in rows]

    async def acknowledge(self, session: AsyncSession, *, incident_id: UUID, by: Identity) -> IncidentView:
        """Somebody has seen it. Raises Conflict once it is over."""
        row = await self._row(session, incident_id, lock=True)
        if row.status == IncidentStatus.RESOLVED:
            raise Conflict("this incident is resolved already")
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = now(), by.actor
            if row.status == IncidentStatus.OPEN:
                row.status = IncidentStatus.ACKNOWLEDGED
            await timeline.add(
                session, incident_id=row.id, kind="acknowledged", title="Acknowledged", key="ack", actor=by.actor
            )
            await self._changed(session, row, by.actor, "acknowledged")
        return view_of(row, await actors_of(session, (row.acknowledged_by,)))

    async def move(
        self,
        session: AsyncSession,
        *,
        incident_id: UUID,
        status: IncidentStatus,
        actor: str,
        title: str,
        key: str,
        detail: Mapping[str, object] | None = None,
        resolution: str | None = None,
    ) -> bool:
        """Set the status and note it in the timeline. A resolved incident stays so: False. Repeating is harmless."""
        row = await self._row(session, incident_id, lock=True)
        if row.status == IncidentStatus.RESOLVED:
            return False
        if not await timeline.add(
            session, incident_id=row.id, kind=status.value, title=title, detail=detail, key=key, actor=actor
        ):
            return True  # a step that is run again: what came after it stands
        row.status = status
        if status == IncidentStatus.RESOLVED:
            row.resolved_at, row.resolved_by, row.resolution = now(), actor, resolution or title
            await session.execute(
                sa.delete(IncidentFingerprint).where(
                    IncidentFingerprint.tenant_id == row.tenant_id, IncidentFingerprint.incident_id == row.id
                )
            )
            await recoveries.forget_objects(session, row.id)
        await self._changed(session, row, actor, status.value)
        return True

    async def set_category(self, session: AsyncSession, *, incident_id: UUID, category: str) -> None:
        """What it is about, as a person says."""
        (await self._row(session, incident_id, lock=True)).category = category
        await session.flush()

    async def resolve_by_hand(
        self, session: AsyncSession, *, incident_id: UUID, by: Identity, reason: str
    ) -> IncidentView:
        """An operator closes it. Raises Conflict when it is over already."""
        moved = await self.move(
            session,
            incident_id=incident_id,
            status=IncidentStatus.RESOLVED,
            actor=by.actor,
            title="Resolved by an operator",
            key="resolved by hand",
            detail={"reason": reason},
            resolution=reason or "resolved by an operator",
        )
        if not moved:
            raise Conflict("this incident is resolved already")
        return await self.get(session, incident_id=incident_id)

    async def _changed(self, session: AsyncSession, row: Incident, actor: str, what: str) -> None:
        await session.flush()
        await audit.record(session, actor=actor, verb=f"incident.{what}", object_type="incident", object_id=str(row.id))
        await self._bus.publish(session, IncidentChanged(incident_id=row.id, status=row.status))

    async def _row(self, session: AsyncSession, incident_id: UUID, *, lock: bool = False) -> Incident:
        query = sa.select(Incident).where(Incident.tenant_id == tenant_of(session), Incident.id == incident_id)
        row = await session.scalar(query.with_for_update(key_share=True) if lock else query)
        if row is None:
            raise NotFound("no incident of this id")
        return row


def view_of(row: Incident, actors: Actors | None = None) -> IncidentView:
    """An incident as it is shown; with `actors`, who has seen and who ended it."""
    return IncidentView(
        id=row.id,
        number=row.number,
        title=row.title,
        status=row.status,
        category=row.category,
        severity=row.severity,
        source=row.source,
        system_id=row.system_id,
        event_count=row.event_count,
        opened_at=row.opened_at,
        last_event_at=row.last_event_at,
        acknowledged_at=row.acknowledged_at,
        resolved_at=row.resolved_at,
        resolution=row.resolution,
        acknowledged_by=actors.maybe(row.acknowledged_by) if actors else None,
        resolved_by=actors.maybe(row.resolved_by) if actors else None,
    )


def view_of_event(row: Event) -> EventView:
    """An event as it is shown."""
    return EventView(
        id=row.id,
        received_at=row.received_at,
        occurred_at=row.occurred_at,
        source=row.source,
        error_type=row.error_type,
        message=row.message,
        stack_trace=row.stack_trace,
        context=row.context,
        resolved=row.resolved,
        category=row.category,
        severity=row.severity,
        action=row.action,
        priority=row.priority,
        confidence=row.confidence,
        fingerprint=row.fingerprint,
        incident_id=row.incident_id,
    )
