"""Behind the one door: policy, plan, approval, execute, verify, undo, freeze, audit. The only caller of `execute`.

Two workflows. `actions.plan` looks and plans; without need of approval it goes straight on. `actions.execute`
runs when an approval was given, refused, or has expired. Waiting costs nothing: no workflow hangs meanwhile.
Each step may be repeated after a crash, so each writes under a condition or a derived id, and the effect itself
is keyed by the exact identity of what it touches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions import queries as action_queries
from opsteward.actions.models import ActionRun, Approval
from opsteward.actions.service import EXECUTE_WORKFLOW, PLAN_WORKFLOW, ActionService, note
from opsteward.actions.settings import ActionSettings
from opsteward.actions.types import ENDS, RunStatus, approval_id_of
from opsteward.contracts.action import Action, ActionContext, Plan, Proof
from opsteward.contracts.registry import OfferedAction, Registry
from opsteward.core import durable
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import ConnectorError, Invalid, NotFound, OpsError, Timeout
from opsteward.core.ids import uuid7
from opsteward.core.log import correlated, get_logger
from opsteward.core.redact import redact, redact_text
from opsteward.systems.service import Inventory, connected
from opsteward.tasks import controls
from opsteward.telemetry import traces

log = get_logger(__name__)

ACTOR = "system:executor"
UNDONE = "undone"
#: A pause is in force: the run stays approved, and goes on when the pause is lifted.
HELD = "held"
#: Why a plan can't be made; our own database being away is none of them, that is waited for.
_UNPLANNABLE = (ConnectorError, NotFound, Invalid)


class Executor:
    """Runs on workers, as the app role."""

    def __init__(
        self,
        db: Database,
        action_service: ActionService,
        inventory: Inventory,
        registry: Registry,
        bus: Bus,
        settings: ActionSettings,
    ) -> None:
        self._db = db
        self._action_service = action_service
        self._inventory = inventory
        self._registry = registry
        self._bus = bus
        self._settings = settings

    def register(self, workflows: durable.Workflows) -> None:
        workflows.register(PLAN_WORKFLOW, self.plan_action, give_up=self._give_up)
        workflows.register(EXECUTE_WORKFLOW, self.execute_action, give_up=self._give_up)

    async def plan_action(self, *, tenant_id: str, run_id: str) -> str:
        """Workflow: plan, and go on when nobody needs to be asked. Returns the run's status."""
        tenant, run = UUID(tenant_id), UUID(run_id)
        status = await durable.step("action.plan", partial(self._plan, tenant, run))
        return await self._perform(tenant, run) if status == RunStatus.APPROVED else status

    async def execute_action(self, *, tenant_id: str, run_id: str) -> str:
        """Workflow: an approval was decided or has run out. Returns the run's status."""
        return await self._perform(UUID(tenant_id), UUID(run_id))

    async def _perform(self, tenant: UUID, run: UUID) -> str:
        claim = durable.current_workflow_id()
        admitted = await durable.step("action.admit", partial(self._admit, tenant, run, claim))
        if admitted == RunStatus.EXECUTING:
            attempt = 0
            while pause := await durable.step("action.execute", partial(self._execute, tenant, run, attempt)):
                if isinstance(pause, str):
                    return pause  # held: this workflow ends, another goes on when the pause is lifted
                attempt += 1
                await durable.sleep(pause)
            proven = await durable.step("action.verify", partial(self._verify, tenant, run))
            undo = "" if proven else await durable.step("action.undo", partial(self._undo, tenant, run))
            return await durable.step("action.finish", partial(self._finish, tenant, run, undo))
        return admitted  # it has ended without an effect, another workflow has it, it is held, or it waits still

    async def release_held(self) -> None:
        """A pause was lifted, or we have just begun to lead: what is approved and no longer held goes on.

        What is in flight anyway is not disturbed: a run has one workflow that claims it. Raises Unavailable.
        """
        async with self._db.unit_of_work(None) as session:
            waiting = (await session.execute(sa.text("select * from opsteward.approved_runs()"))).all()
        for tenant_id in {row.tenant_id for row in waiting}:
            async with self._db.unit_of_work(tenant_id) as session:
                pauses = await controls.in_force(session)
                for row in waiting:
                    if row.tenant_id != tenant_id or controls.pause_of(pauses, action=row.action):
                        continue
                    await durable.enqueue(
                        session,
                        workflow=EXECUTE_WORKFLOW,
                        workflow_id=f"action:{row.id}:released {uuid7()}",
                        arguments={"tenant_id": str(tenant_id), "run_id": str(row.id)},
                    )

    # -- steps -------------------------------------------------------------------------------------------------

    async def _plan(self, tenant: UUID, run_id: UUID) -> str:
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id)
            if run.status != RunStatus.REQUESTED:
                return str(run.status)
            if why := await action_queries.refusal(session, run):
                run.status, run.error, run.ended_at = RunStatus.DENIED, why, now()
                await self._note(session, run, "denied", extra={"why": why})
                return str(run.status)
        try:
            plan = await self._make_plan(tenant, run_id)
        except _UNPLANNABLE as error:
            return await self._end_before_effect(tenant, run_id, RunStatus.FAILED, f"can't plan: {error.detail}")
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            if run.status != RunStatus.REQUESTED:
                return str(run.status)
            run.plan, run.plan_hash = _plan_data(plan, self._registry.action(run.action)), action_queries.plan_hash(run)
            if not plan.needed:
                run.status, run.ended_at = RunStatus.NOT_NEEDED, now()
            elif run.approval == "required":
                run.status = RunStatus.AWAITING_APPROVAL
                await self._ask(session, run)
            else:
                run.status = RunStatus.APPROVED
            # this transaction commits once: the status guards it, so the key may be a new one for each plan
            await self._note(session, run, f"planned.{run.status}", key=f"planned {uuid7()}")
            return str(run.status)

    async def _look_again_at_expiry(self, session: AsyncSession, approval: Approval, claim: str) -> None:
        """We were called before its time (another clock woke us): be called again, or it would never expire."""
        await durable.enqueue(
            session,
            workflow=EXECUTE_WORKFLOW,
            workflow_id=f"{claim}+",
            arguments={"tenant_id": str(approval.tenant_id), "run_id": str(approval.action_run_id)},
            not_before=max(approval.expires_at, now()) + timedelta(seconds=1),
        )

    async def _ask(self, session: AsyncSession, run: ActionRun) -> None:
        expires_at = now() + timedelta(seconds=self._settings.approval_ttl)
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
        await durable.enqueue(
            session,
            workflow=EXECUTE_WORKFLOW,
            workflow_id=f"action:{run.id}:expires {expires_at.timestamp()}",
            arguments={"tenant_id": str(run.tenant_id), "run_id": str(run.id)},
            not_before=expires_at,
        )

    async def _admit(self, tenant: UUID, run_id: UUID, claim: str) -> str:
        """The last gate before the effect: approval still fits, nothing is frozen, the world is as planned."""
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            if (status := await self._status_at_the_gate(session, run, claim)) != RunStatus.APPROVED:
                return status
            if await _is_paused(session, run):
                return HELD
        try:
            plan = await self._make_plan(tenant, run_id)
        except _UNPLANNABLE as error:
            return await self._end_before_effect(tenant, run_id, RunStatus.FAILED, f"can't plan: {error.detail}")
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            if run.status != RunStatus.APPROVED:
                return str(run.status)
            await action_queries.lock_target(session, run.target_key)
            if run.standing_order:
                await action_queries.lock_target(session, f"standing order {run.standing_order}")
            why = await action_queries.refusal(session, run)
            run.plan = _plan_data(plan, self._registry.action(run.action))
            if why:
                run.status, run.error, run.ended_at = RunStatus.DENIED, why, now()
            elif not plan.needed:
                run.status, run.ended_at = RunStatus.NOT_NEEDED, now()
            else:
                run.status, run.claimed_by, run.executed_at = RunStatus.EXECUTING, claim, now()
            await self._note(session, run, run.status, extra={"why": why} if why else None)
            return str(run.status)

    async def _status_at_the_gate(self, session: AsyncSession, run: ActionRun, claim: str) -> str:
        """APPROVED if the run may be looked at once more; else how it ends, stands, or who has it."""
        if run.status == RunStatus.EXECUTING:
            # ours, when the previous try of this very step was cut off; else another workflow's
            return str(RunStatus.EXECUTING) if run.claimed_by == claim else "claimed"
        approval = await action_queries.get_approval(session, run_id=run.id)
        if run.status == RunStatus.AWAITING_APPROVAL and approval is not None:
            if verdict := _verdict(approval):
                run.status, run.ended_at = verdict, now()
                if verdict == RunStatus.EXPIRED:
                    approval.status = "expired"
                await self._note(session, run, verdict.value)
            else:
                await self._look_again_at_expiry(session, approval, claim)
        elif run.status == RunStatus.APPROVED and run.approval == "required":
            fits = approval and approval.status == "approved" and approval.plan_hash == action_queries.plan_hash(run)
            if not fits:
                run.status, run.ended_at = RunStatus.SUPERSEDED, now()
                run.error = "the approval is not for this plan"
                await self._note(session, run, "superseded")
        return str(run.status)

    async def _execute(self, tenant: UUID, run_id: UUID, attempt: int) -> float | str | None:
        """The effect. Its key is the run's id; a failure is written down and left to the verification to judge.

        Returns the seconds after which it is to be tried again, None when it was done or there is no hope, HELD when
        a pause came before it.
        """
        result, error, hope = None, "", False
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            if await _is_paused(session, run):
                run.status, run.claimed_by = RunStatus.APPROVED, None
                return HELD
        async with self._working(tenant, run_id, "execute") as (action, ctx, params, _):
            try:
                async with asyncio.timeout(min(action.timeout, self._settings.action_timeout)):
                    result = (await action.execute(ctx, params)).model_dump(mode="json")
            except TimeoutError:
                error, hope = Timeout.title, True
            except OpsError as failure:
                error, hope = redact_text(failure.detail), failure.retryable
            if error:
                traces.fail(error)
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            run.result, run.error = result, error if result is None else None
        log.info("actions.action.executed", action=run.action, run_id=str(run_id), attempt=attempt, error=error)
        if not hope or attempt >= self._settings.max_retries:
            return None
        return float(min(self._settings.max_backoff, self._settings.backoff_factor**attempt))

    async def _verify(self, tenant: UUID, run_id: UUID) -> bool:
        """Measure the target and write the proof down. What can't be measured is not proven."""
        async with self._working(tenant, run_id, "verify") as (action, ctx, params, run):
            if run.result is None:
                proof = Proof(ok=False, summary="it was not done")
            else:
                try:
                    async with asyncio.timeout(self._settings.verify_timeout):
                        proof = await action.verify(ctx, params, action.result_model.model_validate(run.result))
                except TimeoutError:
                    proof = Proof(ok=False, summary="the verification did not finish in time")
                except OpsError as error:
                    proof = Proof(ok=False, summary=f"can't verify: {redact_text(error.detail)}")
            if not proof.ok:
                traces.fail(proof.summary)
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            run.proof = {"ok": proof.ok, "summary": proof.summary, "evidence": redact(dict(proof.evidence))}
        return proof.ok

    async def _undo(self, tenant: UUID, run_id: UUID) -> str:
        """Take the effect back where that is possible; says what came of it."""
        async with self._working(tenant, run_id, "undo") as (action, ctx, params, run):
            if run.result is None:
                return ""
            if not action.undoable:
                return "this action can't be undone"
            try:
                async with asyncio.timeout(self._settings.action_timeout):
                    await action.undo(ctx, params, action.result_model.model_validate(run.result))
            except TimeoutError:
                return "the undo did not finish in time"
            except OpsError as error:
                return f"the undo failed: {redact_text(error.detail)}"
            return UNDONE

    async def _finish(self, tenant: UUID, run_id: UUID, undo: str) -> str:
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            proof = run.proof or {"ok": False, "summary": ""}
            run.ended_at = now()
            if proof["ok"]:
                run.status = RunStatus.SUCCEEDED
            else:
                run.status = RunStatus.UNDONE if undo == UNDONE else RunStatus.FAILED
                run.error = "; ".join(part for part in (run.error, proof["summary"], undo) if part)
                if run.system_id is not None:
                    await self._freeze(session, run)
            await self._note(session, run, run.status, extra={"proof": proof["summary"], "undo": undo})
            return str(run.status)

    async def _give_up(self, *, tenant_id: str, run_id: str, reason: str) -> None:
        """Something broke that should not: the run has failed, and what may be half done is not tried again."""
        async with self._db.unit_of_work(UUID(tenant_id)) as session:
            run = await action_queries.get_run(session, UUID(run_id), lock=True)
            if run.status in ENDS:
                return
            half_done = run.status == RunStatus.EXECUTING
            run.status, run.ended_at = RunStatus.FAILED, now()
            run.error = f"stopped by an unexpected error ({reason})"
            if half_done and run.system_id is not None:
                await self._freeze(session, run)
            await self._note(session, run, run.status, extra={"why": run.error})

    async def _freeze(self, session: AsyncSession, run: ActionRun) -> None:
        await self._action_service.freeze(
            session,
            run_id=run.id,
            seconds=self._settings.freeze_seconds,
            reason=f"did not help: {run.error}",
        )

    # -- pieces ------------------------------------------------------------------------------------------------

    async def _make_plan(self, tenant: UUID, run_id: UUID) -> Plan:
        async with self._working(tenant, run_id, "plan") as (action, ctx, params, _):
            try:
                async with asyncio.timeout(self._settings.diagnosis_timeout):
                    return await action.plan(ctx, params)
            except TimeoutError:
                raise Timeout("planning did not finish in time") from None

    @asynccontextmanager
    async def _working(
        self, tenant: UUID, run_id: UUID, step: str
    ) -> AsyncIterator[tuple[Action[Any, Any, Any], ActionContext[Any], Any, ActionRun]]:
        """The action, its context with an open connector, and its typed parameters; traced as this step of it."""
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id)
            offered = self._registry.action(run.action)
            params = offered.action.params_model.model_validate(run.params)
            target = None
            if run.system_id is not None:
                target = await self._inventory.ref_with_secret(session, system_id=run.system_id)
        about = {"opsteward.action": run.action, "opsteward.action.run_id": str(run_id)}
        with correlated(run.correlation_id), traces.span(f"action {step} {run.action}", about):
            if target is None or offered.connector is None:
                yield offered.action, ActionContext(via=None, target=None, idempotency_key=str(run.id)), params, run
                return
            ref, secret = target
            async with connected(offered.connector, ref, secret) as via:
                yield offered.action, ActionContext(via=via, target=ref, idempotency_key=str(run.id)), params, run

    async def _end_before_effect(self, tenant: UUID, run_id: UUID, status: RunStatus, error: str) -> str:
        async with self._db.unit_of_work(tenant) as session:
            run = await action_queries.get_run(session, run_id, lock=True)
            if run.status in ENDS:
                return str(run.status)
            run.status, run.error, run.ended_at = status, redact_text(error), now()
            await self._note(session, run, status, extra={"why": run.error})
            return str(run.status)

    async def _note(
        self, session: AsyncSession, run: ActionRun, what: str, *, key: str = "", extra: dict[str, Any] | None = None
    ) -> None:
        with correlated(run.correlation_id):
            await note(session, self._bus, run, what, actor=ACTOR, key=key or what, extra=extra)


async def _is_paused(session: AsyncSession, run: ActionRun) -> bool:
    """Whether an emergency pause holds this action back now."""
    return controls.pause_of(await controls.in_force(session), action=run.action) is not None


def _verdict(approval: Approval) -> RunStatus | None:
    """How a pending run ends without an approval, or None while it may wait."""
    if approval.status in ("refused", "withdrawn"):
        return RunStatus.REFUSED
    if approval.status == "pending" and approval.expires_at <= now():
        return RunStatus.EXPIRED
    return None


def _plan_data(plan: Plan, offered: OfferedAction) -> dict[str, Any]:
    return {
        "needed": plan.needed,
        "summary": plan.summary,
        "steps": list(plan.steps),
        "objects": list(plan.objects),
        "risk": offered.action.risk.value,
        "undo": "can be undone" if offered.action.undoable else "can't be undone",
        "evidence": redact(dict(plan.evidence)),
    }
