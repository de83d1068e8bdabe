"""Incidents: move them along. Opening one is the intake's work, reading them that of `incident_lists`."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.types import Identity
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict
from opsteward.events import recoveries, timeline
from opsteward.events.incident_lists import IncidentLists
from opsteward.events.incident_views import people_of, view_of
from opsteward.events.models import Incident, IncidentFingerprint, IncidentGroup
from opsteward.events.types import (
    IncidentAcknowledged,
    IncidentChanged,
    IncidentReopened,
    IncidentStatus,
    IncidentView,
    PeopleNeeded,
)
from opsteward.telemetry import audit


class Incidents(IncidentLists):
    """One per process; publishes every change on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def acknowledge(
        self, session: AsyncSession, *, incident_id: UUID, by: Identity, reason: str = ""
    ) -> IncidentView:
        """Somebody has seen it. Raises Conflict once it is over."""
        row = await self.row(session, incident_id, lock=True)
        if row.status == IncidentStatus.RESOLVED:
            raise Conflict("this incident is resolved already")
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = now(), by.actor
            if row.status == IncidentStatus.OPEN:
                row.status = IncidentStatus.ACKNOWLEDGED
            await timeline.add(
                session,
                incident_id=row.id,
                kind="acknowledged",
                title="Acknowledged",
                detail={"reason": reason} if reason else {},
                key=_once_each_time(row, "ack"),
                actor=by.actor,
            )
            await self._changed(session, row, by.actor, "acknowledged")
            await self._bus.publish(session, IncidentAcknowledged(incident=view_of(row), by=by.actor))
        return view_of(row, await actors_of(session, people_of(row)))

    async def reopen(
        self,
        session: AsyncSession,
        *,
        incident_id: UUID,
        actor: str,
        title: str,
        automatic: bool,
        reason: str = "",
        flapping: bool = False,
    ) -> IncidentView:
        """It goes on after its end, and takes its events again. Raises Conflict when it is not over, or when another
        incident has taken its events since. Who says so by hand begins anew: it is not acknowledged any more."""
        await lock_opening(session)
        row = await self.row(session, incident_id, lock=True)
        if row.status != IncidentStatus.RESOLVED:
            raise Conflict("this incident is not resolved")
        await self._take_back_groups(session, row)
        if not automatic:
            row.acknowledged_at = row.acknowledged_by = None
        row.status = (IncidentStatus.ACKNOWLEDGED if row.acknowledged_at else IncidentStatus.OPEN).value
        row.resolved_at = row.resolved_by = row.resolution = row.recovered_at = None
        row.reopened += 1
        row.flapping = flapping
        await timeline.add(
            session,
            incident_id=row.id,
            kind="reopened",
            title=title,
            detail={"automatic": automatic} | ({"reason": reason} if reason else {}),
            actor=actor,
        )
        await self._changed(session, row, actor, "reopened")
        seen = view_of(row, await actors_of(session, people_of(row)))
        await self._bus.publish(session, IncidentReopened(incident=seen, automatic=automatic))
        return seen

    async def _take_back_groups(self, session: AsyncSession, row: Incident) -> None:
        own = sa.select(IncidentGroup.fingerprint).where(
            IncidentGroup.tenant_id == row.tenant_id, IncidentGroup.incident_id == row.id
        )
        keys = list(await session.scalars(own))
        taken = (
            await session.execute(
                sa.select(IncidentFingerprint.fingerprint, Incident.number)
                .join(Incident, Incident.id == IncidentFingerprint.incident_id)
                .where(IncidentFingerprint.tenant_id == row.tenant_id, IncidentFingerprint.fingerprint.in_(keys))
                .order_by(Incident.number)
            )
        ).all()
        if keys and len(taken) == len(keys):
            raise Conflict(
                f"incident {taken[-1].number} has taken its events since, and is open",
                remedy="work on that one, or merge it into another",
            )
        free = set(keys) - {one.fingerprint for one in taken}
        if free:
            bound = [{"tenant_id": row.tenant_id, "fingerprint": key, "incident_id": row.id} for key in sorted(free)]
            await session.execute(sa.insert(IncidentFingerprint), bound)

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
        recovered: bool = False,
    ) -> bool:
        """Set the status and note it in the timeline. A resolved incident stays so: False. Repeating is harmless.
        `recovered`: its end is a recovery by itself, after which the same trouble reopens it."""
        row = await self.row(session, incident_id, lock=True)
        if row.status == IncidentStatus.RESOLVED:
            return False
        key = _once_each_time(row, key)
        if not await timeline.add(
            session, incident_id=row.id, kind=status.value, title=title, detail=detail, key=key, actor=actor
        ):
            return True  # a step that is run again: what came after it stands
        row.status = status
        if status == IncidentStatus.RESOLVED:
            row.resolved_at, row.resolved_by, row.resolution = now(), actor, resolution or title
            row.recovered_at, row.flapping, row.muted = row.resolved_at if recovered else None, False, None
            await session.execute(
                sa.delete(IncidentFingerprint).where(
                    IncidentFingerprint.tenant_id == row.tenant_id, IncidentFingerprint.incident_id == row.id
                )
            )
            await recoveries.forget_objects(session, row.id)
        await self._changed(session, row, actor, status.value)
        return True

    async def assign(
        self,
        session: AsyncSession,
        *,
        incident_id: UUID,
        to: str | None,
        by: Identity,
        title: str,
        detail: Mapping[str, object],
    ) -> None:
        """Who is to work on it, by reference. Raises Conflict once it is over."""
        row = await self.row(session, incident_id, lock=True)
        if row.status == IncidentStatus.RESOLVED:
            raise Conflict("this incident is resolved already")
        if row.assigned_to != to:
            row.assigned_to = to
            await timeline.add(session, incident_id=row.id, kind="assigned", title=title, actor=by.actor, detail=detail)
            await self._changed(session, row, by.actor, "assigned")

    async def note(self, session: AsyncSession, *, incident_id: UUID, actor: str, what: str) -> None:
        """Tell and record that something was added to it."""
        await self._changed(session, await self.row(session, incident_id), actor, what)

    async def ask_people(
        self, session: AsyncSession, *, incident_id: UUID, summary: str, requested_by: str, idempotency_key: str
    ) -> None:
        """Nothing more can be done without a person: those who are to hear of it are told, once for each key."""
        incident = await self.get(session, incident_id=incident_id)
        message = PeopleNeeded(
            incident=incident, summary=summary, requested_by=requested_by, idempotency_key=idempotency_key
        )
        await self._bus.publish(session, message)

    async def set_category(self, session: AsyncSession, *, incident_id: UUID, category: str) -> None:
        """What it is about, as a person says."""
        (await self.row(session, incident_id, lock=True)).category = category
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


async def lock_opening(session: AsyncSession) -> None:
    """From here to the end of the transaction nobody else opens or reopens an incident of this tenant."""
    await session.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": f"open {tenant_of(session)}"}
    )


def _once_each_time(row: Incident, key: str) -> str:
    """The key of a timeline line that is written once from each opening to its end."""
    return f"{key} (reopened {row.reopened})" if row.reopened else key
