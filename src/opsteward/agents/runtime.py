"""The agents of one process: it claims its fair share, runs them, and reports their status together.

Each worker process has a runtime. An agent has one owner at a time: whoever has its row's `process_id`. A process
that lost an agent finds out by its next claim or beat, and ends it; one that can't be sure any more (its own
heartbeat is overdue) begins no run. Beats of all agents go out in one statement.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel

from opsteward.agents.agent_supervisor import AgentSupervisor, Assigned, Rules
from opsteward.agents.context import Context
from opsteward.agents.registry import AgentRegistry
from opsteward.agents.service import tell_changes
from opsteward.agents.settings import AgentSettings
from opsteward.agents.status_reporting import StatusReporter
from opsteward.agents.types import MESSAGE, ORDERS, AgentStatus, Desired
from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.log import get_logger
from opsteward.core.pause import pause

log = get_logger(__name__)

#: The tenant under which notices go out that are meant for everybody.
EVERYBODY = UUID(int=0)
_LOOK_EVERY = 60.0  # seconds between looks that nothing has asked for
_TOGETHER = 0.1  # so long a look or a change of status waits for others to come with it
_RETRY = 1.0
#: So many more than its fair share, or a tenth of it, a process keeps: agents don't move for nothing.
_SLACK = 2

_CLAIM = sa.text("select * from opsteward.claim_agents(:me, :kinds, :alive, :patience)")
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
        self._process_id = process_id
        self._rules = Rules(
            failures_until_failed=settings.agent_failures,
            backoff_factor=settings.backoff_factor,
            max_backoff=settings.max_backoff,
            may_run=self._surely_owns,
            paused=paused,
        )
        self._supervisors: dict[UUID, AgentSupervisor] = {}
        self._endings: dict[UUID, asyncio.Task[None]] = {}
        self._restarts: dict[UUID, int] = {}
        self._wakes: dict[str, set[UUID]] = defaultdict(set)
        self._orders = asyncio.Event()
        self._reporter = StatusReporter(
            db,
            bus,
            self._supervisors,
            process_id=process_id,
            beat_seconds=settings.agent_beat_seconds,
            on_lost=partial(self._end, free=False),
        )
        self._owns_until = 0.0
        self._leaving = False

    def note_beat(self, taken: bool) -> None:
        """Whether the database took this process's heartbeat: what it owns is safe for a while from then on."""
        if taken:
            self._owns_until = asyncio.get_running_loop().time() + self._settings.process_lost_after

    def hear(self, notice: Notice) -> None:
        """What changed in the installation."""
        if notice.kind in (ORDERS, RECONNECTED):
            self._orders.set()
        if notice.kind == MESSAGE:
            addressed = self._supervisors.get(_uuid(notice.id))
            if addressed is not None:
                addressed.wake()
        elif notice.kind == RECONNECTED:  # they may have missed what would have woken them
            for supervisor in self._supervisors.values():
                if supervisor.assigned.every is None or supervisor.wakes_on:
                    supervisor.wake()
        else:
            for one in self._wakes.get(notice.kind, ()):
                woken = self._supervisors.get(one)
                if woken is not None and notice.tenant_id in (woken.assigned.tenant_id, EVERYBODY):
                    woken.wake()

    def pauses_changed(self) -> None:
        """An emergency pause was set or lifted."""
        for supervisor in self._supervisors.values():
            supervisor.look_again()

    async def processes_changed(self) -> None:
        """A process came or went: all processes claim their fair share anew. Raises Unavailable."""
        async with self._db.unit_of_work(EVERYBODY) as session:
            await feed.announce(session, kind=ORDERS, object_id="")

    async def run(self) -> None:
        """Own and run agents until cancelled; they run on until `leave()`."""
        with suppress(Unavailable):
            await self.processes_changed()
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._keep_claiming())
            parts.create_task(self._reporter.run())

    async def leave(self) -> None:
        """End all agents within seconds and give them up for others to take."""
        self._leaving = True
        self._end(list(self._supervisors.values()), free=True)
        await asyncio.gather(*self._endings.values(), return_exceptions=True)
        with suppress(Unavailable):
            await self.processes_changed()

    def _surely_owns(self) -> bool:
        return asyncio.get_running_loop().time() < self._owns_until

    # ------------------------------------------------------------ owning

    async def _keep_claiming(self) -> None:
        while True:
            self._orders.clear()
            wait = _LOOK_EVERY
            try:
                await self._claim_agents()
            except Unavailable:
                wait = _RETRY
            except Exception:  # a boundary: one bad round must not leave the agents without an owner
                log.exception("agents.runtime.claim_failed")
                wait = _RETRY
            await pause(wait, until=self._orders)
            await asyncio.sleep(_TOGETHER)

    async def _claim_agents(self) -> None:
        """Claim what is free, start what is ours, end what is not, and follow orders."""
        async with self._db.unit_of_work(None) as session:
            rows = (await session.execute(_CLAIM, self._claim_parameters())).all()
        owned: dict[UUID, Assigned] = {}
        fair_share = 0
        for row in rows:
            values = dict(row._mapping)
            fair_share = values.pop("fair_share")
            owned[row.id] = Assigned(**values)
        self._end([supervisor for one, supervisor in self._supervisors.items() if one not in owned], free=False)
        here = [one for one in owned.values() if one.id not in self._endings]
        self._follow_orders([one for one in here if one.id in self._supervisors])
        unwanted = [one for one in here if one.id not in self._supervisors and not self._wanted(one)]
        if unwanted:
            await self._give_up(unwanted)
        for one in here:
            if one.id not in self._supervisors and one.id not in self._endings and self._wanted(one):
                self._begin(one)
        self._end(self._surplus(fair_share), free=True)

    def _claim_parameters(self) -> dict[str, object]:
        return {
            "me": self._process_id,
            "kinds": self._agent_types.names,
            "alive": 2 * self._settings.process_lost_after,
            "patience": 3 * self._settings.agent_beat_seconds,
        }

    def _wanted(self, row: Assigned) -> bool:
        return row.desired != Desired.STOPPED and self._agent_types.get(row.kind) is not None

    def _follow_orders(self, rows: Sequence[Assigned]) -> None:
        """Stop, restart, pause or resume the agents that run here, as their rows say now."""
        self._end(
            [self._supervisors[row.id] for row in rows if row.desired == Desired.STOPPED], free=True, stopped=True
        )
        anew = [
            self._supervisors[row.id]
            for row in rows
            if row.desired != Desired.STOPPED and row.generation != self._supervisors[row.id].assigned.generation
        ]
        for supervisor in anew:
            self._restarts[supervisor.assigned.id] = supervisor.restarts + 1
        self._end(anew, free=False, anew=True)
        for row in rows:
            if row.id in self._supervisors:
                self._supervisors[row.id].obey(row.desired)

    def _begin(self, row: Assigned) -> None:
        if self._leaving:
            return
        supervisor = AgentSupervisor(
            row,
            self._agent_types,
            self._context,
            self._rules,
            changed=self._reporter.changed.set,
            store_and_report=self._reporter.store_and_report,
        )
        supervisor.restarts = max(supervisor.restarts, self._restarts.pop(row.id, 0))
        self._supervisors[row.id] = supervisor
        for kind in supervisor.wakes_on:
            self._wakes[kind].add(row.id)

    def _surplus(self, fair_share: int) -> Sequence[AgentSupervisor]:
        """Those beyond the fair share here, once a process has come that may take them."""
        keep = fair_share + max(_SLACK, fair_share // 10)
        return list(self._supervisors.values())[fair_share:] if len(self._supervisors) > keep else []

    def _end(
        self, supervisors: Sequence[AgentSupervisor], *, free: bool, stopped: bool = False, anew: bool = False
    ) -> None:
        """End them beside everything else. `free`: then give their rows up; else they are begun anew if still ours."""
        if not supervisors:
            return
        rows = [supervisor.assigned for supervisor in supervisors]
        for row in rows:
            self._supervisors.pop(row.id, None)
            for woken in self._wakes.values():
                woken.discard(row.id)

        async def end() -> None:
            try:
                await asyncio.gather(*(supervisor.end(at_once=not free and not anew) for supervisor in supervisors))
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
            await session.execute(_FREE, {"me": self._process_id, "ids": [row.id for row in rows]})
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
            process_id=self._process_id,
            name=row.name,
            params=params,
        )


def _uuid(text: str) -> UUID:
    """The id in a notice; nobody's for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return EVERYBODY
