"""Incidents, read: one, lists of them, their events, and how many there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.actions.approval_types import IncidentRef
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.references import called
from opsteward.events.incident_views import people_of, view_of, view_of_event
from opsteward.events.models import Event, Incident, IncidentGroup
from opsteward.events.types import EventView, IncidentStatus, IncidentView, Outage

#: A search for text looks at the newest so many.
SEARCHED_LIMIT = 20_000
_NUMBER = re.compile(r"[0-9]{1,9}")


class IncidentLists:
    """Reads of a tenant's incidents."""

    async def get(self, session: AsyncSession, *, incident_id: UUID) -> IncidentView:
        """Raises NotFound."""
        row = await self.row(session, incident_id)
        return view_of(row, await actors_of(session, people_of(row)))

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
        oldest_first: bool = False,
        mine: str | None = None,
        muted: bool | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[IncidentView]:
        """What is not resolved before what is, the severe before the less severe, the newest first; or just the newest
        or oldest first. `mine`: assigned to this actor, or acknowledged by them and assigned to nobody. `before`:
        behind the incident of this number, the last of the previous page. `since` and `until` are of its opening,
        `search`: words in title or source, `ref`: by number, id, or a part of the id."""
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
        if mine is not None:
            unassigned = sa.and_(Incident.assigned_to.is_(None), Incident.acknowledged_by == mine)
            query = query.where(sa.or_(Incident.assigned_to == mine, unassigned))
        if muted is not None:
            query = query.where(Incident.muted.is_not(None) if muted else Incident.muted.is_(None))
        if before is not None and oldest_first:
            query = query.where(Incident.number > before)
        elif before is not None:
            query = query.where(await self._behind(session, before, newest_first=newest_first))
        order: tuple[sa.ColumnElement[int], ...] = (Incident.urgency.desc(), Incident.number.desc())
        if newest_first or oldest_first:
            order = (Incident.number.asc() if oldest_first else Incident.number.desc(),)
        rows = (await session.scalars(query.order_by(*order).limit(limit))).all()
        actors = await actors_of(session, (one for row in rows for one in people_of(row)))
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

    async def grouped_as(self, session: AsyncSession, group_key: str) -> IncidentRef | None:
        """The newest incident that took events of this group, open or not."""
        row = (
            await session.execute(
                sa.select(Incident.id, Incident.number, Incident.title)
                .join(IncidentGroup, IncidentGroup.incident_id == Incident.id)
                .where(IncidentGroup.tenant_id == tenant_of(session), IncidentGroup.fingerprint == group_key)
                .order_by(Incident.number.desc())
                .limit(1)
            )
        ).one_or_none()
        return IncidentRef(id=row.id, number=row.number, title=row.title) if row is not None else None

    async def outages(
        self, session: AsyncSession, *, system_ids: Sequence[UUID], since: datetime, limit: int
    ) -> list[Outage]:
        """When these systems had trouble since then, the newest first; nothing of muted incidents."""
        rows = await session.execute(
            sa.select(Incident.system_id, Incident.opened_at, Incident.resolved_at)
            .where(
                Incident.tenant_id == tenant_of(session),
                Incident.system_id.in_(system_ids),
                Incident.opened_at >= since,
                Incident.category == "system_error",
                Incident.muted.is_(None),
            )
            .order_by(Incident.opened_at.desc(), Incident.number.desc())
            .limit(limit)
        )
        return [
            Outage(system_id=row.system_id, opened_at=row.opened_at, resolved_at=row.resolved_at)
            for row in rows
            if row.system_id is not None
        ]

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

    async def row(self, session: AsyncSession, incident_id: UUID, *, lock: bool = False) -> Incident:
        """The row, for this room alone. Raises NotFound."""
        query = sa.select(Incident).where(Incident.tenant_id == tenant_of(session), Incident.id == incident_id)
        row = await session.scalar(query.with_for_update(key_share=True) if lock else query)
        if row is None:
            raise NotFound("no incident of this id")
        return row
