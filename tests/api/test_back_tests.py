"""A back-test agrees with what the orders then really did, and says what others would have changed."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from opsteward.core.clock import now
from opsteward.events.back_tests import service
from support.instance import Instance, Tenant
from support.live import Live
from support.problems import named_fields, problem_of

PATH = "/api/v1/standing-orders/back-test"
ORDERS = """version: 1
orders:
  - {name: hush-cron, match: {source: "cron-*", severity: [low, medium]}, action: log_only}
  - {name: by-day, match: {category: system_error, message: "*timeout*"}, action: notify_admin, approval: auto,
     window: {days: daily, from: "00:00", to: "24:00"}}
  - {name: never-now, match: {category: system_error}, action: escalate,
     window: {days: daily, from: "%s", to: "%s"}}
  - {name: pay, match: {system: pay, category: system_error}, action: notify_admin, approval: required}
  - {name: attacks, match: {category: security_issue}, action: alert_security_team, approval: auto,
     limits: {per_target: 60, per_hour: 60}}
"""
MESSAGES = (
    "could not connect to {}: connection refused",
    "query on {} timeout after 30 s",
    "SQL injection attempt on {} blocked: ' or 1=1 --",
    "field e-mail of {} is required",
    "cache of {} warmed in 12 ms",
    "Out of memory: killed process {} (java)",
)


def orders_of_now() -> str:
    """With a window that holds at another time of the day."""
    away = now() + timedelta(hours=6)
    return ORDERS % (f"{away:%H}:00", f"{away + timedelta(hours=1):%H}:00")


async def put(tenant: Tenant, text: str) -> None:
    answer = await tenant.http.put("/api/v1/standing-orders", json={"text": text})
    assert answer.status_code == 200, answer.text


async def back_test(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = await tenant.http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def batch(chance: random.Random, size: int) -> list[dict[str, Any]]:
    return [
        {
            "message": chance.choice(MESSAGES).format(chance.choice(("db-one", "web-two", "queue-three"))),
            "source": chance.choice(("cron-night", "pay", "web", "waf")),
            "error_type": chance.choice((None, "DatabaseError", "TimeoutError", "SecurityAlert")),
            "severity": chance.choice((None, "low", "medium", "high")),
            "resolved": chance.random() < 0.1,
        }
        for _ in range(size)
    ]


def asked(figures: list[dict[str, Any]]) -> Counter[str]:
    """The actions that each order would have asked for."""
    return Counter({one["name"]: one["run"] + one["waiting"] + one["denied"] for one in figures})


async def recorded_life(tenant: Tenant, seed: int) -> None:
    system = {"name": "pay", "type": "service", "endpoint": "http://127.0.0.1:9/", "criticality": "backup"}
    (await tenant.http.post("/api/v1/systems", json=system)).raise_for_status()
    await put(tenant, orders_of_now())
    chance = random.Random(seed)
    first = {"message": "could not connect to db: connection refused", "source": "pay", "error_type": "DatabaseError"}
    (await tenant.http.post("/api/v1/events", json=first)).raise_for_status()
    for size in (1, 5, 30, 1, 80, 2, 150):
        (await tenant.http.post("/api/v1/events", json=batch(chance, size))).raise_for_status()


@pytest.mark.parametrize("seed", [1, 2, 7])
async def test_it_agrees_with_what_was_really_decided(
    tenant: Tenant, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorded_life(tenant, seed)
    monkeypatch.setattr(service, "_PIECE", 7)  # requests lie across pieces
    found = await back_test(tenant)
    assert found["events"] == tenant.count("events") == 270
    assert (found["as_recorded"], found["changed"], found["differences"]) == (270, 0, [])
    assert found["today"] == found["proposed"]
    really = Counter[str]()
    for one in found["recorded"]:
        really[one["order"]] += one["count"]
    assert sum(really.values()) == tenant.count("action_runs")
    assert asked(found["today"]) == really
    assert sum(one["matched"] for one in found["today"]) == 270
    assert sum(one["recorded"] for one in found["stretches"]) == sum(one["today"] for one in found["stretches"])
    by_name = {one["name"]: one for one in found["today"]}
    assert by_name["never-now"]["matched"] == 0
    assert by_name["pay"]["waiting"] > 0
    assert by_name["pay"]["run"] == 0


async def test_incidents_of_one_request_that_were_put_together_agree_too(tenant: Tenant) -> None:
    await put(tenant, orders_of_now())
    events = [
        {"message": f"query timeout in {word}", "source": "web", "error_type": f"Error{word}"}
        for word in ("".join(chance.choices("abcdefghij", k=8)) for chance in (random.Random(n) for n in range(130)))
    ]
    events += [{"message": "SQL injection attempt blocked", "source": "web", "error_type": "SecurityAlert"}]
    (await tenant.http.post("/api/v1/events", json=events)).raise_for_status()
    found = await back_test(tenant)
    really = Counter[str]()
    for one in found["recorded"]:
        really[one["order"]] += one["count"]
    assert asked(found["today"]) == really


async def test_other_orders_are_compared_side_by_side_and_nothing_is_done(tenant: Tenant) -> None:
    await recorded_life(tenant, 3)
    before = {table: tenant.count(table) for table in ("action_runs", "incidents", "audit_entries", "events")}
    proposed = orders_of_now().replace("notify_admin, approval: required", "notify_admin, approval: auto")
    proposed = proposed.replace("hush-cron, match", "loud-cron, match").replace("action: log_only", "action: escalate")
    found = await back_test(tenant, text=proposed)
    assert {table: tenant.count(table) for table in before} == before
    assert found["as_recorded"] == found["events"]
    today, then = ({one["name"]: one for one in found[which]} for which in ("today", "proposed"))
    assert (today["pay"]["run"], then["pay"]["waiting"]) == (0, 0)
    assert then["pay"]["run"] == today["pay"]["waiting"] > 0
    assert then["loud-cron"]["waiting"] > 0
    changes = {(one["today"]["order"], one["proposed"]["order"]): one for one in found["differences"]}
    louder = changes["hush-cron", "loud-cron"]
    assert (louder["today"]["action"], louder["proposed"]["action"]) == ("log_only", "escalate")
    assert louder["count"] == today["hush-cron"]["matched"]
    assert len(louder["examples"]) == 3
    assert louder["examples"][0]["source"] == "cron-night"
    assert found["changed"] == sum(one["count"] for one in found["differences"])


async def test_a_span_is_only_what_lies_in_it(tenant: Tenant) -> None:
    await recorded_life(tenant, 4)
    middle = tenant.instance.sql(
        "select received_at from opsteward.events where tenant_id = %s order by received_at offset 100 limit 1",
        tenant.id,
    )[0][0].isoformat()
    first, second = await back_test(tenant, until=middle), await back_test(tenant, since=middle)
    assert (first["events"], second["events"]) == (100, 170)


async def test_what_can_not_be_tested_is_said(tenant: Tenant, other_tenant: Tenant) -> None:
    problem = problem_of(await tenant.http.post(PATH, json={"text": "version: 1\norders: nothing\n"}), 422)
    assert problem["code"] == "standing_orders_invalid"
    for body, field in (
        ({"since": (now() + timedelta(days=1)).isoformat()}, "since"),
        ({"since": (now() - timedelta(days=400)).isoformat()}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"text": 5}, "text"),
    ):
        answer = await tenant.http.post(PATH, json=body)
        problem_of(answer, 422)
        assert named_fields(answer) == {field}
    await recorded_life(tenant, 5)
    assert (await back_test(other_tenant))["events"] == 0


async def test_a_reader_who_has_gone_ends_it(
    tenant: Tenant, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorded_life(tenant, 6)
    monkeypatch.setattr(service, "_PIECE", 20)
    asked_whether: list[int] = []

    async def gone() -> bool:
        asked_whether.append(1)
        return len(asked_whether) > 2

    services = instance.services
    found = await services.back_tests.run(
        lambda: services.web.unit_of_work(tenant.id), text=None, since=now() - timedelta(days=1), given_up=gone
    )
    assert found.events == 40


@pytest.mark.slow(reason="a worker runs the actions, and refuses those beyond the limit")
def test_what_the_limits_denied_is_denied_again(live: Live) -> None:
    company = live.tenant(f"back-{uuid4().hex[:8]}")
    text = """version: 1
