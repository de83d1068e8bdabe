"""One cause, one page: grouping by fingerprint and by what hangs together, health that becomes incidents, echoes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from opsteward.bootstrap.application import House, build_house
from opsteward.core.clock import now
from opsteward.core.settings import load_settings
from opsteward.events.types import IncidentStatus, IncidentView, NewEvent
from opsteward.identity.service.tenants import create_tenant
from opsteward.systems.service.inventory import NewSystem
from opsteward.systems.service.monitor import Monitor
from support.homes import temporary_home
from support.switchboard import BOARDS, Board, integration


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[House]:
    with temporary_home() as home:
        built = build_house(load_settings(home=home), [integration()])
        yield built
        await built.web.close()
        await built.app.close()


@dataclass
class Shop:
    """Three systems: web needs database; mail stands alone."""

    house: House
    tenant_id: UUID
    ids: dict[str, UUID]
    board: Board

    async def tell(self, *events: NewEvent) -> list[UUID | None]:
        async with self.house.web.unit_of_work(self.tenant_id) as session:
            taken = await self.house.intake.take(session, events=list(events), actor="test")
        return [event.incident_id for event in taken]

    async def incidents(self) -> list[IncidentView]:
        async with self.house.web.unit_of_work(self.tenant_id) as session:
            return await self.house.incidents.page(session)

    async def end(self, incident_id: UUID) -> None:
        async with self.house.web.unit_of_work(self.tenant_id) as session:
            await self.house.incidents.move(
                session,
                incident_id=incident_id,
                status=IncidentStatus.RESOLVED,
                actor="test",
                title="over",
                key=str(uuid4()),
            )


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    board = uuid4().hex
    tenant = await create_tenant(house.web, name=f"shop-{uuid4().hex[:12]}", operator="first", actor="test")
    ids = {}
    async with house.web.unit_of_work(tenant.id) as session:
        for name, needs in (("database", []), ("web", ["database"]), ("mail", [])):
            new = NewSystem(name=name, type="service", endpoint=f"memory://{board}", depends_on=needs)
            ids[name] = (await house.inventory.register(session, new=new, actor="test")).id
    yield Shop(house, tenant.id, ids, BOARDS[board])


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


async def test_a_failure_counts_at_once_and_recovery_is_damped(shop: Shop) -> None:
    house = shop.house
    monitor = Monitor(house.app, house.inventory, house.registry, house.bus, house.settings)

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
    async with house.web.unit_of_work(shop.tenant_id) as session:
        health = (await house.inventory.get(session, system_id=shop.ids["mail"])).health
    assert (health.healthy, health.status, round(health.error_rate, 2)) == (True, "healthy", 0.4)
    assert (await shop.incidents())[0].status == "resolved"


@pytest.fixture
def flapping() -> Iterator[list[bool]]:
    yield [True, False] * 3


async def test_flapping_is_one_incident(shop: Shop, flapping: list[bool]) -> None:
    house = shop.house
    monitor = Monitor(house.app, house.inventory, house.registry, house.bus, house.settings)
    shop.board.wanted = {"lamp"}
    for works in flapping:
        shop.board.on = {"lamp"} if works else set()
        await monitor.check_now(shop.tenant_id, shop.ids["mail"])
    assert len(await shop.incidents()) == 1
