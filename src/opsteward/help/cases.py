"""Resolved incidents as documents: what was seen, and what helped. Those who may read incidents find them.

An incident becomes one shortly after its end, if somebody said why it ended, commented it, or an action helped; it is
none any more when it goes on.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import HELPED, NOTIFYING_ACTIONS, ROUTINE_ACTIONS
from opsteward.core.blocking_calls import in_thread
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.timers import Handler, set_timer
from opsteward.events import timeline
from opsteward.events.incidents import Incidents
from opsteward.events.types import IncidentChanged, IncidentReopened, IncidentView
from opsteward.help import storing
from opsteward.help.chunking import Section
from opsteward.help.indexing import CASE_PREFIX, index_texts
from opsteward.help.models import HelpDocument
from opsteward.systems.service import Inventory

CASE = "help_case"
ACCESS = ["incidents.read"]
_KEEPER = "system:help"
_RUNS = 50
_EVENTS = 3
_MESSAGE_LIMIT = 1_000  # characters
_DOCUMENT_LIMIT = 1_000_000


class Cases:
    """One per process."""

    def __init__(self, incidents: Incidents, actions: ActionService, inventory: Inventory) -> None:
        self._incidents, self._actions, self._inventory = incidents, actions, inventory

    async def incident_changed(self, session: AsyncSession, message: IncidentChanged) -> None:
        """Look at it when its own transaction is over."""
        if message.status == "resolved":
            await set_timer(session, kind=CASE, key=str(message.incident_id), at=now())

    async def incident_reopened(self, session: AsyncSession, message: IncidentReopened) -> None:
        """Look at it again."""
        await set_timer(session, kind=CASE, key=str(message.incident.id), at=now())

    def connect(self, bus: Bus) -> None:
        """Hear of incidents that end, or go on."""
        bus.subscribe(IncidentChanged, self.incident_changed)
        bus.subscribe(IncidentReopened, self.incident_reopened)

    def timers(self) -> dict[str, Handler]:
        """What is done when which timer falls due."""
        return {CASE: self.case_is_due}

    async def case_is_due(self, session: AsyncSession, key: str) -> None:
        """Keep the incident as a document, or take it back. Raises Conflict while documents are being added."""
        incident_id = UUID(key)
        try:
            incident = await self._incidents.get(session, incident_id=incident_id)
        except NotFound:
            return
        row = await self._row(session, incident_id)
        sections = await self._sections(session, incident) if incident.status == "resolved" else []
        if row is None and not sections:
            return
        # Timers of all tenants go off one after the other: none waits until a large upload is stored.
        await storing.locked_corpus(session, wait=False)
        if row is not None and not sections:
            await storing.remove(session, row)
            return
        name, title = f"{CASE_PREFIX}{incident_id}", f"Incident {incident.number}: {incident.title}"
        indexed = await in_thread(index_texts, [(name, title, sections)])
        if row is None or row.digest != indexed.documents[0].digest:
            await storing.store(session, indexed, by=_KEEPER, access=ACCESS, urls={}, document_limit=_DOCUMENT_LIMIT)

    async def _row(self, session: AsyncSession, incident_id: UUID) -> HelpDocument | None:
        row: HelpDocument | None = await session.scalar(
            sa.select(HelpDocument).where(
                HelpDocument.tenant_id == tenant_of(session), HelpDocument.name == f"{CASE_PREFIX}{incident_id}"
            )
        )
        return row

    async def _sections(self, session: AsyncSession, incident: IncidentView) -> list[Section]:
        """None for one from which nothing can be learnt."""
        helped = await self._what_helped(session, incident)
        if not helped:
            return []
        events = await self._incidents.events(session, incident_id=incident.id, limit=_EVENTS)
        seen = [f"{incident.title}, severity {incident.severity}, from {incident.source or 'a report'}."]
        seen += list(
            dict.fromkeys(event.message[:_MESSAGE_LIMIT] for event in events if event.message != incident.title)
        )
        return [Section(("Seen before",), "", "\n".join(seen)), Section(("What helped",), "", "\n".join(helped))]

    async def _what_helped(self, session: AsyncSession, incident: IncidentView) -> list[str]:
        runs = await self._actions.list_runs(session, incident_id=incident.id, include_routine=False, limit=_RUNS)
        done = [run for run in runs if run.status in HELPED and run.action not in ROUTINE_ACTIONS | NOTIFYING_ACTIONS]
        names = await self._inventory.names_of(session, system_ids={run.system_id for run in done if run.system_id})
        helped = []
        for run in done:
            on = f" on {names[run.system_id]}" if run.system_id in names else ""
            proof = str((run.proof or {}).get("summary", ""))
            helped.append(f"{run.action}{on} helped{f': {proof}' if proof else ''}.")
        by_person = incident.resolved_by is not None and not incident.resolved_by.automatic
        if incident.resolution and (by_person or helped):
            helped.insert(0, f"Resolved: {incident.resolution}.")
        for line in await timeline.read(session, incident_id=incident.id):
            if line.kind == "comment":
                helped.append(f"Comment: {line.reason or line.title}")
        return helped
