"""The agents of one process: it takes its fair share, runs them, and says together how they are.

Each worker process has a runtime. An agent has one owner at a time: whoever has its row's `process_id`. A process
that lost an agent finds out by its next claim or beat, and ends it; one that can't be sure any more (its own
heartbeat is overdue) begins no run. Beats of all agents go out in one statement.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.agent_supervisor import AgentSupervisor, Assigned, Rules
from opsteward.agents.context import Context
from opsteward.agents.registry import AgentRegistry
from opsteward.agents.service import tell_changes
from opsteward.agents.settings import AgentSettings
from opsteward.agents.types import MESSAGE, ORDERS, AgentReported, AgentStatus, Desired
from opsteward.contracts.agent import Report
from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import get_logger

log = get_logger(__name__)

#: The tenant under which notices go out that are meant for everybody.
EVERYBODY = UUID(int=0)
_LOOK_EVERY = 60.0  # seconds between looks that nothing has asked for
_TOGETHER = 0.1  # so long a look or a change of status waits for others to come with it
_RETRY = 1.0
#: So many more than its fair share, or a tenth of it, a process keeps: agents don't move for nothing.
_SLACK = 2

_CLAIM = sa.text("select * from opsteward.claim_agents(:me, :kinds, :alive, :patience)")
_BEAT = sa.text("select opsteward.beat_agents(:me, cast(:beats as jsonb))")
_FREE = sa.text("select opsteward.free_agents(:me, :ids)")


class Runtime:
    """`run()` until cancelled, then `leave()`; `hear` every notice of the feed, `note_beat` the process's heartbeat."""

    def __init__(
        self,
        db: Database,
        agent_types: AgentRegistry,
        bus: Bus,
        settings: AgentSettings,
        *,
        process_id: UUID,
        paused: Callable[[UUID], bool] = lambda _: False,
    ) -> None:
        self._db = db
        self._agent_types = agent_types
        self._bus = bus
        self._settings = settings
        self._me = process_id
        self._rules = Rules(
            failures_until_failed=settings.agent_failures,
            backoff_factor=settings.backoff_factor,
            max_backoff=settings.max_backoff,
            may_run=self._sure,
            paused=paused,
        )
        self._lives: dict[UUID, AgentSupervisor] = {}
        self._endings: dict[UUID, asyncio.Task[None]] = {}
        self._restarts: dict[UUID, int] = {}
        self._wakes: dict[str, set[UUID]] = defaultdict(set)
        self._orders = asyncio.Event()
        self._changed = asyncio.Event()
        self._sure_until = 0.0
        self._leaving = False

    def note_beat(self, taken: bool) -> None:
        """Whether the database took this process's heartbeat: what it owns is safe for a while from then on."""
        if taken:
            self._sure_until = asyncio.get_running_loop().time() + self._settings.process_lost_after

    def hear(self, notice: Notice) -> None:
        """What changed in the installation."""
        if notice.kind in (ORDERS, RECONNECTED):
            self._orders.set()
        if notice.kind == MESSAGE:
            addressed = self._lives.get(_uuid(notice.id))
            if addressed is not None:
                addressed.wake()
        elif notice.kind == RECONNECTED:  # they may have missed what would have woken them
            for agent_supervisor in self._lives.values():
                if agent_supervisor.assigned.every is None or agent_supervisor.wakes_on:
                    agent_supervisor.wake()
        else:
            for one in self._wakes.get(notice.kind, ()):
                woken = self._lives.get(one)
                if woken is not None and notice.tenant_id in (woken.assigned.tenant_id, EVERYBODY):
                    woken.wake()

    def pauses_changed(self) -> None:
        """An emergency pause was set or lifted."""
        for agent_supervisor in self._lives.values():
            agent_supervisor.look_again()

    async def processes_changed(self) -> None:
        """A process came or went: all share anew. Raises Unavailable."""
        async with self._db.unit_of_work(EVERYBODY) as session:
            await feed.announce(session, kind=ORDERS, object_id="")

    async def run(self) -> None:
        """Own and run agents until cancelled; they run on until `leave()`."""
        with suppress(Unavailable):
            await self.processes_changed()
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._own())
            parts.create_task(self._speak())

    async def leave(self) -> None:
        """End all agents within seconds and give them up for others to take."""
        self._leaving = True
        self._end(list(self._lives.values()), free=True)
        await asyncio.gather(*self._endings.values(), return_exceptions=True)
        with suppress(Unavailable):
            await self.processes_changed()

    def _sure(self) -> bool:
        return asyncio.get_running_loop().time() < self._sure_until

    # ------------------------------------------------------------ owning

    async def _own(self) -> None:
        while True:
            self._orders.clear()
            wait = _LOOK_EVERY
            try:
                await self._look()
            except Unavailable:
                wait = _RETRY
            except Exception:  # a boundary: one bad round must not leave the agents without an owner
                log.exception("agents.runtime.look_failed")
                wait = _RETRY
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._orders.wait()
            await asyncio.sleep(_TOGETHER)

    async def _look(self) -> None:
        """Take what is free, begin what is ours, end what is not, and obey orders."""
        async with self._db.unit_of_work(None) as session:
            rows = (await session.execute(_CLAIM, self._claim())).all()
        owned: dict[UUID, Assigned] = {}
        share = 0
        for row in rows:
            values = dict(row._mapping)
            share = values.pop("fair_share")
            owned[row.id] = Assigned(**values)
        self._end([agent_supervisor for one, agent_supervisor in self._lives.items() if one not in owned], free=False)
        here = [one for one in owned.values() if one.id not in self._endings]
        self._obey([one for one in here if one.id in self._lives])
        unwanted = [one for one in here if one.id not in self._lives and not self._wanted(one)]
        if unwanted:
            await self._give_up(unwanted)
        for one in here:
            if one.id not in self._lives and one.id not in self._endings and self._wanted(one):
                self._begin(one)
        self._end(self._beyond(share), free=True)

    def _claim(self) -> dict[str, Any]:
        return {
            "me": self._me,
            "kinds": self._agent_types.names,
            "alive": 2 * self._settings.process_lost_after,
            "patience": 3 * self._settings.agent_beat_seconds,
        }

    def _wanted(self, row: Assigned) -> bool:
        return row.desired != Desired.STOPPED and self._agent_types.get(row.kind) is not None

    def _obey(self, rows: Sequence[Assigned]) -> None:
        """What is wanted now of the agents that live here."""
        self._end([self._lives[row.id] for row in rows if row.desired == Desired.STOPPED], free=True, stopped=True)
        anew = [
            self._lives[row.id]
            for row in rows
            if row.desired != Desired.STOPPED and row.generation != self._lives[row.id].assigned.generation
        ]
        for agent_supervisor in anew:
            self._restarts[agent_supervisor.assigned.id] = agent_supervisor.restarts + 1
        self._end(anew, free=False, anew=True)
        for row in rows:
            if row.id in self._lives:
                self._lives[row.id].obey(row.desired)

    def _begin(self, row: Assigned) -> None:
        if self._leaving:
            return
        agent_supervisor = AgentSupervisor(
            row, self._agent_types, self._context, self._rules, changed=self._changed.set, tell=self._tell
        )
        agent_supervisor.restarts = max(agent_supervisor.restarts, self._restarts.pop(row.id, 0))
        self._lives[row.id] = agent_supervisor
        for kind in agent_supervisor.wakes_on:
            self._wakes[kind].add(row.id)

    def _beyond(self, share: int) -> Sequence[AgentSupervisor]:
        """Those that are too many here, once a process has come that may take them."""
        keep = share + max(_SLACK, share // 10)
        return list(self._lives.values())[share:] if len(self._lives) > keep else []

    def _end(self, lives: Sequence[AgentSupervisor], *, free: bool, stopped: bool = False, anew: bool = False) -> None:
        """End them beside everything else. `free`: then give their rows up; else they are begun anew if still ours."""
        if not lives:
            return
        rows = [agent_supervisor.assigned for agent_supervisor in lives]
        for row in rows:
            self._lives.pop(row.id, None)
            for woken in self._wakes.values():
                woken.discard(row.id)

        async def end() -> None:
            try:
                await asyncio.gather(
                    *(agent_supervisor.end(at_once=not free and not anew) for agent_supervisor in lives)
                )
                if free:
                    await self._give_up(rows, stopped=stopped)
            except Unavailable:
                pass  # the rows are still ours: the next look tries again
            finally:
                for row in rows:
                    self._endings.pop(row.id, None)
                self._orders.set()

        task = asyncio.create_task(end())
        self._endings |= dict.fromkeys((row.id for row in rows), task)

    async def _give_up(self, rows: Sequence[Assigned], *, stopped: bool = True) -> None:
        """Their rows are free; `stopped`: nobody is to take them. Raises Unavailable."""
        by_tenant: dict[UUID, list[UUID]] = defaultdict(list)
        for row in rows:
            by_tenant[row.tenant_id].append(row.id)
        async with self._db.unit_of_work(EVERYBODY) as session:
            await session.execute(_FREE, {"me": self._me, "ids": [row.id for row in rows]})
            if not stopped:
                await feed.announce(session, kind=ORDERS, object_id="")
        for tenant_id, ids in by_tenant.items() if stopped else ():
            async with self._db.unit_of_work(tenant_id) as session:
                await tell_changes(session, [(one, AgentStatus.STOPPED) for one in ids])

    def _context(self, row: Assigned, params: BaseModel) -> Context:
        return Context(
            self._db,
            self._bus,
            tenant_id=row.tenant_id,
            agent_id=row.id,
            process_id=self._me,
            name=row.name,
            params=params,
        )

    # ------------------------------------------------------------ saying how they are

    async def _speak(self) -> None:
        """Beat for all agents together, and tell of changes of their status soon."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time() + self._settings.agent_beat_seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_beat - loop.time())):
                    await self._changed.wait()
                    await asyncio.sleep(_TOGETHER)
            self._changed.clear()
            try:
                await self._tell_changes()
                if loop.time() >= next_beat:
                    next_beat = loop.time() + self._settings.agent_beat_seconds
                    await self._beat()
            except Unavailable:
                await asyncio.sleep(_RETRY)
                self._changed.set()
            except Exception:  # a boundary: what can't be said now must not silence all agents of the process
                log.exception("agents.runtime.speak_failed")
                await asyncio.sleep(_RETRY)

    async def _beat(self) -> None:
        lives = dict(self._lives)
        if not lives:
            return
        async with self._db.unit_of_work(None) as session:
            beats = [agent_supervisor.as_beat() for agent_supervisor in lives.values()]
            ours = set(await self._write(session, beats))
        for agent_supervisor, beat in zip(lives.values(), beats, strict=True):
            if (
                agent_supervisor.status != beat["status"]
            ):  # it turned meanwhile, and this may have been written after that
                self._has_written(agent_supervisor, beat["status"])
        if lost := [
            agent_supervisor
            for one, agent_supervisor in lives.items()
            if one not in ours and self._lives.get(one) is agent_supervisor
        ]:
            log.warning("agents.runtime.lost", agents=len(lost))
            self._end(lost, free=False)

    async def _tell_changes(self) -> None:
        """Changes of status go out tenant by tenant, with the live feed's record of them."""
        by_tenant: dict[UUID, list[AgentSupervisor]] = defaultdict(list)
        for agent_supervisor in self._lives.values():
            if agent_supervisor.status != agent_supervisor.written:
                by_tenant[agent_supervisor.assigned.tenant_id].append(agent_supervisor)
        for tenant_id, lives in by_tenant.items():
            said = {agent_supervisor.assigned.id: agent_supervisor.status for agent_supervisor in lives}
            async with self._db.unit_of_work(tenant_id) as session:
                ours = await self._write(session, [agent_supervisor.as_beat() for agent_supervisor in lives])
                await tell_changes(session, [(one, said[one]) for one in ours])
            for agent_supervisor in lives:
                self._has_written(agent_supervisor, said[agent_supervisor.assigned.id])

    async def _tell(self, agent_supervisor: AgentSupervisor, status: AgentStatus, report: Report) -> bool:
        """Store the status and what is to be said of it together; nothing of an agent that is not ours."""
        beat = agent_supervisor.as_beat() | {"status": status, "told": not report.resolved}
        try:
            async with self._db.unit_of_work(agent_supervisor.assigned.tenant_id) as session:
                ours = await self._write(session, [beat])
                await tell_changes(session, [(one, status) for one in ours])
                if ours:
                    await self._bus.publish(session, AgentReported(agent=agent_supervisor.assigned.name, report=report))
        except Unavailable:
            return False
        agent_supervisor.written = status
        return True

    def _has_written(self, agent_supervisor: AgentSupervisor, status: str) -> None:
        agent_supervisor.written = status
        if agent_supervisor.status != status:
            self._changed.set()

    async def _write(self, session: AsyncSession, beats: Sequence[dict[str, Any]]) -> list[UUID]:
        return list(await session.scalars(_BEAT, {"me": self._me, "beats": json.dumps(beats)}))


def _uuid(text: str) -> UUID:
    """The id in a notice; nobody's for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return EVERYBODY
