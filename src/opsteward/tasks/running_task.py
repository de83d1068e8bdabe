"""A task that runs in this process, and what its function sees of it: a context whose steps wait while it is paused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypedDict, TypeVar

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core import durable
from opsteward.core.errors import OpsError
from opsteward.tasks.controls import Gate
from opsteward.tasks.outcome_writer import OutcomeWriter, progress_of
from opsteward.tasks.outcomes import ClaimedTask, Refused, is_final
from opsteward.telemetry import traces

T = TypeVar("T")


class Held(Exception):
    """A pause came between the claim and the start."""


@dataclass(slots=True)
class RunningTask:
    """One claimed task, from its claim until its end is written down."""

    task: ClaimedTask
    task_type: TaskType
    execution: asyncio.Task[None] | None = None
    workflow: asyncio.Task[object] | None = None  # of a durable one: its body has an asyncio task of its own
    deadline: asyncio.Timeout | None = None
    begun: bool = False  # before that, a cancelled asyncio task would end without a word
    cancelled: bool = False
    writing: bool = False  # it has ended, and its end is being written down

    @property
    def seconds_left(self) -> float | None:
        """How long it may still take; None while its clock stands still, in a pause."""
        when = self.deadline.when() if self.deadline is not None else None
        return None if when is None else max(0.0, when - time.monotonic())  # the event loop's clock, on any thread


class TaskContexts:
    """Makes the contexts of the tasks of one process."""

    def __init__(self, gate: Gate, outcome_writer: OutcomeWriter) -> None:
        self._gate = gate
        self._outcome_writer = outcome_writer

    def check_gate(self, running: RunningTask) -> None:
        """Raises Held while a pause is in force for this task."""
        if self._gate.closed_for(running.task.tenant_id, task_type=running.task.task_type):
            raise Held

    def make(self, running: RunningTask, *, recorded: bool) -> TaskContext:
        """`recorded`: a finished step is kept by the engine, and not run again after a crash."""
        task, loop = running.task, asyncio.get_running_loop()

        async def step(name: str, function: Callable[[], Awaitable[T]]) -> T:
            async def gated() -> T:
                await self._pass_gate(running)
                with traces.span(f"step {name}", {"opsteward.task.id": str(task.id)}):
                    return await function()

            return await _recorded(name, gated) if recorded else await gated()

        def progress(percent: int, message: str = "") -> None:
            storable = progress_of(percent, message)  # here, so that a bad one is its own task's failure
            loop.call_soon_threadsafe(self._outcome_writer.note_progress, task.tenant_id, task.id, *storable)

        return TaskContext(
            task_id=task.id, tenant_id=task.tenant_id, attempt=task.retry_count, progress=progress, step=step
        )

    async def _pass_gate(self, running: RunningTask) -> None:
        """Wait while paused, with the task's own clock stopped."""
        task = running.task
        if self._gate.closed_for(task.tenant_id, task_type=task.task_type) is None:
            return
        clock, left = running.deadline, running.seconds_left
        if clock is not None:
            clock.reschedule(None)
        await self._gate.passed(task.tenant_id, task_type=task.task_type)
        if clock is not None and left is not None:
            clock.reschedule(asyncio.get_running_loop().time() + left)


class _StepEnd(TypedDict, Generic[T], total=False):
    """What the engine records of a step."""

    gave: T
    refused: str


async def _recorded(name: str, function: Callable[[], Awaitable[T]]) -> T:
    """A step of the engine; an error that trying again can't mend comes out as what it is, after a crash too."""

    async def run() -> _StepEnd[T]:
        try:
            return {"gave": await function()}
        except OpsError as error:
            if is_final(error):
                return {"refused": error.detail}
            raise

    ended = await durable.step(name, run)
    if "refused" in ended:
        raise Refused(ended["refused"])
    return ended["gave"]
