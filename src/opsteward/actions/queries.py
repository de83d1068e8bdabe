"""Rows of the one door, read and written. Private to this room."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.models import ActionRun, Approval, Freeze
from opsteward.actions.types import ActionView, ApprovalView, FreezeView
from opsteward.core.clock import now
from opsteward.core.crypto import digest
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound


def plan_hash(run: ActionRun) -> str:
    """What an approval is bound to: the exact action, target and parameters."""
    return digest({"action": run.action, "target": str(run.system_id or ""), "params": run.params})


async def get_run(session: AsyncSession, run_id: UUID, *, lock: bool = False) -> ActionRun:
    """Raises NotFound."""
    query = sa.select(ActionRun).where(ActionRun.tenant_id == tenant_of(session), ActionRun.id == run_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("no action of this id")
    return row


async def get_approval(
    session: AsyncSession, *, approval_id: UUID | None = None, run_id: UUID | None = None, lock: bool = False
) -> Approval | None:
    query = sa.select(Approval).where(Approval.tenant_id == tenant_of(session))
    query = query.where(Approval.id == approval_id) if approval_id else query.where(Approval.action_run_id == run_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def lock_target(session: AsyncSession, target_key: str) -> None:
    """From here to the end of the transaction nobody else decides about this target."""
    await session.execute(
        sa.text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"target {tenant_of(session)} {target_key}"},
    )


async def refusal(session: AsyncSession, run: ActionRun) -> str | None:
    """Why this run may not go ahead now (frozen, cooling down, over a limit), or None. One query each."""
    tenant_id = tenant_of(session)
    frozen = await session.scalar(
        sa.select(Freeze)
        .where(
            Freeze.tenant_id == tenant_id,
            Freeze.target_key == run.target_key,
            Freeze.action == run.action,
            Freeze.until > now(),
            Freeze.lifted_at.is_(None),
        )
        .limit(1)
    )
    if frozen is not None:
        return f"frozen until {frozen.until:%Y-%m-%d %H:%M:%S} UTC: {frozen.reason}"
    if not run.standing_order:
        return None
    same = (
        ActionRun.tenant_id == tenant_id,
        ActionRun.action == run.action,
        ActionRun.executed_at.is_not(None),
        ActionRun.id != run.id,
    )
    on_target = ActionRun.target_key == run.target_key
    by_order = ActionRun.standing_order == run.standing_order
    day, hour = now() - timedelta(days=1), now() - timedelta(hours=1)
    far = min(day, now() - timedelta(seconds=run.limits["cooldown"] or 0))
    last, per_target, per_hour = (
        await session.execute(
            sa.select(
                sa.func.max(ActionRun.executed_at).filter(on_target),
                sa.func.count().filter(on_target, by_order, ActionRun.executed_at > day),
                sa.func.count().filter(by_order, ActionRun.executed_at > hour),
            ).where(*same, ActionRun.executed_at > far)
        )
    ).one()
    limits = run.limits
    if limits["cooldown"] and last and last > now() - timedelta(seconds=limits["cooldown"]):
        return f"cooling down: it ran on this target at {last:%H:%M:%S} UTC, within {limits['cooldown']:g} s"
    if limits["per_target"] is not None and per_target >= limits["per_target"]:
        return f"over the limit of {limits['per_target']} runs on this target in 24 hours"
    if limits["per_hour"] is not None and per_hour >= limits["per_hour"]:
        return f"over the limit of {limits['per_hour']} runs in an hour"
    return None


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


def view_of_approval(approval: Approval, run: ActionRun, making: dict[str, Any] | None = None) -> ApprovalView:
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


def view_of_freeze(row: Freeze) -> FreezeView:
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
    )
