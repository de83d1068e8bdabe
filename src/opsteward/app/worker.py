"""The part of a process that works: the engine, the tasks, its place among the processes, and the leader's duties."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress

from opsteward.actions.executor import Executor
from opsteward.actions.run_context import RunContexts
from opsteward.agents.lost_process_events import report_lost_processes
from opsteward.agents.process_measurement import ProcessMeasurement
from opsteward.agents.runtime import Runtime
from opsteward.app.services import Services
from opsteward.app.settings import Settings
from opsteward.core.blocking_calls import in_thread
from opsteward.core.db import Database
from opsteward.core.durable import Engine, Workflows
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import get_logger
from opsteward.core.process_takeover import LostProcess, Membership, new_executor_id
from opsteward.core.retention import apply_retention
from opsteward.core.timers import TIMERS
from opsteward.directory.users.lifecycle import look_after_people
from opsteward.provisioning.access import AccessDuty
from opsteward.provisioning.sync.schedule import SyncDuty
from opsteward.systems.early_warning.sampling import Sampler
from opsteward.systems.error_budget import ErrorBudgetWatch
from opsteward.systems.health_monitor import Monitor
from opsteward.systems.heartbeat_watch import HeartbeatWatch
from opsteward.tasks.controls import Gate
from opsteward.tasks.runner import Runner
from opsteward.tasks.types import CONTROLS, SCHEDULES
from opsteward.telemetry import audit
from opsteward.telemetry.audit.witnessing import Witnessing
from opsteward.troubleshooting.coordinator import Coordinator
from opsteward.troubleshooting.session_context import SessionContext

log = get_logger(__name__)

_SEAL_EVERY = 2.0  # seconds; how long an audit entry may wait for its seal


class Worker:
    """The part of a process that works: engine, membership, and the leader's duties."""

    def __init__(self, services: Services, *, kind: str, on_beat: Callable[[bool], None]) -> None:
        """`on_beat(ok)`: see Membership."""
        self._services = services
        self._on_beat = on_beat
        self._executor_id = new_executor_id()
        self._engine = Engine(
            services.urls.app,
            executor_id=self._executor_id,
            concurrency=services.settings.tasks.workers,
            poll_idle=services.settings.tasks.queue_poll_interval,
        )
        self._membership = Membership(
            services.app,
            self._engine,
            executor_id=self._executor_id,
            kind=kind,
            lost_after=services.settings.tasks.process_lost_after,
            on_beat=self._note_beat,
            on_lost=self._take_over,
        )
        self._executor = Executor(
            RunContexts(services.app, services.inventory, services.registry, services.bus, services.settings.actions)
        )
        self._controls_changed = asyncio.Event()
        self._gate = Gate(services.app)
        self._runner = Runner(
            services.app,
            services.task_types,
            self._gate,
            process_id=self._executor_id,
            slots=services.settings.tasks.slots,
            spare=min(services.settings.tasks.slots_spare, services.settings.tasks.slots - 1),
            max_result_bytes=services.settings.tasks.max_result_bytes,
        )
        self._agents = Runtime(
            services.app,
            services.agents.agent_types,
            services.bus,
            services.settings.agents,
            process_id=self._executor_id,
            paused=lambda tenant_id: self._gate.closed_for(tenant_id) is not None,
        )
        self._gate.on_change = self._agents.pauses_changed
        self._access = AccessDuty(services.app, services.submission)
        self._syncs = SyncDuty(services.app, services.syncs, services.inventory)
        self._measuring = ProcessMeasurement(
            services.app, services.settings.agents, home=services.settings.home, process_id=self._executor_id
        )
        self._witnessing = Witnessing(services.app, services.witnesses, key=services.box.audit_key())
        self._monitor = Monitor(
            services.app, services.inventory, services.registry, services.bus, services.settings.systems
        )
        self._sampler = Sampler(
            services.app, services.inventory, services.registry, services.bus, services.settings.systems
        )
        self._budgets = ErrorBudgetWatch(services.app, services.inventory, services.bus)
        self._heartbeats = HeartbeatWatch(services.app, services.inventory, services.bus, services.settings.systems)
        self.ready = asyncio.Event()

    def unfinished(self) -> list[str]:
        """What an orderly end waits for, in words. May be called from any thread."""
        tasks = self._runner.unfinished()
        words = [f"task {one.task_type} {one.task_id} ({_may_last(one.seconds_left)})" for one in tasks]
        others = self._engine.running - sum(one.durable for one in tasks)
        return words + ([f"the current step of {others} other workflows"] if others > 0 else [])

    async def run(self) -> None:
        """Work until cancelled, then drain."""
        await in_thread(importlib.import_module, "dbos")
        await self._membership.join()
        try:
            await self._work()
        finally:
            await self._membership.leave()

    async def _work(self) -> None:
        stop_listening = self._services.feed.listen(self._hear)
        try:
            await self._engine.launch(self._workflows())
            self.ready.set()
            log.info("app.worker.started", process_id=str(self._executor_id))
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._runner.run())
                parts.create_task(self._agents.run())
                parts.create_task(self._measuring.run())
                parts.create_task(self._witnessing.run())
                parts.create_task(self._membership.run(self._lead))
        finally:
            await self._drain()
            stop_listening()

    async def _drain(self) -> None:
        """The heart beats on meanwhile, or others would take over what we are about to finish."""
        beating = asyncio.create_task(self._membership.beat())
        try:
            grace = self._services.settings.tasks.drain_seconds
            began = asyncio.get_running_loop().time()
            await asyncio.gather(self._agents.leave(), self._runner.drain(grace=grace))
            left = grace - (asyncio.get_running_loop().time() - began)
            await in_thread(self._engine.shutdown, grace=max(1.0, left))
            with suppress(Unavailable):
                await self._witnessing.look()  # what is cut off while nobody works is noticed
        finally:
            beating.cancel()
            await asyncio.wait({beating})

    async def _take_over(self, crashed: Sequence[LostProcess]) -> None:
        """Processes were lost: what they had besides workflows goes on elsewhere."""
        await self._runner.release_lost()
        await self._agents.processes_changed()
        await report_lost_processes(self._services.app, self._services.bus, crashed)

    def _workflows(self) -> Workflows:
        services, workflows = self._services, Workflows()
        self._executor.register(workflows)
        context = SessionContext(
            db=services.app,
            inventory=services.inventory,
            registry=services.registry,
            incidents=services.incidents,
            settings=services.settings.troubleshooting,
        )
        Coordinator(context, services.action_service, services.orders).register(workflows)
        self._runner.register(workflows)
        return workflows

    def _note_beat(self, taken: bool) -> None:
        self._agents.note_beat(taken)
        self._on_beat(taken)

    def _hear(self, notice: Notice) -> None:
        self._runner.hear(notice)
        self._agents.hear(notice)
        self._access.hear(notice)
        if notice.kind in ("inventory", RECONNECTED):
            self._monitor.refresh()
            self._heartbeats.refresh()
        if notice.kind in (CONTROLS, RECONNECTED):
            self._controls_changed.set()
        if notice.kind in (SCHEDULES, RECONNECTED):
            self._services.schedules.refresh()
        if notice.kind in (TIMERS, RECONNECTED):
            self._services.timers.refresh()

    async def _lead(self) -> None:
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._monitor.run())
            duties.create_task(self._heartbeats.run())
            duties.create_task(self._budgets.run())
            duties.create_task(self._sampler.run())
            duties.create_task(self._seal())
            duties.create_task(self._services.schedules.run(self._services.app))
            duties.create_task(self._services.timers.run(self._services.app))
            duties.create_task(self._release_held())
            duties.create_task(look_after_people(self._services.app, self._services.users, self._services.enrollments))
            duties.create_task(self._access.run())
            duties.create_task(self._syncs.run())
            duties.create_task(apply_retention(self._services.app, retention_of(self._services.settings)))

    async def _release_held(self) -> None:
        """What a pause held back goes on when it is lifted; also what was lifted while nobody led."""
        while True:
            self._controls_changed.clear()
            with suppress(Unavailable):
                await self._executor.release_held()
            await self._controls_changed.wait()

    async def _seal(self) -> None:
        while True:
            await seal_waiting(self._services.app, self._services.box.audit_key())
            await asyncio.sleep(_SEAL_EVERY)


