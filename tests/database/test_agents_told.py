"""What agents tell and are told: messages, incidents of their own, figures, and an emergency pause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from opsteward.accounts.tenants import create_tenant
from opsteward.agents import agent_supervisor, metric_history
from opsteward.agents.shipped.heartbeat import HeartbeatAgent
from opsteward.agents.shipped.performance import PerformanceAgent
from opsteward.app.services import Services
from opsteward.contracts.agent import AgentContext, Report
from opsteward.core.clock import now
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.retention import forget
from opsteward.tasks.types import TaskFigures
from support.agent_places import Place, a_place, agent_services, holds
from support.instance import run_sql


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


@pytest.mark.parametrize("orders", [("restart",), ("stop", "start")])
async def test_one_that_is_well_after_an_order_ends_its_incident(
    place: Place, label: str, orders: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.services.settings.agents, "max_backoff", 3600.0)  # it is not tried again by itself
    script = await place.register(label)

    async def fail(_: AgentContext[Any]) -> None:
        raise ValueError("no such thing")

    script.run = fail
    async with place.process():
        await place.until(label, status="failed")
        script.run = None
        for order in orders:
            await place.order(label, order)
        await place.until(label, status="running", failures=0)
        await place.resolved()


@pytest.mark.parametrize("order", ["stop", "remove"])
async def test_one_that_is_not_wanted_any_more_ends_its_incident(place: Place, label: str, order: str) -> None:
    script = await place.register(label)

    async def fail(_: AgentContext[Any]) -> None:
        raise ValueError("no such thing")

    script.run = fail
    async with place.process():
        known = await place.until(label, status="failed")
        if order == "stop":
            await place.order(label, "stop")
        else:
            async with place.services.web.unit_of_work(place.tenant) as session:
                await place.services.agents.remove(session, agent_id=known.id, actor="operator:x")
        await place.resolved()


async def test_one_that_hangs_for_good_is_noticed_started_anew_and_told(
    place: Place, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_supervisor, "STOP_WITHIN", 0.05)
    monkeypatch.setattr(agent_supervisor, "_OVER_TIME", 0.0)
    script = await place.register(label)
    released = asyncio.Event()

    async def deaf(ctx: AgentContext[Any]) -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue  # what no agent should do
        with pytest.raises(Conflict):  # it was left behind: nothing of it gets out any more
            await ctx.send("anybody", {})

    script.run = deaf
    heartbeat = HeartbeatAgent(place.services.app, place.services.bus, place.services.settings.agents)
    async with place.process():
        await holds(lambda: script.at_once == 1)
        async with asyncio.timeout(20):
            while not await place.incidents():
                await heartbeat.run_once(place.context())
                await asyncio.sleep(0.1)
        script.run = None
        await holds(lambda: script.begun == 2)
        await place.until(label, status="running", restarts=1)
        assert (await place.incidents())[0][0] == f"agent {label}"
        async with asyncio.timeout(10):
            while (await place.incidents())[0][1] != "resolved":
                await asyncio.sleep(0.02)
        released.set()
        await holds(lambda: script.at_once == 0)


async def test_the_heartbeat_agent_has_nothing_to_say_while_all_is_well(place: Place, label: str) -> None:
    script = await place.register(label)
    heartbeat = HeartbeatAgent(place.services.app, place.services.bus, place.services.settings.agents)
    async with place.process():
        await holds(lambda: script.ran > 10)  # well beyond three beats
        await heartbeat.run_once(place.context())
        assert (await place.agent(label)).restarts == 0
    assert await place.incidents() == []


async def test_an_agent_that_no_process_takes_is_told(place: Place, label: str) -> None:
    await place.register(label)
    place.sql(
        "update opsteward.agents set kind = 'gone.plugin', created_at = now() - interval '1 hour' where name = %s",
        label,
    )
    heartbeat = HeartbeatAgent(place.services.app, place.services.bus, place.services.settings.agents)
    async with place.process():
        await heartbeat.run_once(place.context())
        found = await place.agent(label)
        assert (found.status, found.reason) == ("failed", "no process runs agents of this kind")
        await heartbeat.run_once(place.context())
    assert await place.incidents() == [(f"agent {label}", "open", 1)]


async def test_work_of_a_version_that_nobody_runs_is_an_incident_until_it_is_done(place: Place) -> None:
    place.sql(
        "insert into dbos.workflow_status (workflow_uuid, status, name, application_version, executor_id)"
        " values (%s, 'PENDING', 'x', '0.9', %s)",
        f"w-{place.tenant}", str(uuid4()),
    )  # fmt: skip

    async def look() -> None:
        """Of an instance that was begun anew, perhaps in another process."""
        heartbeat = HeartbeatAgent(place.services.app, place.services.bus, place.services.settings.agents)
        context = place.context()
        await heartbeat.start(context)
        context.begin()
        await heartbeat.run_once(context)
        await context.finish()

    async with place.process():  # of the present version
        for _ in range(2):
            await look()
        async with place.services.web.unit_of_work(place.tenant) as session:
            (incident,) = await place.services.incidents.page(session)
        assert (incident.status, incident.event_count, incident.severity) == ("open", 1, "high")
        (context,) = place.sql("select context from opsteward.events where tenant_id = %s", place.tenant)[0]
        assert (context["engine_version"], context["workflows"]) == ("0.9", 1)
        assert "start a worker of the release with engine version 0.9" in context["remedy"]
        place.sql("delete from dbos.workflow_status where workflow_uuid = %s", f"w-{place.tenant}")
        await look()
        assert [status for _, status, _ in await place.incidents()] == ["resolved"]


async def test_a_message_wakes_its_agent_and_stays_until_it_is_dealt_with(place: Place, label: str) -> None:
    script = await place.register(label, kind="test.listener")
    seen: list[list[Any]] = []

    async def read(ctx: AgentContext[Any]) -> None:
        seen.append([(one.sender, one.body["n"]) for one in await ctx.receive()])
        if seen[-1] and len(seen) < 4:
            raise ValueError("it fails before it has dealt with it")

    script.run = read
    async with place.process():
        await holds(lambda: seen == [[]])  # once at the start, for what it may have missed
        await place.context("sender").send(label, {"n": 1})
        await holds(lambda: len(seen) >= 4)
        assert seen[1:4] == [[("sender", 1)]] * 3
        await place.context("sender").send(label, {"n": 2})
        await holds(lambda: seen[-1] == [("sender", 2)])
        known = await place.agent(label)
        async with asyncio.timeout(10):
            while True:
                async with place.services.web.unit_of_work(place.tenant) as session:
                    messages = await place.services.agents.messages(session, agent_id=known.id)
                if all(one.read_at for one in messages):
                    break
                await asyncio.sleep(0.02)
    assert [one.body for one in messages] == [{"n": 2}, {"n": 1}]


async def test_messages_that_can_not_be_are_refused(place: Place, label: str) -> None:
    await place.register(label)
    sender = place.context("sender")
    with pytest.raises(NotFound):
        await sender.send("nobody", {})
    with pytest.raises(Invalid, match="body"):
        await sender.send(label, {"text": "x" * 70_000})
    with pytest.raises(Invalid, match="body"):
        await sender.send(label, {"at": now()})
    assert place.sql("select count(*) from opsteward.agent_messages where tenant_id = %s", place.tenant) == [(0,)]


async def test_a_notice_wakes_only_the_agents_of_its_tenant(place: Place, label: str, services: Services) -> None:
    script = await place.register(label, kind="test.listener")
    other = await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")
    elsewhere = Place(services=services, tenant=other.id)
    foreign = await elsewhere.register(f"{label}-x", kind="test.listener")
    async with place.process():
        await holds(lambda: script.ran == 1 and foreign.ran == 1)
        await place.context().report(Report(message="A disk is full", error_type="disk_full", source="host"))
        await holds(lambda: script.ran >= 2)
        await asyncio.sleep(0.3)
        assert foreign.ran == 1
    run_sql(services.settings.home, "update opsteward.agents set desired = 'stopped' where tenant_id = %s", other.id)


async def test_an_emergency_pause_holds_all_but_the_essential(place: Place, label: str) -> None:
    script = await place.register(label)
    essential = await place.register(f"{label}-e", kind="test.essential")
    place.paused.add(place.tenant)
    async with place.process() as process:
        held = await place.until(label, status="paused")
        assert held.desired == "running"
        await holds(lambda: essential.ran >= 3)
        assert script.ran == 0
        place.paused.clear()
        place.runtimes[process].pauses_changed()
        await holds(lambda: script.ran >= 1)
        await place.until(label, status="running")


async def test_figures_are_kept_with_their_percentiles(place: Place, label: str) -> None:
    script = await place.register(label)
    values = iter(range(1, 101))

    async def measure(ctx: AgentContext[Any]) -> None:
        for value in values:
            ctx.measure("orders.waiting", float(value))
            ctx.measure("orders.broken", float("nan"))
            return

    script.run = measure
    async with place.process():
        await holds(lambda: script.ran >= 5)
        await place.order(label, "stop")
        await place.until(label, status="stopped")
    async with place.services.web.unit_of_work(place.tenant) as session:
        (found,) = await metric_history.history(session, name="orders.waiting", window=60)
        everything = await metric_history.history(session, window=60)
    count = found.count
    assert count >= 5
    assert (found.lowest, found.highest, found.latest) == (1, count, count)
    assert found.p50 == pytest.approx((1 + count) / 2)
    assert found.p99 == pytest.approx(1 + 0.99 * (count - 1))
    assert sum(1 for _ in found.points) >= 1
    assert [one.name for one in everything] == ["orders.waiting"], "what is no number is not kept"


async def test_old_figures_and_messages_are_forgotten(place: Place, label: str) -> None:
    await place.register(label)
    sender, tenant = place.context("sender"), place.tenant
    for days in (1, 40):
        await sender.send(label, {"days": days})
        at = now() - timedelta(days=days)
        await metric_history.record(place.services.app, tenant, process_id=uuid4(), at=at, figures=[("a", days)])
    place.sql(
        "update opsteward.agent_messages set sent_at = now() - interval '40 days'"
        " where tenant_id = %s and body->>'days' = '40'",
        tenant,
    )
    for function in ("forget_agent_metrics", "forget_agent_messages"):
        assert await forget(place.services.app, function, 30 * 86_400.0) == 1
    assert place.sql("select value from opsteward.agent_metrics where tenant_id = %s and name = 'a'", tenant) == [(1,)]
    assert place.sql("select body from opsteward.agent_messages where tenant_id = %s", tenant) == [({"days": 1},)]


async def test_an_alert_on_itself_is_an_incident_until_it_is_over(place: Place) -> None:
    figures = TaskFigures(ready=150, finished=100, average_seconds=1.0)

    async def task_figures() -> TaskFigures:
        return figures

    async def look() -> None:
        agent = PerformanceAgent(place.services.app, place.services.settings.agents, task_figures)
        context = place.context("performance")
        await agent.start(context)
        for _ in range(2):  # two looks of an instance, which another process may have begun anew
            context.begin()
            await agent.run_once(context)
            await context.finish()

    await look()
    await look()
    assert await place.incidents() == [("opsteward", "open", 1)], "it is told once, whoever looks"
    (context,) = place.sql("select context from opsteward.events where tenant_id = %s", place.tenant)[0]
    assert (context["metric_type"], context["current_value"], context["threshold"]) == ("queue", 150, 100)
    assert (context["level"], bool(context["suggested_actions"])) == ("critical", True)
    figures = TaskFigures(ready=3, finished=100, average_seconds=1.0)
    await look()
    assert [status for _, status, _ in await place.incidents()] == ["resolved"]
    async with place.services.web.unit_of_work(place.tenant) as session:
        names = {one.name for one in await metric_history.history(session, window=60)}
    assert {"database.bytes", "database.connections_share", "tasks.ready", "alert.queue"} <= names


async def test_an_error_that_can_not_be_stored_is_told_without_what_can_not(place: Place, label: str) -> None:
    script = await place.register(label)

    async def fail(_: AgentContext[Any]) -> None:
        raise ValueError("a nul \x00 and half a pair \ud800")

    script.run = fail
    async with place.process():
        failed = await place.until(label, status="failed")
        assert failed.reason == "ValueError: a nul  and half a pair ?"
