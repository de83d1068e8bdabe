"""The coordinator: seven phases, in rounds, until the system is proven healthy or a person is needed.

    initialise -> assess -> [ diagnose -> prioritise -> resolve -> verify ] -> report

Two durable workflows: one goes up to the request of a fix, the other goes on when that fix has come to its end, so
that a session that waits for an approval holds up nobody. A fix is requested as an action under a standing order;
without an order nothing is done and the proposal goes to people. A fix that did not make the system healthy is
frozen, and the next round looks again. The health that counts is measured by the systems' own checks, not reported
by the action.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.core import durable
from opsteward.core.log import correlated
from opsteward.events.standing_orders.service import StandingOrders
from opsteward.events.types import IncidentStatus
from opsteward.telemetry import audit
from opsteward.troubleshooting.causes import in_words
from opsteward.troubleshooting.diagnose import DOMAINS
from opsteward.troubleshooting.diagnosis import Diagnosis
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.repair import FIX, Repair, attempts_in_words
from opsteward.troubleshooting.service import RESUME_WORKFLOW, SESSION_WORKFLOW, finish, get_row, write_phase
from opsteward.troubleshooting.session_context import ACTOR, Case, SessionContext, unseen_in_words
from opsteward.troubleshooting.types import Attempt, Cause, FixAction, Issue, Pace, ResolutionReport

WAITING = "waiting"


class Coordinator:
    """Runs on workers, as the app role."""

    def __init__(self, context: SessionContext, action_service: ActionService, orders: StandingOrders) -> None:
        self._context = context
        self._diagnosis = Diagnosis(context)
        self._repair = Repair(context, action_service, orders)

    def register(self, workflows: durable.Workflows) -> None:
        workflows.register(SESSION_WORKFLOW, self.run, give_up=self._give_up)
        workflows.register(RESUME_WORKFLOW, self.resume, give_up=self._give_up)

    async def run(self, *, tenant_id: str, session_id: str) -> str:
        """Workflow: from the beginning to the first fix, or to the end. Returns the outcome, or `waiting`."""
        case = Case(UUID(tenant_id), UUID(session_id))
        pace = await durable.step("session.initialise", partial(self._diagnosis.initialise, case))
        with correlated(pace["correlation"]):
            await durable.step("session.assess", partial(self._diagnosis.assess, case))
            return await self._look_and_act(case, pace)

    async def resume(self, *, tenant_id: str, session_id: str, run_id: str) -> str:
        """Workflow: the fix that the session asked for has come to its end, however that was."""
        case = Case(UUID(tenant_id), UUID(session_id))
        pace = await durable.step("session.resolved", partial(self._repair.note_end, case, run_id))
        with correlated(pace["correlation"]):
            if outcome := await durable.step("session.verify", partial(self._repair.verify, case)):
                return await durable.step("session.report", partial(self._report, case, outcome))
            if pace["tried"] >= pace["attempts"]:
                return await durable.step("session.report", partial(self._report, case, "escalated"))
            return await self._look_and_act(case, pace)

    async def _look_and_act(self, case: Case, pace: Pace) -> str:
        outcome = "inconclusive"
        for look in range(pace["looks"] + 1):
            number = pace["rounds"] + look + 1
            await durable.steps_together(
                *((f"session.diagnose.{domain}", partial(self._diagnosis.diagnose, case, domain)) for domain in DOMAINS)
            )
            await durable.step("session.diagnosed", partial(self._diagnosis.conclude, case, number))
            outcome = await durable.step("session.prioritise", partial(self._repair.choose, case, number))
            if outcome == FIX:
                # Nothing hangs while the fix waits for its turn or its approval: its end starts `resume`.
                await durable.step("session.resolve", partial(self._repair.request, case, number))
                return WAITING
            if outcome not in ("inconclusive", "escalated") or pace["tried"]:
                break
            if look < pace["looks"]:
                # Some causes show only after a while: a leak is one once its connections stay idle.
                await durable.sleep(pace["pause"])
        return await durable.step("session.report", partial(self._report, case, outcome))

    async def _give_up(self, *, tenant_id: str, session_id: str, reason: str, run_id: str = "") -> None:
        """Something broke that should not: the session ends, and the incident is escalated."""
        case = Case(UUID(tenant_id), UUID(session_id))
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            if row.status == "ended":
                return
            summary = f"troubleshooting was stopped by an unexpected error ({reason})"
            await finish(session, row, outcome="escalated", success=False, summary=summary)
            await audit.record(
                session,
                actor=ACTOR,
                verb="troubleshooting.failed",
                object_type="troubleshooting_session",
                object_id=str(row.id),
                detail={"reason": reason},
            )
            if row.incident_id:
                await self._close_incident(session, row, False, summary)

    async def _report(self, case: Case, outcome: str) -> str:
        started = time.time()
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            if row.status == "ended":
                return str(row.outcome)
            over = outcome in ("resolved", "healthy")
            known = [Issue.model_validate(each) for each in row.issues]
            gone, issues = {issue.id for issue in known if issue.mended}, [issue for issue in known if not issue.mended]
            left = {issue.id for issue in issues}
            # the last one is proven by what is healthy now
            helped = [attempt for attempt in row.tried if attempt is row.tried[-1] or attempt["issue"] in gone]
            causes = [cause for cause in map(Cause.model_validate, row.causes) if cause.issue in left]
            summary = _summary(outcome, in_words(issues, causes), row.tried, helped, row.choice.get("held_back", []))
            if not over and (unseen := row.choice.get("unseen")):
                summary += f". Could not look at {unseen_in_words(unseen)}"
            row.resolutions = [_resolution(outcome, row.tried, helped).model_dump(mode="json")] if row.tried else []
            row.health_score = 100 if over else row.health_score
            write_phase(row, "report", round_number=0, summary=summary, started=started, ended=time.time())
            await finish(session, row, outcome=outcome, success=over, summary=summary)
            await audit.record(
                session,
                actor=ACTOR,
                verb=f"troubleshooting.{outcome}",
                object_type="troubleshooting_session",
                object_id=str(row.id),
                detail={"actions": [attempt["action_id"] for attempt in row.tried]},
            )
            if row.incident_id:
                await self._close_incident(session, row, over, summary)
        return outcome

    async def _close_incident(self, session: AsyncSession, row: Session, over: bool, summary: str) -> None:
        assert row.incident_id is not None
        moved = await self._context.incidents.move(
            session,
            incident_id=row.incident_id,
            status=IncidentStatus.RESOLVED if over else IncidentStatus.ESCALATED,
            actor=ACTOR,
            title=f"Resolved: {summary}" if over else f"Escalated: {summary}",
            key=f"{row.id} report",
            detail={"outcome": row.outcome, "tried": [dict(attempt) for attempt in row.tried]},
            resolution=summary,
        )
        if not moved or over:
            return
        await self._context.incidents.ask_people(
            session,
            incident_id=row.incident_id,
            summary=summary,
            requested_by=ACTOR,
            idempotency_key=f"{row.id}:escalate",
        )


def _summary(
    outcome: str, found: str, tried: Sequence[Attempt], helped: Sequence[Attempt], held_back: Sequence[str]
) -> str:
    attempts = attempts_in_words(tried)
    if outcome == "resolved":
        fixes = " and ".join(dict.fromkeys(f"{t['action']} on {t['system']}" for t in helped))
        return f"repaired by {fixes} and proven healthy"
    if outcome == "stopped":
        return f"stopped: the incident was resolved meanwhile. Tried: {attempts or 'nothing'}"
    if outcome == "healthy" and tried:
        return f"all systems are healthy again by themselves. Tried: {attempts}"
    if outcome == "healthy":
        return "no fault found: all systems are healthy"
    if held_back:
        return f"{found}. Tried: {attempts or 'nothing'}. Held back: {'; '.join(held_back)}"
    return f"{found}. Tried: {attempts or 'nothing, because no standing order covers it'}"


def _resolution(outcome: str, tried: Sequence[Attempt], helped: Sequence[Attempt]) -> ResolutionReport:
    return ResolutionReport(
        bot_name="coordinator",
        bot_type="resolution",
        actions_attempted=[
            FixAction(
                action=t["action"],
                action_id=UUID(t["action_id"]),
                system=t["system"],
                issue=t["issue"],
                standing_order=t["order"],
                status=t["status"],
                summary=t["summary"],
            )
            for t in tried
        ],
        issues_resolved=[t["issue"] for t in helped] if outcome == "resolved" else [],
        overall_success=outcome == "resolved",
    )
