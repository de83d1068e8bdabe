"""Durable execution: the only place that knows DBOS.

A workflow is an async function registered under a name; it takes ids only, and everything it does to the world
is a step. A finished step is never run again; the step in flight when a process dies is, so each step must be
harmless when repeated. Enqueueing rides in the caller's transaction.

The facts of the engine that this seam rests on are held by tests/workflows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.crypto import canonical_json

#: Our own compatibility number. Raise it when a running workflow of the previous code can't go on with the new.
ENGINE_VERSION = "1"
APP_NAME = "opsteward"
_POLL_BUSY = 0.1  # seconds between looks at the queue while workflows run here
#: The engine's own queue serves everything: each further queue costs four statements a second when idle.
QUEUE = "_dbos_internal_queue"

T = TypeVar("T")
WorkflowFunction = Callable[..., Coroutine[Any, Any, Any]]
StepFunction = Callable[[], Coroutine[Any, Any, T]]
Moment = Literal["begin", "effect", "checkpoint"]
StepObserver = Callable[[str, Moment], None]


class Workflows:
    """The registered workflows of a process, before the engine starts."""

    def __init__(self) -> None:
        self._functions: dict[str, WorkflowFunction] = {}

    def register(self, name: str, function: WorkflowFunction) -> None:
        """`name` is stored with every run: never rename one. `function(**ids)` must be deterministic outside steps."""
        if name in self._functions:
            raise ValueError(f"workflow {name} is registered twice")
        self._functions[name] = function

    def items(self) -> Sequence[tuple[str, WorkflowFunction]]:
        return list(self._functions.items())


async def enqueue(
    session: AsyncSession,
    *,
    workflow: str,
    workflow_id: str,
    arguments: dict[str, Any],
    priority: int = 3,
    not_before: datetime | None = None,
) -> None:
    """Enqueue in this transaction: committed together, or not at all. The same id again does nothing.

    `arguments` are ids, never records: the engine's tables lie outside row-level security.
    """
    await session.execute(
        sa.text("select opsteward.enqueue(:name, :id, cast(:arguments as json), :version, :priority, :not_before)"),
        {
            "name": workflow,
            "id": workflow_id,
            "arguments": canonical_json(arguments),
            "version": ENGINE_VERSION,
            "priority": priority,
            "not_before": int(not_before.timestamp() * 1000) if not_before else None,
        },
    )


def migrate_engine(owner_url: str, application_role: str) -> None:
    """Create or migrate the engine's tables as the owner, and let the app role work with them."""
    from dbos import DBOS

    DBOS.migrate(owner_url, application_role=application_role)


class Engine:
    """The running engine of this process. One per process: DBOS is a process-wide thing."""

    def __init__(self, app_url: str, *, executor_id: UUID, concurrency: int, poll_idle: float = 1.0) -> None:
        self._app_url = app_url
        self._executor_id = str(executor_id)
        self._concurrency = concurrency
        self._poll_idle = poll_idle
        self._running = 0

    async def launch(self, workflows: Workflows) -> None:
        """Start working, on the running event loop: workflows run there too."""
        os.environ.setdefault("OTEL_SDK_DISABLED", "true")
        from dbos import DBOS
        from dbos._dbos import _get_or_create_dbos_registry

        DBOS(
            config={
                "name": APP_NAME,
                "system_database_url": self._app_url,
                "application_version": ENGINE_VERSION,
                "executor_id": self._executor_id,
                "run_migrations": False,
                "max_executor_threads": 4,  # measured: more threads only fight for the interpreter
                "sys_db_pool_size": 6,
                "db_engine_kwargs": {
                    "pool_pre_ping": False,
                    "connect_args": {"application_name": f"{APP_NAME} engine"},
                },
                "log_level": "WARNING",
                "notification_coalesce_sec": 0.05,
                "scheduler_polling_interval_sec": 3600.0,  # we use none of the engine's schedules
            }
        )
        for name, function in workflows.items():
            DBOS.workflow(name=name)(self._counted(function))
        registry = _get_or_create_dbos_registry()
        self._queue = registry._register_internal_queue(
            QUEUE, worker_concurrency=self._concurrency, polling_interval_sec=self._poll_idle
        )
        DBOS.launch()

    def _counted(self, function: WorkflowFunction) -> WorkflowFunction:
        """The function, and while it runs the queue is polled often: work begets work, and idling costs little."""

        async def run(**arguments: Any) -> Any:
            self._running += 1
            self._queue._polling_interval_sec = _POLL_BUSY
            try:
                return await function(**arguments)
            finally:
                self._running -= 1
                if not self._running:
                    self._queue._polling_interval_sec = self._poll_idle

        return run

    def recover(self, dead_executor_id: UUID) -> int:
        """Put a dead process's unfinished workflows back on the queue; idempotent. Returns how many."""
        from dbos._dbos import _get_dbos_instance
        from dbos._recovery import recover_pending_workflows

        return len(recover_pending_workflows(_get_dbos_instance(), [str(dead_executor_id)]))

    def shutdown(self, *, grace: float) -> None:
        """Let running workflows come to a step's end for `grace` seconds, then stop; the rest is resumed later."""
        from dbos import DBOS

        DBOS.destroy(workflow_completion_timeout_sec=int(grace))


_observer: StepObserver | None = None


def observe_steps(observer: StepObserver | None) -> None:
    """Tell `observer(step, moment)`: at its begin, when its effect is done but not recorded, when it is recorded."""
    global _observer  # noqa: PLW0603 - one observer per process, like the engine itself
    _observer = observer


async def step(name: str, function: StepFunction[T]) -> T:
    """Run one step of the current workflow: its result is recorded, and given back instead on a re-run."""
    from dbos import DBOS

    result = await DBOS.run_step_async({"name": name}, _observed(name, function))
    if _observer:
        _observer(name, "checkpoint")
    return result


async def steps_together(*named: tuple[str, StepFunction[T]]) -> list[T]:
    """Run several steps side by side, each recorded on its own, in a fixed order of step numbers."""
    from dbos import DBOS

    reserved = [DBOS.reserve_step() for _ in named]
    runs = [
        slot.run_async({"name": name}, _observed(name, function))
        for slot, (name, function) in zip(reserved, named, strict=True)
    ]
    results = list(await asyncio.gather(*runs))
    if _observer:
        _observer("+".join(name for name, _ in named), "checkpoint")
    return results


def _observed(name: str, function: StepFunction[T]) -> StepFunction[T]:
    async def run() -> T:
        if _observer:
            _observer(name, "begin")
        result = await function()
        if _observer:
            _observer(name, "effect")
        return result

    return run


def current_workflow_id() -> str:
    """The id of the workflow that is running; the same after a restart."""
    from dbos import DBOS

    return DBOS.workflow_id or ""


async def sleep(seconds: float) -> None:
    """A pause that survives a restart with its deadline."""
    from dbos import DBOS

    await DBOS.sleep_async(seconds)
