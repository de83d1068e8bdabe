"""A place with agents that tests look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog

from opsteward.accounts.tenants import create_tenant
from opsteward.agents.context import Context
from opsteward.agents.runtime import Runtime
from opsteward.agents.types import AgentInfo, NewAgent
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.contracts.agent import NoAgentParams
from opsteward.core.ids import uuid7
from support.homes import temporary_home
from support.instance import run_sql
from support.probe_agents import AGENTS, SCRIPTS, Script


@dataclass(kw_only=True)
class Place:
    """A tenant, and the runtimes of a test; each has a process of its own on record, which always beats."""

    services: Services
    tenant: UUID
    paused: set[UUID] = field(default_factory=set)
    runtimes: dict[UUID, Runtime] = field(default_factory=dict)

    def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        return run_sql(self.services.settings.home, statement, *params)

    @asynccontextmanager
    async def process(self, *, leaves: bool = True) -> AsyncIterator[UUID]:
        """A runtime; without `leaves` it only falls silent at the end, and its row stays."""
        one = uuid7()
        self.sql(
            "insert into opsteward.processes (id, host, pid, pid_started, kind, version, started_at, beat_at)"
            " values (%s, 'h', 1, 1, 'test', '1', now(), now() + interval '1 day')",
            one,
        )
        runtime = Runtime(
            self.services.app,
            self.services.agents.agent_types,
            self.services.bus,
            self.services.settings.agents,
            process_id=one,
            paused=lambda tenant_id: tenant_id in self.paused,
        )
        runtime.note_beat(True)
        self.runtimes[one] = runtime
        deaf = self.services.feed.listen(runtime.hear)
        running = asyncio.create_task(runtime.run())
        try:
            yield one
        finally:
            running.cancel()
            await asyncio.wait({running})
            await runtime.leave()
            deaf()
            if leaves:
                self.sql("delete from opsteward.processes where id = %s", one)

    async def register(self, label: str, *, kind: str = "test.probe", interval: float | None = None) -> Script:
        """An agent that is called like its script."""
        new = NewAgent(kind=kind, name=label, interval=interval, params={"label": label})
        async with self.services.web.unit_of_work(self.tenant) as session:
            await self.services.agents.register(session, new=new, actor="system:test")
        return SCRIPTS[label]

    async def agent(self, name: str) -> AgentInfo:
        async with self.services.web.unit_of_work(self.tenant) as session:
            found = await self.services.agents.find(session, name=name)
        assert found is not None
        return found

    async def order(self, name: str, order: str) -> AgentInfo:
        known = await self.agent(name)
        async with self.services.web.unit_of_work(self.tenant) as session:
            return await self.services.agents.order(session, agent_id=known.id, order=order, actor="operator:x")

    async def until(self, name: str, **states: Any) -> AgentInfo:
        """The agent, once it stands so."""
        async with asyncio.timeout(20):
            while True:
                found = await self.agent(name)
                if all(getattr(found, key) == value for key, value in states.items()):
                    return found
                await asyncio.sleep(0.02)

    async def resolved(self) -> None:
        """Wait until the only incident is over."""
        async with asyncio.timeout(10):
            while [status for _, status, _ in await self.incidents()] != ["resolved"]:
                await asyncio.sleep(0.02)

    async def incidents(self) -> list[tuple[str, str, int]]:
        async with self.services.web.unit_of_work(self.tenant) as session:
            return [(one.source, one.status, one.event_count) for one in await self.services.incidents.page(session)]

    def context(self, name: str = "heartbeat") -> Context:
        return Context(
            self.services.app,
            self.services.bus,
            tenant_id=self.tenant,
            agent_id=uuid4(),
            process_id=uuid4(),
            name=name,
            params=NoAgentParams(),
        )


async def holds(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def agent_services() -> AsyncIterator[Services]:
    """Services on a home of their own, with the probing agents, that follow what is told."""
    # short tracebacks: with every local variable shown, a single one takes seconds
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    with temporary_home() as home:
        settings = load_settings(
            home=home, agent_beat_seconds=0.2, agent_failures=3, max_backoff=0.05, process_lost_after=3600.0
        )
        built = build_services(settings, [AGENTS])
        listening = asyncio.create_task(built.feed.run())
        yield built
        listening.cancel()
        await asyncio.wait({listening})
        await built.web.close()
        await built.app.close()


@asynccontextmanager
async def a_place(services: Services) -> AsyncIterator[Place]:
    """A tenant of its own."""
    made = await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")
    yield Place(services=services, tenant=made.id)
    # nobody's agents but those of the next test are to be claimed there
    run_sql(services.settings.home, "update opsteward.agents set desired = 'stopped' where tenant_id = %s", made.id)
