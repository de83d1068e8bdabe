"""Submitting tasks: one or ten thousand in one transaction, all of them or none.

What can be wrong is found before anything is written, and all of it is said at once: unknown types, parameters,
dependencies that don't exist or go in a circle, delays that lie behind us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import iso, now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, FieldProblem, Invalid
from opsteward.core.ids import uuid7
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.log import correlation_id
from opsteward.tasks.models import Task
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.settings import TaskSettings
from opsteward.tasks.submission_checks import MAX_PROBLEMS, edges_of, refuse_circles, time_problems
from opsteward.tasks.types import CHANGED, PRIORITIES, READY, NewTask, Submitted, TaskStatus
from opsteward.telemetry import audit

MAX_DEPENDENCIES = 1000
#: Tasks of one insert: its text is built in memory.
_CHUNK = 2000
#: What stands for a task by its key may end between our insert and our look: then it is inserted after all.
_MAX_LOOKS = 20

_INSERT = sa.text("""
insert into opsteward.tasks (id, tenant_id, name, description, task_type, priority, status, ready, waiting_on, run_at,
    params, metadata, dependencies, dedup_key, repeat_key, schedule_id, requested_by, correlation_id, created_at,
    progress, progress_message, cancel_requested, retry_count, takeovers, max_retries, backoff_factor, max_backoff,
    timeout)
select r.id, :tenant_id, r.name, r.description, r.task_type, r.priority, 'pending', r.ready, r.waiting_on, r.run_at,
    r.params, r.metadata, r.dependencies, r.dedup_key, r.repeat_key, r.schedule_id, :requested_by, :correlation_id,
    :created_at, 0, '', false, 0, 0, r.max_retries, r.backoff_factor, r.max_backoff, r.timeout
from jsonb_to_recordset(:rows) as r(id uuid, name text, description text, task_type text, priority smallint,
    ready boolean, waiting_on int, run_at timestamptz, params jsonb, metadata jsonb, dependencies uuid[],
    dedup_key text, repeat_key uuid, schedule_id uuid, max_retries int, backoff_factor double precision,
    max_backoff double precision, timeout double precision)
