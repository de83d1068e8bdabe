"""Why an action may not go ahead: its target is frozen, it cools down, or its standing order's limits are reached."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.models import ActionRun, Freeze
from opsteward.core.clock import now
from opsteward.core.db import tenant_of


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
