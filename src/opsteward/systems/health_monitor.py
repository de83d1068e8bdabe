"""Watches every system on its interval, on the leader; publishes on the bus when a system's health changes.

The first failure is confirmed at once by a second look, then it counts; recovery is damped (several passes in a
row). While nothing changes, a check costs one small UPDATE.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Invalid, NotFound, OpsError, Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlated, get_logger
from opsteward.core.pause import pause
from opsteward.systems.health_checks import evidence_of, health_of, run_checks
from opsteward.systems.health_history import note_check
from opsteward.systems.models import System
from opsteward.systems.registration import MAX_INTERVAL, SHORTEST_INTERVAL
from opsteward.systems.service import Inventory
from opsteward.systems.settings import SystemSettings
from opsteward.systems.types import CheckOutcome, HealthChanged

log = get_logger(__name__)

_CONFIRM_AFTER = 0.25  # seconds between the first failure and the look that confirms it
_RELOAD_EVERY = 60.0
_DEGRADED_AFTER = 3  # warnings in a row before a system counts as degraded


@dataclass(frozen=True)
class _Watched:
    tenant_id: UUID
    system_id: UUID
    interval: float


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
        self._warnings: dict[UUID, int] = {}

    def refresh(self) -> None:
        """The inventory has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                self._changed.clear()
                with suppress(Unavailable):
                    self._adopt(await self._watched())
                await pause(_RELOAD_EVERY, until=self._changed)
        finally:
            self._adopt([])

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
        for gone in set(self._tasks) - set(wanted):
            self._tasks.pop(gone).cancel()
        for new in set(wanted) - set(self._tasks):
            self._tasks[new] = asyncio.create_task(self._watch(new))

    async def _watch(self, watched: _Watched) -> None:
        await asyncio.sleep(random.uniform(0, min(watched.interval, 5.0) / 2))  # noqa: S311 - spreads the load
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self.check_now(watched.tenant_id, watched.system_id)
            except NotFound:
                return
            except OpsError as error:
                log.warning("systems.monitor.skipped", system_id=str(watched.system_id), error=error.detail)
            except Exception:  # the watch over one system must not die of one bad round
                log.exception("systems.monitor.crashed", system_id=str(watched.system_id))
            await asyncio.sleep(max(0.05, watched.interval - (loop.time() - started)))

    async def check_now(self, tenant_id: UUID, system_id: UUID) -> str:
        """Look at one system once, store what was seen, return its health. Raises NotFound."""
        with correlated(f"check-{system_id}"):
            async with self._db.unit_of_work(tenant_id) as session:
                try:
                    target, secret = await self._inventory.ref_with_secret(session, system_id=system_id)
                except Invalid as unreadable:
                    target = await self._inventory.ref(session, system_id=system_id)
                    return await self._store(session, target, [_unseen(target, unreadable)], now())
            checks = self._registry.checks_for(target.endpoint, health_only=True)
            seen_at = now()
            outcomes = await run_checks(target, secret, checks, timeout=self._settings.diagnosis_timeout)
            if health_of(outcomes) == "down":
                await asyncio.sleep(_CONFIRM_AFTER)
                seen_at = now()
                outcomes = await run_checks(target, secret, checks, timeout=self._settings.diagnosis_timeout)
            async with self._db.unit_of_work(tenant_id) as session:
                return await self._store(session, target, outcomes, seen_at)

    async def _store(
        self, session: AsyncSession, target: SystemRef, outcomes: Sequence[CheckOutcome], seen_at: datetime
    ) -> str:
        row = await session.scalar(
            sa.select(System).where(System.tenant_id == tenant_of(session), System.id == target.id).with_for_update()
        )
        if row is None:
            raise NotFound("no system of this id")
        seen = health_of(outcomes)
        failed = any(o.result.status is CheckStatus.FAIL for o in outcomes)
        passes = 0 if failed or seen == "unknown" else row.passes_in_a_row + 1
        was, health = row.health, self._damped(row, seen, passes)
        response_time = max((o.result.seconds for o in outcomes if o.result.seconds is not None), default=None)
        values: dict[str, object] = {
            "checked_at": now(),
            "response_time": response_time,
            "checks_total": System.checks_total + 1,
            "checks_failed": System.checks_failed + int(failed),
            "passes_in_a_row": passes,
        }
        if health != was:
            values |= {"health": health, "health_since": now()}
        if health != was or health != "healthy" or not row.evidence:
            values["evidence"] = evidence_of(outcomes)
        await session.execute(
            sa.update(System).where(System.tenant_id == target.tenant_id, System.id == target.id).values(values)
        )
        if seen != "unknown":
            await note_check(session, system_id=target.id, at=seen_at, failed=failed, response_time=response_time)
        if health != was:
            log.info("systems.health.changed", system=target.name, was=was, now=health)
            await self._bus.publish(
                session,
                HealthChanged(
                    system=target,
                    criticality=row.criticality,
                    was=was,
                    now=health,
                    seen_at=seen_at,
                    outcomes=list(outcomes),
                ),
            )
        return health

    def _damped(self, row: System, seen: str, passes: int) -> str:
        """The health that counts: failures at once, warnings after a few, recovery after enough passes."""
        warnings = self._warnings.get(row.id, 0) + 1 if seen == "degraded" else 0
        self._warnings[row.id] = warnings
        if seen == "degraded" and row.health not in ("down", "degraded") and warnings < _DEGRADED_AFTER:
            return row.health if row.health != "unknown" else "healthy"
        if row.health in ("down", "degraded") and seen in ("healthy", "unknown"):
            enough = seen == "healthy" and passes >= self._settings.recovery_passes
            return "healthy" if enough else row.health
        return seen


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
