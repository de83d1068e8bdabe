"""One cause, one page: grouping by fingerprint and by what hangs together, health that becomes incidents, echoes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from structlog.testing import capture_logs

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.events import timeline
from opsteward.events.models import StandingOrderVersion
from opsteward.events.standing_orders.document import StandingOrderErrors
from opsteward.events.types import IncidentStatus, IncidentView, NewEvent, TimelineView
from opsteward.systems.health_monitor import Monitor
from opsteward.systems.service import NewSystem
from support.homes import temporary_home
from support.switchboard import BOARDS, Board, integration


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[Services]:
    with temporary_home() as home:
        built = build_services(load_settings(home=home), [integration()])
        yield built
        await built.web.close()
        await built.app.close()


@dataclass
class Shop:
    """Three systems: web needs database; mail stands alone."""

    services: Services
    tenant_id: UUID
    ids: dict[str, UUID]
    board: Board

    async def tell(self, *events: NewEvent) -> list[UUID | None]:
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            taken = await self.services.intake.take(session, events=list(events), actor="test")
        return [event.incident_id for event in taken]

    async def incidents(self) -> list[IncidentView]:
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            return await self.services.incidents.page(session)

    async def actions(self, incident_id: UUID) -> list[str]:
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            return sorted(
                run.action for run in await self.services.action_service.list_runs(session, incident_id=incident_id)
            )

    async def story(self, incident_id: UUID) -> list[TimelineView]:
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            return await timeline.read(session, incident_id=incident_id)

    async def end(self, incident_id: UUID) -> None:
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            await self.services.incidents.move(
                session,
                incident_id=incident_id,
                status=IncidentStatus.RESOLVED,
                actor="test",
                title="over",
                key=str(uuid4()),
            )


@pytest.fixture
async def shop(services: Services) -> AsyncIterator[Shop]:
    board = uuid4().hex
    tenant = await create_tenant(services.web, name=f"shop-{uuid4().hex[:12]}", operator="first", actor="test")
    ids = {}
    async with services.web.unit_of_work(tenant.id) as session:
        for name, needs in (("database", []), ("web", ["database"]), ("mail", [])):
            new = NewSystem(name=name, type="service", endpoint=f"memory://{board}", depends_on=needs)
            ids[name] = (await services.inventory.register(session, new=new, actor="test")).id
    yield Shop(services, tenant.id, ids, BOARDS[board])


def broken(source: str, message: str = "TimeoutError: no answer") -> NewEvent:
    return NewEvent(message=message, source=source, error_type="TimeoutError")


async def test_the_same_again_joins_its_incident(shop: Shop) -> None:
    found = await shop.tell(*(broken("cron", f"job {n} failed after {n * 7} s") for n in range(50)))
    assert len(set(found)) == 1
    incident = (await shop.incidents())[0]
    assert (incident.event_count, incident.number) == (50, 1)


async def test_systems_that_hang_together_share_an_incident(shop: Shop) -> None:
    first, second, alone = await shop.tell(
        broken("database", "deadlock detected"), broken("web", "HTTP 503"), broken("mail", "queue is full")
    )
    assert first == second != alone


async def test_many_at_once_open_one(shop: Shop) -> None:
    found = await asyncio.gather(*(shop.tell(broken("cron")) for _ in range(20)))
    assert len({incident for (incident,) in found}) == 1
    assert (await shop.incidents())[0].event_count == 20


async def test_what_is_over_opens_anew_but_an_echo_does_not(shop: Shop) -> None:
    (first,) = await shop.tell(broken("web", "HTTP 503"))
    assert first is not None
    await shop.end(first)
    late = NewEvent(message="pool exhausted", source="database", occurred_at=now() - timedelta(seconds=30))
    assert await shop.tell(late) == [first], "it happened before the end: an echo of the same cause"
    (fresh,) = await shop.tell(broken("web", "HTTP 503"))
    assert fresh != first


async def test_quiet_events_open_nothing(shop: Shop) -> None:
    quiet = NewEvent(message="Invalid email format", error_type="ValidationError", context={"field": "email"})
    assert await shop.tell(quiet) == [None]
    assert await shop.incidents() == []


async def test_its_source_can_say_that_it_is_over(shop: Shop) -> None:
    (incident,) = await shop.tell(broken("cron"))
    await shop.tell(
        NewEvent(message="TimeoutError: no answer", source="cron", error_type="TimeoutError", resolved=True)
    )
    found = (await shop.incidents())[0]
    assert (found.id, found.status) == (incident, "resolved")


def monitor_of(services: Services, *, recovery_seconds: float = 0.0) -> Monitor:
    rules = services.settings.systems.model_copy(update={"recovery_seconds": recovery_seconds})
    return Monitor(services.app, services.inventory, services.registry, services.bus, rules)


async def test_a_failure_counts_at_once_and_recovery_is_damped(shop: Shop) -> None:
    services = shop.services
    monitor = monitor_of(services)

    async def look(name: str) -> str:
        return await monitor.check_now(shop.tenant_id, shop.ids[name])

    assert await look("mail") == "healthy"
    shop.board.wanted = {"lamp"}
    assert await look("mail") == "down"
    assert await look("mail") == "down"
    incidents = await shop.incidents()
    assert [(i.title, i.severity, i.event_count) for i in incidents] == [("lamp is off", "high", 1)], "told once"
    shop.board.on = {"lamp"}
    assert await look("mail") == "down", "one pass is not yet a recovery"
    assert await look("mail") == "healthy"
    async with services.web.unit_of_work(shop.tenant_id) as session:
        health = (await services.inventory.get(session, system_id=shop.ids["mail"])).health
    assert (health.healthy, health.status, round(health.error_rate, 2)) == (True, "healthy", 0.4)
    assert (await shop.incidents())[0].status == "resolved"


@pytest.fixture
def flapping() -> Iterator[list[bool]]:
    yield [True, False] * 3


async def test_flapping_is_one_incident(shop: Shop, flapping: list[bool]) -> None:
    services = shop.services
    monitor = monitor_of(services)
    shop.board.wanted = {"lamp"}
    for works in flapping:
        shop.board.on = {"lamp"} if works else set()
        await monitor.check_now(shop.tenant_id, shop.ids["mail"])
    assert len(await shop.incidents()) == 1


def attack(source: str, severity: str) -> NewEvent:
    return NewEvent(message="SQL injection attempt", source=source, severity=severity)


def kinds_of_trouble(count: int, source: str) -> list[NewEvent]:
    """Errors whose words differ: each has a fingerprint of its own."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [broken(source, f"part q{letters[n // 26]}{letters[n % 26]}z failed") for n in range(count)]


async def test_an_attack_on_a_sick_system_is_no_part_of_its_illness(shop: Shop) -> None:
    (illness,) = await shop.tell(broken("web", "HTTP 503"))
    (raid,) = await shop.tell(attack("web", "high"))
    assert raid is not None and raid != illness
    assert await shop.actions(raid) == ["escalate"]


async def test_a_rise_is_answered_once(shop: Shop) -> None:
    (incident,) = await shop.tell(attack("gate", "low"))
    assert incident is not None
    assert await shop.actions(incident) == ["alert_security_team"]
    for _ in range(2):
        assert await shop.tell(attack("gate", "high"), attack("gate", "low"), attack("gate", "high")) == [incident] * 3
    assert await shop.actions(incident) == ["alert_security_team", "escalate"]
    assert (await shop.incidents())[0].severity == "high"
    story = await shop.story(incident)
    assert [line.kind for line in story] == ["detected", "decided", "action", "raised", "action"]
    raised = [line.title for line in story if line.kind == "raised"]
    assert raised == ["Raised: high, escalate (priority 1): SQL injection attempt"]


async def test_a_rise_starts_no_second_session_and_repeats_no_action(shop: Shop) -> None:
    (incident,) = await shop.tell(broken("web", "HTTP 503"))
    assert incident is not None
    worse = NewEvent(message="pool exhausted", source="database", severity="high")
    assert await shop.tell(worse) == [incident]
    assert await shop.actions(incident) == ["log_and_monitor"]
    assert (await shop.incidents())[0].severity == "high"
    async with shop.services.web.unit_of_work(shop.tenant_id) as session:
        sessions = await shop.services.sessions.page(session)
    assert len(sessions) == 1


async def test_what_comes_worst_in_a_batch_decides(shop: Shop) -> None:
    (incident, *_) = await shop.tell(attack("gate", "low"), attack("gate", "high"))
    assert incident is not None
    assert await shop.actions(incident) == ["escalate"]
    assert (await shop.incidents())[0].severity == "high"


async def test_one_request_cannot_queue_thousands_of_actions(shop: Shop) -> None:
    found = await shop.tell(*kinds_of_trouble(150, "mill"), attack("mill", "low"))
    (incident,) = set(found)
    assert incident is not None
    assert [(i.title, i.event_count) for i in await shop.incidents()] == [("151 different errors from mill", 151)]
    assert await shop.actions(incident) == ["alert_security_team", "log_and_monitor"], "each decided action, once"
    assert set(await shop.tell(*kinds_of_trouble(150, "mill"))) == {incident}, "every fingerprint has its home"


async def test_nor_can_it_from_many_sources(shop: Shop) -> None:
    await shop.tell(*(broken(f"host{n}", f"{event.message}") for n, event in enumerate(kinds_of_trouble(120, ""))))
    incidents = await shop.incidents()
    assert len(incidents) == 100
    assert incidents[0].title == "21 different errors from 21 sources"


async def test_the_number_of_statements_does_not_grow(shop: Shop) -> None:
    await shop.tell(broken("web", "HTTP 503"))
    counted: list[int] = []
    for count in (30, 300):
        statements: list[str] = []

        def note(_: Any, __: Any, text: str, *___: Any, into: list[str] = statements) -> None:
            into.append(text)

        sa.event.listen(Engine, "before_cursor_execute", note)
        try:
            await shop.tell(*kinds_of_trouble(count, "web" if count == 30 else "database"))
        finally:
            sa.event.remove(Engine, "before_cursor_execute", note)
        counted.append(len(statements))
    assert counted[0] == counted[1]
    assert len(await shop.incidents()) == 1


async def test_an_incident_is_announced_once_in_a_transaction(shop: Shop) -> None:
    told: list[str] = []
    async with await psycopg.AsyncConnection.connect(shop.services.urls.web, autocommit=True) as listener:
        listener.add_notify_handler(lambda note: told.append(note.payload))
        await listener.execute(f"listen {feed.CHANNEL}")
        incident, *_ = await shop.tell(attack("gate", "low"), *(attack("gate", "high") for _ in range(5)))
        await listener.execute("select 1")  # what was notified before comes with the answer
    assert sum(f'"id": "{incident}"' in payload for payload in told) == 1


async def test_a_long_story_keeps_its_end(shop: Shop) -> None:
    (incident,) = await shop.tell(broken("cron"))
    assert incident is not None
    async with shop.services.web.unit_of_work(shop.tenant_id) as session:
        for n in range(20):
            at = now() + timedelta(seconds=n)
            await timeline.add(session, incident_id=incident, kind="note", title=f"step {n}", at=at)
        told = await timeline.read(session, incident_id=incident, limit=10)
    assert [line.title for line in told] == [f"step {n}" for n in range(10, 20)]


async def test_an_order_that_an_upgrade_broke_does_not_blind(shop: Shop) -> None:
    text = """\
version: 1
orders:
  - name: gone
    match: {category: system_error, source: backup}
    action: vanished.action
    approval: auto
  - name: tell-admin
    match: {category: system_error, source: cron}
    action: notify_admin
    approval: auto
    cooldown: 1m
    window: {days: daily, from: 00:00, to: 24:00, timezone: UTC}
"""
    async with shop.services.web.unit_of_work(shop.tenant_id) as session:
        session.add(
            StandingOrderVersion(tenant_id=shop.tenant_id, version=1, text=text, applied_by="test", applied_at=now())
        )
    with pytest.raises(StandingOrderErrors, match="vanished"):
        await shop.services.orders.check(text)
    with capture_logs() as logs:
        (incident,) = await shop.tell(broken("cron"))
        await shop.tell(broken("cron"))
    assert incident is not None
    assert await shop.actions(incident) == ["notify_admin"], "what it can't have meant is decided as before"
    faulty = [line for line in logs if line["event"] == "events.standing_orders.faulty"]
    assert [(line["faulty"], line["left"]) for line in faulty] == [(["gone"], ["tell-admin"])], "told once"
