"""What an operator does with tasks: cancel them, run them again, limit how many run at once."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.tasks.dependents import cancel_dependents
from opsteward.tasks.models import Task, TaskLimit
from opsteward.tasks.outcome_writer import change_of
from opsteward.tasks.queries import limits, task_info, task_row
from opsteward.tasks.types import CANCEL, CHANGED, READY, REDRIVABLE, Redriven, TaskInfo, TaskStatus
from opsteward.telemetry import audit

_MAX_REDRIVEN = 10_000


async def cancel(session: AsyncSession, *, task_id: UUID, actor: str, reason: str = "") -> TaskInfo:
    """A waiting task ends at once, with all that wait for it; a running one as soon as its process hears of it.

    Raises NotFound, and Conflict for one that has ended.
    """
    row = await task_row(session, task_id, lock=True)
    if row.status not in (TaskStatus.PENDING, TaskStatus.IN_PROGRESS):
        raise Conflict(f"the task is {row.status} already", remedy="only a waiting or running task can be cancelled")
    ended: list[tuple[UUID, str]] = []
    if row.status == TaskStatus.PENDING:
        row.status, row.ready, row.ended_at = TaskStatus.CANCELLED, False, sa.func.now()
        row.error = f"cancelled by {actor}" + (f": {reason}" if reason else "")
        await session.flush()
        ended = [(row.id, row.task_type)]
        ended += [(other.id, other.task_type) for other in await cancel_dependents(session, [row.id])]
    elif not row.cancel_requested:
        row.cancel_requested = True
        await feed.announce(session, kind=CANCEL, object_id=str(row.id))
    detail: JsonObject = {"reason": reason, "was": "waiting" if ended else "running", "with_it": len(ended[1:])}
    await _record(session, "cancelled", row.id, actor=actor, detail=detail)
    if ended[1:]:
        await feed.announce(session, kind=CHANGED, object_id="")
    await record_changes(session, [change_of(task, TaskStatus.CANCELLED, task_type) for task, task_type in ended])
    await session.flush()
    await session.refresh(row)
    return task_info(row)


async def redrive(session: AsyncSession, *, task_id: UUID, actor: str) -> TaskInfo:
    """Run an ended task anew, with all its tries. Raises NotFound, and Conflict for one that did not fail."""
    row = await task_row(session, task_id, lock=True)
    if row.status not in REDRIVABLE:
        raise Conflict(f"the task is {row.status}", remedy="only a failed, dead or cancelled task can be driven again")
    if row.dedup_key is not None and await _is_waiting_or_running(session, row.dedup_key):
        raise Conflict("an equal task (by its dedup_key) waits or runs", remedy="let that one run")
    await _run_again(session, [task_id], actor=actor)
    await session.refresh(row)
    return task_info(row)


async def redrive_all(
    session: AsyncSession, *, status: str = TaskStatus.DEAD_LETTER, task_type: str | None = None, actor: str
) -> Redriven:
    """Run all tasks anew that ended so (at most 10,000 at once, the oldest first; of those with one dedup_key, one)."""
    twin = sa.orm.aliased(Task)
    query = (
        sa.select(Task.id, Task.dedup_key)
        .where(Task.tenant_id == tenant_of(session), Task.status == status)
        .where(
            ~sa.exists().where(
                twin.tenant_id == Task.tenant_id,
                twin.dedup_key == Task.dedup_key,
                twin.status.in_([TaskStatus.PENDING, TaskStatus.IN_PROGRESS]),
            )
        )
        .order_by(Task.id)
        .limit(_MAX_REDRIVEN)
        .with_for_update()
    )
    if task_type is not None:
        query = query.where(Task.task_type == task_type)
    found = (await session.execute(query)).all()
    first = {row.dedup_key or row.id: row.id for row in reversed(found)}  # of equal ones the oldest alone
    ids = sorted(first.values())
    if ids:
        await _run_again(session, ids, actor=actor)
    return Redriven(count=len(ids), ids=ids[:100])


async def set_limit(session: AsyncSession, *, task_type: str, max_running: int | None, actor: str) -> dict[str, int]:
    """Set (or with None lift) the most that run at once; returns all limits."""
    here = (TaskLimit.tenant_id == tenant_of(session), TaskLimit.task_type == task_type)
    if max_running is None:
        await session.execute(sa.delete(TaskLimit).where(*here))
    else:
        await session.execute(
            insert(TaskLimit)
            .values(id=uuid7(), tenant_id=tenant_of(session), task_type=task_type, max_running=max_running)
            .on_conflict_do_update(index_elements=["tenant_id", "task_type"], set_={"max_running": max_running})
        )
    await audit.record(
        session,
        actor=actor,
        verb="tasks.limit.set",
        object_type="task_type",
        object_id=task_type or "all",
        detail={"max_running": max_running},
    )
    await feed.announce(session, kind=READY, object_id="")
    return await limits(session)


async def _run_again(session: AsyncSession, ids: Sequence[UUID], *, actor: str) -> None:
    """Everything starts anew but the count of tries, which goes on: a try has its own record of steps."""
    these = {"tenant_id": tenant_of(session), "ids": list(ids)}
    await session.execute(_HOLD_PARENTS, these)
    await session.execute(_REDRIVE, these)
    await audit.record_all(
        session,
        [
            {"actor": actor, "verb": "tasks.task.redriven", "object_type": "task", "object_id": str(i), "detail": {}}
            for i in ids
        ],
    )
    await record_changes(session, [Change(type="task_submitted", data={"task_id": str(i)}) for i in ids])
    await feed.announce(session, kind=READY, object_id="")
    await feed.announce(session, kind=CHANGED, object_id="")


# One that completes just now frees those that wait: it must have done so before we count, or find us waiting.
_HOLD_PARENTS = sa.text("""
select p.id from opsteward.tasks p where p.tenant_id = :tenant_id and p.id in (
    select d.depends_on from opsteward.task_dependencies d where d.tenant_id = :tenant_id and d.task_id = any(:ids))