orders:
  - {name: few, match: {category: security_issue}, action: notify_admin, approval: auto,
     limits: {per_target: 5, per_hour: 2}}
"""
    company.owner.http.put("/api/v1/standing-orders", json={"text": text}).raise_for_status()

    def statuses() -> Counter[str]:
        rows = live.sql(
            "select status, count(*) from opsteward.action_runs where tenant_id = %s group by 1", company.id
        )
        return Counter(dict(rows))

    for number, word in enumerate(("alpha", "bravo", "charlie", "delta", "echo"), start=1):
        event = {"message": "SQL injection attempt blocked", "source": word, "error_type": f"Sql{word}"}
        company.owner.http.post("/api/v1/events", json=event).raise_for_status()
        until = time.monotonic() + 20
        while statuses()["succeeded"] + statuses()["denied"] < number:
            assert time.monotonic() < until, statuses()
            time.sleep(0.05)
    assert statuses() == {"succeeded": 2, "denied": 3}
    found = company.owner.http.post(PATH, json={}).raise_for_status().json()
    (few,) = [one for one in found["today"] if one["name"] == "few"]
    assert (few["matched"], few["run"], few["denied"]) == (5, 2, 3)
    assert {(one["status"], one["count"]) for one in found["recorded"]} == {("succeeded", 2), ("denied", 3)}
