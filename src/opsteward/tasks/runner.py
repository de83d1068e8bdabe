"""Runs tasks: each process claims as many as it has free slots, runs them, and writes down what came of them.

A claim is one call of the database, which keeps to priorities, fair shares, limits and pauses. Nothing is polled: a
notice says that something may be claimed, a timer that something falls due. A process that dies leaves its tasks
behind `in_progress`; when it is found lost they wait again. A durable type runs as a workflow of the engine under
an id that another process knows too: whoever claims such a task next goes on with it, or finds its end.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core import durable
from opsteward.core.changes import record_changes
from opsteward.core.daemon_threads import DaemonThreads
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, OpsError, Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import correlated, get_logger
from opsteward.tasks.controls import EVERYBODY, Gate
from opsteward.tasks.dependents import cancel_dependents
from opsteward.tasks.models import Task
from opsteward.tasks.outcome_writer import Outcome, OutcomeWriter, change_of, progress_of
from opsteward.tasks.outcomes import Refused, as_result, ended_as, failure, is_final, params_of, said, tried
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.types import CANCEL, CONTROLS, READY, TaskStatus
from opsteward.telemetry import traces
from opsteward.telemetry.metrics import TASK_CLAIMS, TASK_RUNS, TASK_SECONDS, TASKS_CLAIMED

log = get_logger(__name__)

WORKFLOW = "tasks.run"
#: A task under which so many processes have died is put aside: it may be what kills them.
MAX_TAKEOVERS = 10
_LOOK_ANYWAY = 60.0  # seconds; a notice can be lost with its connection, which tells us, so this is a safety net
_MAX_THREADS = 32

T = TypeVar("T")


@dataclass(slots=True)
class _Run:
    """One claimed task on its way."""

    row: Any
    kind: TaskType
    process: asyncio.Task[None] | None = None
    body: asyncio.Task[Any] | None = None  # of a durable one: the workflow, which has an asyncio task of its own
    deadline: asyncio.Timeout | None = None
    begun: bool = False  # before that, a cancelled asyncio task would end without a word
    cancelled: bool = False
    writing: bool = False  # it has ended, and its end is being written down


class Held(Exception):
    """A pause came between the claim and the start."""


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
        most_result: int = 1_048_576,
    ) -> None:
        """`slots`: tasks that run at once here; `spare` of them are kept free for critical and high ones.
        `most_result`: bytes of a result."""
        self._db = db
        self._task_registry = task_registry
        self._gate = gate
        self._process_id = process_id
        self._slots = slots
        self._spare = spare
        self._most_result = most_result
        self._outcome_writer = OutcomeWriter(db, process_id=process_id)
        self._runs: dict[UUID, _Run] = {}
        self._claiming = False
        self._cancelled_early: set[UUID] = set()  # claimed perhaps, by the claim that is under way
        self._wake = asyncio.Event()
        self._more = False  # the last claim took all that it could: there may be more
        self._held_back = False  # what the last claim left is held back by a limit or a pause
        self._due: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._threads = DaemonThreads(min(slots, _MAX_THREADS), name="task")

    def register(self, workflows: durable.Workflows) -> None:
        workflows.register(WORKFLOW, self.run_durable)

    def hear(self, notice: Notice) -> None:
        """A notice of the feed."""
        if notice.kind in (CONTROLS, RECONNECTED):
            self._refreshing = asyncio.create_task(self._refresh(anew=notice.kind == RECONNECTED))
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
            await self._release_at_start()
            while True:
                self._wake.clear()
                if writing.done():
                    writing.result()  # it ends by an error alone: so does this process, and others take over
                try:
                    await self._claim()
                except Unavailable:
                    asyncio.get_running_loop().call_later(1.0, self._wake.set)
                try:
                    async with asyncio.timeout(_LOOK_ANYWAY):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            self._writing = writing  # what runs has yet to be written down: `drain` ends it
            if self._due is not None:
                self._due.cancel()

    async def drain(self, *, grace: float) -> None:
        """Let what runs come to its end for `grace` seconds; the rest is given back, to be run elsewhere."""
        self._held_back = True  # nothing is claimed here any more: the others are told of the room that each end makes
        running = [run.process for run in self._runs.values() if run.process is not None]
        if running:
            await asyncio.wait(running, timeout=grace)
        for run in list(self._runs.values()):
            if run.process is not None and not run.writing:
                run.process.cancel()
        left = [run.process for run in self._runs.values() if run.process is not None]
        if left:
            await asyncio.wait(left, timeout=grace)
        if self._writing is not None:
            self._writing.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _release_at_start(self) -> None:
        with suppress(Unavailable):  # a process that is found lost later releases them too
            await self.release_lost()

    @property
    def running(self) -> int:
        """How many tasks run here."""
        return len(self._runs)

    async def release_lost(self) -> int:
        """Let the tasks of processes that are gone wait again; idempotent. Raises Unavailable."""
        async with self._db.unit_of_work(None) as session:
            rows = await session.execute(
                sa.text("select * from opsteward.release_tasks(:most)"), {"most": MAX_TAKEOVERS}
            )
            released = rows.all()
        ended: dict[UUID, list[Any]] = {}
        for row in released:
            if row.status != TaskStatus.PENDING:
                ended.setdefault(row.tenant_id, []).append(row)
        for tenant_id, rows_of in ended.items():
            async with self._db.unit_of_work(tenant_id) as session:
                cancelled = [row.id for row in rows_of if row.status == TaskStatus.CANCELLED]
                with_them = await cancel_dependents(session, cancelled)
                ends = [(row.id, row.status, "") for row in rows_of]
                ends += [(row.id, TaskStatus.CANCELLED.value, row.task_type) for row in with_them]
                await record_changes(session, [change_of(*end) for end in ends])
        if released:
            log.warning("tasks.runner.released", tasks=len(released))
            self._wake.set()
        return len(released)

    # -- claiming ----------------------------------------------------------------------------------------------

    async def _refresh(self, *, anew: bool = True) -> None:
        """`anew`: notices may have been lost."""
        try:
            await self._gate.refresh()
            if anew:
                await self._look_for_cancels()
        except Unavailable:
            asyncio.get_running_loop().call_later(1.0, self._again)
        self._wake.set()

    def _again(self) -> None:
        self._refreshing = asyncio.create_task(self._refresh())

    async def _look_for_cancels(self) -> None:
        """Cancel what runs here and is to be cancelled, which we may not have been told. Raises Unavailable."""
        by_tenant: dict[UUID, list[UUID]] = {}
        for run in self._runs.values():
            by_tenant.setdefault(run.row.tenant_id, []).append(run.row.id)
        for tenant_id, ids in by_tenant.items():
            asked = sa.select(Task.id).where(Task.tenant_id == tenant_id, Task.id.in_(ids), Task.cancel_requested)
            async with self._db.unit_of_work(tenant_id) as session:
                to_cancel = (await session.scalars(asked)).all()
            for task_id in to_cancel:
                self._cancel(task_id)

    async def _claim(self) -> None:
        free = self._slots - len(self._runs)
        if free <= 0:
            self._more = True
            return
        self._claiming = True
        try:
            await self._claim_up_to(free)
        finally:
            self._claiming = False
            self._cancelled_early.clear()

    async def _claim_up_to(self, free: int) -> None:
        async with self._db.unit_of_work(None) as session:
            claimed = (
                await session.execute(
                    _CLAIM,
                    {
                        "claimer": self._process_id,
                        "free": free,
                        "spare": self._spare,
                        "types": self._task_registry.limits(),
                    },
                )
            ).all()
            self._more = len(claimed) >= free - self._spare
            come = None
            if not self._more:
                come = (await session.execute(sa.text("select * from opsteward.tasks_to_come()"))).one()
        TASK_CLAIMS.inc()
        self._held_back = come is not None and come.held_back
        if come is not None and come.due is not None and self._gate.closed_for(EVERYBODY) is None:
            self._wake_at(come.due)  # while everything is paused it would be due again and again
        for row in claimed:
            run = _Run(row, self._task_registry.types[row.task_type])
            self._runs[row.id] = run
            TASKS_CLAIMED.labels(row.task_type).inc()
            run.process = asyncio.create_task(self._run_one(run))
            if row.id in self._cancelled_early:
                self._cancel(row.id)

    def _wake_at(self, due: datetime) -> None:
        if self._due is not None:
            self._due.cancel()
        seconds = (due - datetime.now(UTC)).total_seconds()
        self._due = asyncio.get_running_loop().call_later(max(0.01, seconds), self._wake.set)

    # -- running -----------------------------------------------------------------------------------------------

    async def _run_one(self, run: _Run) -> None:
        row = run.row
        try:
            with correlated(row.correlation_id):
                outcome = await self._measured(run)
            run.writing = True
            await self._outcome_writer.write(outcome)
        finally:
            if self._runs.get(row.id) is run:  # given back, it may have been claimed anew
                del self._runs[row.id]
            if self._more or self._held_back:  # by the latest claim: it may have come while the end was written down
                self._wake.set()

    async def _measured(self, run: _Run) -> Outcome:
        row, began = run.row, perf_counter()
        about = {"opsteward.task.type": row.task_type, "opsteward.task.id": str(row.id)}
        with traces.span(f"task {row.task_type}", {**about, "opsteward.task.attempt": row.retry_count}) as span:
            outcome = await self._outcome(run)
            ended = ended_as(outcome)
            span.note({"opsteward.task.status": ended})
            if outcome.error:
                span.fail(outcome.error)
        TASK_RUNS.labels(row.task_type, ended).inc()
        TASK_SECONDS.labels(row.task_type).observe(perf_counter() - began)
        return outcome

    async def _outcome(self, run: _Run) -> Outcome:
        row, kind = run.row, run.kind

        def end(status: TaskStatus, result: dict[str, Any] | None = None, **how: Any) -> Outcome:
            # by what the latest claim saw: what waits for room may have come after this one began
            return Outcome(row.tenant_id, row.id, status, result, limited=self._held_back, **how)

        run.begun = True
        unwanted = row.cancel_requested or run.cancelled
        if unwanted:
            return end(TaskStatus.CANCELLED)
        try:
            self._check_gate(run)
            params = params_of(run.kind, run.row)
            async with asyncio.timeout(row.timeout) as run.deadline:
                if kind.durable:
                    return await self._through_the_engine(run, end)
                result = await self._call(run, params)
            return end(TaskStatus.COMPLETED, as_result(result, most=self._most_result))
        except Held:
            return end(TaskStatus.PENDING)
        except TimeoutError as error:
            if run.deadline is None or not run.deadline.expired():  # the task's own
                return failure(end, row, error)
            if kind.durable:
                await self._stop_workflow(run)
            return tried(end, row, f"did not finish within {row.timeout:g} s")
        except asyncio.CancelledError as error:
            if run.cancelled:
                return end(TaskStatus.CANCELLED)
            if not kind.durable and not (run.process and run.process.cancelling()):  # by nobody but the task itself
                return failure(end, row, error)
            return end(TaskStatus.PENDING)  # this process ends, or the engine is away: who claims it goes on
        except (Exception, SystemExit) as error:  # a boundary: whatever a task raises is its own failure
            return failure(end, row, error)

    async def _call(self, run: _Run, params: BaseModel) -> Any:
        """The function itself: an async one here, a plain one on a thread."""
        context = self._context(run, recorded=False)
        if inspect.iscoroutinefunction(run.kind.run):
            return await run.kind.run(context, params)

        def start() -> Any:
            self._check_gate(run)  # it may have waited for a thread
            try:
                return run.kind.run(context, params)
            except StopIteration as error:  # no future takes it, so nobody would hear of this end
                raise RuntimeError("StopIteration") from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(copy_context().run, start))

    def _check_gate(self, run: _Run) -> None:
        if self._gate.closed_for(run.row.tenant_id, task_type=run.row.task_type):
            raise Held

    def _context(self, run: _Run, *, recorded: bool) -> TaskContext:
        row, loop = run.row, asyncio.get_running_loop()

        async def step(name: str, function: Callable[[], Awaitable[T]]) -> T:
            async def gated() -> T:
                await self._pass_gate(run)
                with traces.span(f"step {name}", {"opsteward.task.id": str(row.id)}):
                    return await function()

            return await _recorded(name, gated) if recorded else await gated()

        def progress(percent: int, message: str = "") -> None:
            words = progress_of(percent, message)  # here, so that a bad one is its own task's failure
            loop.call_soon_threadsafe(self._outcome_writer.note_progress, row.tenant_id, row.id, *words)

        return TaskContext(
            task_id=row.id, tenant_id=row.tenant_id, attempt=row.retry_count, progress=progress, step=step
        )

    async def _pass_gate(self, run: _Run) -> None:
        """Wait while paused, with the task's own clock stopped."""
        row = run.row
        if self._gate.closed_for(row.tenant_id, task_type=row.task_type) is None:
            return
        clock, left = run.deadline, None
        if clock is not None and (when := clock.when()) is not None:
            left = when - asyncio.get_running_loop().time()
            clock.reschedule(None)
        await self._gate.passed(row.tenant_id, task_type=row.task_type)
        if clock is not None and left is not None:
            clock.reschedule(asyncio.get_running_loop().time() + left)

    # -- durable types -----------------------------------------------------------------------------------------

    async def _through_the_engine(self, run: _Run, end: Callable[..., Outcome]) -> Outcome:
        row = run.row
        arguments = {"tenant_id": str(row.tenant_id), "task_id": str(row.id), "attempt": row.retry_count}
        if row.retry_count:
            await durable.repeat_workflow(_workflow_id(row), of=_workflow_id(row, before=1))
        ended = await durable.run_workflow(WORKFLOW, _workflow_id(row), arguments)
        if "result" in ended:
            return end(TaskStatus.COMPLETED, ended["result"])
        if ended["final"]:
            return end(TaskStatus.FAILED, error=ended["error"])
        return tried(end, row, ended["error"])

    async def run_durable(self, *, tenant_id: str, task_id: str, attempt: int) -> dict[str, Any]:
        """Workflow: the task's function, whose steps are recorded. Gives {result} or {error, final}."""
        return await self._body(tenant_id, task_id, attempt)

    async def _body(self, tenant_id: str, task_id: str, attempt: int) -> dict[str, Any]:
        run = self._runs.get(UUID(task_id)) or await self._load(UUID(tenant_id), UUID(task_id), attempt)
        run.body = asyncio.current_task()
        try:
            params = params_of(run.kind, run.row)
            with correlated(run.row.correlation_id):  # another process may have begun it
                given = await run.kind.run(self._context(run, recorded=True), params)
                return {"result": as_result(given, most=self._most_result)}
        except asyncio.CancelledError as error:
            if error.__cause__ is not None or (run.body and run.body.cancelling()):  # by the engine, or by us
                raise
            return {"error": said(error), "final": False}
        except (Exception, SystemExit) as error:  # a boundary: whatever a task raises is its own failure
            return {"error": said(error), "final": is_final(error)}

    async def _load(self, tenant_id: UUID, task_id: UUID, attempt: int) -> _Run:
        """A task that another process had begun: its parameters never change, so reading them again is no harm."""
        async with self._db.unit_of_work(tenant_id) as session:
            row = await session.scalar(sa.select(Task).where(Task.tenant_id == tenant_id, Task.id == task_id))
        kind = self._task_registry.get(row.task_type) if row is not None else None
        if row is None or kind is None:
            raise NotFound("this task, or its type, is gone")
        row.retry_count = attempt
        return _Run(row, kind)

    async def _stop_workflow(self, run: _Run) -> None:
        try:
            await durable.cancel_workflow(_workflow_id(run.row))
        except Unavailable:
            log.warning("tasks.runner.workflow_not_cancelled", task_id=str(run.row.id))
        if run.body is not None:
            run.body.cancel()

    def _cancel(self, task_id: UUID) -> None:
        run = self._runs.get(task_id)
        if run is None and self._claiming:
            self._cancelled_early.add(task_id)
        elif run is not None and run.process is not None and not run.writing and not run.cancelled:
            run.cancelled = True
            if not run.begun:
                return
            run.process.cancel()
            if run.kind.durable:
                self._stopping = asyncio.create_task(self._stop_workflow(run))


_CLAIM = sa.text("select * from opsteward.claim_tasks(:claimer, :free, :spare, :types)").bindparams(
    sa.bindparam("types", type_=JSONB)
)


async def _recorded(name: str, function: Callable[[], Awaitable[T]]) -> T:
    """A step of the engine; an error that trying again can't mend comes out as what it is, after a crash too."""

    async def run() -> Any:
        try:
            return {"gave": await function()}
        except OpsError as error:
            if is_final(error):
                return {"refused": error.detail}
            raise

    ended = await durable.step(name, run)
    if "refused" in ended:
        raise Refused(ended["refused"])
    result: T = ended["gave"]
    return result


def _workflow_id(row: Any, *, before: int = 0) -> str:
    """One workflow for each try: who claims the task after a crash goes on with the same."""
    return f"task:{row.id}:{row.retry_count - before}"
