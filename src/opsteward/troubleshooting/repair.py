"""The phases that act: choose a fix that the standing orders cover, request it as an action, verify the systems."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import HELPED, ActionView, ApprovalView, Limits, NewAction, RunStatus
from opsteward.core.json_types import JsonObject
from opsteward.events.standing_orders.service import StandingOrders
from opsteward.events.types import IncidentStatus
from opsteward.troubleshooting.causes import LIKELY
from opsteward.troubleshooting.fix_choice import covered_fix, treatable
from opsteward.troubleshooting.service import get_row, write_phase
from opsteward.troubleshooting.session_context import ACTOR, Case, SessionContext, unseen_in_words
from opsteward.troubleshooting.types import Attempt, Cause, Choice, Fix, Issue, Pace

FIX = "fix"
#: How a fix ends that was never applied.
NOT_DONE = frozenset({RunStatus.DENIED, RunStatus.REFUSED, RunStatus.EXPIRED, RunStatus.SUPERSEDED})


class Repair:
    """Steps of a session; what is chosen and tried is kept in the session's row."""

    def __init__(self, context: SessionContext, action_service: ActionService, orders: StandingOrders) -> None:
        self._context = context
        self._action_service = action_service
        self._orders = orders

    async def choose(self, case: Case, number: int) -> str:
        """The likeliest cause's least invasive fix that a standing order covers and that was not tried yet.

        Returns FIX with the choice written down, or how the session ends.
        """
        started = time.time()
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id)
            causes = [Cause.model_validate(item) for item in row.causes]
            issues = treatable([Issue.model_validate(item) for item in row.issues], causes)
            choice, proposals, held_back = await covered_fix(session, self._orders, issues, row.tried)
            tried = bool(row.tried)
            attempts = attempts_in_words(row.tried)
            over = await self._is_over(session, row.incident_id)
        unseen: dict[str, str] = {}
        if over:
            choice, outcome = {}, "stopped"
        elif choice:
            outcome = FIX
        elif issues:
            outcome, unseen = "escalated", (await self._context.scope(case)).unseen
        else:
            looked = await self._context.look(case)
            unseen = looked.blind
            outcome = "healthy" if looked.healthy else "escalated" if tried else "inconclusive"
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            row.choice = {**choice, "round": number, "held_back": held_back, "unseen": unseen}
        await self._context.end_phase(
            case, "prioritise", number, started, _choice_in_words(outcome, choice, issues, proposals, attempts), {}
        )
        return outcome

    async def _is_over(self, session: AsyncSession, incident_id: UUID | None) -> bool:
        """Whether somebody resolved the incident meanwhile: then nothing is to be touched any more."""
        if incident_id is None:
            return False
        incident = await self._context.incidents.get(session, incident_id=incident_id)
        return incident.status == IncidentStatus.RESOLVED

    async def request(self, case: Case, number: int) -> str:
        """Request the chosen fix as an action. Returns the run's id; repeating gives the same run."""
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id, lock=True)
            if row.status == "ended" or row.choice.get("round") != number or "fix" not in row.choice:
                return ""  # run again after the session has gone on
            row.phase = "resolve"
            choice, fix = row.choice, Fix.model_validate(row.choice["fix"])
            issue = Issue.model_validate(choice["issue"])
            run = await self._action_service.request(
                session,
                new=NewAction(
                    action=fix.action,
                    params=fix.params,
                    reason=f"{issue.title}: {fix.reason}",
                    requested_by=f"standing-order:{choice['order']}",
                    idempotency_key=f"{row.id}:{number}",
                    system_id=issue.system_id,
                    incident_id=row.incident_id,
                    standing_order=choice["order"],
                    approval=choice["approval"],
                    limits=Limits(**choice["limits"]),
                    reply_to=row.id,
                ),
            )
            if row.incident_id:
                await self._context.incidents.move(
                    session,
                    incident_id=row.incident_id,
                    status=IncidentStatus.REMEDIATING,
                    actor=ACTOR,
                    title=f"Decided: {fix.action} under standing order {choice['order']}",
                    key=f"{row.id} remediating {number}",
                    detail={"reason": fix.reason, "approval": choice["approval"], "action_id": str(run.id)},
                )
            return str(run.id)

    async def note_end(self, case: Case, run_id: str) -> Pace:
        """Write down what became of the fix. Returns the session's pace."""
        async with self._context.unit_of_work(case) as session:
            run = await self._action_service.get(session, run_id=UUID(run_id))
            approval = await self._action_service.approval_of(session, run_id=run.id)
            row = await get_row(session, case.session_id, lock=True)
            ended = run.ended_at or run.created_at
            write_phase(
                row,
                "resolve",
                round_number=row.choice["round"],
                summary=f"{run.action}: {run.status}",
                started=run.created_at.timestamp(),
                ended=ended.timestamp(),
                waited=waited_for_person(approval, ended),
            )
            attempt: Attempt = {
                "round": row.choice["round"],
                "action": run.action,
                "action_id": run_id,
                "system_id": str(run.system_id),
                "system": str(row.choice["issue"]["system"]),
                "issue": str(row.choice["issue"]["id"]),
                "component": str(row.choice["issue"]["component"]),
                "order": row.choice["order"],
                "status": run.status,
                "summary": _why(run, approval),
            }
            row.tried = [*(t for t in row.tried if t["action_id"] != run_id), attempt]
            return self._context.pace(row)

    async def verify(self, case: Case) -> str:
        """`resolved` when the fix was done and every system in scope is healthy, twice in a row; `healthy` when they
        are without it; else empty, and a fix that did not help is frozen."""
        started = time.time()
        async with self._context.unit_of_work(case) as session:
            row = await get_row(session, case.session_id)
            attempt = row.tried[-1]
            mended = next((issue for issue in row.issues if issue["id"] == attempt["issue"]), None)
            alone = not _has_other_cause(row.causes, row.tried)
        number = attempt["round"]
        helped = attempt["status"] in {status.value for status in HELPED}
        if helped:
            await self._context.set_status(
                case, IncidentStatus.VERIFYING, "Verifying that the systems are healthy", number
            )
        gone = False
        if helped and not alone and mended is not None:
            # the systems stay sick for another reason: this fix is measured by what it was for
            gone = await self._context.look_until_gone(case, Issue.model_validate(mended))
            looked = await self._context.look(case)
        elif helped:
            looked = await self._context.look_until_well(case, target=attempt["system"])
        else:
            looked = await self._context.look(case)
        healthy = looked.healthy
        if helped and looked.sick and not gone:
            async with self._context.unit_of_work(case) as session:
                await self._action_service.freeze(
                    session,
                    run_id=UUID(attempt["action_id"]),
                    seconds=self._context.settings.freeze_seconds,
                    reason="it worked as an action, but the systems did not become healthy",
                )
        words = "all systems are healthy" if healthy else "still not healthy"
        if gone and looked.sick:
            words = f"what it was for is mended; another cause remains: {', '.join(sorted(looked.sick))} not healthy"
        if not healthy and not looked.sick:
            words = f"what could be looked at is healthy, but not {unseen_in_words(looked.blind)}"
        if not healthy and attempt["status"] in NOT_DONE:
            words = f"still not healthy; nothing was done, because {attempt['action']} was {attempt['status']}"
        await self._context.end_phase(
            case, "verify", number, started, words, {}, kind="verified" if healthy or gone else "not_helped"
        )
        if not healthy:
            return ""
        return "resolved" if helped else "healthy"


