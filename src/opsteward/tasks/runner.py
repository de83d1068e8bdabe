"""Claims tasks for one process: as many as it has free slots; each runs, and its outcome is written down.

A claim is one call of the database, which keeps to priorities, fair shares, limits and pauses. Nothing is polled: a
notice says that something may be claimed, a timer that something falls due. A process that dies leaves its tasks
behind `in_progress`; when it is found lost they wait again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.core import durable
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import correlated, get_logger
from opsteward.core.pause import pause
from opsteward.tasks.controls import EVERYBODY, Gate
from opsteward.tasks.durable_tasks import DurableTasks
from opsteward.tasks.executor import TaskExecutor
from opsteward.tasks.models import Task
from opsteward.tasks.outcome_writer import OutcomeWriter
from opsteward.tasks.outcomes import ClaimedTask
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.release import release_lost_tasks
from opsteward.tasks.running_task import RunningTask, TaskContexts
from opsteward.tasks.types import CANCEL, CONTROLS, READY, Unfinished
from opsteward.telemetry.metrics import TASK_CLAIMS, TASKS_CLAIMED

log = get_logger(__name__)

_LOOK_ANYWAY = 60.0  # seconds; a notice can be lost with its connection, which tells us, so this is a safety net
_RETRY = 1.0  # seconds until the next try while the database is away

_CLAIM = sa.text("select * from opsteward.claim_tasks(:claimer, :free, :spare, :types)").bindparams(
    sa.bindparam("types", type_=JSONB)
)


class Runner:
    """One per worker process. `run()` until cancelled, then `drain()`."""

    def __init__(
        self,
        db: Database,
        task_registry: TaskRegistry,
        gate: Gate,
        *,
        process_id: UUID,
        slots: int,
        spare: int,
        max_result_bytes: int = 1_048_576,
    ) -> None:
        """`slots`: tasks that run at once here; `spare` of them are kept free for critical and high ones."""
        self._db = db
        self._task_registry = task_registry
        self._gate = gate
        self._process_id = process_id
        self._slots = slots
        self._spare = spare
        self._outcome_writer = OutcomeWriter(db, process_id=process_id)
        contexts = TaskContexts(gate, self._outcome_writer)
        self._running: dict[UUID, RunningTask] = {}
        self._durable_tasks = DurableTasks(
            db, task_registry, contexts, running=self._running.get, max_result_bytes=max_result_bytes
        )
        self._executor = TaskExecutor(contexts, self._durable_tasks, slots=slots, max_result_bytes=max_result_bytes)
        self._claiming = False
        self._cancelled_early: set[UUID] = set()  # claimed perhaps, by the claim that is under way
        self._wake = asyncio.Event()
        self._more = False  # the last claim took all that it could: there may be more
        self._held_back = False  # what the last claim left is held back by a limit or a pause
        self._due: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def register(self, workflows: durable.Workflows) -> None:
        self._durable_tasks.register(workflows)

    def hear(self, notice: Notice) -> None:
        """A notice of the feed."""
        if notice.kind in (CONTROLS, RECONNECTED):
            self._refreshing = asyncio.create_task(self._refresh(notices_lost=notice.kind == RECONNECTED))
        elif notice.kind == READY:
            self._wake.set()
        elif notice.kind == CANCEL:
            with suppress(ValueError):  # anybody in the database may send a notice
                self._cancel(UUID(notice.id))

    async def run(self) -> None:
        """Claim and run until cancelled."""
        writing = asyncio.create_task(self._outcome_writer.run())
        writing.add_done_callback(lambda _: self._wake.set())
        try:
            await self._refresh()
            with suppress(Unavailable):  # a process that is found lost later releases them too
                await self.release_lost()
            while True:
                self._wake.clear()
                if writing.done():
                    writing.result()  # it ends by an error alone: so does this process, and others take over
                try:
                    await self._claim()
                except Unavailable:
                    asyncio.get_running_loop().call_later(_RETRY, self._wake.set)
                await pause(_LOOK_ANYWAY, until=self._wake)
        finally:
            self._writing = writing  # what runs has yet to be written down: `drain` ends it
            if self._due is not None:
                self._due.cancel()

    async def drain(self, *, grace: float) -> None:
        """Let what runs come to its end for `grace` seconds; the rest is given back, to be run elsewhere."""
        self._held_back = True  # nothing is claimed here any more: other processes are notified when a task ends
        running = self._executions()
        if running:
            await asyncio.wait(running, timeout=grace)
        for one in self._running.values():
            if one.execution is not None and not one.writing:
                one.execution.cancel()
        left = self._executions()
        if left:
            await asyncio.wait(left, timeout=grace)
        if self._writing is not None:
            self._writing.cancel()
        self._executor.close()

    def unfinished(self) -> list[Unfinished]:
        """What runs here, with the seconds that each may still take. May be called from any thread."""
        return [
            Unfinished(
                task_type=one.task.task_type,
                task_id=task_id,
                durable=one.task_type.durable,
                seconds_left=one.seconds_left,
            )
            for task_id, one in list(self._running.items())
        ]

    async def release_lost(self) -> int:
        """Let the tasks of processes that are gone wait again; says how many. Idempotent. Raises Unavailable."""
        released = await release_lost_tasks(self._db)
        if released:
            self._wake.set()
        return released

    # -- claiming ----------------------------------------------------------------------------------------------

    async def _refresh(self, *, notices_lost: bool = True) -> None:
        """Read the pauses anew; and which tasks are to be cancelled, where notices of that may have been lost."""
        try:
            await self._gate.refresh()
            if notices_lost:
                await self._look_for_cancels()
        except Unavailable:
            asyncio.get_running_loop().call_later(_RETRY, self._refresh_again)
        self._wake.set()

    def _refresh_again(self) -> None:
        self._refreshing = asyncio.create_task(self._refresh())

    async def _look_for_cancels(self) -> None:
        """Cancel the tasks that run here and are to be cancelled, where the notice was lost. Raises Unavailable."""
        by_tenant: dict[UUID, list[UUID]] = {}
        for task_id, one in self._running.items():
            by_tenant.setdefault(one.task.tenant_id, []).append(task_id)
        for tenant_id, ids in by_tenant.items():
            asked = sa.select(Task.id).where(Task.tenant_id == tenant_id, Task.id.in_(ids), Task.cancel_requested)
            async with self._db.unit_of_work(tenant_id) as session:
                to_cancel = (await session.scalars(asked)).all()
            for task_id in to_cancel:
                self._cancel(task_id)

    async def _claim(self) -> None:
        free = self._slots - len(self._running)
        if free <= 0:
            self._more = True
            return
        self._claiming = True
        try:
            for task in await self._claimed(free):
                self._start(task)
        finally:
            self._claiming = False
            self._cancelled_early.clear()

    async def _claimed(self, free: int) -> Sequence[ClaimedTask]:
        about = {"claimer": self._process_id, "free": free, "spare": self._spare, "types": self._task_registry.limits()}
        async with self._db.unit_of_work(None) as session:
            claimed = [ClaimedTask(**row._mapping) for row in await session.execute(_CLAIM, about)]
            self._more = len(claimed) >= free - self._spare
            come = None
            if not self._more:
                come = (await session.execute(sa.text("select * from opsteward.tasks_to_come()"))).one()
        TASK_CLAIMS.inc()
        self._held_back = come is not None and come.held_back
        if come is not None and come.due is not None and self._gate.closed_for(EVERYBODY) is None:
            self._wake_at(come.due)  # while everything is paused it would be due again and again
        return claimed

    def _wake_at(self, due: datetime) -> None:
        if self._due is not None:
            self._due.cancel()
        seconds = (due - datetime.now(UTC)).total_seconds()
        self._due = asyncio.get_running_loop().call_later(max(0.01, seconds), self._wake.set)

    # -- running -----------------------------------------------------------------------------------------------

    def _start(self, task: ClaimedTask) -> None:
        running = RunningTask(task, self._task_registry.types[task.task_type])
        self._running[task.id] = running
        TASKS_CLAIMED.labels(task.task_type).inc()
        running.execution = asyncio.create_task(self._run_one(running))
        if task.id in self._cancelled_early:
            self._cancel(task.id)

    async def _run_one(self, running: RunningTask) -> None:
        task = running.task
        try:
            with correlated(task.correlation_id):
                outcome = await self._executor.execute(running)
            running.writing = True
            # by what the latest claim saw: what waits for room may have come after this one began
            await self._outcome_writer.write(replace(outcome, limited=self._held_back))
        finally:
            if self._running.get(task.id) is running:  # given back, it may have been claimed anew
                del self._running[task.id]
            if self._more or self._held_back:  # by the latest claim: it may have come while the end was written down
                self._wake.set()

    def _cancel(self, task_id: UUID) -> None:
        running = self._running.get(task_id)
        if running is None and self._claiming:
            self._cancelled_early.add(task_id)
        elif running is not None and not running.writing and not running.cancelled:
            self._executor.cancel(running)

    def _executions(self) -> list[asyncio.Task[None]]:
        return [one.execution for one in self._running.values() if one.execution is not None]
