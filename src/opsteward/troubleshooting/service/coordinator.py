"""The coordinator: one durable workflow of seven phases, in rounds, until the system is proven healthy or a person
is needed.

    initialise -> assess -> [ diagnose -> prioritise -> resolve -> verify ] -> report

A fix goes through the one door under a standing order; without an order nothing is done and the proposal goes to
people. A fix that did not make the system healthy is frozen, and the next round looks again. The health that
counts is measured by the systems' own checks, not told by the action.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service.door import Door
from opsteward.actions.types import HELPED, Limits, NewAction, reply_topic
from opsteward.contracts.check import Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core import durable
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, OpsError
from opsteward.core.log import correlated, get_logger
from opsteward.core.redact import redact_text
from opsteward.core.settings import Settings
from opsteward.events.service import timeline
from opsteward.events.service.incidents import Incidents
from opsteward.events.service.orders import StandingOrders
from opsteward.events.standing_orders import StandingOrder, Subject
from opsteward.events.types import IncidentStatus
from opsteward.systems.service.inventory import Inventory, connected
from opsteward.systems.service.looking import health_of, look
from opsteward.telemetry.service import audit
from opsteward.troubleshooting.judgement import diagnostic_report, findings_in_words, health_score, prioritised
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.service.sessions import SESSION_WORKFLOW, finish, get_row, write_phase
from opsteward.troubleshooting.types import DiagnosticReport, FixAction, Issue, ResolutionReport, SystemFacts

log = get_logger(__name__)

ACTOR = "system:coordinator"
DOMAINS: tuple[Domain, ...] = ("web", "database", "network")
_PASSES_TO_BE_HEALTHY = 2
_VERSION_WITHIN = 1.0  # seconds; a system that does not tell its version now will be looked at all the same
_LOOK_EVERY = 0.7  # seconds between looks while a repair is verified

Data = dict[str, Any]
FIX = "fix"
_PAST = {"assess": "assessed", "prioritise": "prioritised"}


@dataclass(frozen=True)
class _Case:
    """Which session of which tenant."""

    tenant_id: UUID
    session_id: UUID


class Coordinator:
    """Runs on workers, as the app role."""

    def __init__(
        self,
        *,
        db: Database,
        inventory: Inventory,
        registry: Registry,
        door: Door,
        incidents: Incidents,
        orders: StandingOrders,
        settings: Settings,
    ) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry
        self._door = door
        self._incidents = incidents
        self._orders = orders
        self._settings = settings

    def register(self, workflows: durable.Workflows) -> None:
        workflows.register(SESSION_WORKFLOW, self.run)

    async def run(self, *, tenant_id: str, session_id: str) -> str:
        """Workflow: the whole session. Returns its outcome."""
        case = _Case(UUID(tenant_id), UUID(session_id))
        with correlated(await durable.step("session.initialise", partial(self._initialise, case))):
            return await self._phases(case)

    async def _phases(self, case: _Case) -> str:
        await durable.step("session.assess", partial(self._assess, case))
        outcome, number, attempts, looks = "inconclusive", 0, 0, 0
        while attempts < self._settings.max_attempts_per_session:
            number += 1
            await durable.steps_together(
                *((f"session.diagnose.{domain}", partial(self._diagnose, case, domain)) for domain in DOMAINS)
            )
            await durable.step("session.diagnosed", partial(self._note_diagnosis, case, number))
            outcome = await durable.step("session.prioritise", partial(self._choose, case, number))
            if outcome in ("inconclusive", "escalated") and not attempts and looks < self._settings.further_looks:
                # Some causes show only after a while: a leak is one once its connections stay idle.
                looks += 1
                await durable.sleep(self._settings.look_again_after)
                continue
            if outcome != FIX:
                break
            attempts += 1
            run_id = await durable.step("session.resolve", partial(self._request_fix, case, number))
            await durable.receive(reply_topic(run_id), self._settings.approval_ttl + 300)
            await durable.step("session.resolved", partial(self._note_fix, case, number, run_id))
            if await durable.step("session.verify", partial(self._verify, case, number)):
                outcome = "resolved"
                break
            outcome = "escalated"
        return await durable.step("session.report", partial(self._report, case, outcome))

    # -- steps -------------------------------------------------------------------------------------------------

    async def _initialise(self, case: _Case) -> str:
        """Returns the correlation id of what started the session; all later steps bear it."""
        started = time.time()
        async with self._db.unit_of_work(case.tenant_id) as session:
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
                await self._incidents.move(
                    session,
                    incident_id=row.incident_id,
                    status=IncidentStatus.DIAGNOSING,
                    actor=ACTOR,
                    title="Troubleshooting started",
                    key=f"{row.id} initialise",
                    detail={"session_id": str(row.id), "systems": len(row.system_ids)},
                )
            return row.correlation_id

    async def _assess(self, case: _Case) -> None:
        """Who is there, in which version, how healthy: before anything is touched."""
        started = time.time()
        systems = await self._systems(case)
        versions = dict(await asyncio.gather(*(self._version(ref, secret) for ref, secret in systems)))
        async with self._db.unit_of_work(case.tenant_id) as session:
            known = {system.id: system.health.status for system in await self._inventory.all(session)}
        health = {ref.name: known.get(ref.id, "unknown") for ref, _ in systems}
        web = next((ref.endpoint for ref, _ in systems if ref.endpoint.startswith("http")), "")
        facts = SystemFacts(base_url=web, components=[ref.name for ref, _ in systems], versions=versions, health=health)
        unwell = [name for name, status in health.items() if status in ("down", "degraded")]
        summary = f"not healthy: {', '.join(unwell)}" if unwell else "all systems pass their health checks"
        await self._end_phase(case, "assess", 0, started, summary, facts.model_dump())

    async def _diagnose(self, case: _Case, domain: Domain) -> None:
        """One diagnoser: all checks of its domain on all systems in scope; writes its report down."""
        started = time.time()
        systems = await self._systems(case)
        groups = await asyncio.gather(
            *(
                look(
                    ref,
                    secret,
                    self._registry.checks_for(ref.endpoint, domain=domain),
                    timeout=self._settings.diagnosis_timeout,
                )
                for ref, secret in systems
            )
        )
        outcomes = [outcome for group in groups for outcome in group]
        report = diagnostic_report(domain, outcomes, time.time() - started).model_dump(mode="json")
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            others = [r for r in row.diagnostics if r["bot_type"] != domain]
            row.diagnostics = sorted([*others, report | {"started": started}], key=lambda r: str(r["bot_type"]))

    async def _note_diagnosis(self, case: _Case, number: int) -> None:
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            reports = [DiagnosticReport.model_validate(report) for report in row.diagnostics]
            issues = prioritised(reports)
            words = findings_in_words(issues)
            started = min(report["started"] for report in row.diagnostics)
            write_phase(row, "diagnose", round_number=number, summary=words, started=started, ended=time.time())
            row.issues = [i.model_dump(mode="json") for i in issues]
            row.health_score = health_score(issues)
            if row.incident_id:
                await timeline.tell(
                    session,
                    incident_id=row.incident_id,
                    kind="diagnosed",
                    title=f"Diagnosed: {words}",
                    detail={
                        "issues": [
                            i.model_dump(mode="json", include={"type", "system", "title", "confidence", "evidence"})
                            for i in issues[:10]
                        ],
                        "seconds": {r.bot_type: r.duration for r in reports},
                    },
                    key=f"{row.id} diagnosed {number}",
                )

    async def _choose(self, case: _Case, number: int) -> str:
        """The likeliest cause's least invasive fix that a standing order covers and that was not tried yet.

        Returns FIX with the choice written down, or how the session ends.
        """
        started = time.time()
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id)
            issues = [Issue.model_validate(item) for item in row.issues]
            choice, proposals = await self._covered_fix(session, issues, row.tried)
            tried = bool(row.tried)
        if choice:
            verdict = FIX
        elif issues or tried:
            verdict = "escalated"
        else:
            verdict = "healthy" if await self._all_healthy(case) else "inconclusive"
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            row.choice = choice
        await self._end_phase(
            case, "prioritise", number, started, _choice_in_words(verdict, choice, issues, proposals), {}
        )
        return verdict

    async def _covered_fix(
        self, session: AsyncSession, issues: Sequence[Issue], tried: Sequence[Data]
    ) -> tuple[Data, list[str]]:
        already = {(t["action"], t["system_id"]) for t in tried}
        proposals: list[str] = []
        for issue in issues:
            order = await self._orders.match(session, _subject(issue)) if issue.fixes else None
            for fix in issue.fixes:
                if (fix.action, str(issue.system_id)) in already:
                    continue
                if order is not None and order.action == fix.action:
                    choice = {
                        "issue": issue.model_dump(mode="json"),
                        "fix": fix.model_dump(mode="json"),
                        "order": order.name,
                        "approval": order.approval,
                        "limits": limits_of(order).as_dict(),
                    }
                    return choice, proposals
                proposals.append(f"{fix.action} on {issue.system}: no standing order allows it ({fix.reason})")
        return {}, proposals

    async def _request_fix(self, case: _Case, number: int) -> str:
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            row.phase = "resolve"
            choice, fix = row.choice, row.choice["fix"]
            issue = Issue.model_validate(choice["issue"])
            run = await self._door.request(
                session,
                new=NewAction(
                    action=fix["action"],
                    params=fix["params"],
                    reason=f"{issue.title}: {fix['reason']}",
                    requested_by=f"standing-order:{choice['order']}",
                    idempotency_key=f"{row.id}:{number}",
                    system_id=issue.system_id,
                    incident_id=row.incident_id,
                    standing_order=choice["order"],
                    approval=choice["approval"],
                    limits=Limits(**choice["limits"]),
                    reply_to=durable.current_workflow_id(),
                ),
            )
            if row.incident_id:
                await self._incidents.move(
                    session,
                    incident_id=row.incident_id,
                    status=IncidentStatus.REMEDIATING,
                    actor=ACTOR,
                    title=f"Decided: {fix['action']} under standing order {choice['order']}",
                    key=f"{row.id} remediating {number}",
                    detail={"reason": fix["reason"], "approval": choice["approval"], "action_id": str(run.id)},
                )
            return str(run.id)

    async def _note_fix(self, case: _Case, number: int, run_id: str) -> None:
        async with self._db.unit_of_work(case.tenant_id) as session:
            run = await self._door.get(session, run_id=UUID(run_id))
            row = await get_row(session, case.session_id, lock=True)
            write_phase(
                row,
                "resolve",
                round_number=number,
                summary=f"{run.action}: {run.status}",
                started=run.created_at.timestamp(),
                ended=(run.ended_at or run.created_at).timestamp(),
            )
            attempt = {
                "action": run.action,
                "action_id": run_id,
                "system_id": str(run.system_id),
                "system": row.choice["issue"]["system"],
                "issue": row.choice["issue"]["id"],
                "order": row.choice["order"],
                "status": run.status,
                "summary": run.error or (run.proof or {}).get("summary") or (run.plan or {}).get("summary", ""),
            }
            row.tried = [*(t for t in row.tried if t["action_id"] != run_id), attempt]

    async def _verify(self, case: _Case, number: int) -> bool:
        """Whether every system in scope is healthy, twice in a row; what did not help is frozen."""
        started = time.time()
        async with self._db.unit_of_work(case.tenant_id) as session:
            attempt = (await get_row(session, case.session_id)).tried[-1]
        helped = attempt["status"] in {status.value for status in HELPED}
        if helped:
            await self._set_status(case, IncidentStatus.VERIFYING, "Verifying that the systems are healthy", number)
        healthy = helped and await self._becomes_healthy(case)
        if helped and not healthy:
            async with self._db.unit_of_work(case.tenant_id) as session:
                await self._door.freeze(
                    session,
                    run_id=UUID(attempt["action_id"]),
                    seconds=self._settings.freeze_seconds,
                    reason="it worked as an action, but the systems did not become healthy",
                )
        words = "all systems are healthy" if healthy else "still not healthy"
        await self._end_phase(case, "verify", number, started, words, {}, kind="verified" if healthy else "not_helped")
        return healthy

    async def _report(self, case: _Case, outcome: str) -> str:
        started = time.time()
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            if row.status == "ended":
                return str(row.outcome)
            over = outcome in ("resolved", "healthy")
            summary = _summary(outcome, [Issue.model_validate(i) for i in row.issues], row.tried)
            row.resolutions = [_resolution(outcome, row.tried).model_dump(mode="json")] if row.tried else []
            row.health_score = 100 if over else row.health_score
            write_phase(row, "report", round_number=0, summary=summary, started=started, ended=time.time())
            finish(row, outcome=outcome, success=over, summary=summary)
            await audit.record(
                session,
                actor=ACTOR,
                verb=f"troubleshooting.{outcome}",
                object_type="troubleshooting_session",
                object_id=str(row.id),
                detail={"actions": [t["action_id"] for t in row.tried]},
            )
            if row.incident_id:
                await self._close_incident(session, row, over, summary)
        return outcome

    # -- pieces ------------------------------------------------------------------------------------------------

    async def _close_incident(self, session: AsyncSession, row: Session, over: bool, summary: str) -> None:
        assert row.incident_id is not None
        moved = await self._incidents.move(
            session,
            incident_id=row.incident_id,
            status=IncidentStatus.RESOLVED if over else IncidentStatus.ESCALATED,
            actor=ACTOR,
            title=f"Resolved: {summary}" if over else f"Escalated: {summary}",
            key=f"{row.id} report",
            detail={"outcome": row.outcome, "tried": row.tried},
            resolution=summary,
        )
        if not moved or over:
            return
        incident = await self._incidents.get(session, incident_id=row.incident_id)
        await self._door.request(
            session,
            new=NewAction(
                action="escalate",
                params={
                    "title": f"Incident {incident.number} needs you: {incident.title}"[:200],
                    "body": summary[:4000],
                    "severity": incident.severity,
                    "incident_id": str(incident.id),
                },
                reason="troubleshooting could not repair it",
                requested_by=ACTOR,
                idempotency_key=f"{row.id}:escalate",
                incident_id=incident.id,
                approval="auto",
            ),
        )

    async def _systems(self, case: _Case) -> list[tuple[SystemRef, dict[str, str]]]:
        """The systems in scope with their credentials, read anew in each step: never part of a record."""
        found = []
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id)
            for system_id in row.system_ids:
                try:
                    found.append(await self._inventory.ref_with_secret(session, system_id=system_id))
                except NotFound:  # removed meanwhile
                    continue
        return found

    async def _version(self, ref: SystemRef, secret: dict[str, str]) -> tuple[str, str]:
        try:
            async with (
                asyncio.timeout(_VERSION_WITHIN),
                connected(self._registry.connectors_for(ref.endpoint)[0], ref, secret) as via,
            ):
                return ref.name, (await via.probe()).version
        except (OpsError, TimeoutError):
            return ref.name, ""

    async def _health(self, ref: SystemRef, secret: dict[str, str]) -> str:
        checks = self._registry.checks_for(ref.endpoint, health_only=True)
        return health_of(await look(ref, secret, checks, timeout=self._settings.diagnosis_timeout))

    async def _all_healthy(self, case: _Case) -> bool:
        systems = await self._systems(case)
        return all(
            health == "healthy" for health in await asyncio.gather(*(self._health(ref, s) for ref, s in systems))
        )

    async def _becomes_healthy(self, case: _Case) -> bool:
        deadline = time.monotonic() + self._settings.verify_timeout
        passes = 0
        while time.monotonic() < deadline:
            passes = passes + 1 if await self._all_healthy(case) else 0
            if passes >= _PASSES_TO_BE_HEALTHY:
                return True
            await asyncio.sleep(_LOOK_EVERY)
        return False

    async def _set_status(self, case: _Case, status: IncidentStatus, title: str, number: int) -> None:
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            row.phase = "verify"
            if row.incident_id:
                await self._incidents.move(
                    session,
                    incident_id=row.incident_id,
                    status=status,
                    actor=ACTOR,
                    title=title,
                    key=f"{row.id} {status.value} {number}",
                )

    async def _end_phase(
        self, case: _Case, name: str, number: int, started: float, summary: str, detail: Data, kind: str | None = None
    ) -> None:
        async with self._db.unit_of_work(case.tenant_id) as session:
            row = await get_row(session, case.session_id, lock=True)
            write_phase(row, name, round_number=number, summary=summary, started=started, ended=time.time())
            if row.incident_id:
                await timeline.tell(
                    session,
                    incident_id=row.incident_id,
                    kind=kind or _PAST[name],
                    title=f"{name.capitalize()}: {redact_text(summary)}",
                    detail=detail,
                    key=f"{row.id} {name} {number}",
                )


def _subject(issue: Issue) -> Subject:
    return Subject(
        kind="finding",
        fields={
            "finding": issue.type,
            "system": issue.system,
            "system_type": issue.system_type,
            "severity": issue.severity,
            "component": issue.component,
        },
        proposed_actions=frozenset(fix.action for fix in issue.fixes),
    )


def limits_of(order: StandingOrder) -> Limits:
    """An order's cooldown and counts as the door takes them."""
    return Limits(
        cooldown=order.cooldown.total_seconds(), per_target=order.limits.per_target, per_hour=order.limits.per_hour
    )


