"""Past incidents of the same kind, and what helped then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.types import Actor
from opsteward.actions.service import ActionService
from opsteward.actions.types import HELPED, NOTIFYING_ACTIONS, ROUTINE_ACTIONS
from opsteward.core.db import tenant_of
from opsteward.events.models import Incident, IncidentGroup, TimelineEntry
from opsteward.events.types import IncidentStatus
from opsteward.systems.service import Inventory

_RUNS = 50
_NOTICES = ROUTINE_ACTIONS | NOTIFYING_ACTIONS


@dataclass(frozen=True, kw_only=True)
class Helped:
    """An action that was done and proven then."""

    action: str
    system: str | None
    proof: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RelatedIncident:
    """One of the past. `same`: by its events (`group`), or only by its system and category (`system`)."""

    id: UUID
    number: int
    title: str
    same: str
    opened_at: datetime
    resolved_at: datetime
    resolution: str | None
    resolved_by: Actor | None
    repair_seconds: float
    helped: list[Helped]
    comments: list[str]


async def related_incidents(
    session: AsyncSession, actions: ActionService, inventory: Inventory, *, incident_id: UUID, limit: int = 5
) -> list[RelatedIncident]:
    """The newest resolved ones, those of the same events first. Fewer if there are fewer."""
    tenant_id = tenant_of(session)
    own = await session.get(Incident, incident_id)
    if own is None or own.tenant_id != tenant_id:
        return []
    over = (Incident.tenant_id == tenant_id, Incident.status == IncidentStatus.RESOLVED, Incident.id != incident_id)
    groups = sa.select(IncidentGroup.fingerprint).where(
        IncidentGroup.tenant_id == tenant_id, IncidentGroup.incident_id == incident_id
    )
    alike = sa.select(IncidentGroup.incident_id).where(
        IncidentGroup.tenant_id == tenant_id, IncidentGroup.fingerprint.in_(groups)
    )
    newest = Incident.number.desc()
    found = list(
        await session.scalars(sa.select(Incident).where(*over, Incident.id.in_(alike)).order_by(newest).limit(limit))
    )
    same = {row.id for row in found}
    if len(found) < limit and own.system_id is not None:
        of_system = sa.select(Incident).where(
            *over, Incident.system_id == own.system_id, Incident.category == own.category, Incident.id.not_in(same)
        )
        found += list(await session.scalars(of_system.order_by(newest).limit(limit - len(found))))
    actors = await actors_of(session, (row.resolved_by for row in found))
    helped = {row.id: await _helped(session, actions, inventory, row.id) for row in found}
    said = await _comments(session, [row.id for row in found])
    return [
        RelatedIncident(
            id=row.id,
            number=row.number,
            title=row.title,
            same="group" if row.id in same else "system",
            opened_at=row.opened_at,
            resolved_at=row.resolved_at,
            resolution=row.resolution,
            resolved_by=actors.maybe(row.resolved_by),
            repair_seconds=round((row.resolved_at - row.opened_at).total_seconds(), 3),
            helped=helped[row.id],
            comments=said.get(row.id, []),
        )
        for row in found
        if row.resolved_at is not None
    ]


async def _helped(
    session: AsyncSession, actions: ActionService, inventory: Inventory, incident_id: UUID
) -> list[Helped]:
    runs = await actions.list_runs(session, incident_id=incident_id, include_routine=False, limit=_RUNS)
    done = [run for run in runs if run.status in HELPED and run.action not in _NOTICES]
    names = await inventory.names_of(session, system_ids={run.system_id for run in done if run.system_id})
    return [
        Helped(
            action=run.action,
            system=names.get(run.system_id) if run.system_id else None,
            proof=str((run.proof or {}).get("summary", "")),
            at=run.ended_at,
        )
        for run in done
    ]


async def _comments(session: AsyncSession, incident_ids: list[UUID]) -> dict[UUID, list[str]]:
    rows = await session.execute(
        sa.select(TimelineEntry.incident_id, TimelineEntry.title)
        .where(
            TimelineEntry.tenant_id == tenant_of(session),
            TimelineEntry.incident_id.in_(incident_ids),
            TimelineEntry.kind == "comment",
        )
        .order_by(TimelineEntry.at.desc())
        .limit(_RUNS)
    )
    found: dict[UUID, list[str]] = {}
    for incident_id, title in rows:
        found.setdefault(incident_id, []).append(title)
    return {incident_id: titles[:3] for incident_id, titles in found.items()}