on conflict do nothing returning id
""").bindparams(sa.bindparam("rows", type_=JSONB))

_INSERT_EDGES = sa.text("""
insert into opsteward.task_dependencies (tenant_id, depends_on, task_id)
select :tenant_id, e.depends_on, e.task_id from jsonb_to_recordset(:edges) as e(depends_on uuid, task_id uuid)
on conflict do nothing
""").bindparams(sa.bindparam("edges", type_=JSONB))


class Submission:
    """Takes new tasks; one per process."""

    def __init__(self, task_registry: TaskRegistry, settings: TaskSettings) -> None:
        self._task_registry = task_registry
        self._settings = settings

    async def submit(self, session: AsyncSession, *, tasks: Sequence[NewTask], actor: str) -> list[Submitted]:
        """Add all tasks in this transaction, in the order given; rows, audit and queue are committed together.

        A task with the `repeat_key` of one that is there, or the `dedup_key` of one that waits or runs, is not added
        again: what is there is given back. Raises Invalid that names each bad field.
        """
        at = now()
        ids = _ids(len(tasks))
        edges = self._checked(tasks, ids, at)
        waiting = await _waiting_on(session, tasks, ids, edges)
        rows = [self._row(task, ids[number], edges[number], waiting[number], at) for number, task in enumerate(tasks)]
        added: set[UUID] = set()
        for _ in range(_MAX_LOOKS):
            missing = [row for task_id, row in zip(ids, rows, strict=True) if task_id not in added]
            added |= await _insert(session, missing, edges=edges, ids=ids, actor=actor, at=at)
            submitted = await _submitted(session, tasks, ids, added)
            if submitted is not None:
                break
        else:
            raise Invalid.field("dedup_key", "is just being freed", "send it again")
        moved = {task_id for task_id, one in zip(ids, submitted, strict=True) if one.id != task_id}
        if any(task_id in added and moved.intersection(edges[n]) for n, task_id in enumerate(ids)):
            raise Conflict(
                "a task of this submission stands for one that waits or runs already, and others depend on it",
                remedy="name the standing task's id as the dependency, or use another dedup_key",
            )
        fresh = [number for number, task_id in enumerate(ids) if task_id in added]
        await _record(session, [(ids[n], tasks[n]) for n in fresh], actor=actor)
        if any(rows[number]["ready"] for number in fresh):
            await feed.announce(session, kind=READY, object_id="")
        elif fresh:
            await feed.announce(session, kind=READY, object_id="later")  # a timer may have to be set
        return submitted

    def check(self, task: NewTask) -> None:
        """Raises Invalid where this task could not be submitted now (its dependencies aside)."""
        self._checked([task], _ids(1), now())

    def _checked(self, tasks: Sequence[NewTask], ids: Sequence[UUID], at: datetime) -> list[list[UUID]]:
        """The ids that each task depends on. Raises Invalid."""
        single = len(tasks) == 1
        refs: dict[str, int] = {}
        problems: list[FieldProblem] = []
        for number, task in enumerate(tasks):
            where = "" if single else f"tasks.{number}."
            if task.ref is not None and refs.setdefault(task.ref, number) != number:
                problems.append(FieldProblem(field=f"{where}ref", problem="is used twice", remedy="rename one"))
            problems += self._task_registry.problems(task.task_type, task.params, at=where)
            problems += self._task_registry.too_large("metadata", task.metadata, at=where)
            problems += time_problems(task, at, where)
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise Invalid(problems=problems[:MAX_PROBLEMS])
        edges = edges_of(tasks, refs, ids, single=single)
        refuse_circles(tasks, ids, edges)
        return edges

    def _row(self, task: NewTask, task_id: UUID, edges: list[UUID], waiting: int, at: datetime) -> dict[str, object]:
        task_type = self._task_registry.types[task.task_type]
        run_at = task.run_at or (at + timedelta(seconds=task.delay) if task.delay else at)
        retries = task.max_retries if task.max_retries is not None else task_type.max_retries
        return {
            "id": str(task_id),
            "name": task.name or task.task_type,
            "description": task.description,
            "task_type": task.task_type,
            "priority": PRIORITIES[task.priority],
            "ready": waiting == 0 and run_at <= at,
            "waiting_on": waiting,
            "run_at": iso(run_at),
            "params": task.params,
            "metadata": task.metadata,
            "dependencies": [str(target) for target in edges],
            "dedup_key": task.dedup_key,
            "repeat_key": str(task.repeat_key) if task.repeat_key else None,
            "schedule_id": str(task.schedule_id) if task.schedule_id else None,
            "max_retries": self._settings.max_retries if retries is None else retries,
            "backoff_factor": task.backoff_factor or self._settings.backoff_factor,
            "max_backoff": task.max_backoff if task.max_backoff is not None else self._settings.max_backoff,
            "timeout": task.timeout or task_type.timeout,
        }


def _ids(count: int) -> list[UUID]:
    """Time-ordered, also within one submission: equals run in the order in which they were given."""
    return sorted(uuid7() for _ in range(count))


async def _waiting_on(
    session: AsyncSession, tasks: Sequence[NewTask], ids: Sequence[UUID], edges: Sequence[list[UUID]]
) -> list[int]:
    """How many unfinished tasks each new one waits for.

    The rows are held until we commit: one that completes meanwhile completes after it, and finds us waiting.
    """
    new = set(ids)
    wanted = {e for targets in edges for e in targets} - new
    standing: dict[UUID, str] = {}
    if wanted:
        query = sa.select(Task.id, Task.status).where(Task.tenant_id == tenant_of(session), Task.id.in_(wanted))
        standing = {row.id: row.status for row in await session.execute(query.order_by(Task.id).with_for_update())}
    problems = []
    for number, targets in enumerate(edges):
        field = "dependencies" if len(tasks) == 1 else f"tasks.{number}.dependencies"
        for target in targets:
            if target in new:
                continue
            if target not in standing:
                problems.append(FieldProblem(field=field, problem=f"there is no task {target}", remedy=_REMEDY))
            elif standing[target] == TaskStatus.CANCELLED:
                problems.append(FieldProblem(field=field, problem=f"task {target} was cancelled", remedy=_REMEDY))
    if problems:
        raise Invalid(problems=problems[:MAX_PROBLEMS])
    return [sum(e in new or standing[e] != TaskStatus.COMPLETED for e in targets) for targets in edges]


_REMEDY = "name tasks that can still complete"


async def _insert(
    session: AsyncSession,
    rows: Sequence[Mapping[str, object]],
    *,
    edges: Sequence[list[UUID]],
    ids: Sequence[UUID],
    actor: str,
    at: datetime,
) -> set[UUID]:
    tenant_id = tenant_of(session)
    added: set[UUID] = set()
    for begin in range(0, len(rows), _CHUNK):
        result = await session.scalars(
            _INSERT,
            {
                "tenant_id": tenant_id,
                "requested_by": actor,
                "correlation_id": correlation_id.get(),
                "created_at": at,
                "rows": rows[begin : begin + _CHUNK],
            },
        )
        added.update(result.all())
    pairs = [
        {"task_id": str(task_id), "depends_on": str(target)}
        for task_id, targets in zip(ids, edges, strict=True)
        if task_id in added
        for target in targets
    ]
    for begin in range(0, len(pairs), _CHUNK):
        await session.execute(_INSERT_EDGES, {"tenant_id": tenant_id, "edges": pairs[begin : begin + _CHUNK]})
    return added


async def _submitted(
    session: AsyncSession, tasks: Sequence[NewTask], ids: Sequence[UUID], added: set[UUID]
) -> list[Submitted] | None:
    """New ones by their id; for the others what is there by their keys. None where nothing is any more."""
    others = [number for number, task_id in enumerate(ids) if task_id not in added]
    known: dict[UUID | str, Submitted] = {}
    if others:
        keys = [tasks[n].dedup_key for n in others if tasks[n].dedup_key is not None]
        repeats = [tasks[n].repeat_key for n in others if tasks[n].repeat_key is not None]
        rows = await session.execute(
            sa.select(Task.id, Task.dedup_key, Task.repeat_key, Task.status).where(
                Task.tenant_id == tenant_of(session),
                sa.or_(
                    Task.repeat_key.in_(repeats),
                    Task.dedup_key.in_(keys) & Task.status.in_([TaskStatus.PENDING, TaskStatus.IN_PROGRESS]),
                ),
            )
        )
        for row in rows:
            standing = Submitted(id=row.id, status=row.status, deduplicated=True)
            for key in (row.repeat_key, row.dedup_key):
                if key is not None:
                    known[key] = standing
    answers = []
    for number, task_id in enumerate(ids):
        if task_id in added:
            answers.append(Submitted(id=task_id, status=TaskStatus.PENDING))
            continue
        found = known.get(tasks[number].repeat_key or "") or known.get(tasks[number].dedup_key or "")
        if found is None:
            return None
        answers.append(found)
    return answers


async def _record(session: AsyncSession, fresh: Sequence[tuple[UUID, NewTask]], *, actor: str) -> None:
    if not fresh:
        return
    first = fresh[0][0]
    if len(fresh) == 1:
        detail: JsonObject = {"task_type": fresh[0][1].task_type}
        change = Change(type="task_submitted", data={"task_id": str(first), "task_type": fresh[0][1].task_type})
    else:
        # One entry for the whole submission: every task's row says who asked for it and in which request.
        types: list[Json] = [*sorted({task.task_type for _, task in fresh})]
        detail = {"count": len(fresh), "task_types": types, "first": str(first), "last": str(fresh[-1][0])}
        change = Change(type="tasks_submitted", data={"count": len(fresh), "first": str(first)})
    await audit.record(
        session,
        actor=actor,
        verb="tasks.task.submitted" if len(fresh) == 1 else "tasks.tasks.submitted",
        object_type="task",
        object_id=str(first),
        detail=detail,
    )
    await record_changes(session, [change])
    await feed.announce(session, kind=CHANGED, object_id=str(first) if len(fresh) == 1 else "")
