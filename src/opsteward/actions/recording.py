"""What goes with each step of a run, in its transaction: the audit entry, word to other rooms, the next workflow."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.models import ActionRun
from opsteward.actions.queries import plan_hash
from opsteward.actions.types import ActionChanged
from opsteward.actions.views import view_of_run
from opsteward.core import durable
from opsteward.core.bus import Bus
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.telemetry import audit

PLAN_WORKFLOW = "actions.plan"
EXECUTE_WORKFLOW = "actions.execute"


async def record_step(
    session: AsyncSession,
    bus: Bus,
    run: ActionRun,
    what: str,
    *,
    actor: str,
    key: str = "",
    extra: JsonObject | None = None,
) -> None:
    """Audit one step of a run and tell the bus; a repeated step (same `key`, by default `what`) leaves one entry."""
    key = key or what
    await session.flush()
    await audit.record(
        session,
        actor=actor,
        verb=f"action.{what}",
        object_type="action",
        object_id=str(run.id),
        detail={"action": run.action, "target": run.target_key, "plan_hash": plan_hash(run), **(extra or {})},
        entry_id=derived_id(run.id, key),
    )
    reason = str(extra["reason"]) if extra and extra.get("reason") else None
    view = view_of_run(run)
    await bus.publish(session, ActionChanged(run=view, key=key, reply_to=run.reply_to, actor=actor, reason=reason))


async def enqueue_plan(session: AsyncSession, run: ActionRun, *, suffix: str = "plan") -> None:
    """The run is planned next; the same `suffix` again does nothing."""
    await _enqueue(session, PLAN_WORKFLOW, run.tenant_id, run.id, suffix=suffix, priority=2)


async def enqueue_execution(session: AsyncSession, run: ActionRun, *, suffix: str) -> None:
    """The run goes on, by what was decided; the same `suffix` again does nothing."""
    await _enqueue(session, EXECUTE_WORKFLOW, run.tenant_id, run.id, suffix=suffix, priority=2)


async def enqueue_look(
    session: AsyncSession, *, tenant_id: UUID, run_id: UUID, suffix: str, at: datetime | None = None
) -> None:
    """The run is looked at again, at this time or soon: it goes on, or ends, if it may."""
    await _enqueue(session, EXECUTE_WORKFLOW, tenant_id, run_id, suffix=suffix, not_before=at)


async def _enqueue(
    session: AsyncSession,
    workflow: str,
    tenant_id: UUID,
    run_id: UUID,
    *,
    suffix: str,
    priority: int = 3,
    not_before: datetime | None = None,
) -> None:
    await durable.enqueue(
        session,
        workflow=workflow,
        workflow_id=f"action:{run_id}:{suffix}",
        arguments={"tenant_id": str(tenant_id), "run_id": str(run_id)},
        priority=priority,
        not_before=not_before,
    )
