"""Reads of tasks: one, a page of them, how many stand where, and the limits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.references import called
from opsteward.tasks.models import Task, TaskDependency, TaskLimit
from opsteward.tasks.types import (
    PRIORITIES,
    PRIORITY_NAMES,
    TaskFigures,
    TaskInfo,
    TaskStatus,
)


async def get(session: AsyncSession, *, task_id: UUID) -> TaskInfo:
    """One task. Raises NotFound."""
    return task_info(await task_row(session, task_id))


async def page(
    session: AsyncSession,
    *,
    status: str | None = None,
    task_type: str | None = None,
    priority: str | None = None,
    schedule_id: UUID | None = None,
    before: UUID | None = None,
    ref: str | None = None,
    limit: int = 50,
    oldest_first: bool = False,
) -> list[TaskInfo]:
    """The newest first; `before` is the last id of the previous page. `ref`: by name, id, or a part of the id."""
    query = sa.select(Task).where(Task.tenant_id == tenant_of(session)).limit(limit)
    query = query.order_by(Task.id if oldest_first else Task.id.desc())
    for column, value in (
        (Task.status, status),
        (Task.task_type, task_type),
        (Task.priority, PRIORITIES.get(priority) if priority else None),
        (Task.schedule_id, schedule_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(Task.id > before if oldest_first else Task.id < before)
    if ref is not None:
        query = query.where(Task.id.in_(await called(session, Task, ref, newest_names=["name"])))
    return [task_info(row) for row in await session.scalars(query)]


async def dependents_of(session: AsyncSession, *, task_id: UUID, limit: int = 100) -> list[TaskInfo]:
    """The tasks that wait, or waited, for this one."""
    query = (
        sa.select(Task)
        .join(TaskDependency, (TaskDependency.task_id == Task.id) & (TaskDependency.tenant_id == Task.tenant_id))
        .where(Task.tenant_id == tenant_of(session), TaskDependency.depends_on == task_id)
        .order_by(Task.id)
        .limit(limit)
    )
    return [task_info(row) for row in await session.scalars(query)]


async def newest_names(session: AsyncSession, *, limit: int = 2_000) -> list[str]:
    """The names of the newest so many tasks, each once."""
    newest = sa.select(Task.name).where(Task.tenant_id == tenant_of(session)).order_by(Task.id.desc()).limit(limit)
    return list(await session.scalars(sa.select(newest.subquery().c.name).distinct()))


async def several(session: AsyncSession, *, ids: Sequence[UUID]) -> list[TaskInfo]:
    """Those of these tasks that are there."""
    query = sa.select(Task).where(Task.tenant_id == tenant_of(session), Task.id.in_(ids)).order_by(Task.id)
    return [task_info(row) for row in await session.scalars(query)] if ids else []


async def is_under_way(session: AsyncSession, *, repeat_key: UUID) -> bool:
    """Whether the task of this key waits or runs."""
    query = sa.select(Task.id).where(
        Task.tenant_id == tenant_of(session),
        Task.repeat_key == repeat_key,
        Task.status.in_([TaskStatus.PENDING, TaskStatus.IN_PROGRESS]),
    )
    return await session.scalar(query) is not None


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many tasks of this tenant stand where."""
    query = (
        sa.select(Task.status, sa.func.count().label("n"))
        .where(Task.tenant_id == tenant_of(session))
        .group_by(Task.status)
    )
    found = {row.status: row.n for row in await session.execute(query)}
    return {status.value: found.get(status, 0) for status in TaskStatus}


async def figures(session: AsyncSession, *, window: float = 300.0) -> TaskFigures:
    """The whole installation's tasks, over all tenants; `window` in seconds."""
    row = (await session.execute(sa.text("select * from opsteward.task_figures(:window)"), {"window": window})).one()
    return TaskFigures(**row._mapping)


async def limits(session: AsyncSession) -> dict[str, int]:
    """The limits of this tenant: by task type, that of all types together under an empty name."""
    rows = await session.execute(sa.select(TaskLimit).where(TaskLimit.tenant_id == tenant_of(session)))
    return {row.task_type: row.max_running for row in rows.scalars()}


async def task_row(session: AsyncSession, task_id: UUID, *, lock: bool = False) -> Task:
    """Raises NotFound."""
    query = sa.select(Task).where(Task.tenant_id == tenant_of(session), Task.id == task_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("there is no task of this id", remedy="see GET /api/v1/tasks")
    return row


def task_info(row: Task) -> TaskInfo:
    """The row as other rooms see it."""
    return TaskInfo(
        id=row.id,
        name=row.name,
        description=row.description,
        task_type=row.task_type,
        priority=PRIORITY_NAMES[row.priority],
        status=row.status,
        progress=row.progress,
        progress_message=row.progress_message,
        retry_count=row.retry_count,
        max_retries=row.max_retries,
        tries=row.tries,
        dependencies=row.dependencies,
        waiting_on=row.waiting_on,
        parameters=row.params,
        result_data=row.result,
        error=row.error,
        metadata=row.metadata_,
        tenant_id=row.tenant_id,
        schedule_id=row.schedule_id,
        dedup_key=row.dedup_key,
        requested_by=row.requested_by,
        process_id=row.process_id,
        cancel_requested=row.cancel_requested,
        created_at=row.created_at,
        run_at=row.run_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
