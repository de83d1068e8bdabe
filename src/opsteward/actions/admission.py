"""The last look before the effect: the approval still fits, nothing is frozen or paused, the world is as planned."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions import queries
from opsteward.actions.limits import lock_target, refusal
from opsteward.actions.models import ActionRun, Approval
from opsteward.actions.planning import UNPLANNABLE, plan_data
from opsteward.actions.recording import EXECUTE_WORKFLOW
from opsteward.actions.run_context import RunContexts
from opsteward.actions.types import RunStatus
from opsteward.core import durable
from opsteward.core.clock import now
from opsteward.tasks import controls

#: A pause is in force: the run stays approved, and goes on when the pause is lifted.
HELD = "held"
#: Another workflow has the run.
CLAIMED = "claimed"


class Admission:
    """A step of both workflows: it may be repeated after a crash."""

    def __init__(self, contexts: RunContexts) -> None:
        self._contexts = contexts

    async def admit(self, tenant: UUID, run_id: UUID, claim: str) -> str:
        """EXECUTING, when the effect may begin, for the workflow `claim` alone; else how the run stands or ended."""
        contexts = self._contexts
        async with contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            if (status := await self._status_before_plan(session, run, claim)) != RunStatus.APPROVED:
                return status
            if await is_paused(session, run):
                return HELD
        try:
            plan = await contexts.planned(tenant, run_id)
        except UNPLANNABLE as error:
            return await contexts.fail_before_effect(tenant, run_id, f"can't plan: {error.detail}")
        async with contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            if run.status != RunStatus.APPROVED:
                return str(run.status)
            await lock_target(session, run.target_key)
            if run.standing_order:
                await lock_target(session, f"standing order {run.standing_order}")
            why = await refusal(session, run)
            run.plan = plan_data(plan, contexts.registry.action(run.action))
            if why:
                run.status, run.error, run.ended_at = RunStatus.DENIED, why, now()
            elif not plan.needed:
                run.status, run.ended_at = RunStatus.NOT_NEEDED, now()
            else:
                run.status, run.claimed_by, run.executed_at = RunStatus.EXECUTING, claim, now()
            await contexts.record(session, run, run.status, extra={"why": why} if why else None)
            return str(run.status)

    async def _status_before_plan(self, session: AsyncSession, run: ActionRun, claim: str) -> str:
        """APPROVED if the run may be looked at once more; else how it ends, stands, or who has it."""
        if run.status == RunStatus.EXECUTING:
            # ours, when the previous try of this very step was cut off; else another workflow's
            return str(RunStatus.EXECUTING) if run.claimed_by == claim else CLAIMED
        approval = await queries.get_approval(session, run_id=run.id)
        if run.status == RunStatus.AWAITING_APPROVAL and approval is not None:
            if end := _end_without_approval(approval):
                run.status, run.ended_at = end, now()
                if end == RunStatus.EXPIRED:
                    approval.status = "expired"
                await self._contexts.record(session, run, end.value)
            else:
                await _look_again_at_expiry(session, approval, claim)
        elif run.status == RunStatus.APPROVED and run.approval == "required":
            fits = approval and approval.status == "approved" and approval.plan_hash == queries.plan_hash(run)
            if not fits:
                run.status, run.ended_at = RunStatus.SUPERSEDED, now()
                run.error = "the approval is not for this plan"
                await self._contexts.record(session, run, "superseded")
        return str(run.status)


async def _look_again_at_expiry(session: AsyncSession, approval: Approval, claim: str) -> None:
    """We were called before its time (another clock woke us): be called again, or it would never expire."""
    await durable.enqueue(
        session,
        workflow=EXECUTE_WORKFLOW,
        workflow_id=f"{claim}+",
        arguments={"tenant_id": str(approval.tenant_id), "run_id": str(approval.action_run_id)},
        not_before=max(approval.expires_at, now()) + timedelta(seconds=1),
    )


def _end_without_approval(approval: Approval) -> RunStatus | None:
    """How a pending run ends without an approval, or None while it may wait."""
    if approval.status in ("refused", "withdrawn"):
        return RunStatus.REFUSED
    if approval.status == "pending" and approval.expires_at <= now():
        return RunStatus.EXPIRED
    return None


async def is_paused(session: AsyncSession, run: ActionRun) -> bool:
    """Whether an emergency pause holds this action back now."""
    return controls.pause_of(await controls.in_force(session), action=run.action) is not None
