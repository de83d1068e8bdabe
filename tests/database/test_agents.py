"""Background agents on a real database, with one or two runtimes in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from opsteward.app.services import Services
from opsteward.contracts.agent import AgentContext
from opsteward.core.errors import Conflict, NotFound
from opsteward.telemetry import audit
from support.agent_places import Place, a_place, agent_services, holds


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[Services]:
    async with agent_services() as built:
        yield built


@pytest.fixture
async def place(services: Services) -> AsyncIterator[Place]:
    async with a_place(services) as made:
        yield made


@pytest.fixture
def label() -> str:
    return f"a{uuid4().hex}"


async def test_an_agent_is_registered_started_and_runs_on_its_interval(place: Place, label: str) -> None:
    script = await place.register(label)
    assert (await place.agent(label)).status == "registered"
    async with place.process() as process:
        await holds(lambda: script.ran >= 3)
        found = await place.until(label, status="running")
        assert (found.process_id, found.failures, found.restarts) == (process, 0, 0)
        assert script.begun == 1
        assert script.most_at_once == 1
        async with asyncio.timeout(10):
            while (await place.agent(label)).runs < 3:  # the beat that says so
                await asyncio.sleep(0.02)
    assert script.stopped == 1
    assert (await place.agent(label)).process_id is None, "who leaves gives its agents up"


async def test_orders_are_done_audited_and_told(place: Place, label: str) -> None:
    script = await place.register(label)
    async with place.process():
        await place.until(label, status="running")
        await place.order(label, "pause")
        await place.until(label, status="paused")
        runs = script.ran
        await asyncio.sleep(0.35)  # three intervals
        assert script.ran == runs
        assert script.stopped == 0, "a pause ends nothing"
        await place.order(label, "resume")
        await holds(lambda: script.ran > runs)
        await place.order(label, "restart")
        await holds(lambda: script.begun == 2)
        await place.until(label, status="running", restarts=1)
        await place.order(label, "stop")
        stopped = await place.until(label, status="stopped")
        assert stopped.process_id is None
        assert script.stopped == 2
        with pytest.raises(Conflict, match="stopped"):
            await place.order(label, "pause")
        await place.order(label, "start")
        await place.until(label, status="running")
    async with place.services.web.unit_of_work(place.tenant) as session:
        entries = await audit.list_entries(session, object_id=str(stopped.id))
    assert [entry.verb.rpartition(".")[2] for entry in reversed(entries)] == [
        "registered", "paused", "resumed", "restarted", "stopped", "started"
    ]  # fmt: skip
    told = place.sql(
        "select data->>'status' from opsteward.changes where tenant_id = %s and type = 'agent_changed' order by id",
        place.tenant,
    )
    assert {"registered", "running", "paused", "stopped"} <= {row[0] for row in told}


async def test_a_removed_agent_ends(place: Place, label: str) -> None:
    script = await place.register(label)
    async with place.process():
        known = await place.until(label, status="running")
        async with place.services.web.unit_of_work(place.tenant) as session:
            await place.services.agents.remove(session, agent_id=known.id, actor="operator:x")
        await holds(lambda: script.stopped == 1)
    async with place.services.web.unit_of_work(place.tenant) as session:
        with pytest.raises(NotFound):
            await place.services.agents.get(session, agent_id=known.id)


async def test_a_degraded_run_says_why_and_the_next_is_well(place: Place, label: str) -> None:
    script = await place.register(label)

    async def half(ctx: AgentContext[Any]) -> None:
        ctx.degraded("only half of it could be read")

    script.run = half
    async with place.process():
        await place.until(label, status="degraded", reason="only half of it could be read")
        script.run = None
        await place.until(label, status="running", reason="")


async def test_one_that_fails_is_started_anew_told_and_taken_back_when_well(place: Place, label: str) -> None:
    script = await place.register(label)

    async def fail(_: AgentContext[Any]) -> None:
        raise ValueError("no such thing")

    script.run = fail
    async with place.process():
        failed = await place.until(label, status="failed")
        assert "ValueError: no such thing" in failed.reason
        assert failed.next_start_at is not None
        assert await place.incidents() == [(f"agent {label}", "open", 1)]
        tries = script.begun
        await holds(lambda: script.begun > tries + 2)  # it is still tried
        assert await place.incidents() == [(f"agent {label}", "open", 1)], "it is told once"
        script.run = None
        well = await place.until(label, status="running")
        assert well.failures == 0
        async with asyncio.timeout(10):
            while (await place.incidents())[0][1] != "resolved":
                await asyncio.sleep(0.02)
    assert script.stopped == script.begun, "every instance that was begun was stopped"


async def test_recovery_is_told_by_another_process_too(place: Place, label: str) -> None:
    script = await place.register(label)

    async def fail(_: AgentContext[Any]) -> None:
        raise ValueError("no such thing")

    script.run = fail
    async with place.process():
        await place.until(label, status="failed")
    script.run = None
    async with place.process():
        await place.until(label, status="running")
        async with asyncio.timeout(10):
            while (await place.incidents())[0][1] != "resolved":
                await asyncio.sleep(0.02)


async def test_one_that_waits_after_a_failure_obeys_at_once(
    place: Place, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.services.settings.agents, "max_backoff", 3600.0)
    script = await place.register(label)

    async def fail(_: AgentContext[Any]) -> None:
        raise ValueError("no such thing")

    script.run = fail
    async with place.process():
        failed = await place.until(label, status="failed")  # and is tried again in half an hour at the earliest
        await place.order(label, "pause")
        await place.until(label, status="paused", reason="paused by an operator")
        await place.order(label, "resume")
        again = await place.until(label, status="failed")
        assert again.reason == failed.reason
        script.run = None
        await place.order(label, "restart")
        await place.until(label, status="running", failures=0)


async def test_a_run_beyond_its_time_is_a_failure(place: Place, label: str) -> None:
    script = await place.register(label)

    async def hang(_: AgentContext[Any]) -> None:
        await asyncio.sleep(3600)

    script.run = hang
    async with place.process():
        async with asyncio.timeout(20):
            while not (found := await place.agent(label)).failures:
                await asyncio.sleep(0.02)
        assert "longer than 0.5 seconds" in found.reason


async def test_two_processes_share_and_each_agent_runs_in_one(place: Place, label: str) -> None:
    scripts = [await place.register(f"{label}-{n}") for n in range(20)]
    async with place.process() as first:
        await holds(lambda: all(script.ran for script in scripts))
        async with place.process() as second:
            async with asyncio.timeout(20):
                while True:
                    rows = place.sql(
                        "select process_id, count(*) from opsteward.agents where tenant_id = %s group by 1",
                        place.tenant,
                    )
                    if dict(rows) == {first: 10, second: 10}:
                        break
                    await asyncio.sleep(0.05)
            await holds(lambda: all(second in script.where or first == script.where[-1] for script in scripts))
        for script in scripts:  # the second has left
            script.where.clear()
        await holds(lambda: all(first in script.where for script in scripts))
    assert all(script.most_at_once == 1 for script in scripts)


async def test_one_whose_process_is_lost_goes_on_elsewhere_and_the_lost_one_writes_nothing(
    place: Place, label: str
) -> None:
    script = await place.register(label)
    async with place.process() as lost:
        await place.until(label, status="running", process_id=lost)
        async with place.process() as heir:
            place.sql("update opsteward.processes set lost_at = now() where id = %s", lost)
            await place.runtimes[heir].processes_changed()
            await place.until(label, process_id=heir)
            await holds(lambda: heir in script.where)
            await holds(lambda: not place.runtimes[lost]._supervisors)
            script.where.clear()
            await holds(lambda: len(script.where) > 5)
            assert set(script.where) == {heir}


async def test_one_that_was_to_stop_when_its_process_was_lost_is_stopped(place: Place, label: str) -> None:
    await place.register(label)
    async with place.process() as lost:
        known = await place.until(label, status="running", process_id=lost)
    # it died before it could give the agent up or hear of the order
    place.sql("update opsteward.agents set process_id = %s where id = %s", lost, known.id)
    await place.order(label, "stop")
    assert (await place.agent(label)).status == "running"
    async with place.process():
        stopped = await place.until(label, status="stopped")
    assert stopped.process_id is None
    told = place.sql(
        "select data->>'status' from opsteward.changes where tenant_id = %s and type = 'agent_changed' order by id",
        place.tenant,
    )
    assert told[-1] == ("stopped",)


async def test_a_process_that_is_not_sure_of_itself_begins_no_run(place: Place, label: str) -> None:
    script = await place.register(label)
    async with place.process() as process:
        await holds(lambda: script.ran >= 1)
        place.runtimes[process]._owns_until = 0.0
        await asyncio.sleep(0.2)
        runs = script.ran
        await asyncio.sleep(0.4)
        assert script.ran == runs
        place.runtimes[process].note_beat(True)
        await holds(lambda: script.ran > runs)
