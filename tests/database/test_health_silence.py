"""One cause, one alert: what hangs on a system that is down stays silent, and so does what is being worked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.systems.error_budget import ErrorBudgetWatch
from opsteward.systems.health_history import read_history
from opsteward.systems.health_monitor import Monitor
from opsteward.systems.health_recording import record_look
from opsteward.systems.maintenance import NewWindow, end_window, plan_window
from opsteward.systems.service import NewSystem
from opsteward.systems.types import BudgetBurning, CheckOutcome, HealthChanged
from support.homes import temporary_home
from support.switchboard import BOARDS, Board, integration


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[Services]:
    with temporary_home() as home:
        built = build_services(load_settings(home=home), [integration()])
        yield built
        await built.web.close()
        await built.app.close()


class Yard:
    """Systems of a tenant, each with its own switch, and what is told of them."""

    def __init__(self, services: Services, tenant_id: UUID) -> None:
        self.services = services
        self.tenant_id = tenant_id
        self.ids: dict[str, UUID] = {}
        self.boards: dict[str, Board] = {}
        self.told: list[HealthChanged] = []
        bus = Bus()
        bus.subscribe(HealthChanged, self._hear)
        rules = services.settings.systems.model_copy(update={"recovery_seconds": 0.0, "recovery_passes": 1})
        self.bus, self.rules = bus, rules
        self.monitor = Monitor(services.app, services.inventory, services.registry, bus, rules)

    async def _hear(self, session: AsyncSession, message: HealthChanged) -> None:
        self.told.append(message)

    async def add(self, *names: str, needs: list[str] | None = None) -> None:
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            for name in names:
                board = uuid4().hex
                new = NewSystem(name=name, type="service", endpoint=f"memory://{board}", depends_on=needs or [])
                self.ids[name] = (await self.services.inventory.register(session, new=new, actor="test")).id
                self.boards[name] = BOARDS[board]

    def set(self, *names: str, works: bool) -> None:
        for name in names:
            self.boards[name].wanted = set() if works else {"lamp"}

    async def look(self, *names: str) -> list[str]:
        return await asyncio.gather(*(self.monitor.check_now(self.tenant_id, self.ids[n]) for n in names))

    async def see_slow(self, name: str) -> None:
        """A look that finds it slow."""
        async with self.services.app.unit_of_work(self.tenant_id) as session:
            target = await self.services.inventory.ref(session, system_id=self.ids[name])
            result = CheckResult(status=CheckStatus.WARN, summary="slow")
            slow = CheckOutcome(system=target, check="lamp", title="Lamp", result=result)
            await record_look(session, target=target, outcomes=[slow], seen_at=now(), bus=self.bus, settings=self.rules)

    def alerts(self) -> list[str]:
        bad = [m for m in self.told if m.now in ("down", "degraded") and m.silenced_by is None]
        return [m.system.name for m in bad]


@pytest.fixture
async def yard(services: Services) -> Yard:
    tenant = await create_tenant(services.web, name=f"yard-{uuid4().hex[:12]}", operator="first", actor="test")
    return Yard(services, tenant.id)


async def test_a_parent_that_is_down_with_its_children_is_one_alert(yard: Yard) -> None:
    children = [f"child-{n}" for n in range(40)]
    await yard.add("database")
    await yard.add(*children, needs=["database"])
    await yard.look("database", *children)
    yard.set("database", *children, works=False)
    assert set(await yard.look(*children)) == {"down"}, "the children were looked at first"
    await yard.look("database", *children)
    assert yard.alerts() == ["database"]


async def test_a_cause_is_found_over_several_steps(yard: Yard) -> None:
    await yard.add("disk")
    await yard.add("database", needs=["disk"])
    await yard.add("web", needs=["database"])
    yard.set("disk", "web", works=False)
    await yard.look("web")
    assert yard.alerts() == ["disk"]


async def test_what_a_failing_system_needs_is_looked_at_side_by_side(yard: Yard) -> None:
    await yard.add("disk")
    await yard.add("database", needs=["disk"])
    await yard.add("web", needs=["database"])
    yard.set("disk", "database", "web", works=False)
    both = asyncio.Barrier(2)  # one look alone would wait here
    yard.boards["disk"].before_look = yard.boards["database"].before_look = both.wait
    await asyncio.wait_for(yard.look("web"), 5)
    assert yard.alerts() == ["disk"]


async def test_trouble_that_outlives_its_cause_is_told(yard: Yard) -> None:
    await yard.add("database")
    await yard.add("web", needs=["database"])
    yard.set("database", "web", works=False)
    await yard.look("web")
    yard.set("database", works=True)
    await yard.look("database")
    await yard.look("web")
    await yard.look("web")
    assert yard.alerts() == ["database", "web"]


async def test_a_child_that_fails_alone_is_told(yard: Yard) -> None:
    await yard.add("database")
    await yard.add("web", needs=["database"])
    yard.set("web", works=False)
    await yard.look("web")
    assert yard.alerts() == ["web"]


async def test_what_is_slow_because_what_it_needs_is_slow_is_one_alert_whichever_is_seen_first(yard: Yard) -> None:
    children = [f"child-{n}" for n in range(5)]
    await yard.add("database")
    await yard.add(*children, needs=["database"])
    await yard.look("database", *children)
    for name in ("database", *children, *children, *children, "database", "database", *children):
        await yard.see_slow(name)
    assert yard.alerts() == ["database"]
    await yard.look("database")
    await yard.look("database")
    for name in (*children, *children):
        await yard.see_slow(name)
    assert yard.alerts() == ["database", *children], "it was not because of the database"


async def plan(yard: Yard, **more: Any) -> UUID:
    async with yard.services.web.unit_of_work(yard.tenant_id) as session:
        return (await plan_window(session, new=NewWindow(reason="new disks", **more), actor="test")).id


async def test_nothing_is_told_in_a_maintenance_window_until_it_ends(yard: Yard) -> None:
    await yard.add("database", "mail")
    window = await plan(yard, system_id=yard.ids["database"], ends_at=now() + timedelta(hours=1))
    yard.set("database", "mail", works=False)
    await yard.look("database", "mail")
    assert yard.alerts() == ["mail"]
    assert [m.silenced_by for m in yard.told if m.system.name == "database"] == [None, "maintenance: new disks"][1:]
    async with yard.services.web.unit_of_work(yard.tenant_id) as session:
        await end_window(session, window_id=window, actor="test")
    await yard.look("database")
    assert yard.alerts() == ["mail", "database"]


async def test_a_recurring_window_is_open_after_each_of_its_times(yard: Yard) -> None:
    await yard.add("database", "mail")
    at = now() - timedelta(minutes=2)
    away = now() + timedelta(hours=12)
    await plan(yard, system_id=yard.ids["database"], cron=f"{at.minute} {at.hour} * * *", duration=3600)
    await plan(yard, system_id=yard.ids["mail"], cron=f"0 {away.hour} * * *", duration=3600)
    yard.set("database", "mail", works=False)
    await yard.look("database", "mail")
    assert yard.alerts() == ["mail"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "ends_at"),
        ({"ends_at": "past"}, "ends_at"),
        ({"cron": "* * * * *"}, "duration"),
        ({"cron": "61 * * * *", "duration": 60}, "cron"),
        ({"cron": "0 1 * * *", "duration": 60, "timezone": "Mars/Base"}, "timezone"),
        ({"system_id": UUID(int=1), "ends_at": "soon"}, "system_id"),
    ],
)
async def test_a_window_that_can_not_be_is_refused_by_name(yard: Yard, given: dict[str, Any], field: str) -> None:
    instants = {"past": now() - timedelta(hours=1), "soon": now() + timedelta(hours=1)}
    if "ends_at" in given:
        given = {**given, "ends_at": instants[given["ends_at"]]}
    with pytest.raises(Invalid) as refused:
        await plan(yard, **given)
    assert refused.value.problems[0].field == field


async def test_uneventful_looks_are_stored_together_and_counted_each(yard: Yard) -> None:
    await yard.add("mail", "web")
    await yard.look("mail", "web")
    statements: list[str] = []

    def note(_: Any, __: Any, text: str, *___: Any) -> None:
        statements.append(text)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for _ in range(3):
            for name in ("mail", "web"):
                await yard.monitor._look(yard.tenant_id, yard.ids[name])
        await yard.monitor.store_steady()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len([text for text in statements if "health_minutes" in text]) == 1
    async with yard.services.web.unit_of_work(yard.tenant_id) as session:
        system = await yard.services.inventory.get(session, system_id=yard.ids["mail"])
        hour = timedelta(hours=1)
        history = await read_history(session, system_id=system.id, since=now() - hour, until=now() + hour)
    assert (history.checks, history.failed) == (4, 0)
    assert system.health.checked_at is not None


async def test_an_error_budget_that_is_used_too_fast_is_told_once_and_told_as_over(
    services: Services, yard: Yard
) -> None:
    await yard.add("shop")
    told: list[BudgetBurning] = []
    bus = Bus()

    async def hear(session: AsyncSession, message: BudgetBurning) -> None:
        told.append(message)

    bus.subscribe(BudgetBurning, hear)
    watch, at = ErrorBudgetWatch(services.app, services.inventory, bus), now()
    async with services.app.unit_of_work(yard.tenant_id) as session:
        await session.execute(
            sa.text("update opsteward.systems set settings = '{\"objective_percent\": 99.9}' where id = :id"),
            {"id": yard.ids["shop"]},
        )
        for minutes, failed in ((1, 2), (3, 2), (40, 1)):
            await session.execute(
                sa.text("insert into opsteward.health_minutes values (:tenant, :id, :at, 6, :failed, 6, 1, 1)"),
                {"tenant": yard.tenant_id, "id": yard.ids["shop"], "at": at - timedelta(minutes=minutes),
                 "failed": failed},
            )  # fmt: skip
    await watch.look(at=at)
    await watch.look(at=at)
    assert [(one.urgency, one.system.name, one.hours) for one in told] == [("fast", "shop", 1.0)]
    await watch.look(at=at + timedelta(minutes=90))
    await watch.look(at=at + timedelta(hours=8))
    assert [one.urgency for one in told] == ["fast", None]
