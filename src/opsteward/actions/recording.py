"""What goes with each step of a run, in its transaction: the audit entry, word to other rooms, the next workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.models import ActionRun
from opsteward.actions.queries import plan_hash
from opsteward.actions.types import ActionChanged
from opsteward.actions.views import view_of_run
from opsteward.core import durable
from opsteward.core.bus import Bus
from opsteward.core.db import tenant_of
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.telemetry import audit

PLAN_WORKFLOW = "actions.plan"
EXECUTE_WORKFLOW = "actions.execute"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a run. A repeated one (same `key`, by default `what`) leaves one audit entry."""

    run: ActionRun
    what: str
    key: str = ""
    extra: JsonObject = field(default_factory=dict)


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
    """Audit one step of a run and tell the bus."""
    await record_steps(session, bus, [Step(run=run, what=what, key=key, extra=extra or {})], actor=actor)


async def record_steps(session: AsyncSession, bus: Bus, steps: Sequence[Step], *, actor: str) -> None:
    """Audit the steps of many runs and tell the bus, in a number of statements that does not grow with theirs."""
    await session.flush()
    await audit.record_all(
        session,
        [
            {
                "id": derived_id(step.run.id, step.key or step.what),
                "actor": actor,
                "verb": f"action.{step.what}",
                "object_type": "action",
                "object_id": str(step.run.id),
                "detail": {
                    "action": step.run.action,
                    "target": step.run.target_key,
                    "plan_hash": plan_hash(step.run),
                    **step.extra,
                },
            }
            for step in steps
        ],
    )
    await bus.publish_all(
        session,
        [
            ActionChanged(
                run=view_of_run(step.run),
                key=step.key or step.what,
                reply_to=step.run.reply_to,
                actor=actor,
                reason=str(step.extra["reason"]) if step.extra.get("reason") else None,
            )
            for step in steps
        ],
    )


async def enqueue_plan(session: AsyncSession, run: ActionRun, *, suffix: str = "plan") -> None:
    """The run is planned next; the same `suffix` again does nothing."""
    await _enqueue(session, PLAN_WORKFLOW, run.tenant_id, run.id, suffix=suffix, priority=2)


async def enqueue_execution(session: AsyncSession, run: ActionRun, *, suffix: str) -> None:
    """The run goes on, by what was decided; the same `suffix` again does nothing."""
    await _enqueue(session, EXECUTE_WORKFLOW, run.tenant_id, run.id, suffix=suffix, priority=2)


async def enqueue_executions(session: AsyncSession, suffixes: Mapping[UUID, str]) -> None:
    """As `enqueue_execution`, for many runs at once."""
    tenant_id = str(tenant_of(session))
    runs = [
        durable.Enqueued(
            workflow_id=_workflow_id(run_id, suffix), arguments={"tenant_id": tenant_id, "run_id": str(run_id)}
        )
        for run_id, suffix in suffixes.items()
    ]
    await durable.enqueue_all(session, workflow=EXECUTE_WORKFLOW, all_of=runs, priority=2)


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
        workflow_id=_workflow_id(run_id, suffix),
        arguments={"tenant_id": str(tenant_id), "run_id": str(run_id)},
        priority=priority,
        not_before=not_before,
    )


def _workflow_id(run_id: UUID, suffix: str) -> str:
    return f"action:{run_id}:{suffix}"
