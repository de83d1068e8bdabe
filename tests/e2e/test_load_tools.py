"""The load tools against a running instance: they pass where nothing is lost, and fail where something is."""

from __future__ import annotations

import json
import subprocess
from typing import Any
from uuid import uuid4

import pytest

from support.live import Live, LiveTenant


@pytest.fixture
def tenant(live: Live) -> LiveTenant:
    return live.tenant(f"load-{uuid4().hex[:10]}")


def told(done: subprocess.CompletedProcess[str], code: int) -> dict[str, object]:
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    report: dict[str, object] = json.loads(done.stdout)
    return report


def test_many_users_at_once(tenant: LiveTenant) -> None:
    report = told(tenant.owner.cli("bench", "load", "--users", "30", "--tasks", "70", "--ramp", "0.5", "--json"), 0)
    assert report["errors"] == 0
    assert report["tasks"] | {"end_to_end_ms": {}} == {  # type: ignore[operator]
        "asked_for": 70,
        "submitted": 70,
        "completed": 70,
        "ended_otherwise": 0,
        "lost": 0,
        "end_to_end_ms": {},
    }
    requests = {row["operation"]: row["requests"] for row in report["operations"]}  # type: ignore[attr-defined]
    assert (requests["sign in"], requests["submit task"]) == (30, 70)
    counts = tenant.owner.http.get("/api/v1/tasks/counts").json()
    assert counts["completed"] == 70


def test_work_that_does_not_end_is_lost_and_fails(tenant: LiveTenant) -> None:
    http = tenant.owner.http
    assert http.post("/api/v1/controls/pause", json={"scope": "tenant"}).status_code == 200
    done = tenant.owner.cli("bench", "load", "--users", "2", "--tasks", "3", "--ramp", "0", "--patience", "1", "--json")
    report = told(done, 1)
    assert report["tasks"]["lost"] == 3  # type: ignore[index]
    shown = tenant.owner.cli("bench", "load", "--users", "1", "--tasks", "1", "--ramp", "0", "--patience", "1")
    assert shown.returncode == 1 and "FAILED" in shown.stdout


def test_errors_fail(live: Live, tenant: LiveTenant) -> None:
    viewer = live.operator(tenant, "vera", "viewer")
    report = told(viewer.cli("bench", "load", "--users", "2", "--tasks", "4", "--ramp", "0", "--json"), 1)
    assert report["errors_by_kind"] == {"submit task: 403": 4}
    assert report["tasks"]["submitted"] == 0  # type: ignore[index]


@pytest.mark.slow(reason="raises the load in steps of real time")
def test_rising_load(tenant: LiveTenant) -> None:
    report = told(tenant.owner.cli("bench", "stress", "--duration", "6", "--limit", "5", "--json"), 0)
    assert report["highest_rate_held"] >= 20  # type: ignore[operator]
    assert (report["tasks_lost"], report["events_lost"]) == (0, 0)
    assert report["tasks_completed"] == report["tasks_submitted"] > 10  # type: ignore[operator]
    incidents = tenant.owner.http.get("/api/v1/incidents", params={"limit": 100}).json()["items"]
    assert sum(one["event_count"] for one in incidents) == report["events_accepted"]
    assert {one["status"] for one in incidents} == {"resolved"}


@pytest.mark.slow(reason="raises the load in steps of real time")
def test_no_rate_held_fails(tenant: LiveTenant) -> None:
    done = tenant.owner.cli("bench", "stress", "--duration", "5", "--limit", "0.001", "--json")
    assert told(done, 1)["highest_rate_held"] == 0


@pytest.mark.slow(reason="loads a real instance for some seconds")
def test_a_soak_of_a_few_seconds(live: Live, tenant: LiveTenant) -> None:
    report: dict[str, Any] = told(tenant.owner.cli("soak", "--duration", "5", "--minutes", "notice=60", "--json"), 0)
    assert report["rounds"] >= 1
    assert (report["tasks_lost"], report["errors"], report["found"]) == (0, 0, [])
    assert report["assumed_minutes"]["notice"] == 60 and report["done_without_a_person"]["notice"] >= 1
    minutes = sum(report["assumed_minutes"][kind] * times for kind, times in report["done_without_a_person"].items())
    assert abs(report["operator_hours_saved"] - minutes / 60) <= 0.05, "to a tenth of an hour"
    assert tenant.owner.http.get("/api/v1/controls").json()["pauses"] == []
    assert tenant.owner.http.get("/api/v1/schedules").json()["items"] == []


def test_a_wrong_address_is_one_clear_error(tenant: LiveTenant) -> None:
    nobody = type(tenant.owner)(url="http://127.0.0.1:9", name="", token="x", http=tenant.owner.http)
    for command in (("bench", "load"), ("bench", "stress"), ("soak",)):
        done = nobody.cli(*command)
        assert done.returncode == 3
        assert "nothing listens there" in done.stderr
    bad = tenant.owner.cli("soak", "--minutes", "repair")
    assert bad.returncode == 2 and "kind=minutes" in bad.stderr
