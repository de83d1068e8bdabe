"""What all phases of a session work with: the systems in scope, their health, and the incident's timeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, OpsError
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.core.redact import redact_text
from opsteward.events import timeline
from opsteward.events.incidents import Incidents
from opsteward.events.types import IncidentStatus
from opsteward.systems.health_checks import health_of, run_checks
from opsteward.systems.service import Inventory
from opsteward.systems.types import CheckOutcome
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.service import get_row, write_phase
from opsteward.troubleshooting.settings import SessionSettings
from opsteward.troubleshooting.types import Issue, Pace

log = get_logger(__name__)

ACTOR = "system:coordinator"
_PASSES_TO_BE_HEALTHY = 2
_LOOK_EVERY = 0.7  # seconds between looks while a repair is verified
_PAST = {"assess": "assessed", "prioritise": "prioritised"}


@dataclass(frozen=True)
class Case:
    """Which session of which tenant."""

    tenant_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class Scope:
    """The systems that a session can look at, with their credentials, and by name why it can't look at others."""

    seen: list[tuple[SystemRef, dict[str, str]]] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """The systems that are not well, and by name why others could not be looked at."""

    sick: list[str] = field(default_factory=list)
    blind: dict[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether all were seen, and are well."""
        return not self.sick and not self.blind


def unseen_in_words(unseen: Mapping[str, str]) -> str:
    """The systems that could not be looked at, each with the reason."""
    return "; ".join(f"{name} ({reason})" for name, reason in sorted(unseen.items()))


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

    async def scope(self, case: Case) -> Scope:
        """The systems in scope with their credentials, read anew in each step: never part of a record. One that can't
        be made ready to look at is named with the reason, and hinders nobody from looking at the others."""
        scope = Scope()
        async with self.unit_of_work(case) as session:
            row = await get_row(session, case.session_id)
            refs = []
            for system_id in row.system_ids:
                with suppress(NotFound):  # removed meanwhile
                    refs.append(await self.inventory.ref(session, system_id=system_id))
        for ref in refs:
            try:
                async with self.unit_of_work(case) as session:
                    _, credentials = await self.inventory.ref_with_secret(session, system_id=ref.id)
                scope.seen.append((ref, await credentials.followed()))
            except NotFound:
                continue
            except OpsError as error:
                scope.unseen[ref.name] = redact_text(error.detail)
            except (ValueError, OSError) as error:  # what was stored is no longer what was sealed
                log.exception("troubleshooting.system.unreadable", system=ref.name, error=type(error).__name__)
                scope.unseen[ref.name] = "its credentials can't be read"
        return scope

    async def look(self, case: Case) -> Looked:
        """How the systems in scope are now, by their own checks."""
        scope = await self.scope(case)
        outcomes = await asyncio.gather(*(self._outcomes(ref, secret) for ref, secret in scope.seen))
        looked = Looked(blind=dict(scope.unseen))
        for (ref, _), found in zip(scope.seen, outcomes, strict=True):
            health = health_of(found)
            if health == "unknown":
                looked.blind[ref.name] = next((redact_text(one.result.summary) for one in found), "nothing checks it")
            elif health != "healthy":
                looked.sick.append(ref.name)
        return looked

    async def _outcomes(self, ref: SystemRef, secret: dict[str, str]) -> list[CheckOutcome]:
        checks = self.registry.checks_for(ref, health_only=True)
        return await run_checks(ref, secret, checks, timeout=self.settings.diagnosis_timeout)

    async def look_until_well(self, case: Case, *, target: str) -> Looked:
        """Look until none is sick and the `target` can be seen, twice in a row, or the verification's time is over."""
        deadline = time.monotonic() + self.settings.verify_timeout
        passes = 0
        looked = Looked(sick=[target])
        while passes < _PASSES_TO_BE_HEALTHY and time.monotonic() < deadline:
            looked = await self.look(case)
            passes = 0 if looked.sick or target in looked.blind else passes + 1
            if passes < _PASSES_TO_BE_HEALTHY:
                await asyncio.sleep(_LOOK_EVERY)
        return looked if passes >= _PASSES_TO_BE_HEALTHY else replace(looked, sick=looked.sick or [target])

    async def look_until_gone(self, case: Case, issue: Issue) -> bool:
        """Whether the check that found the issue does not find it any more, twice in a row, within the verification's
        time."""
        deadline = time.monotonic() + self.settings.verify_timeout
        passes = 0
        while passes < _PASSES_TO_BE_HEALTHY and time.monotonic() < deadline:
            passes = passes + 1 if await self._is_gone(case, issue) else 0
            if passes < _PASSES_TO_BE_HEALTHY:
                await asyncio.sleep(_LOOK_EVERY)
        return passes >= _PASSES_TO_BE_HEALTHY

    async def _is_gone(self, case: Case, issue: Issue) -> bool:
        for ref, secret in (await self.scope(case)).seen:
            if ref.id != issue.system_id:
                continue
            offered = [each for each in self.registry.checks_for(ref) if each.check.slug == issue.detected_by]
            outcomes = await run_checks(ref, secret, offered, timeout=self.settings.diagnosis_timeout)
            found = {(f.type, f.component) for outcome in outcomes for f in outcome.result.findings}
            return bool(outcomes) and health_of(outcomes) != "unknown" and (issue.type, issue.component) not in found
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