order by p.id for share
""")

# The tries of before count on (they name the workflows of the engine), so what is allowed grows with them.
_REDRIVE = sa.text("""
update opsteward.tasks t set status = 'pending', run_at = now(), ended_at = null, error = null, result = null,
    process_id = null, progress = 0, progress_message = '', cancel_requested = false, takeovers = 0,
    retry_count = t.retry_count + 1, max_retries = t.max_retries + t.retry_count + 1,
    waiting_on = w.n, ready = w.n = 0
from (
    select r.id, count(p.id) as n from opsteward.tasks r
    left join opsteward.task_dependencies d on d.tenant_id = r.tenant_id and d.task_id = r.id
    left join opsteward.tasks p on p.tenant_id = r.tenant_id and p.id = d.depends_on and p.status <> 'completed'
    where r.tenant_id = :tenant_id and r.id = any(:ids) group by r.id
) w
where t.tenant_id = :tenant_id and t.id = w.id
""")


async def _is_waiting_or_running(session: AsyncSession, dedup_key: str) -> bool:
    active = (TaskStatus.PENDING, TaskStatus.IN_PROGRESS)
    query = sa.select(Task.id).where(
        Task.tenant_id == tenant_of(session), Task.dedup_key == dedup_key, Task.status.in_(active)
    )
    return await session.scalar(query.limit(1)) is not None


async def _record(session: AsyncSession, what: str, task_id: UUID, *, actor: str, detail: JsonObject) -> None:
    await audit.record(
        session,
        actor=actor,
        verb=f"tasks.task.{what}",
        object_type="task",
        object_id=str(task_id),
        detail=detail,
    )
    await feed.announce(session, kind=CHANGED, object_id=str(task_id))
