"""The part of a process that works: the engine, the tasks, its place among the processes, and the leader's duties."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress

from opsteward.actions.service.executor import Executor
from opsteward.agents.service.losses import tell_losses
from opsteward.agents.service.measuring import Measuring
from opsteward.agents.service.runtime import Runtime
from opsteward.bootstrap.access_keeping import AccessDuty
from opsteward.bootstrap.house import House
from opsteward.core.blocking import in_thread
from opsteward.core.db import Database
from opsteward.core.durable import Engine, Workflows
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import get_logger
from opsteward.core.processes import LostProcess, Membership, new_executor_id
from opsteward.core.retention import keep_house
from opsteward.identity.service.lifecycle import look_after_people
from opsteward.systems.service.monitor import Monitor
from opsteward.tasks.service.controls import Gate
from opsteward.tasks.service.runner import Runner
from opsteward.tasks.types import CONTROLS, SCHEDULES
from opsteward.telemetry.service import audit
from opsteward.troubleshooting.service.coordinator import Coordinator
from opsteward.troubleshooting.service.desk import Desk

log = get_logger(__name__)

_SEAL_EVERY = 2.0  # seconds; how long an audit entry may wait for its seal


class Worker:
    """The part of a process that works: engine, membership, and the leader's duties."""

    def __init__(self, house: House, *, kind: str, on_beat: Callable[[bool], None]) -> None:
        """`on_beat(ok)`: see Membership."""
        self._house = house
        self._on_beat = on_beat
        self._executor_id = new_executor_id()
        self._engine = Engine(
            house.urls.app,
            executor_id=self._executor_id,
            concurrency=house.settings.workers,
            poll_idle=house.settings.queue_poll_interval,
        )
        self._membership = Membership(
            house.app,
            self._engine,
            executor_id=self._executor_id,
            kind=kind,
            lost_after=house.settings.process_lost_after,
            on_beat=self._note_beat,
            on_lost=self._take_over,
        )
        self._executor = Executor(house.app, house.door, house.inventory, house.registry, house.bus, house.settings)
        self._controls_changed = asyncio.Event()
        self._gate = Gate(house.app)
        self._runner = Runner(
            house.app,
            house.task_types,
            self._gate,
            process_id=self._executor_id,
            slots=house.settings.task_slots,
            spare=min(house.settings.task_slots_spare, house.settings.task_slots - 1),
            most_result=house.settings.max_task_result_bytes,
        )
        self._agents = Runtime(
            house.app,
            house.agents.kinds,
            house.bus,
            house.settings,
            process_id=self._executor_id,
            paused=lambda tenant_id: self._gate.closed_for(tenant_id) is not None,
        )
        self._gate.on_change = self._agents.pauses_changed
        self._access = AccessDuty(house.app, house.submission)
        self._measuring = Measuring(house.app, house.settings, process_id=self._executor_id)
        self._monitor = Monitor(house.app, house.inventory, house.registry, house.bus, house.settings)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled, then drain."""
        await in_thread(importlib.import_module, "dbos")
        await self._membership.join()
        try:
            await self._work()
        finally:
            await self._membership.leave()

    async def _work(self) -> None:
        stop_listening = self._house.feed.listen(self._hear)
        try:
            await self._engine.launch(self._workflows())
            self.ready.set()
            log.info("bootstrap.worker.started", process_id=str(self._executor_id))
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._runner.run())
                parts.create_task(self._agents.run())
                parts.create_task(self._measuring.run())
                parts.create_task(self._membership.run(self._lead))
        finally:
            await self._drain()
            stop_listening()

    async def _drain(self) -> None:
        """The heart beats on meanwhile, or others would take over what we are about to finish."""
        beating = asyncio.create_task(self._membership.beat())
        try:
            grace = self._house.settings.drain_seconds
            began = asyncio.get_running_loop().time()
            await asyncio.gather(self._agents.leave(), self._runner.drain(grace=grace))
            left = grace - (asyncio.get_running_loop().time() - began)
            await in_thread(self._engine.shutdown, grace=max(1.0, left))
        finally:
            beating.cancel()
            await asyncio.wait({beating})

    async def _take_over(self, crashed: Sequence[LostProcess]) -> None:
        """Processes were lost: what they had besides workflows goes on elsewhere."""
        await self._runner.release_lost()
        await self._agents.processes_changed()
        await tell_losses(self._house.app, self._house.bus, crashed)

    def _workflows(self) -> Workflows:
        house, workflows = self._house, Workflows()
        self._executor.register(workflows)
        desk = Desk(
            db=house.app,
            inventory=house.inventory,
            registry=house.registry,
            incidents=house.incidents,
            settings=house.settings,
        )
        Coordinator(desk, house.door, house.orders).register(workflows)
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
        if notice.kind in (CONTROLS, RECONNECTED):
            self._controls_changed.set()
        if notice.kind in (SCHEDULES, RECONNECTED):
            self._house.schedules.refresh()

    async def _lead(self) -> None:
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._monitor.run())
            duties.create_task(self._seal())
            duties.create_task(self._house.schedules.run(self._house.app))
            duties.create_task(self._release_held())
            duties.create_task(look_after_people(self._house.app, self._house.users, self._house.enrollments))
            duties.create_task(self._access.run())
            duties.create_task(keep_house(self._house.app, self._house.settings))

    async def _release_held(self) -> None:
        """What a pause held back goes on when it is lifted; also what was lifted while nobody led."""
        while True:
            self._controls_changed.clear()
            with suppress(Unavailable):
                await self._executor.release_held()
            await self._controls_changed.wait()

    async def _seal(self) -> None:
        while True:
            await seal_waiting(self._house.app, self._house.box.audit_key())
            await asyncio.sleep(_SEAL_EVERY)


async def seal_waiting(db: Database, key: bytes) -> None:
    """Seal all audit entries that wait, tenant by tenant. What goes wrong is logged and waits for the next round."""
    try:
        async with db.unit_of_work(None) as session:
            waiting = await audit.tenants_to_seal(session)
    except Unavailable:
        return
    except Exception:  # a boundary: sealing must not end with one bad round
        log.exception("bootstrap.seal.failed")
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
            log.exception("bootstrap.seal.failed", tenant_id=str(tenant_id))
