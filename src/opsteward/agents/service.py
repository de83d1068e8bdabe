"""What operators do with agents: register, read, start, stop, restart, pause, resume, remove them.

An order is a row that says what is wanted, and a notice; the process that owns the agent does it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.failure_report import failure_report
from opsteward.agents.models import Agent, AgentMessage
from opsteward.agents.registry import AgentRegistry
from opsteward.agents.types import (
    CHANGED,
    ORDERS,
    AgentInfo,
    AgentReported,
    AgentStatus,
    Desired,
    MessageInfo,
    NewAgent,
    ProcessInfo,
)
from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.references import called
from opsteward.telemetry import audit

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
SHORTEST_INTERVAL = 0.1  # seconds
MAX_INTERVAL = 31_536_000.0
MAX_AGENTS = 10_000  # of one tenant
_MAX_REASON = 500

#: What an order makes of the wish, and the status at once where no process has the agent.
_ORDERS: dict[str, tuple[Desired, str]] = {
    "start": (Desired.RUNNING, "started"),
    "stop": (Desired.STOPPED, "stopped"),
    "restart": (Desired.RUNNING, "restarted"),
    "pause": (Desired.PAUSED, "paused"),
    "resume": (Desired.RUNNING, "resumed"),
}


class AgentService:
    """One per process; works in the caller's unit of work."""

    def __init__(self, agent_types: AgentRegistry, bus: Bus) -> None:
        self.agent_types = agent_types
        self._bus = bus

    async def register(self, session: AsyncSession, *, new: NewAgent, actor: str) -> AgentInfo:
        """Add an agent; it is started at once. Raises Invalid naming each field, Conflict for a taken name."""
        offered = self.agent_types.check(new.kind, new.params)
        if not _NAME.fullmatch(new.name):
            raise Invalid.field("name", "is no agent's name", "use 1 to 100 of a-z, 0-9, '.', '_' and '-'")
        if new.interval is not None and not SHORTEST_INTERVAL <= new.interval <= MAX_INTERVAL:
            raise Invalid.field("interval", "is out of bounds", f"{SHORTEST_INTERVAL} to {MAX_INTERVAL:.0f} seconds")
        tenant_id = tenant_of(session)
        known = sa.select(sa.func.count()).where(Agent.tenant_id == tenant_id)
        if (await session.scalar(known) or 0) >= MAX_AGENTS:
            raise Conflict(f"there are {MAX_AGENTS} agents already", remedy="remove some first")
        if await session.scalar(sa.select(Agent.id).where(Agent.tenant_id == tenant_id, Agent.name == new.name)):
            raise Conflict("an agent of this name exists already", remedy="choose another name")
        row = Agent(
            id=uuid7(),
            tenant_id=tenant_id,
            name=new.name,
            kind=new.kind,
            params=new.params,
            interval=new.interval if new.interval is not None else offered.interval,
            desired=Desired.RUNNING,
            status=AgentStatus.REGISTERED,
            created_by=actor,
        )
        session.add(row)
        await session.flush()
        await self._tell(session, row, "registered", actor=actor, detail={"kind": new.kind, "name": new.name})
        return self._info(row)

    async def page(
        self, session: AsyncSession, *, limit: int = MAX_AGENTS, after: UUID | None = None, ref: str | None = None
    ) -> list[AgentInfo]:
        """The tenant's agents by name; `after` is the last id of the previous page. `ref`: by name, id, or a part of
        the id."""
        tenant_id = tenant_of(session)
        query = sa.select(Agent).where(Agent.tenant_id == tenant_id).order_by(Agent.name).limit(limit)
        if after is not None:
            last = sa.select(Agent.name).where(Agent.tenant_id == tenant_id, Agent.id == after)
            query = query.where(Agent.name > last.scalar_subquery())
        if ref is not None:
            query = query.where(Agent.id.in_(await called(session, Agent, ref, names=[Agent.name == ref])))
        return [self._info(row) for row in await session.scalars(query)]

    async def counts(self, session: AsyncSession) -> dict[str, int]:
        """How many agents of this tenant stand where, and how many there are."""
        query = (
            sa.select(Agent.status, sa.func.count().label("n"))
            .where(Agent.tenant_id == tenant_of(session))
            .group_by(Agent.status)
        )
        found = {row.status: int(row.n) for row in await session.execute(query)}
        return {"total": sum(found.values()), **{status.value: found.get(status, 0) for status in AgentStatus}}

    async def get(self, session: AsyncSession, *, agent_id: UUID) -> AgentInfo:
        """One agent. Raises NotFound."""
        return self._info(await self._row(session, agent_id))

    async def find(self, session: AsyncSession, *, name: str) -> AgentInfo | None:
        """The agent of this name."""
        row = await session.scalar(sa.select(Agent).where(Agent.tenant_id == tenant_of(session), Agent.name == name))
        return self._info(row) if row is not None else None

    async def order(
        self, session: AsyncSession, *, agent_id: UUID, order: str, actor: str, reason: str = ""
    ) -> AgentInfo:
        """`start`, `stop`, `restart`, `pause` or `resume` it; what it is already is no error.

        Raises NotFound; Conflict where the order makes no sense: pause or resume of a stopped agent.
        """
        desired, done = _ORDERS[order]
        row = await self._row(session, agent_id, lock=True)
        if order in ("pause", "resume") and row.desired == Desired.STOPPED:
            raise Conflict("the agent is stopped", remedy="start it")
        if row.desired == desired and order != "restart":
            return self._info(row)
        row.desired, row.updated_at = desired, now()
        if order in ("start", "restart"):
            row.generation += 1
            row.status, row.reason, row.failures = AgentStatus.STARTING, reason[:_MAX_REASON], 0
        elif row.process_id is None:
            row.status = AgentStatus.STOPPED if order == "stop" else AgentStatus.REGISTERED
        if order == "stop":
            await self._end_trouble(session, row, reason="it was stopped")
        await session.flush()
        await self._tell(session, row, done, actor=actor, detail={"reason": reason[:_MAX_REASON]})
        return self._info(row)

    async def remove(self, session: AsyncSession, *, agent_id: UUID, actor: str) -> None:
        """Stop an agent and forget it with its messages. Raises NotFound."""
        row = await self._row(session, agent_id, lock=True)
        await self._end_trouble(session, row, reason="it was removed")
        here = (AgentMessage.tenant_id == row.tenant_id, AgentMessage.agent_id == row.id)
        await session.execute(sa.delete(AgentMessage).where(*here))
        await session.delete(row)
        await session.flush()
        await self._tell(session, row, "removed", actor=actor, detail={"name": row.name})

    async def messages(self, session: AsyncSession, *, agent_id: UUID, limit: int = 50) -> list[MessageInfo]:
        """The newest messages to an agent."""
        query = (
            sa.select(AgentMessage)
            .where(AgentMessage.tenant_id == tenant_of(session), AgentMessage.agent_id == agent_id)
            .order_by(AgentMessage.id.desc())
            .limit(limit)
        )
        return [
            MessageInfo(id=row.id, sender=row.sender, body=row.body, sent_at=row.sent_at, read_at=row.read_at)
            for row in await session.scalars(query)
        ]

    async def processes(self, session: AsyncSession) -> list[ProcessInfo]:
        """The processes of the installation, and how many agents of this tenant each has."""
        owned = {
            row.process_id: int(row.n)
            for row in await session.execute(
                sa.select(Agent.process_id, sa.func.count().label("n"))
                .where(Agent.tenant_id == tenant_of(session))
                .group_by(Agent.process_id)
            )
        }
        rows = await session.execute(sa.text("select * from opsteward.living_processes()"))
        return [ProcessInfo(**row._mapping, agents=owned.get(row.id, 0)) for row in rows]

    async def _row(self, session: AsyncSession, agent_id: UUID, *, lock: bool = False) -> Agent:
        query = sa.select(Agent).where(Agent.tenant_id == tenant_of(session), Agent.id == agent_id)
        row = await session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFound("there is no agent of this id", remedy="see GET /api/v1/agents")
        return row

    async def _end_trouble(self, session: AsyncSession, row: Agent, *, reason: str) -> None:
        """Resolve what was reported of it: its work is not wanted any more."""
        if row.told:
            row.told = False
            report = failure_report(row.name, context={"kind": row.kind, "reason": reason}, resolved=True)
            await self._bus.publish(session, AgentReported(agent=row.name, report=report))

    async def _tell(self, session: AsyncSession, row: Agent, what: str, *, actor: str, detail: JsonObject) -> None:
        await audit.record(
            session,
            actor=actor,
            verb=f"agents.agent.{what}",
            object_type="agent",
            object_id=str(row.id),
            detail=detail,
        )
        await tell_changes(session, [(row.id, "removed" if what == "removed" else row.status)])
        await feed.announce(session, kind=ORDERS, object_id="")

    def _info(self, row: Agent) -> AgentInfo:
        kind = self.agent_types.get(row.kind)
        return AgentInfo(
            purpose=kind.purpose if kind else "",
            **{name: getattr(row, name) for name in AgentInfo.__dataclass_fields__ if name != "purpose"},
        )


async def tell_changes(session: AsyncSession, changed: Sequence[tuple[UUID, str]]) -> None:
    """Tell who looks on, by the live feed and by notices, which agents have which status now."""
    await record_changes(
        session,
        [Change(type="agent_changed", data={"agent_id": str(one), "status": status}) for one, status in changed],
    )
    if changed:
        await feed.announce(session, kind=CHANGED, object_id=str(changed[0][0]) if len(changed) == 1 else "")
