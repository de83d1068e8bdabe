"""What will have run out is told before it has, once, with its figures; what does not run out never is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.contracts.check import CheckResult, CheckStatus, Measure
from opsteward.contracts.connector import SystemRef
from opsteward.events.incident_views import IncidentView
from opsteward.systems.early_warning.figures import Figure, figures_of
from opsteward.systems.early_warning.forecasting import DAY, forecast
from opsteward.systems.early_warning.sampling import Sampler
from opsteward.systems.early_warning.service import judge, record, warnings
from opsteward.systems.early_warning.types import EarlyWarning
from opsteward.systems.service import NewSystem
from opsteward.systems.types import CheckOutcome
from support.homes import temporary_home

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HORIZON = timedelta(days=14)


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[Services]:
    with temporary_home() as home:
        built = build_services(load_settings(home=home))
        yield built
        await built.web.close()
        await built.app.close()


class Disk:
    """A registered disk of a tenant, and what its history makes of it."""

    def __init__(self, services: Services, tenant_id: UUID, system: SystemRef) -> None:
        self.services, self.tenant_id, self.system = services, tenant_id, system

    async def history(
        self, values: list[float], *, begin: datetime = BEGIN, hours: float = 1.0, name: str = "used_percent"
    ) -> None:
        async with self.services.app.unit_of_work(self.tenant_id) as session:
            for place, value in enumerate(values):
                figure = Figure(name=name, value=value, limit=100.0)
                at = begin + timedelta(hours=place * hours)
                await record(session, system_id=self.system.id, figures=[figure], at=at)

    async def judged(self, at: datetime, *, name: str = "used_percent") -> EarlyWarning | None:
        async with self.services.app.unit_of_work(self.tenant_id) as session:
            return await judge(session, system=self.system, name=name, at=at, horizon=HORIZON, bus=self.services.bus)

    async def incidents(self) -> list[IncidentView]:
        async with self.services.app.unit_of_work(self.tenant_id) as session:
            return await self.services.incidents.page(session)


@pytest.fixture
async def disk(services: Services, tmp_path: Path) -> Disk:
    tenant = await create_tenant(services.web, name=f"disk-{uuid4().hex[:12]}", operator="first", actor="test")
    async with services.app.unit_of_work(tenant.id) as session:
        new = NewSystem(name="backup-disk", type="service", endpoint=f"disk:{tmp_path}")
        system = await services.inventory.register(session, new=new, actor="test")
        return Disk(services, tenant.id, await services.inventory.ref(session, system_id=system.id))


async def test_a_disk_that_fills_up_is_told_once_with_its_figures_and_ends_when_it_does_not(disk: Disk) -> None:
    noise = np.random.default_rng(7).normal(size=300)
    await disk.history([40 + 0.12 * hour + 0.2 * float(noise[hour]) for hour in range(240)])
    then = BEGIN + timedelta(hours=240)
    told = await disk.judged(then)
    assert told is not None and told.urgency == "soon"
    assert told.runs_out_at - then == pytest.approx(timedelta(hours=260), rel=0.05)
    assert told.soonest_at < told.runs_out_at < told.latest_at
    assert (round(told.level), told.limit, round(told.per_day, 1)) == (69, 100.0, 2.9)
    assert (await disk.judged(then + timedelta(minutes=5))) is not None
    (incident,) = await disk.incidents()
    assert (incident.event_count, incident.system_id) == (1, disk.system.id)
    assert incident.title == "backup-disk: used_percent will reach 100 in about 11 days"
    # it was cleaned up, and is as full as it was from then on
    await disk.history([30 + 0.2 * float(noise[hour]) for hour in range(60)], begin=then)
    assert await disk.judged(then + timedelta(hours=60)) is None
    (incident,) = await disk.incidents()
    assert incident.event_count == 2 and incident.status == "resolved"


async def test_a_warning_that_is_over_does_not_end_another_of_the_same_system(disk: Disk) -> None:
    then, later = BEGIN + timedelta(hours=240), BEGIN + timedelta(hours=300)
    for name in ("used_percent", "connections"):
        await disk.history([40 + 0.12 * hour for hour in range(240)], name=name)
        assert await disk.judged(then, name=name) is not None
    for name, ended in (("used_percent", False), ("connections", True)):
        await disk.history([30.0] * 60, begin=then, name=name)
        assert await disk.judged(later, name=name) is None
        assert [incident.status == "resolved" for incident in await disk.incidents()] == [ended]


async def test_what_becomes_urgent_is_told_again(disk: Disk) -> None:
    await disk.history([20 + 0.5 * hour for hour in range(100)])
    assert (warned := await disk.judged(BEGIN + timedelta(hours=100))) and warned.urgency == "soon"
    await disk.history([70 + 0.5 * hour for hour in range(40)], begin=BEGIN + timedelta(hours=100))
    assert (warned := await disk.judged(BEGIN + timedelta(hours=140))) and warned.urgency == "very_soon"
    async with disk.services.app.unit_of_work(disk.tenant_id) as session:
        assert [one.since for one in await warnings(session, system_id=disk.system.id)] == [
            BEGIN + timedelta(hours=100)
        ]
    (incident,) = await disk.incidents()
    assert incident.event_count == 2


async def test_a_registered_disk_is_measured_and_its_figures_go_with_it(disk: Disk) -> None:
    services = disk.services
    sampler = Sampler(
        services.app, services.inventory, services.registry, services.bus, services.settings.systems
    )  # fmt: skip
    found = {figure.name: figure for figure in await sampler.measure(disk.tenant_id, disk.system.id)}
    assert 0 < found["used_percent"].value < found["used_percent"].limit == 100
    await disk.history([20 + 0.5 * hour for hour in range(100)])
    await disk.judged(BEGIN + timedelta(hours=100))
    async with services.web.unit_of_work(disk.tenant_id) as session:
        await services.inventory.remove(session, system_id=disk.system.id, actor="test")
        assert await warnings(session) == []


def test_figures_are_those_that_are_numbers() -> None:
    evidence = {"limits": [{"limit": "server", "used": 5, "slots": 97}, {"limit": "role web", "used": None, "slots": 9},
                           "nonsense"], "days": 3.5, "full": True}  # fmt: skip
    measures = [Measure("used", limit="slots", each=("limits", "limit")), Measure("days", limit=0.0),
                Measure("full", limit=1.0), Measure("absent", limit=1.0)]  # fmt: skip
    target = SystemRef(id=uuid4(), tenant_id=uuid4(), name="db", type="database", endpoint="x")

    def seen(status: CheckStatus) -> CheckOutcome:
        return CheckOutcome(
            system=target, check="c", title="C", result=CheckResult(status=status, summary="", evidence=evidence)
        )

    assert figures_of(seen(CheckStatus.FAIL), measures) == [
        Figure(name="server used", value=5, limit=97), Figure(name="days", value=3.5, limit=0)
    ]  # fmt: skip
    assert figures_of(seen(CheckStatus.UNKNOWN), measures) == []


@pytest.mark.parametrize("seed", range(12))
def test_flat_and_noisy_figures_never_run_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = np.arange(0, rng.uniform(2, 30) * DAY, 3600.0)
    season = rng.uniform(0, 8) * np.sin(2 * np.pi * at / DAY)
    found = forecast(at, 60 + season + rng.uniform(0.1, 3) * rng.normal(size=len(at)), 100.0)
    assert found is None or found.seconds_left > HORIZON.total_seconds()


def test_a_day_that_repeats_and_a_clean_up_are_no_growth_and_growth_is_seen_through_both() -> None:
    rng = np.random.default_rng(3)
    at = np.arange(0, 10 * DAY, 900.0)
    values = 30 + 1.5 * at / DAY + 6 * np.sin(2 * np.pi * at / DAY) + rng.normal(size=len(at))
    values[at > 6 * DAY] -= 12
    left = (100 - (30 + 15 - 12)) / 1.5 * DAY
    found = forecast(at, values, 100.0)
    assert found is not None and found.seconds_left == pytest.approx(left, rel=0.1)
    assert found.soonest < left < found.latest
