"""Heartbeats over HTTP: calls without a credential, and what a missed one leads to."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from opsteward.core.clock import now
from opsteward.systems.heartbeat_watch import HeartbeatWatch
from opsteward.systems.heartbeats import PINGS_A_MINUTE
from support.instance import Instance, Tenant
from support.problems import problem_of


async def expect(tenant: Tenant, **more: Any) -> dict[str, Any]:
    answer = await tenant.http.post("/api/v1/heartbeats", json={"name": "backup", "period": 600, "grace": 60} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def seen(tenant: Tenant, made: dict[str, Any]) -> dict[str, Any]:
    return dict((await tenant.http.get(f"/api/v1/heartbeats/{made['id']}")).json())


def pass_time(tenant: Tenant, made: dict[str, Any], **time: float) -> None:
    """As if everything of this heartbeat had happened so much earlier."""
    tenant.instance.sql(
        "update opsteward.heartbeats set late_at = late_at - %s, running_since = running_since - %s,"
        " last_ping_at = last_ping_at - %s where system_id = %s",
        *[timedelta(**time)] * 3, UUID(made["id"]),
    )  # fmt: skip


def watch_of(instance: Instance) -> HeartbeatWatch:
    services = instance.services
    rules = services.settings.systems.model_copy(update={"recovery_seconds": 0.0, "recovery_passes": 1})
    return HeartbeatWatch(services.app, services.inventory, services.bus, rules)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_call_needs_its_key_alone(instance: Instance, tenant: Tenant, method: str) -> None:
    made = await expect(tenant)
    path = made["ping_url"].partition("/ping/")[2]
    body: dict[str, Any] = {"content": b'{"not json'} if method == "POST" else {}
    answer = await instance.client().request(method, f"/ping/{path}", **body)
    assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK\n")
    found = await seen(tenant, made)
    assert found["last_signal"] == "success"
    assert made["key"] not in str(found)
    assert instance.sql("select count(*) from opsteward.heartbeats where key_hash = %s", made["key"].encode()) == [(0,)]


async def test_a_start_and_an_exit_code_are_told_apart(instance: Instance, tenant: Tenant) -> None:
    made = await expect(tenant)
    outside, path = instance.client(), f"/ping/{made['key']}"
    for signal, told in [("start", "start"), ("0", "exit 0"), ("3", "exit 3"), ("fail", "fail")]:
        assert (await outside.get(f"{path}/{signal}")).status_code == 200
        assert (await seen(tenant, made))["last_signal"] == told
    for wrong in ("256", "-1", "nonsense", "٣"):
        problem_of(await outside.get(f"{path}/{wrong}"), 404)


async def test_a_key_that_nobody_has_and_too_many_calls_are_refused(instance: Instance, tenant: Tenant) -> None:
    made, outside = await expect(tenant), instance.client()
    problem_of(await outside.get("/ping/nobody-has-this"), 404)
    answers = [(await outside.get(f"/ping/{made['key']}")).status_code for _ in range(2 * PINGS_A_MINUTE + 1)]
    assert 429 in answers
    assert answers[:PINGS_A_MINUTE] == [200] * PINGS_A_MINUTE
    renewed = (await tenant.http.post(f"/api/v1/heartbeats/{made['id']}/key")).json()
    problem_of(await outside.get(f"/ping/{made['key']}"), 404)
    assert renewed["key"] != made["key"]


async def test_a_missed_call_is_an_incident_until_it_comes(instance: Instance, tenant: Tenant) -> None:
    made, watch = await expect(tenant), watch_of(instance)
    await watch.look()
    assert (await seen(tenant, made))["status"] == "healthy"
    pass_time(tenant, made, seconds=661)
    await watch.look()
    assert (await seen(tenant, made))["status"] == "down"
    system = (await tenant.http.get(f"/api/v1/systems/{made['id']}")).json()
    assert "none ever came" in system["health"]["evidence"][0]["summary"]
    incidents = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert [one["system_id"] for one in incidents] == [made["id"]]
    await instance.client().get(f"/ping/{made['key']}")
    await watch.look()
    assert (await seen(tenant, made))["status"] == "healthy"


async def test_what_was_started_must_end_and_starting_anew_gains_no_time(instance: Instance, tenant: Tenant) -> None:
    made, watch, outside = await expect(tenant), watch_of(instance), instance.client()
    await outside.get(f"/ping/{made['key']}/start")
    pass_time(tenant, made, seconds=40)
    await outside.get(f"/ping/{made['key']}/start")
    pass_time(tenant, made, seconds=21)
    await watch.look()
    assert (await seen(tenant, made))["status"] == "down"
    await outside.get(f"/ping/{made['key']}/start")
    await watch.look()
    assert (await seen(tenant, made))["status"] == "down", "a start mends nothing"
    await outside.get(f"/ping/{made['key']}")
    await watch.look()
    assert (await seen(tenant, made))["status"] == "healthy"


async def test_a_reported_failure_is_told_at_once(instance: Instance, tenant: Tenant) -> None:
    made, watch = await expect(tenant), watch_of(instance)
    await instance.client().post(f"/ping/{made['key']}/7")
    await watch.look()
    system = (await tenant.http.get(f"/api/v1/systems/{made['id']}")).json()
    assert system["health"]["status"] == "down"
    assert "exit 7" in system["health"]["evidence"][0]["summary"]


async def test_the_watch_hears_of_a_heartbeat_while_it_rests(instance: Instance, tenant: Tenant) -> None:
    watch = watch_of(instance)
    watching = asyncio.create_task(watch.run())
    try:
        made = await expect(tenant)
        pass_time(tenant, made, hours=1)
        watch.refresh()

        async with asyncio.timeout(30):
            while (await seen(tenant, made))["status"] != "down":
                await asyncio.sleep(0.05)
    finally:
        watching.cancel()


async def test_one_that_can_not_be_judged_holds_up_no_other(
    instance: Instance, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await expect(tenant), await expect(tenant, name="export")
    watch, judge = watch_of(instance), HeartbeatWatch._judge

    async def stumble(self: HeartbeatWatch, session: Any, system_id: UUID) -> None:
        if str(system_id) == first["id"]:
            raise RuntimeError("not foreseen")
        await judge(self, session, system_id)

    monkeypatch.setattr(HeartbeatWatch, "_judge", stumble)
    await watch.look()
    assert [(await seen(tenant, one))["status"] for one in (first, second)] == ["unknown", "healthy"]


async def test_a_cron_expression_counts_in_its_time_zone(tenant: Tenant) -> None:
    made = await expect(tenant, period=None, cron="30 2 * * *", timezone="Asia/Kathmandu", grace=3600)
    late = (await seen(tenant, made))["late_at"]
    assert late[11:16] == "21:45"  # 02:30 there is 20:45 UTC, and an hour more
    assert str(now().year) in late or str(now().year + 1) in late


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"period": None}, "period"),
        ({"cron": "* * * * *"}, "period"),
        ({"period": 1}, "period"),
        ({"period": 10**15}, "period"),
        ({"grace": 0}, "grace"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"period": None, "cron": "0 0 31 2 *"}, "cron"),
        ({"name": "a b"}, "name"),
        ({"criticality": "high"}, "criticality"),
    ],
)
async def test_a_heartbeat_that_can_not_be_is_refused(tenant: Tenant, more: dict[str, Any], field: str) -> None:
    body = {"name": "backup", "period": 600} | more
    problem = problem_of(await tenant.http.post("/api/v1/heartbeats", json=body), 422)
    assert [one["field"] for one in problem["errors"]] == [field]
    assert tenant.count("systems") == 0


async def test_a_heartbeat_is_removed_with_its_system(instance: Instance, tenant: Tenant) -> None:
    first, second = await expect(tenant), await expect(tenant, name="export")
    problem_of(await (await instance.tenant()).http.delete(f"/api/v1/heartbeats/{first['id']}"), 404)
    assert (await tenant.http.delete(f"/api/v1/heartbeats/{first['id']}")).status_code == 204
    assert (await tenant.http.delete(f"/api/v1/systems/{second['id']}")).status_code == 204
    assert (tenant.count("heartbeats"), tenant.count("systems")) == (0, 0)
    problem_of(await instance.client().get(f"/ping/{first['key']}"), 404)
    system = {"name": "web", "type": "service", "endpoint": "heartbeat:web"}
    problem_of(await tenant.http.post("/api/v1/systems", json=system), 422)
