"""Events through the API: what is answered about each, and how they are grouped into incidents."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from support.instance import Instance, Operator, Tenant
from support.problems import problem_of

EVENTS = "/api/v1/events"
EXAMPLE = {
    "error_type": "ValidationError",
    "message": "Invalid email format",
    "context": {"field": "email"},
}
#: an event of each category
SAMPLES = {
    "security_issue": {"error_type": "AuthError", "message": "SQL injection attempt detected"},
    "system_error": {"error_type": "OperationalError", "message": "could not connect to server: timeout"},
    "ignorable": {"error_type": "Info", "message": "health check ok"},
}


async def take(who: Tenant | Operator, body: Any, **query: str) -> dict[str, Any]:
    answer = await who.http.post(EVENTS, json=body, params=query)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def incidents_of(tenant: Tenant) -> list[dict[str, Any]]:
    return list((await tenant.http.get("/api/v1/incidents")).json()["items"])


async def test_the_documented_example_calls_nobody(tenant: Tenant) -> None:
    taken = (await take(tenant, EXAMPLE))["events"][0]
    assert (taken["category"], taken["action"], taken["priority"]) == ("validation_error", "return_validation_error", 4)
    assert taken["incident_id"] is None  # its sender can mend it: nobody is called


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (SAMPLES["security_issue"] | {"severity": "high"}, ("security_issue", "high", "escalate", 1)),
        (SAMPLES["system_error"] | {"severity": "high"}, ("system_error", "high", "log_and_monitor", 2)),
        (SAMPLES["system_error"] | {"severity": "P3"}, ("system_error", "medium", "log_and_monitor", 3)),
        (SAMPLES["ignorable"], ("ignorable", "low", "log_only", 5)),
    ],
)
async def test_an_event_is_decided_by_the_same_table(
    tenant: Tenant, event: dict[str, Any], expected: tuple[str, str, str, int]
) -> None:
    taken = (await take(tenant, event))["events"][0]
    assert (taken["category"], taken["severity"], taken["action"], taken["priority"]) == expected
    assert set(taken) == {
        "id", "fingerprint", "incident_id", "category", "severity", "action", "priority", "confidence",
    }  # fmt: skip
    assert 0 <= taken["confidence"] <= 1
    UUID(taken["id"])


async def test_a_standing_order_overrides_the_table(tenant: Tenant) -> None:
    orders = """version: 1
orders:
  - {name: tell-admin, match: {category: system_error, source: billing-*}, action: notify_admin, approval: auto}
