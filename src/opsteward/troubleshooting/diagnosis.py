"""The phases that look: who is there, how are they, what is wrong and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from opsteward.actions.types import HELPED
from opsteward.contracts.check import Domain
from opsteward.contracts.connector import SystemRef
from opsteward.core.clock import iso
from opsteward.core.errors import OpsError
from opsteward.events import timeline
from opsteward.events.types import IncidentStatus
from opsteward.systems.health_checks import run_checks
from opsteward.systems.service import connected
from opsteward.troubleshooting.assessment import diagnostic_report, health_score, prioritised
from opsteward.troubleshooting.causes import Surroundings, causes_of, hypotheses_of, in_order, in_words
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.recent_changes import recent_changes
from opsteward.troubleshooting.service import get_row, write_phase
from opsteward.troubleshooting.session_context import ACTOR, Case, SessionContext, unseen_in_words
from opsteward.troubleshooting.types import DiagnosticReport, Issue, Pace, SystemFacts
from opsteward.troubleshooting.usual_latency import latency_issues

_HYPOTHESES_LIMIT = 100
_VERSION_WITHIN = 0.5  # seconds; a system that does not tell its version now will be looked at all the same


def mended(row: Session, found: Sequence[Issue]) -> list[Issue]:
    """The issues of earlier rounds that a fix of this session has taken away; where the same part is still not well, it
    has not."""
    done = {status.value for status in HELPED}
    treated = {attempt["issue"] for attempt in row.tried if attempt["status"] in done}
    still = {(issue.system_id, issue.component) for issue in found}
    known = [Issue.model_validate(each) for each in row.issues]
    gone = [each for each in known if each.id in treated and (each.system_id, each.component) not in still]
    return [issue.model_copy(update={"mended": True}) for issue in gone]


class Diagnosis:
    """Steps of a session; each writes what it saw into the session's row."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context

    async def initialise(self, case: Case) -> Pace:
        """Returns the session's pace: with which patience it works, whatever the settings become meanwhile."""
        started = time.time()
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            write_phase(
                row,
                "initialise",
                round_number=0,
                summary=f"{len(row.system_ids)} systems to look at",
                started=started,
                ended=time.time(),
            )
            if row.incident_id:
                await self._context.incidents.move(
                    session,
                    incident_id=row.incident_id,
                    status=IncidentStatus.DIAGNOSING,
                    actor=ACTOR,
                    title="Troubleshooting started",
                    key=f"{row.id} initialise",
                    detail={"session_id": str(row.id), "systems": len(row.system_ids)},
                )
            return self._context.pace(row)

    async def assess(self, case: Case) -> None:
        """Who is there, in which version, how healthy: before anything is touched."""
        started = time.time()
        scope = await self._context.scope(case)
        systems = scope.seen
        versions = dict(await asyncio.gather(*(self._version(ref, secret) for ref, secret in systems)))
        async with self._context.unit_of_work(case) as session:
            known = {system.id: system.health.status for system in await self._context.inventory.all(session)}
        health = {ref.name: known.get(ref.id, "unknown") for ref, _ in systems} | dict.fromkeys(scope.unseen, "unknown")
        web = next((ref.endpoint for ref, _ in systems if ref.endpoint.startswith("http")), "")
        facts = SystemFacts(base_url=web, components=list(health), versions=versions, health=health)
        unwell = [name for name, status in health.items() if status in ("down", "degraded")]
        summary = f"not healthy: {', '.join(unwell)}" if unwell else "all systems pass their health checks"
        if scope.unseen:
            summary += f". Could not look at {unseen_in_words(scope.unseen)}"
        await self._context.end_phase(case, "assess", 0, started, summary, facts.model_dump())

    async def diagnose(self, case: Case, domain: Domain) -> None:
        """One diagnoser: all checks of its domain on all systems in scope; writes its report down."""
        started = time.time()
        scope = await self._context.scope(case)
        groups = await asyncio.gather(
            *(
                run_checks(
                    ref,
                    secret,
                    self._context.registry.checks_for(ref, domain=domain),
                    timeout=self._context.settings.diagnosis_timeout,
                )
                for ref, secret in scope.seen
            )
        )
        outcomes = [outcome for group in groups for outcome in group]
        looked_at = iso(datetime.fromtimestamp(started, UTC))
        seen = diagnostic_report(domain, outcomes, time.time() - started, scope.unseen, looked_at)
        report = seen.model_dump(mode="json")
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            others = [r for r in row.diagnostics if r["bot_type"] != domain]
            row.diagnostics = sorted([*others, report | {"started": started}], key=lambda r: str(r["bot_type"]))

    async def conclude(self, case: Case, number: int) -> None:
        """Put the diagnosers' reports together: the issues, root causes first, and the health score."""
        unseen = (await self._context.scope(case)).unseen
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            reports = [DiagnosticReport.model_validate(report) for report in row.diagnostics]
            systems = [system for system in await self._context.inventory.all(session) if system.id in row.system_ids]
            found = [*prioritised(reports), *await latency_issues(session, row, systems, reports)]
            around = Surroundings(
                needs={system.id: system.depends_on for system in systems},
                unwell_since={system.id: system.health.since for system in systems if not system.health.healthy},
                unseen=unseen,
            )
            row.surroundings = around.as_json()
            causes = causes_of(found, around)
            issues = in_order(found, causes)
            words = in_words(issues, causes)
            kept = mended(row, issues)
            started = min(float(str(report["started"])) for report in row.diagnostics)
            write_phase(row, "diagnose", round_number=number, summary=words, started=started, ended=time.time())
            row.issues = [i.model_dump(mode="json") for i in (*kept, *issues)]
            before = {str(cause["issue"]): cause for cause in row.causes}
            row.causes = [before[i.id] for i in kept if i.id in before] + [c.model_dump(mode="json") for c in causes]
            row.hypotheses = [
                h.model_dump(mode="json") for h in hypotheses_of(issues, causes, reports, around)[:_HYPOTHESES_LIMIT]
            ]
            names = {str(system.id): system.name for system in systems}
            if not row.changes:  # what came before it, and not what the session did itself
                row.changes = [c.model_dump(mode="json") for c in await recent_changes(session, row, names)]
            row.health_score = health_score(issues)
            if row.incident_id:
                await timeline.add(
                    session,
                    incident_id=row.incident_id,
                    kind="diagnosed",
                    title=f"Diagnosed: {words}",
                    detail={
                        "issues": [
                            i.model_dump(mode="json", include={"type", "system", "title", "confidence", "evidence"})
                            for i in issues[:10]
                        ],
                        "causes": [c.model_dump(mode="json") for c in causes[:10]],
                        "changes": row.changes[:10],
                        "seconds": {r.bot_type: r.duration for r in reports},
                    },
                    key=f"{row.id} diagnosed {number}",
                    actor=ACTOR,
                )

    async def _version(self, ref: SystemRef, secret: dict[str, str]) -> tuple[str, str]:
        try:
            async with (
                asyncio.timeout(_VERSION_WITHIN),
                connected(self._context.registry.connectors_for(ref.endpoint)[0], ref, secret) as via,
            ):
                return ref.name, (await via.probe()).version
        except (OpsError, TimeoutError):
            return ref.name, ""