def _choice_in_words(verdict: str, choice: Data, issues: Sequence[Issue], proposals: Sequence[str]) -> str:
    if verdict == FIX:
        return f"{choice['fix']['action']} for {choice['issue']['title']}, by standing order {choice['order']}"
    if verdict == "healthy":
        return "nothing to fix: all systems are healthy"
    if not issues:
        return "inconclusive: something is wrong, but no cause was found"
    return "; ".join(proposals) or "no fix is known for what was found"


def _summary(outcome: str, issues: Sequence[Issue], tried: Sequence[Data]) -> str:
    attempts = "; ".join(f"{t['action']} on {t['system']}: {t['status']} ({t['summary']})" for t in tried)
    if outcome == "resolved":
        return f"repaired by {tried[-1]['action']} on {tried[-1]['system']} and proven healthy"
    if outcome == "healthy":
        return "no fault found: all systems are healthy"
    found = findings_in_words(issues)
    return f"{found}. Tried: {attempts or 'nothing, because no standing order covers it'}"


def _resolution(outcome: str, tried: Sequence[Data]) -> ResolutionReport:
    return ResolutionReport(
        bot_name="coordinator",
        bot_type="resolution",
        actions_attempted=[
            FixAction(
                action=t["action"],
                action_id=t["action_id"],
                system=t["system"],
                issue=t["issue"],
                standing_order=t["order"],
                status=t["status"],
                summary=t["summary"],
            )
            for t in tried
        ],
        issues_resolved=[t["issue"] for t in tried[-1:]] if outcome == "resolved" else [],
        overall_success=outcome == "resolved",
    )
