"""One running Opsteward process: what is built, in which order it comes up and goes down.

`up` is everything in one process. The API answers first; the engine and the console, which take seconds to
import, come up behind it on the same event loop. `worker` is the same without the API.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from opsteward.actions.service.door import Door
from opsteward.actions.service.executor import Executor
from opsteward.api.rooms import Rooms
from opsteward.bootstrap.housekeeping import keep_house
from opsteward.bootstrap.registry import build_registry, known_actions
from opsteward.bootstrap.subscriptions import Subscriptions
from opsteward.bootstrap.task_types import shipped_task_types
from opsteward.console.rooms import ConsoleRooms
from opsteward.contracts.integration import Integration
from opsteward.contracts.registry import Registry
from opsteward.core.blocking import in_thread
from opsteward.core.bus import Bus
from opsteward.core.crypto import SecretBox, load_secret
from opsteward.core.db import APPLICATION_NAME, Database
from opsteward.core.durable import Engine, Workflows
from opsteward.core.embedded import EmbeddedPostgres, prepare_home
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.feed import RECONNECTED, Feed, Notice
from opsteward.core.log import get_logger
from opsteward.core.processes import Membership, new_executor_id
from opsteward.core.provision import DatabaseUrls, provision
from opsteward.core.settings import Settings
from opsteward.events.service.incidents import Incidents
from opsteward.events.service.intake import Intake
from opsteward.events.service.orders import StandingOrders
from opsteward.identity.service import access, tenants
from opsteward.systems.own_database import OwnDatabase
from opsteward.systems.service.inventory import Inventory
from opsteward.systems.service.monitor import Monitor
from opsteward.tasks.service.catalogue import Catalogue
from opsteward.tasks.service.controls import Gate
from opsteward.tasks.service.runner import Runner
from opsteward.tasks.service.schedules import Schedules
from opsteward.tasks.service.submission import Submission
from opsteward.tasks.types import CONTROLS, SCHEDULES
from opsteward.telemetry.service import audit
from opsteward.troubleshooting.service.coordinator import Coordinator
from opsteward.troubleshooting.service.desk import Desk
from opsteward.troubleshooting.service.sessions import Sessions

log = get_logger(__name__)

_SEAL_EVERY = 2.0  # seconds; how long an audit entry may wait for its seal
_WATCH_EVERY = 1.0
#: Rooms whose tables must be known before the first migration.
TABLES = ("core.processes", *(f"{r}.models" for r in (
    "identity", "telemetry", "tasks", "systems", "actions", "events", "troubleshooting")))  # fmt: skip


@dataclass(kw_only=True)
class House:
    """All rooms of a process, built but not started. One bus; a database engine for each role."""

    settings: Settings
    urls: DatabaseUrls
    box: SecretBox
    registry: Registry
    bus: Bus
    web: Database
    app: Database
    inventory: Inventory
    door: Door
    incidents: Incidents
    orders: StandingOrders
    intake: Intake
    sessions: Sessions
    task_types: Catalogue
    submission: Submission
    schedules: Schedules
    feed: Feed


def build_house(settings: Settings, integrations: Sequence[Integration] = ()) -> House:
    """Make the database ready and wire the rooms, with further `integrations` beside those that ship.

    Raises OpsError with a remedy.
    """
    prepare_home(settings.home)
    for room in TABLES:
        importlib.import_module(f"opsteward.{room}")
    box = SecretBox(load_secret(settings.secret_key.get_secret_value() if settings.secret_key else None, settings.home))
    try:
        urls = provision(settings, box)
        return _wire(settings, box, urls, build_registry(settings, integrations))
    except BaseException:
        _leave_server(settings)
        raise


def _leave_server(settings: Settings) -> None:
    """Stop the embedded server, if there is one and nobody else needs it."""
    if settings.database_url is None:
        EmbeddedPostgres(settings.home).stop_if_last(APPLICATION_NAME)


def _wire(settings: Settings, box: SecretBox, urls: DatabaseUrls, registry: Registry) -> House:
    bus = Bus()
    defaults = {"response_time_seconds": settings.response_time_threshold}
    inventory = Inventory(registry, box, bus, defaults, OwnDatabase(urls.admin).refusal)
    door = Door(registry, inventory, bus)
    incidents = Incidents(bus)
    orders = StandingOrders(known_actions(registry))
    intake = Intake(bus, incidents, orders, inventory)
    sessions = Sessions(inventory)
    Subscriptions(intake=intake, incidents=incidents, door=door, sessions=sessions).connect(bus)
    pool = {"pool_size": settings.database_pool_size, "pool_max": settings.database_pool_max}
    app = Database(urls.app, name="app", **pool)
    shipped = shipped_task_types(app, inventory, registry, settings)
    task_types = Catalogue([*shipped, *registry.task_types], max_params_bytes=settings.max_task_params_bytes)
    submission = Submission(task_types, settings)
    return House(
        settings=settings,
        urls=urls,
        box=box,
        registry=registry,
        bus=bus,
        web=Database(urls.web, name="web", **pool),
        app=app,
        inventory=inventory,
        door=door,
        incidents=incidents,
        orders=orders,
        intake=intake,
        sessions=sessions,
        task_types=task_types,
        submission=submission,
        schedules=Schedules(submission),
        feed=Feed(urls.web),
    )


class Worker:
    """The part of a process that works: engine, membership, and the leader's duties."""

    def __init__(self, house: House, *, kind: str, on_beat: Callable[[bool], None]) -> None:
        """`on_beat(ok)`: see Membership."""
        self._house = house
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
            on_beat=on_beat,
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
        )
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
            await self._runner.drain(grace=grace)
            left = grace - (asyncio.get_running_loop().time() - began)
            await in_thread(self._engine.shutdown, grace=max(1.0, left))
        finally:
            beating.cancel()
            await asyncio.wait({beating})

    async def _take_over(self) -> None:
        """Processes were lost: what they had besides workflows goes on elsewhere."""
        await self._runner.release_lost()

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

    def _hear(self, notice: Notice) -> None:
        self._runner.hear(notice)
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


