"""Reads of runs, approvals and freezes. Private to this room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.models import ActionRun, Approval, Freeze
from opsteward.actions.types import ROUTINE_ACTIONS, AskedFor
from opsteward.core.clock import now
from opsteward.core.crypto import digest
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.references import called


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


async def list_runs(
    session: AsyncSession,
    *,
    incident_id: UUID | None = None,
    include_routine: bool = True,
    before: UUID | None = None,
    limit: int = 100,
) -> Sequence[ActionRun]:
    """Newest first; `before` is the last id of the previous page (ids are time-ordered). Without `include_routine`
    none that only writes something down and that no operator asked for."""
    query = sa.select(ActionRun).where(ActionRun.tenant_id == tenant_of(session))
    if not include_routine:
        asked_for = ActionRun.requested_by.startswith("operator:")
        query = query.where(sa.or_(ActionRun.action.not_in(ROUTINE_ACTIONS), asked_for))
    if incident_id is not None:
        query = query.where(ActionRun.incident_id == incident_id)
    if before is not None:
        query = query.where(ActionRun.id < before)
    return (await session.scalars(query.order_by(ActionRun.id.desc()).limit(limit))).all()


async def asked_for(session: AsyncSession, *, since: datetime, until: datetime, stretch: timedelta) -> list[AskedFor]:
    """What incidents asked for when they were opened or raised, counted in stretches of time. Fixes that sessions
    asked for are not in it."""
    at = sa.func.date_bin(stretch, ActionRun.created_at, since).label("at")
    order = sa.func.coalesce(ActionRun.standing_order, "").label("order")
    rows = await session.execute(
        sa.select(order, ActionRun.action, ActionRun.status, at, sa.func.count().label("number"))
        .where(
            ActionRun.tenant_id == tenant_of(session),
            ActionRun.created_at >= since,
            ActionRun.created_at < until,
            ActionRun.incident_id.is_not(None),
            ActionRun.reply_to.is_(None),
            sa.or_(ActionRun.requested_by == "system:triage", ActionRun.requested_by.startswith("standing-order:")),
        )
        .group_by(order, ActionRun.action, ActionRun.status, at)
    )
    return [
        AskedFor(order=row.order, action=row.action, status=row.status, at=row.at, count=row.number) for row in rows
    ]


async def list_approvals(
    session: AsyncSession,
    *,
    status: str | None = "pending",
    action: str | None = None,
    ref: str | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[tuple[Approval, ActionRun]]:
    """Oldest request first; `status` None gives all, `after` is the last id of the page before. `ref`: by its id
    or a part of it."""
    query = (
        sa.select(Approval, ActionRun)
        .join(ActionRun, (ActionRun.id == Approval.action_run_id) & (ActionRun.tenant_id == Approval.tenant_id))
        .where(Approval.tenant_id == tenant_of(session))
        .order_by(Approval.requested_at, Approval.id)
        .limit(limit)
    )
    if status is not None:
        query = query.where(Approval.status == status)
    if action is not None:
        query = query.where(ActionRun.action == action)
    if ref is not None:
        query = query.where(Approval.id.in_(await called(session, Approval, ref)))
    if after is not None:
        edge = sa.select(Approval.requested_at, Approval.id).where(
            Approval.tenant_id == tenant_of(session), Approval.id == after
        )
        query = query.where(sa.tuple_(Approval.requested_at, Approval.id) > edge.scalar_subquery())
    return [(approval, run) for approval, run in await session.execute(query)]


async def list_freezes(
    session: AsyncSession,
    *,
    ref: str | None = None,
    over: bool = False,
    after: UUID | None = None,
    limit: int = 1000,
) -> Sequence[tuple[Freeze, ActionRun]]:
    """Freezes in force (`over`: those that are no more), the oldest first, with the runs that did not help; `after` is
    the last id of the page before. `ref`: by action, id, or a part of the id."""
    holds = sa.and_(Freeze.until > now(), Freeze.lifted_at.is_(None))
    in_force = (Freeze.tenant_id == tenant_of(session), sa.not_(holds) if over else holds)
    joined = (ActionRun.id == Freeze.action_run_id) & (ActionRun.tenant_id == Freeze.tenant_id)
    query = sa.select(Freeze, ActionRun).join(ActionRun, joined).where(*in_force)
    query = query.order_by(Freeze.frozen_at, Freeze.id).limit(limit)
    if ref is not None:
        named = sa.and_(*in_force, Freeze.action == ref)
        query = query.where(Freeze.id.in_(await called(session, Freeze, ref, names=[named])))
    if after is not None:
        edge = sa.select(Freeze.frozen_at, Freeze.id).where(Freeze.tenant_id == tenant_of(session), Freeze.id == after)
        query = query.where(sa.tuple_(Freeze.frozen_at, Freeze.id) > edge.scalar_subquery())
    return [(frozen, run) for frozen, run in await session.execute(query)]
