"""The first step of a run: make its plan, and ask for approval where it needs one."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions import queries
from opsteward.actions.limits import refusal
from opsteward.actions.models import ActionRun, Approval
from opsteward.actions.recording import enqueue_look
from opsteward.actions.run_context import RunContexts
from opsteward.actions.types import RunStatus, approval_id_of
from opsteward.contracts.action import Plan
from opsteward.contracts.registry import OfferedAction
from opsteward.core.clock import now
from opsteward.core.errors import ConnectorError, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact_json

#: Why a plan can't be made; our own database being away is none of them, that is waited for.
UNPLANNABLE = (ConnectorError, NotFound, Invalid)


class Planning:
    """A step of the plan workflow: it may be repeated after a crash."""

    def __init__(self, contexts: RunContexts) -> None:
        self._contexts = contexts

    async def plan(self, tenant: UUID, run_id: UUID) -> str:
        """Store the plan, and ask for the approval that it needs; returns the run's status."""
        contexts = self._contexts
        async with contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id)
            if run.status != RunStatus.REQUESTED:
                return str(run.status)
            if why := await refusal(session, run):
                run.status, run.error, run.ended_at = RunStatus.DENIED, why, now()
                await contexts.record(session, run, "denied", extra={"why": why})
                return str(run.status)
        try:
            plan = await contexts.planned(tenant, run_id)
        except UNPLANNABLE as error:
            return await contexts.fail_before_effect(tenant, run_id, f"can't plan: {error.detail}")
        async with contexts.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            if run.status != RunStatus.REQUESTED:
                return str(run.status)
            run.plan, run.plan_hash = plan_data(plan, contexts.registry.action(run.action)), queries.plan_hash(run)
            if not plan.needed:
                run.status, run.ended_at = RunStatus.NOT_NEEDED, now()
            elif run.approval == "required":
                run.status = RunStatus.AWAITING_APPROVAL
                await self._ask(session, run)
            else:
                run.status = RunStatus.APPROVED
            # this transaction commits once: the status guards it, so the key may be a new one for each plan
            await contexts.record(session, run, f"planned.{run.status}", key=f"planned {uuid7()}")
            return str(run.status)

    async def _ask(self, session: AsyncSession, run: ActionRun) -> None:
        expires_at = now() + timedelta(seconds=self._contexts.settings.approval_ttl)
        fresh = {"plan_hash": run.plan_hash, "status": "pending", "requested_at": now(), "expires_at": expires_at}
        await session.execute(
            insert(Approval)
            .values(
                id=approval_id_of(run.id),
                tenant_id=run.tenant_id,
                action_run_id=run.id,
                requested_by=run.requested_by,
                **fresh,
            )
            .on_conflict_do_update(index_elements=["id"], set_={**fresh, "requested_by": run.requested_by})
        )
        suffix = f"expires {expires_at.timestamp()}"
        await enqueue_look(session, tenant_id=run.tenant_id, run_id=run.id, suffix=suffix, at=expires_at)


def plan_data(plan: Plan, offered: OfferedAction) -> JsonObject:
    """The plan as it is stored, and shown to who approves it."""
    return {
        "needed": plan.needed,
        "summary": plan.summary,
        "steps": list(plan.steps),
        "objects": list(plan.objects),
        "risk": offered.action.risk.value,
        "undo": "can be undone" if offered.action.undoable else "can't be undone",
        "evidence": redact_json(plan.evidence),
    }