class PartDied(Exception):
    """A part of the process came to an unexpected end, and the process with it; the log has it in full."""


class Process:
    """Tasks of one process, started and stopped in order.

    A part that dies takes the process with it, for a half-alive one helps nobody: `on_death` is called, and has to
    bring about an orderly stop; `failure` is what it died of.
    """

    def __init__(self, house: House, *, kind: str, on_death: Callable[[], None] = lambda: None) -> None:
        self.house = house
        self.worker = Worker(house, kind=kind, on_beat=self._note_beat)
        self.parts = {"database": True, "worker": False}
        self.failure: BaseException | None = None
        self._on_death = on_death
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *extra: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin everything; `extra` are coroutines to run beside the rest."""
        duties = [self._work, self.house.feed.run, *extra]
        if self.house.settings.database_url is None:
            duties.append(self._watch_postgres)
        self._tasks = [asyncio.create_task(self._watched(duty)) for duty in duties]

    async def stop(self) -> None:
        """Drain, give back connections, and stop the embedded server if nobody else needs it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.house.web.close()
        await self.house.app.close()
        await in_thread(_leave_server, self.house.settings)

    def raise_failure(self) -> None:
        """After the stop: raises PartDied if it was for a part's death."""
        if self.failure is not None:
            said = self.failure.detail if isinstance(self.failure, OpsError) else type(self.failure).__name__
            raise PartDied(said) from self.failure

    async def _watched(self, duty: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await duty()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.exception("bootstrap.part.died", part=duty.__qualname__)
            self.failure = self.failure or error
            self._on_death()

    def _note_beat(self, taken: bool) -> None:
        self.parts["database"] = taken

    async def _work(self) -> None:
        async def note_ready() -> None:
            await self.worker.ready.wait()
            self.parts["worker"] = True

        noting = asyncio.create_task(note_ready())
        try:
            await self.worker.run()
        finally:
            noting.cancel()

    async def _watch_postgres(self) -> None:
        server = EmbeddedPostgres(self.house.settings.home)
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            if server.pid() is None:
                self.parts["database"] = False  # until a beat is taken again
                log.warning("bootstrap.postgres.found_dead")
                with suppress(OpsError):
                    await in_thread(server.ensure_running)


def rooms_of(house: House, readiness: Callable[[], dict[str, bool]]) -> Rooms:
    """What the API's routes work with."""
    return Rooms(
        settings=house.settings,
        db=house.web,
        registry=house.registry,
        inventory=house.inventory,
        door=house.door,
        incidents=house.incidents,
        intake=house.intake,
        orders=house.orders,
        sessions=house.sessions,
        task_types=house.task_types,
        submission=house.submission,
        schedules=house.schedules,
        audit_key=house.box.audit_key(),
        readiness=readiness,
    )


def console_rooms_of(house: House, readiness: Callable[[], dict[str, bool]]) -> ConsoleRooms:
    """What the console's pages work with."""
    return ConsoleRooms(
        db=house.web,
        feed=house.feed,
        inventory=house.inventory,
        door=house.door,
        incidents=house.incidents,
        sessions=house.sessions,
        readiness=readiness,
    )


async def first_start(house: House) -> str | None:
    """Make the first tenant if there is none; returns a one-time sign-in link for its owner then."""
    tenant_id = await tenants.ensure_first_tenant(house.web, house.settings.home)
    if tenant_id is None:
        return None
    async with house.web.unit_of_work(tenant_id) as session:
        admin = await access.find_operator(session, name="admin")
        link = await access.issue_token(
            session,
            operator_id=admin.id,
            kind="link",
            name="first sign-in",
            actor="system:setup",
            ttl=timedelta(minutes=access.LINK_MINUTES),
        )
    return link.secret


@asynccontextmanager
async def running(process: Process, *extra: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """The process's parts run inside this context."""
    process.start(*extra)
    try:
        yield
    finally:
        await process.stop()
