"""Runs, approvals and freezes as other rooms see them."""

from __future__ import annotations

from opsteward.actions.models import ActionRun, Approval, Freeze
from opsteward.actions.types import ActionView, ApprovalView, FreezeView
from opsteward.core.json_types import JsonObject


def view_of_run(run: ActionRun) -> ActionView:
    """A run as it is shown."""
    return ActionView(
        id=run.id,
        action=run.action,
        system_id=run.system_id,
        params=run.params,
        reason=run.reason,
        requested_by=run.requested_by,
        incident_id=run.incident_id,
        standing_order=run.standing_order,
        approval=run.approval,
        status=run.status,
        plan=run.plan,
        plan_hash=run.plan_hash,
        result=run.result,
        proof=run.proof,
        error=run.error,
        created_at=run.created_at,
        executed_at=run.executed_at,
        ended_at=run.ended_at,
    )


def view_of_approval(approval: Approval, run: ActionRun, making: JsonObject | None = None) -> ApprovalView:
    """An approval with its run, as it is shown; `making` is that of who asks, while it waits."""
    return ApprovalView(
        id=approval.id,
        action_id=run.id,
        action=run.action,
        system_id=run.system_id,
        incident_id=run.incident_id,
        params=run.params,
        plan=run.plan,
        reason=run.reason,
        plan_hash=approval.plan_hash,
        status=approval.status,
        requested_by=approval.requested_by,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        decision_reason=approval.reason,
        making=making if approval.status == "pending" else approval.making,
    )


def view_of_freeze(row: Freeze, run: ActionRun) -> FreezeView:
    """A freeze as it is shown."""
    return FreezeView(
        id=row.id,
        action=row.action,
        system_id=row.system_id,
        action_id=row.action_run_id,
        reason=row.reason,
        frozen_at=row.frozen_at,
        until=row.until,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        requested_by=run.requested_by,
    )
