"""What the durable engine offers nobody, and we need: each use of its private parts stands here, with its reason.

`tests/workflows/test_engine_internals.py` holds what is relied on, so that a new version of the engine that changes
any of it fails there. Used by `core.durable` alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

#: Seconds for which a look at a workflow's status holds: a step that follows at once needs no look of its own.
_LOOK_HOLDS = 0.25


class WorkQueue:
    """The engine's own queue. It serves everything: each further queue costs four statements a second when idle."""

    NAME = "_dbos_internal_queue"

    def __init__(self, *, concurrency: int, poll: float) -> None:
        """Before the launch; `poll`: seconds between looks at the queue."""
        from dbos._dbos import _get_or_create_dbos_registry

        registry = _get_or_create_dbos_registry()
        self._queue = registry._register_internal_queue(
            self.NAME, worker_concurrency=concurrency, polling_interval_sec=poll
        )

    def poll_every(self, seconds: float) -> None:
        """From the next look on. The engine fixes it at the launch."""
        self._queue._polling_interval_sec = seconds


def idle_workflows(executor_id: str, version: str) -> dict[str, Any]:
    """Workflows that are pending by the books as this process's, and do not run in it."""
    dbos = _engine()
    running = set(dbos._active_workflows_set.activeList())
    pending = dbos._sys_db.get_pending_workflows(executor_id, version)
    return {one.workflow_id: one for one in pending if one.workflow_id not in running}


def put_back(workflow: Any, executor_id: str) -> None:
    """Queue one of `idle_workflows` again."""
    from dbos._recovery import _recover_workflow

    _recover_workflow(_engine(), workflow, [executor_id])


def recover(executor_id: str) -> int:
    """Queue the unfinished workflows of a process that is gone; returns how many. The engine does so in its paid
    conductor only."""
    from dbos._recovery import recover_pending_workflows

    return len(recover_pending_workflows(_engine(), [executor_id]))


def adapt_records() -> None:
    """After the launch: the engine's records, without its own failures in them and with fewer looks."""
    tables: Any = _engine()._sys_db
    _keep_own_failures_out(tables)
    _look_once(tables)


def _engine() -> Any:
    from dbos._dbos import _get_dbos_instance

    return _get_dbos_instance()


def _keep_own_failures_out(tables: Any) -> None:
    """The engine must not record its own failures as those of steps and workflows.

    When it can't record a result, it takes that failure for the step's, and records it as soon as it can: the step
    would fail so for ever. Refused, the failure comes out, the workflow is abandoned, and the step runs again.
    """
    record_step, record_end = tables.record_operation_result, tables.update_workflow_outcome

    def step_recorded(result: Any, **more: Any) -> None:
        if result["error"] is not None:
            _refuse_own_failure()
        record_step(result, **more)

    def end_recorded(workflow_id: str, status: str, **more: Any) -> Any:
        if more.get("error") is not None:
            _refuse_own_failure()
        return record_end(workflow_id, status, **more)

    tables.record_operation_result, tables.update_workflow_outcome = step_recorded, end_recorded


def _refuse_own_failure() -> None:
    """Raises what is being recorded (the engine does it while it handles the error) when it is the database's."""
    error = sys.exc_info()[1]
    if isinstance(error, SQLAlchemyError):
        raise error


@dataclass
class _Execution:
    """What this run of a workflow knows of its records."""

    highest: int | None = None  # of the steps that were recorded before this run came to its first new one
    looked_at: float = 0.0  # when it was last known to own the workflow, by `time.monotonic`

    def needs_no_look(self, number: int) -> bool:
        """Nothing is recorded for this step, and the workflow was this run's own a moment ago."""
        return self.highest is not None and number > self.highest and time.monotonic() < self.looked_at + _LOOK_HOLDS


_execution: ContextVar[_Execution | None] = ContextVar("engine_execution", default=None)


@contextmanager
def execution() -> Iterator[None]:
    """Around one run of a workflow's function."""
    token = _execution.set(_Execution())
    try:
        yield
    finally:
        _execution.reset(token)


def _look_once(tables: Any) -> None:
    """Before each step the engine asks in four round trips whether it is recorded, and the workflow cancelled.

    Only the run that owns a workflow records its steps: beyond what was recorded before, nothing is. And recording a
    step fails when the workflow is cancelled or another run's, so that a step right after it needs no look either.
    """
    record, look = tables.record_operation_result, tables.check_operation_execution

    def recorded(result: Any, **more: Any) -> None:
        record(result, **more)
        run = _execution.get()
        if run is not None:
            run.looked_at = time.monotonic()

    def looked(workflow_id: str, function_id: int, function_name: str, **more: Any) -> Any:
        run = _execution.get()
        if run is None:
            return look(workflow_id, function_id, function_name, **more)
        if run.needs_no_look(function_id):
            return None
        now = time.monotonic()
        found = look(workflow_id, function_id, function_name, **more)
        run.looked_at = now
        if found is None and run.highest is None:
            steps = tables.list_workflow_steps(workflow_id, load_output=False)
            run.highest = max((taken["function_id"] for taken in steps), default=0)
        return found

    tables.record_operation_result, tables.check_operation_execution = recorded, looked
