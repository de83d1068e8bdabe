"""Durable execution: the only place that knows DBOS, with `engine_internals` for what it offers nobody.

A workflow is an async function registered under a name; it takes ids only, and everything it does to the world
is a step. A finished step is never run again; the step in flight when a process dies is, so each step must be
harmless when repeated. Enqueueing rides in the caller's transaction.

Nothing hangs for ever. While our database is away a step waits and tries again. When the engine can't record, the
workflow is abandoned and picked up anew by a sweep. Any other exception ends the workflow by its `give_up`, which
tells the world of rows that it has failed.

The facts of the engine that this seam rests on are held by tests/workflows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import engine_internals
from opsteward.core.backoff import growing_pauses
from opsteward.core.blocking_calls import in_thread
from opsteward.core.crypto import canonical_json
from opsteward.core.errors import Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.core.process_identity import session_mark
from opsteward.core.redact import redact_text

log = get_logger(__name__)

#: Our own compatibility number. Raise it when a running workflow of the previous code can't go on with the new.
ENGINE_VERSION = "1"
APP_NAME = "opsteward"
_POLL_BUSY = 0.1  # seconds between looks at the queue while workflows run here
_SWEEP_EVERY = 5.0
_POLL_RESULT = 0.25  # seconds between looks for the end of a workflow that runs elsewhere
_MAX_PAUSE = 5.0  # seconds between tries while the database is away

T = TypeVar("T")
WorkflowFunction = Callable[..., Coroutine[object, object, Any]]
StepFunction = Callable[[], Coroutine[object, object, T]]
#: Called with the workflow's ids and `reason`, as a step, when the workflow can't go on.
GiveUp = Callable[..., Coroutine[object, object, None]]
Moment = Literal["begin", "effect", "checkpoint"]
StepObserver = Callable[[str, Moment], None]
#: The workflows that the engine of this process has registered, by name.
_ENQUEUE = sa.text(
    "select count(opsteward.enqueue(:name, one.id, one.arguments, :version, :priority, one.not_before))"
    " from json_to_recordset(cast(:rows as json)) as one(id text, arguments json, not_before bigint)"
)
_workflow_functions: dict[str, Callable[..., Coroutine[object, object, Any]]] = {}


class StepFailed(Exception):
    """A step raised what it should not: the workflow can't go on. Says the step and the error, redacted."""


class Workflows:
    """The registered workflows of a process, before the engine starts."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[WorkflowFunction, GiveUp | None]] = {}

    def register(self, name: str, function: WorkflowFunction, *, give_up: GiveUp | None = None) -> None:
        """`name` is stored with every run: never rename one. `function(**ids)` must be deterministic outside steps."""
        if name in self._functions:
            raise ValueError(f"workflow {name} is registered twice")
        self._functions[name] = (function, give_up)

    def items(self) -> Sequence[tuple[str, WorkflowFunction, GiveUp | None]]:
        return [(name, function, give_up) for name, (function, give_up) in self._functions.items()]


async def enqueue(
    session: AsyncSession,
    *,
    workflow: str,
    workflow_id: str,
    arguments: JsonObject,
    priority: int = 3,
    not_before: datetime | None = None,
) -> None:
    """Enqueue in this transaction: committed together, or not at all. The same id again does nothing.

    `arguments` are ids, never records: the engine's tables lie outside row-level security. `priority`: the lowest is
    begun first, whatever waits behind it.
    """
    one = Enqueued(workflow_id=workflow_id, arguments=arguments, not_before=not_before)
    await enqueue_all(session, workflow=workflow, all_of=[one], priority=priority)


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """One run of a workflow."""

    workflow_id: str
    arguments: JsonObject
    not_before: datetime | None = None


async def enqueue_all(session: AsyncSession, *, workflow: str, all_of: Sequence[Enqueued], priority: int = 3) -> None:
    """As `enqueue`, for many runs of a workflow in one statement."""
    rows = [
        {
            "id": one.workflow_id,
            "arguments": one.arguments,
            "not_before": int(one.not_before.timestamp() * 1000) if one.not_before else None,
        }
        for one in all_of
    ]
    await session.execute(
        _ENQUEUE, {"name": workflow, "rows": canonical_json(rows), "version": ENGINE_VERSION, "priority": priority}
    )


def migrate_engine(owner_url: str, application_role: str) -> None:
    """Create or migrate the engine's tables as the owner, and let the app role work with them."""
    from dbos import DBOS

    DBOS.migrate(owner_url, application_role=application_role)


