"""Tasks of durable types: each try is a workflow of the engine, whose finished steps survive the process.

The workflow's id follows from the task and the try, so every process knows it: whoever claims the task after a crash
goes on with the same workflow, or finds its end.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TypedDict
from uuid import UUID

import sqlalchemy as sa

from opsteward.core import durable
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlated, get_logger
from opsteward.tasks import outcomes
from opsteward.tasks.models import Task
from opsteward.tasks.outcomes import ClaimedTask, Outcome, as_result, error_text, is_final, typed_params
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.running_task import RunningTask, TaskContexts

log = get_logger(__name__)

WORKFLOW = "tasks.run"


class WorkflowEnd(TypedDict, total=False):
    """What the engine keeps of a workflow: the result, or the error and whether it is final."""

    result: JsonObject | None
    error: str
    final: bool


class DurableTasks:
    """Runs them, and is the workflow that the engine calls; one per process."""

    def __init__(
        self,
        db: Database,
        task_registry: TaskRegistry,
        contexts: TaskContexts,
        *,
        running: Callable[[UUID], RunningTask | None],
        max_result_bytes: int,
    ) -> None:
        """`running(task_id)` is the task that runs here."""
        self._db = db
        self._task_registry = task_registry
        self._contexts = contexts
        self._running = running
        self._max_result_bytes = max_result_bytes

    def register(self, workflows: durable.Workflows) -> None:
        workflows.register(WORKFLOW, self.run_workflow)

    async def execute(self, running: RunningTask) -> Outcome:
        """Run the task's workflow here, or wait for it where it runs."""
        task = running.task
        arguments: JsonObject = {"tenant_id": str(task.tenant_id), "task_id": str(task.id), "attempt": task.retry_count}
        if task.retry_count:
            await durable.repeat_workflow(_workflow_id(task), of=_workflow_id(task, before=1))
        ended: WorkflowEnd = await durable.run_workflow(WORKFLOW, _workflow_id(task), arguments)
        if "result" in ended:
            return outcomes.completed(task, ended["result"])
        if ended["final"]:
            return outcomes.failed(task, ended["error"])
        return outcomes.tried(task, ended["error"])

    async def run_workflow(self, *, tenant_id: str, task_id: str, attempt: int) -> WorkflowEnd:
        """Workflow: the task's function, whose steps are recorded."""
        return await self._body(tenant_id, task_id, attempt)

    async def stop(self, running: RunningTask) -> None:
        """No further step of it begins, here or elsewhere."""
        try:
            await durable.cancel_workflow(_workflow_id(running.task))
        except Unavailable:
            log.warning("tasks.workflow.not_cancelled", task_id=str(running.task.id))
        if running.workflow is not None:
            running.workflow.cancel()

    async def _body(self, tenant_id: str, task_id: str, attempt: int) -> WorkflowEnd:
        running = self._running(UUID(task_id)) or await self._load(UUID(tenant_id), UUID(task_id), attempt)
        running.workflow = asyncio.current_task()
        try:
            params = typed_params(running.task_type, running.task.params)
            with correlated(running.task.correlation_id):  # another process may have begun it
                given = running.task_type.run(self._contexts.make(running, recorded=True), params)
                if inspect.isawaitable(given):
                    given = await given
                return {"result": as_result(given, max_bytes=self._max_result_bytes)}
        except asyncio.CancelledError as error:
            if error.__cause__ is not None or (running.workflow and running.workflow.cancelling()):
                raise  # by the engine, or by us
            return {"error": error_text(error), "final": False}
        except (Exception, SystemExit) as error:  # a boundary: whatever a task raises is its own failure
            return {"error": error_text(error), "final": is_final(error)}

    async def _load(self, tenant_id: UUID, task_id: UUID, attempt: int) -> RunningTask:
        """A task that another process had begun: its parameters never change, so reading them again is no harm."""
        async with self._db.unit_of_work(tenant_id) as session:
            row = await session.scalar(sa.select(Task).where(Task.tenant_id == tenant_id, Task.id == task_id))
        task_type = self._task_registry.get(row.task_type) if row is not None else None
        if row is None or task_type is None:
            raise NotFound("this task, or its type, is gone")
        task = ClaimedTask(
            tenant_id=row.tenant_id,
            id=row.id,
            task_type=row.task_type,
            params=row.params,
            retry_count=attempt,
            max_retries=row.max_retries,
            backoff_factor=row.backoff_factor,
            max_backoff=row.max_backoff,
            timeout=row.timeout,
            cancel_requested=row.cancel_requested,
            correlation_id=row.correlation_id,
        )
        return RunningTask(task, task_type)


def _workflow_id(task: ClaimedTask, *, before: int = 0) -> str:
    """One workflow for each try: who claims the task after a crash goes on with the same."""
    return f"task:{task.id}:{task.retry_count - before}"
