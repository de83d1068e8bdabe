"""Maintenance windows, uptime and the figures of all systems, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from opsteward.systems.health_history import note_check
from support.instance import Instance, Tenant
from support.problems import problem_of


async def register(tenant: Tenant, name: str) -> UUID:
    body = {"name": name, "type": "api", "endpoint": "http://127.0.0.1:9/"}
    return UUID((await tenant.http.post("/api/v1/systems", json=body)).json()["id"])


async def test_a_window_is_planned_seen_and_ended(instance: Instance, tenant: Tenant) -> None:
    system_id = await register(tenant, "web")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body: dict[str, Any] = {"reason": "new disks", "system_id": str(system_id), "ends_at": soon}
    made = await tenant.http.post("/api/v1/maintenance-windows", json=body)
    assert made.status_code == 201
    window = made.json()
    assert (window["active"], window["cron"], window["next_at"]) == (True, None, None)
    weekly = {"reason": "backup", "cron": "0 2 * * sun", "timezone": "Europe/Vienna", "duration": 3600}
    assert (await tenant.http.post("/api/v1/maintenance-windows", json=weekly)).json()["next_at"]
    of_it = (await tenant.http.get("/api/v1/maintenance-windows", params={"system_id": str(system_id)})).json()
    assert [one["reason"] for one in of_it["items"]] == ["backup", "new disks"]
    foreign = await instance.tenant()
    problem_of(await foreign.http.delete(f"/api/v1/maintenance-windows/{window['id']}"), 404)
    assert (await tenant.http.delete(f"/api/v1/maintenance-windows/{window['id']}")).status_code == 204
    await tenant.http.delete(f"/api/v1/systems/{system_id}")
    assert tenant.count("maintenance_windows") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"reason": ""},
        {"reason": "x", "ends_at": "2020-01-01T00:00:00Z"},
        {"reason": "x", "cron": "0 0 31 2 *", "duration": 600},
        {"reason": "x", "cron": "* * * * *", "duration": 10**12},
        {"reason": "x", "cron": "* * * * *", "duration": 60, "ends_at": "2999-01-01T00:00:00Z"},
        {"reason": "x", "ends_at": "9999-12-31T23:59:59Z"},
        {"reason": "x\u0000", "ends_at": "2020-01-01T00:00:00Z"},
    ],
)
async def test_a_window_that_can_not_be_is_refused(tenant: Tenant, body: dict[str, Any]) -> None:
    problem_of(await tenant.http.post("/api/v1/maintenance-windows", json=body), 422)


async def test_days_of_a_system_are_summed_up_with_its_error_budget(instance: Instance, tenant: Tenant) -> None:
    system_id = await register(tenant, "web")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=30, microsecond=0)
    async with instance.services.app.unit_of_work(tenant.id) as session:
        for back, failing in ((0, 0), (1, 1), (100, 5)):
            for minute in range(10):
                at = today - timedelta(days=back) + timedelta(minutes=minute)
                await note_check(session, system_id=system_id, at=at, failed=minute < failing, response_time=0.25)
    path = f"/api/v1/systems/{system_id}/uptime"
    found = (await tenant.http.get(path, params={"objective": 90})).json()
    assert [(day["checks"], day["failed"]) for day in found["by_day"]] == [(10, 1), (10, 0)]
    assert (found["availability_percent"], found["error_budget_left"]) == (95.0, 0.5)
    every = (await tenant.http.get("/api/v1/analytics/systems", params={"days": 366})).json()
    assert (every["total_systems"], every["unknown_systems"], every["system_health_percentage"]) == (1, 1, 0.0)
    assert (every["checks"], every["failed_checks"], every["average_response_time"]) == (30, 6, 0.25)
    problem_of(await tenant.http.get(path, params={"objective": 100}), 422)
    problem_of(await tenant.http.get(path, params={"days": 0}), 422)