async def run_workflow(name: str, workflow_id: str, arguments: JsonObject) -> Any:
    """Run a registered workflow here and give its result; if that id runs or ran elsewhere, wait for it there.

    Cancelling the wait does not end the workflow: see `cancel_workflow`. Raises CancelledError when the engine could
    not reach its tables: the workflow stands as it was recorded, and the same call goes on with it.
    """
    from dbos import DBOS, SetWorkflowID

    with _abandoning():
        with SetWorkflowID(workflow_id):
            handle = await DBOS.start_workflow_async(_workflow_functions[name], **arguments)
        return await handle.get_result(polling_interval_sec=_POLL_RESULT)


async def repeat_workflow(workflow_id: str, *, of: str) -> None:
    """Make a new workflow out of one that failed: its finished steps keep their results, the failed one runs again.

    Nothing happens when there is one of this id already, or the other has no finished step. Run it, or wait for it,
    by `run_workflow`.
    """
    from dbos import DBOS, SetWorkflowID

    with _abandoning():
        if await DBOS.get_workflow_status_async(workflow_id) is not None:
            return
        finished = 0
        for taken in await DBOS.list_workflow_steps_async(of):
            if taken["error"] is not None or taken["function_id"] != finished + 1:
                break
            finished = taken["function_id"]
        if finished:
            with SetWorkflowID(workflow_id):
                await DBOS.fork_workflow_async(of, finished + 1, application_version=ENGINE_VERSION)


async def cancel_workflow(workflow_id: str) -> None:
    """It begins no further step, here or elsewhere, and nobody takes it up again; a finished one stays as it is.

    Raises Unavailable.
    """
    from dbos import DBOS

    try:
        await DBOS.cancel_workflow_async(workflow_id)
    except SQLAlchemyError as error:
        raise Unavailable from error


class Engine:
    """The running engine of this process. One per process: DBOS is a process-wide thing."""

    def __init__(self, app_url: str, *, executor_id: UUID, concurrency: int, poll_idle: float = 1.0) -> None:
        self._app_url = app_url
        self._executor_id = str(executor_id)
        self._concurrency = concurrency
        self._poll_idle = poll_idle
        self._running = 0
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """How many workflows run here."""
        return self._running

    async def launch(self, workflows: Workflows) -> None:
        """Start working, on the running event loop: workflows run there too."""
        from dbos import DBOS

        DBOS(
            config={
                "name": APP_NAME,
                "system_database_url": self._app_url,
                "application_version": ENGINE_VERSION,
                "executor_id": self._executor_id,
                "run_migrations": False,
                "enable_otlp": False,  # our own spans say what the engine's would
                "max_executor_threads": 4,  # measured: more threads only fight for the interpreter
                "sys_db_pool_size": 6,
                "db_engine_kwargs": {
                    "pool_pre_ping": False,
                    "connect_args": {"application_name": f"{APP_NAME} engine {session_mark()}"},
                },
                "log_level": "WARNING",
                "notification_coalesce_sec": 0.05,
                "scheduler_polling_interval_sec": 3600.0,  # we use none of the engine's schedules
            }
        )
        for name, function, give_up in workflows.items():
            _workflow_functions[name] = DBOS.workflow(name=name)(self._guarded(name, function, give_up))
        self._queue = engine_internals.WorkQueue(concurrency=self._concurrency, poll=self._poll_idle)
        DBOS.launch()
        engine_internals.adapt_records()
        self._sweeping = asyncio.create_task(self._sweep())

    def _guarded(self, name: str, function: WorkflowFunction, give_up: GiveUp | None) -> WorkflowFunction:
        """The function, which ends by `give_up` when it can't go on.

        While it runs the queue is polled often: work begets work, and idling costs little.
        """

        async def run(**arguments: Any) -> Any:
            self._running += 1
            self._queue.poll_every(_POLL_BUSY)
            try:
                with engine_internals.execution():
                    return await function(**arguments)
            except StepFailed as failure:
                log.error("core.workflow.gave_up", workflow=name, reason=str(failure), **arguments)
                if give_up is not None:
                    await step("give up", partial(give_up, **arguments, reason=str(failure)))
                return "failed"
            finally:
                self._running -= 1
                if not self._running:
                    self._queue.poll_every(self._poll_idle)

        return run

    async def _sweep(self) -> None:
        """Put back what is ours by the books and runs nowhere: the engine could not record its end or a step."""
        stranded: set[str] = set()
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            try:
                # twice in a row, so that what was claimed just now is not taken for stranded
                stranded = await in_thread(self._put_back, stranded)
            except Exception as error:  # the database is away: the next round sees
                log.warning("core.workflow.sweep_failed", error=type(error).__name__)

    def _put_back(self, before: set[str]) -> set[str]:
        idle = engine_internals.idle_workflows(self._executor_id, ENGINE_VERSION)
        for workflow_id in before & idle.keys():
            engine_internals.put_back(idle[workflow_id], self._executor_id)
            log.warning("core.workflow.put_back", workflow_id=workflow_id)
        return set(idle) - before

    def recover(self, dead_executor_id: UUID) -> int:
        """Put a dead process's unfinished workflows back on the queue; idempotent. Returns how many."""
        return engine_internals.recover(str(dead_executor_id))

    def shutdown(self, *, grace: float) -> None:
        """Let running workflows come to a step's end for `grace` seconds, then stop; the rest is resumed later."""
        from dbos import DBOS

        if self._sweeping is not None:  # it is not, when the launch failed
            self._sweeping.get_loop().call_soon_threadsafe(self._sweeping.cancel)
        DBOS.destroy(workflow_completion_timeout_sec=int(grace))


