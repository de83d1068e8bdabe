"""Standing orders through the API: check, apply, export; versions of each tenant; errors with line and remedy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.instance import Tenant
from support.problems import problem_of

PATH = "/api/v1/standing-orders"
SOUND = """# our own
version: 1
orders:
  - name: unblock-checkout   # shoppers wait
    match: {finding: lock_chain, system: "shop-*"}
    action: postgresql.terminate_session
    approval: required
    cooldown: 5m
    limits: {per_target: 3, per_hour: 10}

  - name: tell-admin
    match: {category: system_error, severity: high}
    action: notify_admin
    approval: auto
"""


async def apply(tenant: Tenant, text: str) -> dict[str, Any]:
    answer = await tenant.http.put(PATH, json={"text": text})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_check_apply_export_round_trip(tenant: Tenant) -> None:
    shipped = (await tenant.http.get(PATH)).json()
    assert (shipped["version"], shipped["applied_at"]) == (0, None)
    assert shipped["orders"]
    checked = await tenant.http.post(f"{PATH}/check", json={"text": SOUND})
    assert checked.json() == {"ok": True, "orders": ["unblock-checkout", "tell-admin"]}
    assert (await tenant.http.get(PATH)).json()["version"] == 0  # a check applies nothing
    applied = await apply(tenant, SOUND)
    assert applied["version"] == 1
    assert applied["applied_by"] == tenant.owner.actor
    exported = (await tenant.http.get(PATH)).json()
    assert exported == applied
    assert exported["text"] == SOUND  # to the letter: comments and order are people's
    again = await apply(tenant, exported["text"])
    assert again["version"] == 1


async def test_what_ships_can_be_applied(tenant: Tenant) -> None:
    text = (await tenant.http.get(PATH)).json()["text"]
    assert (await apply(tenant, text))["version"] == 1


async def test_versions_count_up_and_are_kept(tenant: Tenant) -> None:
    texts = [SOUND, "version: 1\norders:\n", SOUND, SOUND + "# changed\n"]
    versions = [(await apply(tenant, text))["version"] for text in texts]
    assert versions == [1, 2, 3, 4]
    kept = tenant.instance.sql(
        "select text from opsteward.standing_order_versions where tenant_id = %s order by version", tenant.id
    )
    assert [row[0] for row in kept] == texts
    audited = (await tenant.http.get("/api/v1/audit")).json()["items"]
    assert [e["object_id"] for e in audited if e["verb"] == "standing_orders.applied"] == ["4", "3", "2", "1"]


async def test_the_newest_version_decides_at_once(tenant: Tenant) -> None:
    body = {"event_type": "system_error", "severity": "high"}

    async def decided() -> str:
        return str((await tenant.http.post("/agent/decide-action/", json=body)).json()["action"])

    assert await decided() == "log_and_monitor"
    await apply(tenant, SOUND)
    assert await decided() == "notify_admin"
    await apply(tenant, "version: 1\norders:\n")
    assert await decided() == "log_and_monitor"


async def test_orders_are_of_one_tenant(tenant: Tenant, other_tenant: Tenant) -> None:
    await apply(tenant, SOUND)
    theirs = (await other_tenant.http.get(PATH)).json()
    assert theirs["version"] == 0
    assert "unblock-checkout" not in theirs["text"]
    assert (await apply(other_tenant, "version: 1\norders:\n"))["version"] == 1
    assert (await tenant.http.get(PATH)).json()["text"] == SOUND


async def test_two_appliers_at_once_leave_whole_versions(tenant: Tenant) -> None:
    """Who comes second in the same moment is told so; nothing is half applied, and no version is given twice."""
    texts = [f"# {n}\n{SOUND}" for n in range(8)]
    answers = await asyncio.gather(*(tenant.http.put(PATH, json={"text": text}) for text in texts))
    for answer in answers:
        if answer.status_code != 200:
            problem_of(answer, 409)
    versions = [a.json()["version"] for a in answers if a.status_code == 200]
    assert sorted(versions) == list(range(1, len(versions) + 1))
    last = max((a for a in answers if a.status_code == 200), key=lambda a: a.json()["version"]).json()
    assert (await tenant.http.get(PATH)).json()["text"] == last["text"]


ERRORS = {
    "unknown action": (SOUND.replace("notify_admin", "notify_admn"), 13, "orders.1.action", "notify_admin"),
    "unknown field": (SOUND.replace("cooldown", "cooldwn"), 8, "orders.0.cooldwn", "cooldown"),
    "unknown finding": (SOUND.replace("lock_chain", "lock_chian"), 5, "orders.0.match.finding", "lock_chain"),
    "unreachable rule": (
        SOUND + "  - {name: never, match: {category: system_error, severity: high}, action: log_only}\n",
        15,
        "orders.2",
        "before",
    ),
    "action for findings on an event": (
        SOUND.replace("action: notify_admin", "action: supervisor.restart_process"),
        13,
        "orders.1.action",
        "finding",
    ),
    "same name twice": (SOUND.replace("tell-admin", "unblock-checkout"), 11, "orders.1.name", "own name"),
    "no duration": (SOUND.replace("5m", "soon"), 8, "orders.0.cooldown", "5m"),
    "no version": (SOUND.replace("version: 1\n", ""), 2, "version", "version: 1"),
    "anchors": (SOUND.replace("{per_target: 3", "&a {per_target: 3"), 9, "file", "write it out"),
    "no YAML": ("version: 1\norders: }{\n", 2, "file", "indent"),
    "nothing": ("", 1, "file", "version"),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_errors_carry_line_and_remedy(tenant: Tenant, name: str) -> None:
    text, line, field, remedy = ERRORS[name]
    for method, path in (("POST", f"{PATH}/check"), ("PUT", PATH)):
        problem = problem_of(await tenant.http.request(method, path, json={"text": text}), 422)
        assert problem["code"] == "standing_orders_invalid"
        found = [e for e in problem["errors"] if e["field"] == field]
        assert found, problem["errors"]
        assert found[0]["line"] == line
        assert remedy in found[0]["remedy"]
        assert f"line {line}" in problem["detail"]
    assert tenant.count("standing_order_versions") == 0


async def test_all_errors_are_told_at_once(tenant: Tenant) -> None:
    text = SOUND.replace("cooldown", "cooldwn").replace("notify_admin", "nothing").replace("lock_chain", "lack")
    problem = problem_of(await tenant.http.post(f"{PATH}/check", json={"text": text}), 422)
    assert [e["line"] for e in problem["errors"]] == [5, 8, 13]
    assert all(e["remedy"] for e in problem["errors"])


def put_in_force(tenant: Tenant, text: str) -> None:
    """As after an upgrade that took something away: the text is in force already."""
    tenant.instance.sql(
        "insert into opsteward.standing_order_versions (tenant_id, id, version, text, applied_by, applied_at)"
        " values (%s, gen_random_uuid(), 1, %s, 'operator:x', now())",
        tenant.id,
        text,
    )


async def test_an_order_that_holds_up_no_longer_is_named_and_the_others_stay(tenant: Tenant) -> None:
    put_in_force(tenant, SOUND.replace("postgresql.terminate_session", "vanished.action"))
    found = (await tenant.http.get(PATH)).json()
    assert found["orders"] == ["tell-admin"]
    (problem,) = found["problems"]
    assert (problem["line"], problem["field"]) == (6, "orders.0.action")
    assert "vanished.action" in problem["problem"]
    (faulty,) = found["faulty"]
    assert (faulty["name"], faulty["line"]) == ("unblock-checkout", 6)
    decided = await tenant.http.post("/agent/decide-action/", json={"event_type": "system_error", "severity": "high"})
    assert decided.json()["action"] == "notify_admin"


NARROW = """version: 1
orders:
  - name: scanner-of-our-own
    match: {category: security_issue, source: our-scanner}
    action: vanished.action
    approval: required
  - name: all-attacks
    match: {category: security_issue}
    action: notify_admin
    approval: auto
