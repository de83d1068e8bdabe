"""Stores the outcomes of tasks in batches: many tasks that end at once share one transaction.

Whoever hands in an outcome waits until it is committed, so nothing is held in memory alone. While the database is
away the writer waits; an outcome that can't be stored fails its task and no other.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.backoff import growing_pauses
from opsteward.core.changes import Change, record_changes
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.core.storable_text import storable
from opsteward.tasks.dependents import cancel_dependents, free_dependents
from opsteward.tasks.outcomes import Outcome
from opsteward.tasks.types import CHANGED, READY, TaskStatus
from opsteward.telemetry import audit

log = get_logger(__name__)

ACTOR = "system:runner"
_MAX_PAUSE = 2.0  # seconds between tries while the database is away
_PROGRESS_EVERY = 0.5
_MAX_AT_ONCE = 500
#: Failed tries that a task remembers, and characters of each one's error.
_MAX_TRIES, _MAX_ERROR = 20, 500
_MAX_MESSAGE = 500  # characters of a progress

_WRITE = sa.text("""
update opsteward.tasks t set status = r.status, error = r.error, result = r.result,
    retry_count = t.retry_count + r.tried, ready = r.status = 'pending' and r.delay = 0,
    run_at = case when r.status = 'pending' then now() + make_interval(secs => r.delay) else t.run_at end,
    ended_at = case when r.status <> 'pending' then now() end,
    process_id = case when r.status <> 'pending' then t.process_id end,
    progress = case when r.status = 'completed' then 100 else t.progress end,
    tries = case when r.error is null then t.tries
        else case when jsonb_array_length(t.tries) < :most_tries then t.tries else t.tries - 0 end
            || jsonb_build_object('try', t.retry_count + 1, 'at', now(), 'error', left(r.error, :most_error)) end
