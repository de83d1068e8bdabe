"""Reports how the agents of one process are: a beat of all of them in one statement, and changes of their status soon.

What the beat does not take is no longer ours: another process has claimed it.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.agent_supervisor import AgentSupervisor, Beat
from opsteward.agents.service import tell_changes
from opsteward.agents.types import AgentReported, AgentStatus
from opsteward.contracts.agent import Report
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.log import get_logger
from opsteward.core.pause import pause

log = get_logger(__name__)

_TOGETHER = 0.1  # seconds that a change of status waits for others to come with it
_RETRY = 1.0  # seconds until the next try while the database is away

_BEAT = sa.text("select opsteward.beat_agents(:me, cast(:beats as jsonb))")


class StatusReporter:
    """One per process; `run()` until cancelled. Set `changed` when a supervisor's status has changed."""

    def __init__(
        self,
        db: Database,
        bus: Bus,
        supervisors: Mapping[UUID, AgentSupervisor],
        *,
        process_id: UUID,
        beat_seconds: float,
        on_lost: Callable[[Sequence[AgentSupervisor]], None],
    ) -> None:
        """`supervisors` are those that run here, as they come and go."""
        self._db = db
        self._bus = bus
        self._supervisors = supervisors
        self._process_id = process_id
        self._beat_seconds = beat_seconds
        self._on_lost = on_lost
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time() + self._beat_seconds
        while True:
            if await pause(max(0.0, next_beat - loop.time()), until=self.changed):
                await asyncio.sleep(min(_TOGETHER, max(0.0, next_beat - loop.time())))
            self.changed.clear()
            try:
                await self._report_changes()
                if loop.time() >= next_beat:
                    next_beat = loop.time() + self._beat_seconds
                    await self._beat()
            except Unavailable:
                await asyncio.sleep(_RETRY)
                self.changed.set()
            except Exception:  # a boundary: what can't be reported now must not silence all agents of the process
                log.exception("agents.status.report_failed")
                await asyncio.sleep(_RETRY)

    async def _beat(self) -> None:
        supervisors = dict(self._supervisors)
        if not supervisors:
            return
        async with self._db.unit_of_work(None) as session:
            beats = [supervisor.as_beat() for supervisor in supervisors.values()]
            ours = set(await self._write(session, beats))
        for supervisor, beat in zip(supervisors.values(), beats, strict=True):
            if supervisor.status != beat["status"]:
                # it changed meanwhile, and this may have been written after that
                self._has_written(supervisor, beat["status"])
        if lost := [
            supervisor
            for one, supervisor in supervisors.items()
            if one not in ours and self._supervisors.get(one) is supervisor
        ]:
            log.warning("agents.status.lost", agents=len(lost))
            self._on_lost(lost)

    async def _report_changes(self) -> None:
        """Changes of status go out tenant by tenant, with the live feed's record of them."""
        by_tenant: dict[UUID, list[AgentSupervisor]] = defaultdict(list)
        for supervisor in self._supervisors.values():
            if supervisor.status != supervisor.written:
                by_tenant[supervisor.assigned.tenant_id].append(supervisor)
        for tenant_id, supervisors in by_tenant.items():
            statuses = {supervisor.assigned.id: supervisor.status for supervisor in supervisors}
            async with self._db.unit_of_work(tenant_id) as session:
                ours = await self._write(session, [supervisor.as_beat() for supervisor in supervisors])
                await tell_changes(session, [(one, statuses[one]) for one in ours])
            for supervisor in supervisors:
                self._has_written(supervisor, statuses[supervisor.assigned.id])

    async def store_and_report(self, supervisor: AgentSupervisor, status: AgentStatus, report: Report) -> bool:
        """Store the status and publish the report in one transaction; nothing of an agent that is not ours."""
        beat: Beat = {**supervisor.as_beat(), "status": status, "told": not report.resolved}
        try:
            async with self._db.unit_of_work(supervisor.assigned.tenant_id) as session:
                ours = await self._write(session, [beat])
                await tell_changes(session, [(one, status) for one in ours])
                if ours:
                    await self._bus.publish(session, AgentReported(agent=supervisor.assigned.name, report=report))
        except Unavailable:
            return False
        supervisor.written = status
        return True

    def _has_written(self, supervisor: AgentSupervisor, status: str) -> None:
        supervisor.written = status
        if supervisor.status != status:
            self.changed.set()

    async def _write(self, session: AsyncSession, beats: Sequence[Beat]) -> list[UUID]:
        return list(await session.scalars(_BEAT, {"me": self._process_id, "beats": json.dumps(beats)}))
