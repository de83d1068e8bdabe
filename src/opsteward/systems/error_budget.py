"""Tells when a system uses its error budget so fast that its objective will be missed, on the leader.

By two windows each, as is usual: a long one that says it matters, and a short one that says it still goes on. Ten or
more times too fast is told at once, slower burns after some hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, OpsError
from opsteward.core.log import get_logger
from opsteward.systems.health_silence import silenced_by
from opsteward.systems.models import System
from opsteward.systems.service import Inventory
from opsteward.systems.types import BudgetBurning

log = get_logger(__name__)

#: The system's setting with the availability that is promised, in percent.
OBJECTIVE = "objective_percent"
_LOOK_EVERY = 60.0  # seconds
_FEWEST_FAILURES = 3  # in the long window: one lost packet is no burn


@dataclass(frozen=True)
class _Rule:
    """So many times too fast, over a long and a short window (places in what the database counts)."""

    urgency: str
    rate: float
    long: int
    short: int
    hours: float


_RULES = (_Rule("fast", 14.4, 2, 0, 1.0), _Rule("slow", 6.0, 3, 1, 6.0))


@dataclass(frozen=True)
class Burn:
    """How fast the budget is used: `rate` 1 uses just all of it over the time of the objective."""

    urgency: str
    rate: float
    hours: float


def burn_of(objective: float | None, checks: Sequence[int], failed: Sequence[int], former: str | None) -> Burn | None:
    """What there is to tell, from the counts over 5 and 30 minutes, 1 and 6 hours. A burn that was told (`former`)
    lasts until its long window says so no more."""
    if objective is None:
        return None
    allowed = 1 - objective / 100
    rates = [lost / (all_ * allowed) if all_ else 0.0 for all_, lost in zip(checks, failed, strict=True)]
    for rule in _RULES:
        matters = rates[rule.long] >= rule.rate and failed[rule.long] >= _FEWEST_FAILURES
        if matters and (rates[rule.short] >= rule.rate or former == rule.urgency):
            return Burn(rule.urgency, round(rates[rule.long], 1), rule.hours)
    return None


class ErrorBudgetWatch:
    """Judges each minute every system that has an objective."""

    def __init__(self, db: Database, inventory: Inventory, bus: Bus) -> None:
        self._db = db
        self._inventory = inventory
        self._bus = bus

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self.look()
            except OpsError as error:
                log.warning("systems.budgets.skipped", error=error.detail)

    async def look(self, *, at: datetime | None = None) -> None:
        """Judge all now; what is news is published."""
        at = at or now()
        async with self._db.unit_of_work(None) as session:
            rows = (await session.execute(sa.text("select * from opsteward.error_budgets(:at)"), {"at": at})).all()
        for row in rows:
            burn = burn_of(row.objective, row.checks, row.failed, row.budget_alert)
            if (burn.urgency if burn else None) != row.budget_alert:
                try:
                    await self._tell(row.tenant_id, row.system_id, row.objective, burn, at)
                except NotFound:  # removed meanwhile
                    continue

    async def _tell(
        self, tenant_id: UUID, system_id: UUID, objective: float | None, burn: Burn | None, at: datetime
    ) -> None:
        async with self._db.unit_of_work(tenant_id) as session:
            target = await self._inventory.ref(session, system_id=system_id)
            if burn is not None and await silenced_by(session, system_id=system_id, at=at):
                return  # told once its silence has ended, if it still burns then
            await session.execute(
                sa.update(System)
                .where(System.tenant_id == tenant_id, System.id == system_id)
                .values(budget_alert=burn.urgency if burn else None)
            )
            message = BudgetBurning(
                system=target,
                urgency=burn.urgency if burn else None,
                rate=burn.rate if burn else 0.0,
                hours=burn.hours if burn else 0.0,
                objective_percent=objective or 0.0,
            )
            await self._bus.publish(session, message)
            log.info("systems.budget.changed", system=target.name, urgency=message.urgency, rate=message.rate)