def _may_last(seconds: float | None) -> str:
    return "paused" if seconds is None else f"may last {seconds:.0f} s more"


async def seal_waiting(db: Database, key: bytes) -> None:
    """Seal all audit entries that wait, tenant by tenant. What goes wrong is logged and waits for the next round."""
    try:
        async with db.unit_of_work(None) as session:
            waiting = await audit.tenants_to_seal(session)
    except Unavailable:
        return
    except Exception:  # a boundary: sealing must not end with one bad round
        log.exception("app.seal.failed")
        return
    for tenant_id in waiting:
        try:
            sealed = 1
            while sealed:
                async with db.unit_of_work(tenant_id) as session:
                    sealed = await audit.seal(session, key=key)
        except Unavailable:
            return
        except Exception:  # a boundary: nor one tenant hold up the others
            log.exception("app.seal.failed", tenant_id=str(tenant_id))


def retention_of(settings: Settings) -> dict[str, float]:
    """How long what has ended is kept, in seconds, by the function of the database that forgets it."""
    return {
        "forget_tasks": settings.tasks.retention,
        "forget_workflows": settings.tasks.retention,
        "forget_changes": settings.core.changes_retention,
        "forget_agent_metrics": settings.agents.agent_retention,
        "forget_agent_messages": settings.agents.agent_retention,
        "forget_health": settings.systems.health_retention,
        "forget_figures": settings.systems.figures_retention,
        "forget_syncs": settings.systems.sync_retention,
        "forget_sagas": settings.systems.saga_retention,
        "forget_imports": settings.imports.retention,
        "forget_answers": settings.help.help_answers_retention,
        "forget_signatures": 0.0,
        "forget_crew_runs": settings.crew.crew_retention,
    }