def _has_other_cause(causes: Sequence[JsonObject], tried: Sequence[Attempt]) -> bool:
    """Whether something else was found that is a cause of its own, and that nothing was done about yet."""
    done = {attempt["issue"] for attempt in tried}
    found = [Cause.model_validate(each) for each in causes]
    return any(cause.probability >= LIKELY and cause.issue not in done for cause in found)


def waited_for_person(approval: ApprovalView | None, ended: datetime) -> float:
    """Seconds for which a fix waited for its approval."""
    if approval is None:
        return 0.0
    return max(0.0, ((approval.decided_at or ended) - approval.requested_at).total_seconds())


def _why(run: ActionView, approval: ApprovalView | None) -> str:
    """What a person has to know of how it went, or why it did not go at all."""
    if run.status == RunStatus.EXPIRED:
        return "nobody approved it in time"
    if run.status == RunStatus.REFUSED and approval is not None:
        return f"by an operator: {approval.decision_reason}" if approval.decision_reason else "by an operator"
    return str(run.error or (run.proof or {}).get("summary") or (run.plan or {}).get("summary", ""))


def _choice_in_words(
    outcome: str, choice: Choice, issues: Sequence[Issue], proposals: Sequence[str], attempts: str
) -> str:
    if outcome == FIX:
        return f"{choice['fix']['action']} for {choice['issue']['title']}, by standing order {choice['order']}"
    if outcome == "stopped":
        return "stopped: the incident was resolved meanwhile"
    if outcome == "healthy":
        return "nothing to fix: all systems are healthy"
    if not issues:
        return "inconclusive: something is wrong, but no cause was found"
    if proposals:
        return "; ".join(proposals)
    return f"no other fix is known. Tried: {attempts}" if attempts else "no fix is known for what was found"


def attempts_in_words(tried: Sequence[Attempt]) -> str:
    """What was done without help, and what was not done and why: denied, frozen, cooling down, refused, expired."""
    done = [f"{_which(t)}: {t['status']} ({t['summary']})" for t in tried if t["status"] not in NOT_DONE]
    held = [f"{_which(t)} was {t['status']} ({t['summary']})" for t in tried if t["status"] in NOT_DONE]
    if held and not done:
        return f"nothing, because {'; '.join(held)}"
    return "; ".join(done) + (f". Not done: {'; '.join(held)}" if held else "")


def _which(attempt: Attempt) -> str:
    return f"{attempt['action']} on {attempt['system']}"
