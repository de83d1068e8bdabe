"""What all phases of a session work with: the systems in scope, their health, and the incident's timeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.errors import NotFound
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact_text
from opsteward.events import timeline
from opsteward.events.incidents import Incidents
from opsteward.events.types import IncidentStatus
from opsteward.systems.health_checks import health_of, run_checks
from opsteward.systems.service import Inventory
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.service import get_row, write_phase
from opsteward.troubleshooting.settings import SessionSettings
from opsteward.troubleshooting.types import Pace

ACTOR = "system:coordinator"
_PASSES_TO_BE_HEALTHY = 2
_LOOK_EVERY = 0.7  # seconds between looks while a repair is verified
_PAST = {"assess": "assessed", "prioritise": "prioritised"}


@dataclass(frozen=True)
class Case:
    """Which session of which tenant."""

    tenant_id: UUID
    session_id: UUID


@dataclass(frozen=True, kw_only=True)
class SessionContext:
    """One per worker; works as the app role."""

    db: Database
    inventory: Inventory
    registry: Registry
    incidents: Incidents
    settings: SessionSettings

    @asynccontextmanager
    async def unit_of_work(self, case: Case) -> AsyncIterator[AsyncSession]:
        """One transaction for the case's tenant."""
        async with self.db.unit_of_work(case.tenant_id) as session:
            yield session

    def pace(self, row: Session) -> Pace:
        """What a workflow must know from the start, recorded so that a replay decides the same."""
        return {
            "correlation": row.correlation_id,
            "tried": len(row.tried),
            "rounds": max((int(str(phase["round"])) for phase in row.phases), default=0),
            "attempts": self.settings.max_attempts_per_session,
            "looks": self.settings.further_looks,
            "pause": self.settings.look_again_after,
        }

    async def systems(self, case: Case) -> list[tuple[SystemRef, dict[str, str]]]:
        """The systems in scope with their credentials, read anew in each step: never part of a record."""
        found = []
        async with self.unit_of_work(case) as session:
            row = await get_row(session, case.session_id)
            for system_id in row.system_ids:
                try:
                    found.append(await self.inventory.ref_with_secret(session, system_id=system_id))
                except NotFound:  # removed meanwhile
                    continue
        return found

    async def health(self, ref: SystemRef, secret: dict[str, str]) -> str:
        checks = self.registry.checks_for(ref, health_only=True)
        return health_of(await run_checks(ref, secret, checks, timeout=self.settings.diagnosis_timeout))

    async def all_healthy(self, case: Case) -> bool:
        systems = await self.systems(case)
        return all(health == "healthy" for health in await asyncio.gather(*(self.health(ref, s) for ref, s in systems)))

    async def becomes_healthy(self, case: Case) -> bool:
        """Whether all systems in scope pass twice in a row within the verification's time."""
        deadline = time.monotonic() + self.settings.verify_timeout
        passes = 0
        while time.monotonic() < deadline:
            passes = passes + 1 if await self.all_healthy(case) else 0
            if passes >= _PASSES_TO_BE_HEALTHY:
                return True
            await asyncio.sleep(_LOOK_EVERY)
        return False

    async def set_status(self, case: Case, status: IncidentStatus, title: str, number: int) -> None:
        """Move the incident along, if the session has one."""
        async with self.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            row.phase = "verify"
            if row.incident_id:
                await self.incidents.move(
                    session,
                    incident_id=row.incident_id,
                    status=status,
                    actor=ACTOR,
                    title=title,
                    key=f"{row.id} {status.value} {number}",
                )

    async def end_phase(
        self,
        case: Case,
        name: str,
        number: int,
        started: float,
        summary: str,
        detail: JsonObject,
        kind: str | None = None,
    ) -> None:
        """Write a finished phase into the session and its line into the incident's timeline."""
        async with self.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            write_phase(row, name, round_number=number, summary=summary, started=started, ended=time.time())
            if row.incident_id:
                await timeline.add(
                    session,
                    incident_id=row.incident_id,
                    kind=kind or _PAST[name],
                    title=f"{name.capitalize()}: {redact_text(summary)}",
                    detail=detail,
                    key=f"{row.id} {name} {number}",
                    actor=ACTOR,
                )