"""


async def test_no_later_order_acts_where_a_faulty_one_may_have_decided(tenant: Tenant) -> None:
    put_in_force(tenant, NARROW)
    attack = {"message": "SQL injection attempt: ' or 1=1 --"}
    events = [attack | {"source": source} for source in ("our-scanner", "waf")]
    answer = await tenant.http.post("/api/v1/events", json=events)
    assert [one["action"] for one in answer.json()["events"]] == ["escalate", "notify_admin"]
    actions = tenant.instance.sql(
        "select action, requested_by, reason, limits->>'per_hour' from opsteward.action_runs where tenant_id = %s"
        " order by action",
        tenant.id,
    )
    assert [(one[0], one[1], one[3]) for one in actions] == [
        ("escalate", "standing-order:scanner-of-our-own", "30"),
        ("notify_admin", "standing-order:all-attacks", "10"),
    ]
    assert "is faulty (line 5: orders.0.action: there is no action 'vanished.action')" in actions[0][2]
    asked = {"event_type": "security_issue", "severity": "high", "context": {"source": "our-scanner"}}
    decided = (await tenant.http.post("/agent/decide-action/", json=asked)).json()
    assert decided["action"] == "escalate"
    assert "standing order scanner-of-our-own is faulty" in decided["reason"]


async def test_a_text_that_is_read_no_longer_lets_nothing_act_by_itself(tenant: Tenant) -> None:
    put_in_force(tenant, NARROW.replace("version: 1", "version: 7"))
    assert [one["name"] for one in (await tenant.http.get(PATH)).json()["faulty"]] == ["the whole text"]
    answer = await tenant.http.post(
        "/api/v1/events", json={"message": "kernel: Out of memory: Killed process 4711 (java)", "source": "waf"}
    )
    assert answer.json()["events"][0]["action"] == "escalate"


async def test_an_order_keeps_its_hold_on_a_system_that_is_renamed(tenant: Tenant) -> None:
    system = {"name": "pay-db", "type": "service", "endpoint": "http://127.0.0.1:9/", "criticality": "backup"}
    made = (await tenant.http.post("/api/v1/systems", json=system)).json()
    text = """version: 1