from jsonb_to_recordset(:rows) as r(id uuid, status text, error text, result jsonb, tried int, delay double precision)
where t.tenant_id = :tenant_id and t.id = r.id and t.process_id = :process_id and t.status = 'in_progress'
returning t.id, t.status, t.task_type, t.error
""").bindparams(sa.bindparam("rows", type_=JSONB))

_WRITE_PROGRESS = sa.text("""
update opsteward.tasks t set progress = r.progress, progress_message = r.message
from jsonb_to_recordset(:rows) as r(id uuid, progress smallint, message text)
where t.tenant_id = :tenant_id and t.id = r.id and t.status = 'in_progress'
""").bindparams(sa.bindparam("rows", type_=JSONB))

#: What `_WRITE` gives of each row: id, status, task_type, error.
_Written: TypeAlias = tuple[UUID, str, str, str | None]

_TYPES_OF_CHANGE = {
    TaskStatus.COMPLETED: "task_completed",
    TaskStatus.FAILED: "task_failed",
    TaskStatus.DEAD_LETTER: "task_dead_letter",
    TaskStatus.CANCELLED: "task_cancelled",
}


class OutcomeWriter:
    """One per process; `run()` until cancelled."""

    def __init__(self, db: Database, *, process_id: UUID) -> None:
        self._db = db
        self._process_id = process_id
        self._waiting: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._progress: dict[tuple[UUID, UUID], tuple[int, str]] = {}
        self._progress_due = False
        self._work = asyncio.Event()

    async def write(self, outcome: Outcome) -> None:
        """Returns once it is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, done))
        self._work.set()
        await done

    def note_progress(self, tenant_id: UUID, task_id: UUID, percent: int, message: str) -> None:
        """The latest of each task is written about twice a second; give it by `progress_of`. Call it on the event
        loop."""
        self._progress[tenant_id, task_id] = (percent, message)
        if not self._progress_due:
            self._progress_due = True
            asyncio.get_running_loop().call_later(_PROGRESS_EVERY, self._progress_is_due)

    def _progress_is_due(self) -> None:
        self._progress_due = False
        self._work.set()

    async def run(self) -> None:
        """Write down what is handed in, all of it together that came while the last batch was being written."""
        while True:
            await self._work.wait()
            self._work.clear()
            if not self._progress_due:
                await self._write_progress()
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_AT_ONCE], self._waiting[_MAX_AT_ONCE:]
                by_tenant: dict[UUID, list[tuple[Outcome, asyncio.Future[None]]]] = defaultdict(list)
                for outcome, done in batch:
                    self._progress.pop((outcome.tenant_id, outcome.task_id), None)
                    by_tenant[outcome.tenant_id].append((outcome, done))
                for tenant_id, part in by_tenant.items():
                    await self._store_batch(tenant_id, [outcome for outcome, _ in part])
                    for _, done in part:
                        if not done.done():
                            done.set_result(None)

    async def _store_batch(self, tenant_id: UUID, outcomes: Sequence[Outcome]) -> None:
        for seconds in growing_pauses(0.05, limit=_MAX_PAUSE):
            try:
                async with self._db.unit_of_work(tenant_id) as session:
                    await self._store(session, tenant_id, outcomes)
                return
            except Unavailable:
                await asyncio.sleep(seconds)
            except Exception as error:  # a boundary: one result that can't be stored must not hold up the others
                log.exception("tasks.outcome.not_stored", tasks=len(outcomes))
                if len(outcomes) > 1:
                    for outcome in outcomes:
                        await self._store_batch(tenant_id, [outcome])
                    return
                if outcomes[0].result is None:
                    return  # not even its end can be written down; its process's end will release it
                said = f"its result could not be stored: {type(error).__name__}"
                outcomes = [replace(outcomes[0], status=TaskStatus.FAILED, result=None, error=said)]

    async def _store(self, session: AsyncSession, tenant_id: UUID, outcomes: Sequence[Outcome]) -> None:
        rows = [
            {
                "id": str(one.task_id),
                "status": one.status,
                "error": one.error,
                "result": one.result,
                "tried": one.tried,
                "delay": one.delay,
            }
            for one in outcomes
        ]
        parameters = {
            "tenant_id": tenant_id,
            "process_id": self._process_id,
            "rows": rows,
            "most_tries": _MAX_TRIES,
            "most_error": _MAX_ERROR,
        }
        written: Sequence[sa.Row[_Written]] = (await session.execute(_WRITE, parameters)).all()
        freed = await free_dependents(session, [row.id for row in written if row.status == TaskStatus.COMPLETED])
        cancelled = await cancel_dependents(session, [row.id for row in written if row.status == TaskStatus.CANCELLED])
        await audit.record_all(session, list(_failures(written)))
        ends = [(row.id, row.status, row.task_type) for row in written if row.status != TaskStatus.PENDING]
        ends += [(row.id, TaskStatus.CANCELLED.value, row.task_type) for row in cancelled]
        await record_changes(session, [change_of(*end) for end in ends])
        if freed or len(ends) < len(written) or any(one.limited for one in outcomes):
            await feed.announce(session, kind=READY, object_id="")
        await feed.announce(session, kind=CHANGED, object_id="")

    async def _write_progress(self) -> None:
        waiting, self._progress = self._progress, {}
        by_tenant: dict[UUID, list[JsonObject]] = defaultdict(list)
        for (tenant_id, task_id), (percent, message) in waiting.items():
            by_tenant[tenant_id].append({"id": str(task_id), "progress": percent, "message": message})
        for tenant_id, rows in by_tenant.items():
            try:
                async with self._db.unit_of_work(tenant_id) as session:
                    await session.execute(_WRITE_PROGRESS, {"tenant_id": tenant_id, "rows": rows})
                    await feed.announce(session, kind=CHANGED, object_id="")
            except Unavailable:
                return  # the next progress says more anyway


def progress_of(percent: float, message: str) -> tuple[int, str]:
    """A progress as it can be stored. Raises TypeError or ValueError for what is none."""
    return int(min(max(percent, 0), 100)), storable(message, limit=_MAX_MESSAGE)


def change_of(task_id: UUID, status: str, task_type: str) -> Change:
    """The change that tells of a task's end."""
    return Change(type=_TYPES_OF_CHANGE[TaskStatus(status)], data={"task_id": str(task_id), "task_type": task_type})


def _failures(written: Iterable[sa.Row[_Written]]) -> Iterator[Mapping[str, object]]:
    for row in written:
        if row.status in (TaskStatus.FAILED, TaskStatus.DEAD_LETTER):
            yield {
                "actor": ACTOR,
                "verb": f"tasks.task.{row.status}",
                "object_type": "task",
                "object_id": str(row.id),
                "detail": {"task_type": row.task_type, "error": (row.error or "")[:500]},
            }