_observer: StepObserver | None = None


def observe_steps(observer: StepObserver | None) -> None:
    """Tell `observer(step, moment)`: at its begin, when its effect is done but not recorded, when it is recorded."""
    global _observer  # noqa: PLW0603 - one observer per process, like the engine itself
    _observer = observer


async def step(name: str, function: StepFunction[T]) -> T:
    """Run one step of the current workflow: its result is recorded, and given back instead on a re-run."""
    from dbos import DBOS

    with _abandoning():
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
    with _abandoning():
        results = list(await asyncio.gather(*runs))
    if _observer:
        _observer("+".join(name for name, _ in named), "checkpoint")
    return results


def _observed(name: str, function: StepFunction[T]) -> StepFunction[T]:
    async def run() -> T:
        if _observer:
            _observer(name, "begin")
        result = await _patiently(name, function)
        if _observer:
            _observer(name, "effect")
        return result

    return run


async def _patiently(name: str, function: StepFunction[T]) -> T:
    """Again and again while our database is away; other failures as StepFailed, which any version can read."""
    pauses = growing_pauses(0.1, limit=_MAX_PAUSE)
    while True:
        try:
            return await function()
        except Unavailable:
            log.warning("core.step.waits_for_database", step=name)
            await asyncio.sleep(next(pauses))
        except Exception as error:
            log.exception("core.step.failed", step=name)
            raise StepFailed(f"{name}: {type(error).__name__}: {redact_text(str(error))[:300]}") from None


@contextmanager
def _abandoning() -> Iterator[None]:
    """When the engine itself can't reach its tables, leave the workflow as it stands in them: the sweep resumes it."""
    try:
        yield
    except SQLAlchemyError as error:
        log.warning("core.workflow.abandoned", workflow_id=current_workflow_id(), error=type(error).__name__)
        raise asyncio.CancelledError from error


def current_workflow_id() -> str:
    """The id of the workflow that is running; the same after a restart."""
    from dbos import DBOS

    return DBOS.workflow_id or ""


async def sleep(seconds: float) -> None:
    """A pause that survives a restart with its deadline."""
    from dbos import DBOS

    with _abandoning():
        await DBOS.sleep_async(seconds)
