"""Background agents in real processes: what kills or ends their process moves them, and each runs in one at a time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from opsteward.accounts.tenants import create_tenant
from opsteward.agents.types import AgentInfo, NewAgent
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.core.process_heartbeat import ZOMBIE_EXIT
from opsteward.tasks import controls
from support.forked_workers import ForkedWorkers
from support.homes import temporary_home
from support.instance import run_sql
from support.survival import INTEGRATION

AGENTS = 30


@dataclass(frozen=True)
class Line:
    """What an agent left in the file."""

    worker: str
    agent: str
    what: str
    at: float


@dataclass(kw_only=True)
class World:
    """A house without a worker, workers beside it, and agents that leave a trace."""

    services: Services
    workers: ForkedWorkers
    file: Path
    tenant: UUID

    def start(self, name: str) -> int:
        return self.workers.start(name, process_lost_after=4.0, agent_beat_seconds=1.0)

    def lines(self) -> list[Line]:
        found = [line.split(" ") for line in self.file.read_text().splitlines()] if self.file.exists() else []
        return [Line(worker, agent, what, float(at)) for worker, agent, what, at in found]

    async def register(self, count: int) -> None:
        async with self.services.web.unit_of_work(self.tenant) as session:
            for number in range(count):
                new = NewAgent(kind="test.tracer", name=f"tracer-{number}", params={"file": str(self.file)})
                await self.services.agents.register(session, new=new, actor="system:test")

    def told_of_losses(self) -> list[tuple[Any, ...]]:
        return run_sql(
            self.services.settings.home,
            "select e.resolved, i.status from opsteward.events e join opsteward.incidents i on i.id = e.incident_id"
            " where e.error_type = 'process_lost' order by e.id",
        )

    async def agents(self) -> list[AgentInfo]:
        async with self.services.web.unit_of_work(self.tenant) as session:
            return await self.services.agents.page(session)

    async def until_all(self, holds: Callable[[AgentInfo], object]) -> list[AgentInfo]:
        async with asyncio.timeout(40):
            while True:
                found = await self.agents()
                if all(holds(agent) for agent in found):
                    return found
                await asyncio.sleep(0.05)

    async def until_run_by(self, *workers: str, since: int) -> None:
        """Every agent has ended a run in one of these workers, behind so many lines."""
        async with asyncio.timeout(40):
            while True:
                done = {one.agent for one in self.lines()[since:] if one.worker in workers and one.what == "end"}
                if len(done) == AGENTS:
                    return
                await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module")
async def place() -> AsyncIterator[tuple[Services, ForkedWorkers]]:
    with temporary_home() as home:
        services = build_services(load_settings(home=home), [INTEGRATION])
        workers = ForkedWorkers(home)
        yield services, workers
        workers.close()
        await services.web.close()
        await services.app.close()


@pytest.fixture
async def world(place: tuple[Services, ForkedWorkers], tmp_path: Path) -> AsyncIterator[World]:
    services, workers = place
    tenant = await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")
    one = World(services=services, workers=workers, file=tmp_path / "trace", tenant=tenant.id)
    await one.register(AGENTS)
    yield one
    workers.kill_all()
    async with services.web.unit_of_work(tenant.id) as session:
        for agent in await services.agents.page(session):
            await services.agents.remove(session, agent_id=agent.id, actor="system:test")


def overlaps(lines: list[Line], dead: set[str]) -> list[str]:
    """Agents of which two runs went on at once; what a killed worker had begun is over."""
    running: dict[str, str] = {}
    found = []
    for line in lines:
        if line.what == "end":
            running.pop(line.agent, None)
        else:
            if running.get(line.agent, line.worker) not in {line.worker} | dead:
                found.append(line.agent)
            running[line.agent] = line.worker
    return found


async def test_a_killed_process_agents_run_elsewhere_and_each_in_one_place(world: World) -> None:
    first, _ = world.start("first"), world.start("second")
    # both have a share, whoever was first
    async with asyncio.timeout(40):
        while sorted(Counter(agent.process_id for agent in await world.agents()).values()) != [15, 15]:
            await asyncio.sleep(0.05)
    await world.until_all(lambda agent: agent.status == "running")
    before = len(world.lines())
    await world.until_run_by("first", "second", since=before)

    world.workers.kill(first)
    after = len(world.lines())
    await world.until_run_by("second", since=after)

    owners = {agent.process_id for agent in await world.agents()}
    assert len(owners) == 1
    assert {line.worker for line in world.lines()[after:]} == {"second"}
    assert overlaps(world.lines(), dead={"first"}) == []
    # people are told once, as an event that was over with the takeover; which comes after it
    async with asyncio.timeout(40):
        while not (told := world.told_of_losses()):
            await asyncio.sleep(0.05)
    assert told == [(False, "resolved"), (True, "resolved")]


async def test_an_emergency_pause_holds_agents_and_they_go_on_after_it(world: World) -> None:
    world.start("first")
    await world.until_run_by("first", since=0)
    async with world.services.web.unit_of_work(world.tenant) as session:
        await controls.pause(session, scope="tenant", actor="system:test")
    await world.until_all(lambda agent: agent.status == "paused")
    held = len(world.lines())
    await asyncio.sleep(1.0)  # five intervals
    assert [line for line in world.lines()[held:] if line.what == "begin"] == []
    async with world.services.web.unit_of_work(world.tenant) as session:
        await controls.resume(session, scope="tenant", actor="system:test")
    await world.until_run_by("first", since=held)
    await world.until_all(lambda agent: agent.status == "running")


async def test_an_ended_process_gives_its_agents_up(world: World) -> None:
    first = world.start("first")
    await world.until_run_by("first", since=0)
    world.start("second")
    async with asyncio.timeout(40):
        while len({agent.process_id for agent in await world.agents()}) != 2:
            await asyncio.sleep(0.05)
    os.kill(first, signal.SIGTERM)
    assert world.workers.wait(first) == 0
    after = len(world.lines())
    await world.until_run_by("second", since=after)
    assert overlaps(world.lines(), dead=set()) == [], "a run that was under way is ended before the agent is given up"


async def test_a_frozen_process_loses_its_agents_and_does_not_come_back_to_them(world: World) -> None:
    first = world.start("first")
    await world.until_run_by("first", since=0)
    os.kill(first, signal.SIGSTOP)
    frozen_at = len(world.lines())
    world.start("second")
    await world.until_run_by("second", since=frozen_at)
    os.kill(first, signal.SIGCONT)
    assert world.workers.wait(first) == ZOMBIE_EXIT
    begun = [line for line in world.lines()[frozen_at:] if line.worker == "first" and line.what == "begin"]
    assert begun == [], "it was not sure of itself any more"
