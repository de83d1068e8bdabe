"""Checks that somebody asks for: what they see counts, a heartbeat says when it last called, one bad element fails no
other."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from opsteward.systems.check_on_demand import ChecksOnDemand, SystemChecked
from support.instance import Tenant


def checks_of(tenant: Tenant) -> ChecksOnDemand:
    services = tenant.instance.services
    rules = services.settings.systems.model_copy(update={"recovery_seconds": 0.0, "recovery_passes": 1})
    return ChecksOnDemand(services.app, services.inventory, services.registry, services.bus, rules)


async def register(tenant: Tenant, name: str, endpoint: str, **more: Any) -> UUID:
    body = {"name": name, "type": "service", "endpoint": endpoint} | more
    answer = await tenant.http.post("/api/v1/systems", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def check(tenant: Tenant, system_id: UUID) -> tuple[SystemChecked, dict[str, Any]]:
    seen = await checks_of(tenant).run(tenant.id, system_id)
    health = (await tenant.http.get(f"/api/v1/systems/{system_id}/health")).json()
    return seen, health


async def test_what_a_check_on_demand_sees_is_the_system_s_health(tenant: Tenant) -> None:
    disk = await register(tenant, "disk", "disk:/", settings={"warn_percent": 100, "fail_percent": 100})
    seen, health = await check(tenant, disk)
    assert (seen.health, health["status"], health["evidence"][0]["check"]) == ("healthy", "healthy", "machine.part")
    nothing = await register(tenant, "gone", "process:no-such-process-at-all")
    seen, health = await check(tenant, nothing)
    assert (seen.health, health["status"]) == ("down", "down")


async def test_a_heartbeat_says_when_it_last_called(tenant: Tenant) -> None:
    made = (await tenant.http.post("/api/v1/heartbeats", json={"name": "backup", "period": 600})).json()
    seen, health = await check(tenant, UUID(made["id"]))
    assert (seen.health, "waits for its first call" in seen.outcomes[0].result.summary) == ("healthy", True)
    assert (await tenant.instance.client().get(f"/ping/{made['key']}/0")).status_code == 200
    seen, health = await check(tenant, UUID(made["id"]))
    assert "called in time, at " in seen.outcomes[0].result.summary
    assert "exit 0" in health["evidence"][0]["summary"]


async def test_one_unusable_system_fails_no_other_of_its_set(tenant: Tenant) -> None:
    good = await register(tenant, "good", "disk:/", settings={"warn_percent": 100, "fail_percent": 100})
    odd = [
        await register(tenant, "odd", "disk:/", settings={"check_interval": 1}),
        await register(tenant, "policy", "tcp://169.254.169.254:80"),
        await register(tenant, "unit", "systemd:no-such.service"),
    ]
    broken = (
        "update opsteward.systems set endpoint = 'nonsense://x', settings = '{\"warn_percent\": \"x\"}' where id = %s"
    )
    tenant.instance.sql(broken, odd[0])
    found = await asyncio.gather(
        *(checks_of(tenant).run(tenant.id, one) for one in (good, *odd)), return_exceptions=True
    )
    first = found[0]
    assert isinstance(first, SystemChecked)
    assert first.health == "healthy"
    assert [isinstance(each, SystemChecked) and each.health for each in found[1:3]] == ["unknown", "unknown"]


async def test_a_system_of_a_plain_wrong_part_is_refused_by_name(tenant: Tenant) -> None:
    for endpoint, settings, field in (
        ("command:anything", {}, "endpoint"),
        ("disk:/", {"warn_percent": "much"}, "settings.warn_percent"),
        ("dns:example.org", {"record_type": "WKS"}, "settings.record_type"),
        ("grpc://127.0.0.1:1", {"expect": "nonsense == 1"}, "settings.expect"),
        ("http://127.0.0.1", {"steps": [{"url": "/${who}"}]}, "settings.steps.0"),
    ):
        body = {"name": "x", "type": "service", "endpoint": endpoint, "settings": settings}
        answer = await tenant.http.post("/api/v1/systems", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
