"""Runs one claimed task to its outcome: the gate, the parameters, the time limit, the function, what it came to."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import copy_context
from functools import partial
from time import perf_counter

from pydantic import BaseModel

from opsteward.core.daemon_threads import DaemonThreads
from opsteward.tasks import outcomes
from opsteward.tasks.durable_tasks import DurableTasks
from opsteward.tasks.outcomes import Outcome, as_result, typed_params
from opsteward.tasks.running_task import Held, RunningTask, TaskContexts
from opsteward.telemetry import traces
from opsteward.telemetry.metrics import TASK_RUNS, TASK_SECONDS

_MAX_THREADS = 32


class TaskExecutor:
    """One per process."""

    def __init__(
        self, contexts: TaskContexts, durable_tasks: DurableTasks, *, slots: int, max_result_bytes: int
    ) -> None:
        """`slots`: tasks that run at once here."""
        self._contexts = contexts
        self._durable_tasks = durable_tasks
        self._max_result_bytes = max_result_bytes
        self._threads = DaemonThreads(min(slots, _MAX_THREADS), name="task")

    async def execute(self, running: RunningTask) -> Outcome:
        """Run it, with its metrics and its span. Whatever the task raises is its own failure."""
        task, began = running.task, perf_counter()
        about = {"opsteward.task.type": task.task_type, "opsteward.task.id": str(task.id)}
        with traces.span(f"task {task.task_type}", {**about, "opsteward.task.attempt": task.retry_count}) as span:
            outcome = await self._outcome(running)
            span.note({"opsteward.task.status": outcome.label})
            if outcome.error:
                span.fail(outcome.error)
        TASK_RUNS.labels(task.task_type, outcome.label).inc()
        TASK_SECONDS.labels(task.task_type).observe(perf_counter() - began)
        return outcome

    def cancel(self, running: RunningTask) -> None:
        """End it as cancelled, as soon as it lets go."""
        running.cancelled = True
        if running.begun and running.execution is not None:
            running.execution.cancel()
            if running.task_type.durable:
                self._stopping = asyncio.create_task(self._durable_tasks.stop(running))

    def close(self) -> None:
        """What has not begun on a thread does not begin."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _outcome(self, running: RunningTask) -> Outcome:
        task, is_durable = running.task, running.task_type.durable
        running.begun = True
        unwanted = task.cancel_requested or running.cancelled
        if unwanted:
            return outcomes.cancelled(task)
        try:
            self._contexts.check_gate(running)
            params = typed_params(running.task_type, task.params)
            async with asyncio.timeout(task.timeout) as running.deadline:
                if is_durable:
                    return await self._durable_tasks.execute(running)
                result = await self._call(running, params)
            return outcomes.completed(task, as_result(result, max_bytes=self._max_result_bytes))
        except Held:
            return outcomes.returned(task)
        except TimeoutError as error:
            if running.deadline is None or not running.deadline.expired():  # the task's own
                return outcomes.failed_by(task, error)
            if is_durable:
                await self._durable_tasks.stop(running)
            return outcomes.tried(task, f"did not finish within {task.timeout:g} s")
        except asyncio.CancelledError as error:
            if running.cancelled:
                return outcomes.cancelled(task)
            by_us = running.execution is not None and running.execution.cancelling()
            if not is_durable and not by_us:  # by nobody but the task itself
                return outcomes.failed_by(task, error)
            return outcomes.returned(task)  # this process ends, or the engine is away: who claims it goes on
        except (Exception, SystemExit) as error:  # a boundary: whatever a task raises is its own failure
            return outcomes.failed_by(task, error)

    async def _call(self, running: RunningTask, params: BaseModel) -> object:
        """The function itself: an async one here, a plain one on a thread."""
        context, function = self._contexts.make(running, recorded=False), running.task_type.run
        if inspect.iscoroutinefunction(function):
            given: object = await function(context, params)
            return given

        def start() -> object:
            self._contexts.check_gate(running)  # it may have waited for a thread
            try:
                return function(context, params)
            except StopIteration as error:  # no future takes it, so nobody would hear of this end
                raise RuntimeError("StopIteration") from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(copy_context().run, start))
