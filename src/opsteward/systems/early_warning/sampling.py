"""Measures every few minutes what can run out, on the leader, and has it judged: the longer the history, the rarer."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.systems.early_warning.figures import Figure, figures_of
from opsteward.systems.early_warning.service import judge, record
from opsteward.systems.health_checks import run_checks
from opsteward.systems.service import Inventory
from opsteward.systems.settings import SystemSettings

log = get_logger(__name__)

_AT_ONCE = 8  # systems
_JUDGED_AT_MOST_EVERY = timedelta(hours=1)


class Sampler:
    """Goes round all systems whose checks measure something."""

    def __init__(
        self, db: Database, inventory: Inventory, registry: Registry, bus: Bus, settings: SystemSettings
    ) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry
        self._bus = bus
        self._settings = settings
        self._begun: dict[tuple[UUID, str], datetime] = {}  # when this process saw a figure first
        self._judged: dict[tuple[UUID, str], datetime] = {}

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            await asyncio.sleep(self._settings.figures_every * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
            try:
                await self.measure_all()
            except Unavailable as error:
                log.warning("systems.figures.skipped", error=error.detail)

    async def measure_all(self) -> None:
        """One round over all systems."""
        async with self._db.unit_of_work(None) as session:
            rows = (await session.execute(sa.text("select id, tenant_id from opsteward.all_systems()"))).all()
        slots = asyncio.Semaphore(_AT_ONCE)
        known = {row.id for row in rows}
        for of_figure in (self._begun, self._judged):
            for key in [key for key in of_figure if key[0] not in known]:
                del of_figure[key]

        async def measured(tenant_id: UUID, system_id: UUID) -> None:
            async with slots:
                await self._measure_alone(tenant_id, system_id)

        await asyncio.gather(*(measured(row.tenant_id, row.id) for row in rows))

    async def _measure_alone(self, tenant_id: UUID, system_id: UUID) -> None:
        try:
            await self.measure(tenant_id, system_id)
        except NotFound:  # removed meanwhile
            return
        except OpsError as error:
            log.warning("systems.figures.skipped", system_id=str(system_id), error=error.detail)
        except Exception:  # a boundary: one system must not end the round
            log.exception("systems.figures.crashed", system_id=str(system_id))

    async def measure(self, tenant_id: UUID, system_id: UUID, *, at: datetime | None = None) -> list[Figure]:
        """Measure one system, keep its figures and judge those whose turn it is. Raises NotFound."""
        async with self._db.unit_of_work(tenant_id) as session:
            target = await self._inventory.ref(session, system_id=system_id)
        offered = self._registry.checks_for(target, measuring=True)
        if not offered:
            return []
        async with self._db.unit_of_work(tenant_id) as session:
            target, credentials = await self._inventory.ref_with_secret(session, system_id=system_id)
        secret, at = await credentials.followed(), at or now()
        outcomes = await run_checks(target, secret, offered, timeout=self._settings.diagnosis_timeout)
        measures = {one.check.slug: one.check.measures for one in offered}
        found = {figure.name: figure for o in outcomes for figure in figures_of(o, measures[o.check])}
        async with self._db.unit_of_work(tenant_id) as session:
            await record(session, system_id=system_id, figures=list(found.values()), at=at)
        horizon = timedelta(days=self._settings.early_warning_days)
        for name in found:
            if self._is_due(system_id, name, at):
                async with self._db.unit_of_work(tenant_id) as session:
                    await judge(session, system=target, name=name, at=at, horizon=horizon, bus=self._bus)
        return list(found.values())

    def _is_due(self, system_id: UUID, name: str, at: datetime) -> bool:
        """A young series is judged with each figure, an old one each hour."""
        key = (system_id, name)
        begun, last = self._begun.setdefault(key, at), self._judged.get(key)
        due = last is None or at - last >= min((at - begun) / 20, _JUDGED_AT_MOST_EVERY)
        if due:
            self._judged[key] = at
        return due
