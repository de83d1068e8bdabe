"""Misses heartbeats that are late, on the leader: their health is stored and told as that of every system."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.connector import SystemRef
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import NotFound, OpsError
from opsteward.core.log import get_logger
from opsteward.core.pause import pause
from opsteward.systems.health_recording import record_look
from opsteward.systems.models import Heartbeat
from opsteward.systems.service import Inventory
from opsteward.systems.settings import SystemSettings
from opsteward.systems.types import CheckOutcome

log = get_logger(__name__)

_LOOK_EVERY = 1.0  # seconds, while there are heartbeats
_LOOK_FOR_FIRST_EVERY = 60.0  # should the news of it be lost
_AT_ONCE = 500


class HeartbeatWatch:
    """Looks each second at the heartbeats whose health may have changed, and once a minute at each; where there are
    none it rests until `refresh()`."""

    def __init__(self, db: Database, inventory: Inventory, bus: Bus, settings: SystemSettings) -> None:
        self._db = db
        self._inventory = inventory
        self._bus = bus
        self._settings = settings
        self._changed = asyncio.Event()

    def refresh(self) -> None:
        """The inventory has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._changed.clear()
            rest = _LOOK_FOR_FIRST_EVERY
            try:
                kept = await self._are_kept()
                while kept and not self._changed.is_set():
                    await self.look()
                    await pause(_LOOK_EVERY, until=self._changed)
            except OpsError as error:
                log.warning("systems.heartbeats.skipped", error=error.detail)
                rest = _LOOK_EVERY
            await pause(rest, until=self._changed)

    async def _are_kept(self) -> bool:
        async with self._db.unit_of_work(None) as session:
            return bool(await session.scalar(sa.text("select opsteward.heartbeats_are_kept()")))

    async def look(self) -> int:
        """Judge what there is to judge now; how many heartbeats that were."""
        async with self._db.unit_of_work(None) as session:
            rows = (
                await session.execute(
                    sa.text("select * from opsteward.heartbeats_to_judge(:at, :most)"), {"at": now(), "most": _AT_ONCE}
                )
            ).all()
        for row in rows:
            await self._judge_alone(row.tenant_id, row.system_id)
        return len(rows)

    async def _judge_alone(self, tenant_id: UUID, system_id: UUID) -> None:
        """In a transaction of its own: one that can't be judged holds up no other."""
        try:
            async with self._db.unit_of_work(tenant_id) as session:
                await self._judge(session, system_id)
        except NotFound:  # removed meanwhile
            return
        except OpsError as error:
            log.warning("systems.heartbeats.skipped", system_id=str(system_id), error=error.detail)
        except Exception:  # a boundary: nor one heartbeat end the leader's other duties
            log.exception("systems.heartbeats.crashed", system_id=str(system_id))

    async def _judge(self, session: AsyncSession, system_id: UUID) -> None:
        target, at = await self._inventory.ref(session, system_id=system_id), now()
        outcome = await heartbeat_outcome(session, target, at)
        if outcome is None:
            raise NotFound("no heartbeat of this id")
        await record_look(
            session, target=target, outcomes=[outcome], seen_at=at, bus=self._bus, settings=self._settings
        )


async def heartbeat_outcome(session: AsyncSession, target: SystemRef, at: datetime) -> CheckOutcome | None:
    """Whether a heartbeat has called in time and well; None for a system that is none."""
    row = await session.scalar(
        sa.select(Heartbeat).where(Heartbeat.tenant_id == tenant_of(session), Heartbeat.system_id == target.id)
    )
    if row is None:
        return None
    late = row.late_at <= at
    evidence = {
        "late_at": row.late_at.isoformat(),
        "last_ping_at": row.last_ping_at.isoformat() if row.last_ping_at else None,
        "last_signal": row.last_signal,
    }
    result = CheckResult(
        status=CheckStatus.FAIL if row.failed or late else CheckStatus.PASS,
        summary=_said(row, late),
        evidence=evidence,
    )
    return CheckOutcome(system=target, check="heartbeat", title="Heartbeat", result=result)


def _said(row: Heartbeat, late: bool) -> str:
    if late and row.running_since is not None:
        return f"started at {row.running_since:%Y-%m-%d %H:%M:%S} UTC and did not end within {row.grace} s"
    if late:
        last = (
            f"the last one came at {row.last_ping_at:%Y-%m-%d %H:%M:%S} UTC" if row.last_ping_at else "none ever came"
        )
        return f"no call came until {row.late_at:%Y-%m-%d %H:%M:%S} UTC; {last}"
    if row.failed:
        return f"it reports a failure ({row.last_signal})"
    if row.last_ping_at:
        return f"called in time, at {row.last_ping_at:%Y-%m-%d %H:%M:%S} UTC ({row.last_signal})"
    return f"waits for its first call, until {row.late_at:%Y-%m-%d %H:%M:%S} UTC"