"""
    assert (await tenant.http.put("/api/v1/standing-orders", json={"text": orders})).status_code == 200
    body = {"event_type": "system_error", "severity": "high", "context": {"source": "billing-7"}}
    decided = (await tenant.http.post("/agent/decide-action/", json=body)).json()
    assert (decided["action"], decided["priority"]) == ("notify_admin", 2)
    assert "tell-admin" in decided["reason"]
    event = SAMPLES["system_error"] | {"severity": "high"}
    taken = await take(tenant, [event | {"source": "billing-7"}, event | {"source": "shop"}])
    assert [e["action"] for e in taken["events"]] == ["notify_admin", "log_and_monitor"]


async def test_one_fingerprint_is_one_incident(tenant: Tenant) -> None:
    batch = [
        {"message": f"connection to 10.0.0.{n}:5432 refused after {n} ms", "error_type": "DbDown", "severity": "high"}
        for n in range(100)
    ]
    first = await take(tenant, batch)
    assert first["accepted"] == 100
    assert first["rejected"] == []
    assert len({e["incident_id"] for e in first["events"]}) == 1
    for event in batch[:3]:
        await take(tenant, event)
    [incident] = await incidents_of(tenant)
    assert incident["event_count"] == 103
    assert incident["status"] == "open"
    shown = (await tenant.http.get(f"/api/v1/incidents/{incident['id']}")).json()
    assert [line["kind"] for line in shown["timeline"]] == ["detected", "decided", "action"]
    assert len(shown["events"]) == 50  # the newest


async def test_many_at_once_open_one_incident(tenant: Tenant) -> None:
    event = {"message": "disk full on /dev/sda1", "error_type": "DiskFull", "severity": "high"}
    taken = await asyncio.gather(*(take(tenant, event) for _ in range(20)))
    assert len({one["events"][0]["incident_id"] for one in taken}) == 1
    [incident] = await incidents_of(tenant)
    assert incident["event_count"] == 20
    assert tenant.count("incidents") == 1
    assert tenant.count("events") == 20


async def test_different_causes_at_once_are_different_incidents(tenant: Tenant) -> None:
    kinds = ["Alpha", "Bravo", "Charlie", "Delta", "Echo"]
    batches = [
        [{"message": f"{kind} broke", "error_type": kind, "source": kind, "severity": "high"} for kind in order]
        for order in (kinds, kinds[::-1]) * 5
    ]
    await asyncio.gather(*(take(tenant, batch) for batch in batches))
    found = await incidents_of(tenant)
    assert sorted(i["source"] for i in found) == kinds
    assert [i["event_count"] for i in found] == [10] * 5
    assert sorted(i["number"] for i in found) == [1, 2, 3, 4, 5]


async def test_resolved_by_its_source(tenant: Tenant) -> None:
    event = {"message": "queue is stuck", "error_type": "QueueStuck", "source": "mailer", "severity": "high"}
    opened = (await take(tenant, event))["events"][0]["incident_id"]
    ended = (await take(tenant, event | {"resolved": True}))["events"][0]
    assert ended["incident_id"] == opened
    incident = (await tenant.http.get(f"/api/v1/incidents/{opened}")).json()
    assert incident["status"] == "resolved"
    assert incident["resolved_at"]
    assert "mailer" in incident["resolution"]
    assert (await take(tenant, event))["events"][0]["incident_id"] == opened, "it is back"
    nothing_open = (await take(tenant, {"message": "never seen", "resolved": True}))["events"][0]
    assert nothing_open["incident_id"] is None


async def test_the_answer_keeps_the_order(tenant: Tenant) -> None:
    """Also of mixed rows: what comes n-th is about the n-th good row."""
    batch: list[Any] = []
    for n in range(30):
        batch.append({"message": f"Boom {n}", "severity": "high" if n % 2 else "low", "context": {"n": n}})
        if n % 7 == 0:
            batch.append({"message": None})
    told = await take(tenant, batch)
    assert [r["row"] for r in told["rejected"]] == [n for n, row in enumerate(batch, 1) if row["message"] is None]
    rows = tenant.instance.sql("select id, context->>'n' from opsteward.events where tenant_id = %s", tenant.id)
    place = {str(row[0]): int(row[1]) for row in rows}
    assert [place[e["id"]] for e in told["events"]] == list(range(30))
    assert [e["severity"] for e in told["events"]] == ["low", "high"] * 15


async def test_without_detail_only_counts_come_back(tenant: Tenant) -> None:
    told = await take(tenant, [{"message": "a"}, {"message": 1}], detail="none")
    assert told == {
        "accepted": 1,
        "rejected": [{"row": 2, "field": "message", "reason": "is no text", "remedy": "send it as text"}],
    }


async def test_times_are_instants_in_utc(tenant: Tenant) -> None:
    event = {"message": "Boom", "severity": "high", "occurred_at": "2026-03-01T10:00:00+02:00"}
    incident_id = (await take(tenant, event))["events"][0]["incident_id"]
    shown = (await tenant.http.get(f"/api/v1/incidents/{incident_id}")).json()
    occurred = datetime.fromisoformat(shown["events"][0]["occurred_at"])
    assert occurred == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert datetime.fromisoformat(shown["opened_at"]).utcoffset() == UTC.utcoffset(None)


async def test_an_incident_is_acknowledged_and_resolved_by_hand(tenant: Tenant) -> None:
    incident_id = (await take(tenant, {"message": "Boom", "severity": "high"}))["events"][0]["incident_id"]
    path = f"/api/v1/incidents/{incident_id}"
    nothing: list[dict[str, Any] | None] = [None, {}]
    for body in nothing:
        acknowledged = await tenant.http.post(f"{path}/acknowledge", json=body)
        assert acknowledged.status_code == 200
        assert acknowledged.json()["status"] == "acknowledged"
    problem_of(await tenant.http.post(f"{path}/acknowledge", json={"why": "x"}), 422)
    resolved = await tenant.http.post(f"{path}/resolve", json={"reason": "restarted by hand"})
    assert (resolved.json()["status"], resolved.json()["resolution"]) == ("resolved", "restarted by hand")
    problem_of(await tenant.http.post(f"{path}/resolve", json={}), 409)
    problem_of(await tenant.http.post(f"{path}/acknowledge"), 409)


async def test_incidents_are_paged_newest_first(tenant: Tenant) -> None:
    names = ("Alpha", "Bravo", "Charlie", "Delta", "Echo")
    for kind in names:
        await take(tenant, {"message": f"{kind} broke", "error_type": kind, "severity": "high"})
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await tenant.http.get("/api/v1/incidents", params=query)).json()
        seen += [i["number"] for i in page["items"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert seen == [5, 4, 3, 2, 1]
    filtered = await tenant.http.get("/api/v1/incidents?status=resolved&status=escalated")
    assert filtered.json()["items"] == []


async def test_every_list_is_paged_to_its_end(tenant: Tenant) -> None:
    body = {"action": "log_only", "params": {"title": "x", "severity": "low"}, "reason": "x"}
    for _ in range(5):
        assert (await tenant.http.post("/api/v1/actions", json=body)).status_code == 202
    for path, least in (("/api/v1/actions", 5), ("/api/v1/audit", 8)):
        seen: list[str] = []
        query: dict[str, Any] = {"limit": 2}
        while True:
            page = (await tenant.http.get(path, params=query)).json()
            seen += [each["id"] for each in page["items"]]
            if page["next"] is None:
                break
            query["before"] = page["next"]
        assert len(seen) == len(set(seen)) >= least, path


async def test_reading_needs_no_more_than_reading(instance: Instance, tenant: Tenant) -> None:
    viewer = await tenant.operator("viewer")
    problem_of(await viewer.http.post(EVENTS, json={"message": "x"}), 403)
    assert tenant.count("events") == 0
    assert (await viewer.http.post("/agent/analyze-event/", json=EXAMPLE)).status_code == 200
