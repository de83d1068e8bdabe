"""What other rooms do with actions: request one, amend it, approve or refuse it, read what was done.

What follows is the `executor`'s. Each call is one transaction: the row, the audit entry and the enqueued work are
committed together or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.account_creators import Ancestry, ancestry_of
from opsteward.accounts.four_eyes import SecondPerson
from opsteward.accounts.named_actors import Said, with_actors
from opsteward.accounts.types import Identity
from opsteward.actions import freezes, queries
from opsteward.actions.models import ActionRun, Approval
from opsteward.actions.recording import (
    Step,
    enqueue_execution,
    enqueue_executions,
    enqueue_plan,
    record_step,
    record_steps,
)
from opsteward.actions.types import ActionView, ApprovalView, AskedFor, FreezeView, NewAction, RunStatus
from opsteward.actions.views import view_of_approval, view_of_freeze, view_of_run
from opsteward.contracts.action import Risk
from opsteward.contracts.registry import Registry, scheme_of
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.error_words import problems_of
from opsteward.core.errors import Conflict, Denied, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlation_id
from opsteward.systems.service import Inventory


class ActionService:
    """Requests and decisions; one per process."""

    def __init__(
        self, registry: Registry, inventory: Inventory, bus: Bus, second_person: SecondPerson | None = None
    ) -> None:
        self._second_person = second_person or SecondPerson()
        self._registry = registry
        self._inventory = inventory
        self._bus = bus

    async def request(self, session: AsyncSession, *, new: NewAction) -> ActionView:
        """Ask for an action; the same idempotency key again gives the first run back.

        Raises NotFound for an unknown action, Invalid that names each bad parameter.
        """
        offered = self._registry.action(new.action)
        if offered.connector is None and new.system_id is not None and not offered.action.beside_target:
            raise Invalid.field("system_id", f"{new.action} acts on no system", "leave it out")
        if offered.connector is not None:
            await self._check_target(session, new, offered.schemes)
        params = check_params(offered.action.params_model, new.params)
        approval = new.approval
        if approval == "by_risk":
            approval = "auto" if offered.action.risk is Risk.LOW else "required"
        if approval == "auto" and offered.action.always_asks:
            approval = "required"
        row = {
            "id": uuid7(),
            "tenant_id": tenant_of(session),
            "action": new.action,
            "system_id": new.system_id,
            # a message has no target: its cooldown is per incident, so that no other incident stays untold
            "target_key": str(new.system_id or new.incident_id or new.idempotency_key),
            "params": params,
            "reason": new.reason,
            "requested_by": new.requested_by,
            "requesters": [new.requested_by],
            "idempotency_key": new.idempotency_key,
            "incident_id": new.incident_id,
            "reply_to": new.reply_to,
            "standing_order": new.standing_order,
            "approval": approval,
            "limits": new.limits.as_dict(),
            "correlation_id": correlation_id.get(),
            "status": RunStatus.REQUESTED.value,
            "created_at": now(),
        }
        added = await session.scalar(insert(ActionRun).values(row).on_conflict_do_nothing().returning(ActionRun.id))
        if added is None:
            return await self._earlier(session, new, params)
        run = await queries.get_run(session, added)
        await self._record(session, run, "requested", actor=new.requested_by)
        await enqueue_plan(session, run)
        return view_of_run(run)

    async def _check_target(self, session: AsyncSession, new: NewAction, schemes: frozenset[str]) -> None:
        if new.system_id is None:
            raise Invalid.field("system_id", "is missing", f"name the registered system that {new.action} acts on")
        try:
            system = await self._inventory.get(session, system_id=new.system_id)
        except NotFound:
            raise Invalid.field("system_id", "is no registered system", "see GET /api/v1/systems") from None
        if scheme_of(system.endpoint) not in schemes:
            raise Invalid.field(
                "system_id", f"{new.action} does not fit {system.name}", f"it fits {', '.join(sorted(schemes))} systems"
            )

    async def _earlier(self, session: AsyncSession, new: NewAction, params: JsonObject) -> ActionView:
        run = await session.scalar(
            sa.select(ActionRun).where(
                ActionRun.tenant_id == tenant_of(session), ActionRun.idempotency_key == new.idempotency_key
            )
        )
        same = run is not None and (run.action, run.system_id, run.params) == (new.action, new.system_id, params)
        if run is None or not same:
            raise Conflict("this idempotency key was used for another request", remedy="use a new key")
        return view_of_run(run)

    async def amend(
        self, session: AsyncSession, *, run_id: UUID, params: Mapping[str, object], by: Identity
    ) -> ActionView:
        """Change the parameters of a run that waits for approval: it is planned anew and needs a new approval."""
        run = await queries.get_run(session, run_id, lock=True)
        if run.status != RunStatus.AWAITING_APPROVAL:
            raise Conflict(f"only an action that waits for approval can be changed; this one is {run.status}")
        run.params = check_params(self._registry.action(run.action).action.params_model, params)
        run.status = RunStatus.REQUESTED
        run.requested_by = by.actor
        run.requesters = sorted({*run.requesters, by.actor})
        await session.execute(
            sa.update(Approval)
            .where(Approval.tenant_id == run.tenant_id, Approval.action_run_id == run.id)
            .values(status="withdrawn", requested_by=by.actor)
        )
        await self._record(session, run, "amended", actor=by.actor, key=f"amended {uuid7()}")
        await enqueue_plan(session, run, suffix=f"plan {queries.plan_hash(run)[:16]} {uuid7()}")
        return view_of_run(run)

    async def approve(
        self, session: AsyncSession, *, approval_id: UUID, plan_hash: str, by: Identity, reason: str | None = None
    ) -> ApprovalView:
        """Say yes to exactly the plan whose hash is given.

        Raises Denied for the requester and who is of the requester's making, Conflict for a plan that has changed or
        an approval that is over.
        """
        approval, run = await self._pending(session, approval_id)
        if approval.expires_at <= now():
            raise Conflict("this approval has expired", remedy="request the action again")
        if plan_hash != approval.plan_hash or plan_hash != queries.plan_hash(run):
            raise Conflict("the plan is not the one you approve: it has changed", remedy="read it again, then decide")
        self.check_approver(approval, run, by, await ancestry_of(session, by))
        await self.decide(session, [(approval, run)], "approved", by=by, reason=reason)
        return view_of_approval(approval, run)

    def check_approver(self, approval: Approval, run: ActionRun, by: Identity, ancestry: Ancestry) -> None:
        """Note how who approves was made by the requester, if they were. Raises Denied for the requester and who is
        too newly of the requester's making."""
        if by.actor in run.requesters:
            raise Denied("who requested an action can't approve it", remedy="ask another operator")
        approval.making = self._second_person.judge(ancestry, run.requesters)

    async def refuse(
        self,
        session: AsyncSession,
        *,
        approval_id: UUID,
        by: Identity,
        plan_hash: str | None = None,
        reason: str | None = None,
    ) -> ApprovalView:
        """Say no, with a hash to exactly the plan of it. Raises Conflict for a plan that has changed or an approval
        that is over."""
        approval, run = await self._pending(session, approval_id)
        if plan_hash not in (None, approval.plan_hash):
            raise Conflict("the plan is not the one you refuse: it has changed", remedy="read it again, then decide")
        await self.decide(session, [(approval, run)], "refused", by=by, reason=reason)
        return view_of_approval(approval, run)

    async def withdraw(self, session: AsyncSession, *, incident_id: UUID) -> None:
        """The incident is over: what still waits for an approval because of it is not wanted any more."""
        waiting = await session.scalars(
            sa.select(Approval)
            .join(ActionRun, (ActionRun.id == Approval.action_run_id) & (ActionRun.tenant_id == Approval.tenant_id))
            .where(
                Approval.tenant_id == tenant_of(session),
                Approval.status == "pending",
                ActionRun.incident_id == incident_id,
            )
            .order_by(Approval.id)
            .with_for_update(of=Approval)
        )
        for approval in waiting.all():
            approval.status, approval.decided_at, approval.reason = "withdrawn", now(), "the incident is over"
            run = await queries.get_run(session, approval.action_run_id)
            await self._record(session, run, "approval.withdrawn", actor="system:incidents")
            await enqueue_execution(session, run, suffix="withdrawn")

    async def _pending(self, session: AsyncSession, approval_id: UUID) -> tuple[Approval, ActionRun]:
        found = await queries.get_approval(session, approval_id=approval_id)
        if found is None:
            raise NotFound("no approval of this id")
        run = await queries.get_run(session, found.action_run_id, lock=True)
        approval = await queries.get_approval(session, approval_id=approval_id, lock=True)
        assert approval is not None
        if approval.status != "pending" or run.status != RunStatus.AWAITING_APPROVAL:
            raise Conflict(f"this approval is {approval.status} already")
        return approval, run

    async def decide(
        self,
        session: AsyncSession,
        pairs: Sequence[tuple[Approval, ActionRun]],
        decision: str,
        *,
        by: Identity,
        reason: str | None,
    ) -> None:
        """Decide on these, which are locked, wait and were checked, in a number of statements that does not grow with
        theirs."""
        steps, at = [], now()
        for approval, run in pairs:
            approval.status, approval.decided_by, approval.decided_at = decision, by.actor, at
            approval.reason = reason
            if decision == "approved":
                run.status = RunStatus.APPROVED
            extra: JsonObject = {
                "plan_hash": approval.plan_hash,
                "decided_by_an_operator_of_the_requesters_making": approval.making is not None,
            }
            if approval.making is not None:
                extra["making"] = approval.making["chain"]
            if reason:
                extra["reason"] = reason
            steps.append(Step(run=run, what=f"approval.{decision}", extra=extra))
        if steps:
            await record_steps(session, self._bus, steps, actor=by.actor)
            suffixes = {run.id: f"decided {approval.plan_hash[:16]}" for approval, run in pairs}
            await enqueue_executions(session, suffixes)

    async def _record(
        self,
        session: AsyncSession,
        run: ActionRun,
        what: str,
        *,
        actor: str,
        key: str = "",
        extra: JsonObject | None = None,
    ) -> None:
        await record_step(session, self._bus, run, what, actor=actor, key=key, extra=extra)

    async def get(self, session: AsyncSession, *, run_id: UUID) -> ActionView:
        """Raises NotFound."""
        return view_of_run(await queries.get_run(session, run_id))

    async def was_requested(self, session: AsyncSession, *, idempotency_key: str) -> bool:
        """Whether an action was requested by this key."""
        return await self.id_of(session, idempotency_key=idempotency_key) is not None

    async def id_of(self, session: AsyncSession, *, idempotency_key: str) -> UUID | None:
        """The run that was requested by this key, if any was."""
        found: UUID | None = await session.scalar(
            sa.select(ActionRun.id).where(
                ActionRun.tenant_id == tenant_of(session), ActionRun.idempotency_key == idempotency_key
            )
        )
        return found

    async def list_runs(
        self,
        session: AsyncSession,
        *,
        incident_id: UUID | None = None,
        include_routine: bool = True,
        before: UUID | None = None,
        limit: int = 100,
    ) -> list[ActionView]:
        """Newest first; `before` is the last id of the previous page (ids are time-ordered). Without
        `include_routine` none that only writes something down and that no operator asked for."""
        rows = await queries.list_runs(
            session, incident_id=incident_id, include_routine=include_routine, before=before, limit=limit
        )
        return [view_of_run(row) for row in rows]

    async def get_approval(
        self, session: AsyncSession, *, approval_id: UUID, by: Identity | None = None
    ) -> ApprovalView:
        """One that waits says whether who asks (`by`) is of the requester's making. Raises NotFound."""
        approval = await queries.get_approval(session, approval_id=approval_id)
        if approval is None:
            raise NotFound("no approval of this id")
        run = await queries.get_run(session, approval.action_run_id)
        return (await self._views(session, [(approval, run)], by))[0]

    async def approval_of(self, session: AsyncSession, *, run_id: UUID) -> ApprovalView | None:
        """The approval of a run, if it needs one and is planned."""
        approval = await queries.get_approval(session, run_id=run_id)
        if approval is None:
            return None
        return view_of_approval(approval, await queries.get_run(session, run_id))

    async def list_approvals(
        self,
        session: AsyncSession,
        *,
        status: str | None = "pending",
        action: str | None = None,
        ref: str | None = None,
        after: UUID | None = None,
        limit: int = 100,
        by: Identity | None = None,
    ) -> list[ApprovalView]:
        """Oldest request first; `status` None gives all, `after` is the last id of the page before. `ref`: by its id
        or a part of it. Each says whether who asks (`by`) is of the requester's making."""
        rows = await queries.list_approvals(session, status=status, action=action, ref=ref, after=after, limit=limit)
        return await self._views(session, rows, by)

    async def _views(
        self, session: AsyncSession, rows: Sequence[tuple[Approval, ActionRun]], by: Identity | None
    ) -> list[ApprovalView]:
        if by is None or not any(approval.status == "pending" for approval, _ in rows):
            return [view_of_approval(approval, run) for approval, run in rows]
        foreseen = partial(self._second_person.foreseen, await ancestry_of(session, by))
        return [view_of_approval(approval, run, foreseen(run.requesters)) for approval, run in rows]

    async def freeze(self, session: AsyncSession, *, run_id: UUID, seconds: float, reason: str) -> None:
        """The action did not help: it is not tried on this target again for a while. Repeating does nothing."""
        run = await queries.get_run(session, run_id)
        await freezes.freeze(session, self._bus, run, seconds=seconds, reason=reason)

    async def list_freezes(
        self,
        session: AsyncSession,
        *,
        ref: str | None = None,
        over: bool = False,
        after: UUID | None = None,
        limit: int = 1000,
    ) -> list[FreezeView]:
        """Freezes in force (`over`: those that are no more), the oldest first, with names; `after` is the last id of
        the page before. `ref`: by action, id, or a part of the id."""
        found = await queries.list_freezes(session, ref=ref, over=over, after=after, limit=limit)
        views = await with_actors(
            session,
            [view_of_freeze(row, run) for row, run in found],
            Said("requested_by", "frozen_at", "requester"),
            object_id=lambda one: one.action_id,
        )
        return await with_actors(session, views, Said("lifted_by", "lifted_at", "lifter"))

    async def asked_for(
        self, session: AsyncSession, *, since: datetime, until: datetime, stretch: timedelta
    ) -> list[AskedFor]:
        """What incidents asked for in a span, counted by order, action and status in stretches of time."""
        return await queries.asked_for(session, since=since, until=until, stretch=stretch)

    async def lift_freeze(self, session: AsyncSession, *, freeze_id: UUID, by: Identity) -> None:
        """Allow the action on the target again. Raises NotFound."""
        await freezes.lift_freeze(session, freeze_id=freeze_id, by=by)


def check_params(model: type[BaseModel], params: Mapping[str, object]) -> JsonObject:
    """The parameters as typed, complete, JSON-ready values. Raises Invalid that names each bad one."""
    try:
        return model.model_validate(dict(params)).model_dump(mode="json")
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise Invalid(problems=problems_of(found, prefix="params", given=params)) from None
