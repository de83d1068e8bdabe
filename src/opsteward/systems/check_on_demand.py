"""All checks of one system, run because somebody asks: what was seen counts like any other look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.systems.health_checks import health_of, run_checks
from opsteward.systems.health_recording import record_look
from opsteward.systems.heartbeat_watch import heartbeat_outcome
from opsteward.systems.service import Inventory
from opsteward.systems.settings import SystemSettings
from opsteward.systems.types import CheckOutcome

_CONFIRM_AFTER = 0.25  # seconds, as the watch over all systems does


@dataclass(frozen=True, kw_only=True)
class SystemChecked:
    """What all checks of a system have shown, and the health that they alone speak of."""

    system: SystemRef
    health: str
    outcomes: list[CheckOutcome]


class ChecksOnDemand:
    """Runs the checks of a system and stores what its health checks have seen."""

    def __init__(
        self, db: Database, inventory: Inventory, registry: Registry, bus: Bus, settings: SystemSettings
    ) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry
        self._bus = bus
        self._settings = settings

    async def run(self, tenant_id: UUID, system_id: UUID) -> SystemChecked:
        """A heartbeat, which calls us, is judged by when it last did. Raises NotFound, Invalid."""
        async with self._db.unit_of_work(tenant_id) as session:
            target, credentials = await self._inventory.ref_with_secret(session, system_id=system_id)
            heartbeat = await heartbeat_outcome(session, target, now())
        if heartbeat is not None:
            outcomes = [heartbeat]
            await self._store(target, outcomes)
        else:
            outcomes = await self._look(target, await credentials.followed())
        return SystemChecked(system=target, health=health_of(outcomes), outcomes=outcomes)

    async def _look(self, target: SystemRef, secret: Mapping[str, str]) -> list[CheckOutcome]:
        timeout = self._settings.diagnosis_timeout
        outcomes = await run_checks(target, secret, self._registry.checks_for(target), timeout=timeout)
        of_health = self._registry.checks_for(target, health_only=True)
        slugs = {offered.check.slug for offered in of_health}
        counted = [outcome for outcome in outcomes if outcome.check in slugs]
        if health_of(counted) == "down":  # a first failure is confirmed before it counts
            await asyncio.sleep(_CONFIRM_AFTER)
            counted = await run_checks(target, secret, of_health, timeout=timeout)
        if counted:
            await self._store(target, counted)
        return outcomes

    async def _store(self, target: SystemRef, outcomes: list[CheckOutcome]) -> None:
        async with self._db.unit_of_work(target.tenant_id) as session:
            await record_look(
                session,
                target=target,
                outcomes=outcomes,
                seen_at=now(),
                bus=self._bus,
                settings=self._settings,
                asked=True,
            )
