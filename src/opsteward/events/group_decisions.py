"""What people decided about groups of events: their category, that one belongs to another, or that it stands alone.

A decision is kept by fingerprint and holds for every later event, also after the incident is over.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid
from opsteward.events import timeline
from opsteward.events.classification import Category
from opsteward.events.incidents import Incidents
from opsteward.events.models import Event, GroupDecisionRow, IncidentFingerprint
from opsteward.events.types import IncidentStatus, IncidentView

_FINGERPRINTS_LIMIT = 100  # of one incident


class GroupDecisions:
    """Merge, split and correct; one per process."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents

    async def correct(
        self, session: AsyncSession, *, incident_id: UUID, category: Category, by: Identity, reason: str
    ) -> IncidentView:
        """Say what the events of this incident are. Holds for later events of its fingerprints."""
        before = await self._incidents.get(session, incident_id=incident_id)
        for key in await self._fingerprints(session, incident_id):
            await self._decide(session, key, by, reason, category=category.value)
        await self._incidents.set_category(session, incident_id=incident_id, category=category.value)
        title = f"Corrected: {category.value}, not {before.category}"
        await self._note(session, incident_id, "corrected", title, by, reason)
        return await self._incidents.get(session, incident_id=incident_id)

    async def merge(
        self, session: AsyncSession, *, incident_id: UUID, into: UUID, by: Identity, reason: str
    ) -> IncidentView:
        """End an incident as part of another, which gets its later events. Raises Conflict if either is over."""
        if incident_id == into:
            raise Invalid.field("into", "an incident can't be merged into itself", "name another incident")
        source = await self._incidents.get(session, incident_id=incident_id)
        target = await self._incidents.get(session, incident_id=into)
        if IncidentStatus.RESOLVED in (source.status, target.status):
            raise Conflict("an incident that is resolved can't be merged")
        keys, theirs = await self._fingerprints(session, incident_id), await self._fingerprints(session, into)
        if not theirs:
            raise Conflict("the other incident has no events to merge with")
        for key in keys:
            await self._decide(session, key, by, reason, joins=theirs[0], apart=False)
        await self._incidents.move(
            session,
            incident_id=incident_id,
            status=IncidentStatus.RESOLVED,
            actor=by.actor,
            title=f"Merged into incident {target.number}",
            key="merged",
            detail={"reason": reason, "into": str(into)},
            resolution=f"merged into incident {target.number}",
        )
        await self._note(session, into, "merged", f"Incident {source.number} was merged into this", by, reason)
        return await self._incidents.get(session, incident_id=into)

    async def split(
        self, session: AsyncSession, *, incident_id: UUID, fingerprint: str, by: Identity, reason: str
    ) -> IncidentView:
        """Let later events of a fingerprint stand apart from this incident, and undo its merges."""
        await self._incidents.get(session, incident_id=incident_id)
        if fingerprint not in await self._fingerprints(session, incident_id):
            raise Invalid.field("fingerprint", "no event of this incident has it", "take one of its `grouping`")
        tenant_id = tenant_of(session)
        await session.execute(
            sa.update(GroupDecisionRow)
            .where(GroupDecisionRow.tenant_id == tenant_id, GroupDecisionRow.joins == fingerprint)
            .values(joins=None, apart=True, decided_by=by.actor, decided_at=now(), reason=reason)
        )
        await self._decide(session, fingerprint, by, reason, joins=None, apart=True)
        await session.execute(
            sa.delete(IncidentFingerprint).where(
                IncidentFingerprint.tenant_id == tenant_id,
                IncidentFingerprint.fingerprint == fingerprint,
                IncidentFingerprint.incident_id == incident_id,
            )
        )
        await self._note(session, incident_id, "split", f"Later events of {fingerprint[:12]} stand apart", by, reason)
        return await self._incidents.get(session, incident_id=incident_id)

    async def _fingerprints(self, session: AsyncSession, incident_id: UUID) -> list[str]:
        rows = await session.execute(
            sa.select(Event.fingerprint, sa.func.min(Event.received_at).label("first"))
            .where(Event.tenant_id == tenant_of(session), Event.incident_id == incident_id)
            .group_by(Event.fingerprint)
            .order_by(sa.text("first"))
            .limit(_FINGERPRINTS_LIMIT)
        )
        return [row.fingerprint for row in rows]

    async def _decide(
        self, session: AsyncSession, fingerprint: str, by: Identity, reason: str, **values: str | bool | None
    ) -> None:
        values |= {"decided_by": by.actor, "reason": reason}
        row = {"tenant_id": tenant_of(session), "fingerprint": fingerprint, "decided_at": now(), **values}
        statement = insert(GroupDecisionRow).values(row | {"apart": values.get("apart", False)})
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "fingerprint"], set_=values | {"decided_at": now()}
            )
        )

    @staticmethod
    async def _note(session: AsyncSession, incident_id: UUID, kind: str, title: str, by: Identity, reason: str) -> None:
        await timeline.add(
            session, incident_id=incident_id, kind=kind, title=title, actor=by.actor, detail={"reason": reason}
        )
