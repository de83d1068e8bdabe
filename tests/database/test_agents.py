"""Background agents on a real database, with one or two runtimes in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog

from opsteward.accounts.tenants import create_tenant
from opsteward.agents import agent_supervisor, metric_history
from opsteward.agents.context import Context
from opsteward.agents.runtime import Runtime
from opsteward.agents.shipped.heartbeat import HeartbeatAgent
from opsteward.agents.shipped.performance import PerformanceAgent
from opsteward.agents.types import AgentInfo, NewAgent
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.contracts.agent import AgentContext, NoAgentParams, Report
from opsteward.core.clock import now
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.retention import forget
from opsteward.tasks.types import TaskFigures
from opsteward.telemetry import audit
from support.homes import temporary_home
from support.instance import run_sql
from support.probe_agents import AGENTS, SCRIPTS, Script


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[Services]:
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


@pytest.fixture
async def place(services: Services) -> AsyncIterator[Place]:
    made = await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")
    yield Place(services=services, tenant=made.id)
    # nobody's agents but those of the next test are to be claimed there
    run_sql(services.settings.home, "update opsteward.agents set desired = 'stopped' where tenant_id = %s", made.id)


@pytest.fixture
def label() -> str:
    return f"a{uuid4().hex}"


# ---------------------------------------------------------------- lifecycle


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


# ---------------------------------------------------------------- failure


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


# ---------------------------------------------------------------- waking, messages, pauses


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


# ---------------------------------------------------------------- one owner


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


# ---------------------------------------------------------------- figures


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