orders:
  - {name: hush-pay, match: {category: system_error, system: Pay-DB}, action: log_only}
  - {name: all-errors, match: {category: system_error}, action: notify_admin, approval: auto}
"""
    await apply(tenant, text)
    event = {"message": "could not connect: connection refused", "error_type": "ConnectionError"}

    async def decided(source: str) -> str:
        answer = await tenant.http.post("/api/v1/events", json=event | {"source": source})
        return str(answer.json()["events"][0]["action"])

    assert await decided("pay-db") == "log_only"
    assert (await tenant.http.get(PATH)).json()["problems"] == []
    answer = await tenant.http.patch(f"/api/v1/systems/{made['id']}", json={"name": "payments"})
    assert answer.status_code == 200, answer.text
    assert (await decided("payments"), await decided("pay-db"), await decided("cron")) == (
        "escalate",
        "escalate",
        "notify_admin",
    )
    found = (await tenant.http.get(PATH)).json()
    assert [(one["line"], one["field"]) for one in found["problems"]] == [(3, "hush-pay.match.system")]
    assert "called 'payments' now" in found["problems"][0]["problem"]
    assert (await tenant.http.delete(f"/api/v1/systems/{made['id']}")).status_code in (200, 204)
    assert await decided("pay-db") == "escalate"
    await apply(tenant, text.replace("Pay-DB", "shop-*"))
    assert await decided("pay-db") == "notify_admin"


async def test_reading_is_for_all_and_writing_for_few(tenant: Tenant) -> None:
    for role, may_write in (("viewer", False), ("approver", False), ("operator", False), ("admin", True)):
        operator = await tenant.operator(role)
        assert (await operator.http.get(PATH)).status_code == 200
        assert (await operator.http.post(f"{PATH}/check", json={"text": SOUND})).status_code == 200
        answer = await operator.http.put(PATH, json={"text": SOUND})
        if may_write:
            assert answer.status_code == 200
        else:
            problem_of(answer, 403)
