"""Watches every system on its interval, on the leader; publishes on the bus when a system's health changes.

The first failure is confirmed at once by a second look, then it counts; recovery is damped (`health_state`). While
nothing changes, checks are stored together in one statement per tenant and moment.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, NotFound, OpsError, Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlated, get_logger
from opsteward.core.pause import pause
from opsteward.systems.health_checks import health_of, run_checks
from opsteward.systems.health_recording import SteadyLook, record_look, record_steady, response_time_of
from opsteward.systems.health_silence import needs_a_look
from opsteward.systems.registration import MAX_INTERVAL, SHORTEST_INTERVAL
from opsteward.systems.service import Inventory
from opsteward.systems.settings import SystemSettings
from opsteward.systems.types import CheckOutcome

log = get_logger(__name__)

_CONFIRM_AFTER = 0.25  # seconds between the first failure and the look that confirms it
_RELOAD_EVERY = 60.0
_STORE_EVERY = 0.5
_FIRST_LOOKS_A_SECOND = 200


@dataclass(frozen=True)
class _Watched:
    tenant_id: UUID
    system_id: UUID
    interval: float


@dataclass(frozen=True)
class _Seen:
    target: SystemRef
    outcomes: Sequence[CheckOutcome]
    at: datetime


class Monitor:
    """One task per watched system; `refresh()` makes it read the inventory again."""

    def __init__(
        self, db: Database, inventory: Inventory, registry: Registry, bus: Bus, settings: SystemSettings
    ) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry
        self._bus = bus
        self._settings = settings
        self._changed = asyncio.Event()
        self._tasks: dict[_Watched, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(settings.check_concurrency)
        self._known: dict[UUID, tuple[SystemRef, dict[str, str]]] = {}  # forgotten at each reading of the inventory
        self._healthy: set[UUID] = set()
        # looks at what failing systems need, and what came of them, shared by all of them
        self._looks: dict[UUID, asyncio.Task[_Seen | None]] = {}
        self._causes: dict[UUID, asyncio.Task[bool]] = {}
        self._steady: dict[UUID, list[SteadyLook]] = defaultdict(list)

    def refresh(self) -> None:
        """The inventory has changed."""
        self._known = {}
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._store_steady_looks())
                parts.create_task(self._follow_inventory())
        finally:
            self._adopt([])

    async def _follow_inventory(self) -> None:
        while True:
            self._changed.clear()
            with suppress(Unavailable):
                self._adopt(await self._watched())
            await pause(_RELOAD_EVERY, until=self._changed)

    async def _watched(self) -> list[_Watched]:
        intervals = {
            "critical": self._settings.check_interval_critical,
            "standard": self._settings.check_interval_standard,
            "backup": self._settings.check_interval_backup,
        }
        async with self._db.unit_of_work(None) as session:
            rows = (await session.execute(sa.text("select * from opsteward.all_systems()"))).all()
        return [
            _Watched(row.tenant_id, row.id, _interval(row.settings, intervals.get(row.criticality, 60.0)))
            for row in rows
        ]

    def _adopt(self, wanted: Sequence[_Watched]) -> None:
        self._known = {}
        for gone in set(self._tasks) - set(wanted):
            self._tasks.pop(gone).cancel()
            self._healthy.discard(gone.system_id)
        fresh = set(wanted) - set(self._tasks)
        for new in fresh:
            self._tasks[new] = asyncio.create_task(self._watch(new, spread=len(fresh) / _FIRST_LOOKS_A_SECOND))

    async def _watch(self, watched: _Watched, *, spread: float) -> None:
        """`spread`: seconds over which the first looks at all new systems are spread."""
        loop = asyncio.get_running_loop()
        due = loop.time() + random.uniform(0, min(watched.interval, max(0.25, spread)))  # noqa: S311 - no secret
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            try:
                async with self._slots:
                    await self._look(watched.tenant_id, watched.system_id)
            except NotFound:
                return
            except OpsError as error:
                log.warning("systems.monitor.skipped", system_id=str(watched.system_id), error=error.detail)
            except Exception:  # the watch over one system must not die of one bad round
                log.exception("systems.monitor.crashed", system_id=str(watched.system_id))
            # on its own beat, whatever a look takes; beats that have passed meanwhile are left out
            due += watched.interval * max(1, -int((due - loop.time()) // watched.interval))

    async def check_now(self, tenant_id: UUID, system_id: UUID) -> str:
        """Look at one system once, store what was seen, return its health. Raises NotFound."""
        self._known.pop(system_id, None)
        self._healthy.discard(system_id)
        return await self._look(tenant_id, system_id)

    async def _look(self, tenant_id: UUID, system_id: UUID) -> str:
        with correlated(f"check-{system_id}"):
            try:
                target, secret = await self._target(tenant_id, system_id)
            except Invalid as unreadable:
                async with self._db.unit_of_work(tenant_id) as session:
                    target = await self._inventory.ref(session, system_id=system_id)
                return await self._store(target, [_unseen(target, unreadable)], now())
            seen_at = now()
            outcomes = await self._run(target, secret)
            if health_of(outcomes) == "healthy" and system_id in self._healthy:
                self._steady[tenant_id].append(SteadyLook(system_id, seen_at, response_time_of(outcomes)))
                return "healthy"
            if health_of(outcomes) == "down":
                await asyncio.sleep(_CONFIRM_AFTER)
                seen_at = now()
                outcomes = await self._run(target, secret)
                if health_of(outcomes) == "down":
                    await self._look_at_what_it_needs(target, seen_at)
            return await self._store(target, outcomes, seen_at)

    async def _look_at_what_it_needs(self, target: SystemRef, seen_at: datetime) -> None:
        """A cause is known before its consequences are told."""
        async with self._db.unit_of_work(target.tenant_id) as session:
            needed = await needs_a_look(session, system_id=target.id, seen_at=seen_at)
        # looked at side by side, and judged one after the other, the deepest first
        looks = {system_id: self._begun_look(target.tenant_id, system_id) for system_id in needed}
        for system_id in needed:
            verdict = self._causes.get(system_id)
            if verdict is None:
                verdict = self._causes[system_id] = asyncio.create_task(self._is_down(looks[system_id]))
                verdict.add_done_callback(partial(self._cause_is_known, system_id))
            if await asyncio.shield(verdict):  # others may wait for it too
                return

    def _begun_look(self, tenant_id: UUID, system_id: UUID) -> asyncio.Task[_Seen | None]:
        look = self._looks.get(system_id)
        if look is None:
            look = self._looks[system_id] = asyncio.create_task(self._seen(tenant_id, system_id))
            look.add_done_callback(partial(self._look_ended, system_id))
        return look

    def _look_ended(self, system_id: UUID, look: asyncio.Task[_Seen | None]) -> None:
        self._looks.pop(system_id, None)
        if not look.cancelled():
            look.exception()  # nobody may ask for it, where a deeper cause was found

    def _cause_is_known(self, system_id: UUID, _: asyncio.Task[bool]) -> None:
        self._causes.pop(system_id, None)

    async def _seen(self, tenant_id: UUID, system_id: UUID) -> _Seen | None:
        try:
            target, secret = await self._target(tenant_id, system_id)
        except (NotFound, Invalid):
            return None
        looked_at = now()
        return _Seen(target, await self._run(target, secret), looked_at)

    async def _is_down(self, look: asyncio.Task[_Seen | None]) -> bool:
        """Store it if it is; the failure of what needs it has confirmed it."""
        seen = await asyncio.shield(look)
        if seen is None or health_of(seen.outcomes) != "down":
            return False
        await self._store(seen.target, seen.outcomes, seen.at)
        return True

    async def _target(self, tenant_id: UUID, system_id: UUID) -> tuple[SystemRef, dict[str, str]]:
        known = self._known  # what is read before a change must not outlive it
        found = known.get(system_id)
        if found is None:
            async with self._db.unit_of_work(tenant_id) as session:
                target, credentials = await self._inventory.ref_with_secret(session, system_id=system_id)
            known[system_id] = found = (target, await credentials.followed())
        return found

    async def _run(self, target: SystemRef, secret: Mapping[str, str]) -> list[CheckOutcome]:
        checks = self._registry.checks_for(target, health_only=True)
        return await run_checks(target, secret, checks, timeout=self._settings.diagnosis_timeout)

    async def _store(self, target: SystemRef, outcomes: Sequence[CheckOutcome], seen_at: datetime) -> str:
        self._healthy.discard(target.id)
        async with self._db.unit_of_work(target.tenant_id) as session:
            health = await record_look(
                session, target=target, outcomes=outcomes, seen_at=seen_at, bus=self._bus, settings=self._settings
            )
        if health == "healthy" and health_of(outcomes) == "healthy":
            self._healthy.add(target.id)
        return health

    async def _store_steady_looks(self) -> None:
        """What was uneventful is stored together, twice a second at most."""
        while True:
            await asyncio.sleep(_STORE_EVERY)
            await self.store_steady()

    async def store_steady(self) -> None:
        """Store what was uneventful since the last time; what the database does not take is not counted."""
        looks, self._steady = self._steady, defaultdict(list)
        for tenant_id, of_tenant in looks.items():
            try:
                async with self._db.unit_of_work(tenant_id) as session:
                    await record_steady(session, of_tenant)
            except OpsError as error:
                log.warning("systems.monitor.not_stored", looks=len(of_tenant), error=error.detail)


def _unseen(target: SystemRef, unreadable: Invalid) -> CheckOutcome:
    """What is known of a system whose credentials can't be read: nothing, and why."""
    log.error("systems.credentials.unreadable", system=target.name, error=unreadable.detail)
    summary = f"its credentials can't be read: {unreadable.detail}"
    result = CheckResult(status=CheckStatus.UNKNOWN, summary=summary)
    return CheckOutcome(system=target, check="credentials", title="Credentials", result=result)


def _interval(settings: JsonObject, default: float) -> float:
    """A system's own `check_interval` (seconds) if it names one."""
    own = settings.get("check_interval")
    if not isinstance(own, int | float) or isinstance(own, bool):
        return default
    return min(max(SHORTEST_INTERVAL, own), MAX_INTERVAL)
