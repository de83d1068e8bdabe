"""Who did it, by name: a person, a program by a token and what acts by itself are told apart, once gone too."""

from __future__ import annotations

from typing import Any

import httpx

from opsteward.accounts.sessions import SESSION_COOKIE
from support.instance import ORIGIN, Instance, Tenant
from support.waiting import register_shop_database


async def by_hand(instance: Instance, tenant: Tenant) -> httpx.AsyncClient:
    """The owner in a browser."""
    secret = (await tenant.credential("session")).secret
    return instance.client(Cookie=f"{SESSION_COOKIE}={secret}", Origin=ORIGIN)


async def by_token(instance: Instance, tenant: Tenant, name: str) -> tuple[httpx.AsyncClient, str]:
    """A program of the owner's, and the id of its token."""
    made = (await tenant.http.post("/api/v1/tokens", json={"name": name})).json()
    return instance.client(made["token"]), made["id"]


def person(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": str(tenant.owner.id), "name": tenant.owner.name, "kind": "operator", "automatic": False, "token": None,
    }  # fmt: skip


def program(tenant: Tenant, token: str) -> dict[str, Any]:
    return {**person(tenant), "kind": "token", "token": token}


async def test_a_token_is_told_apart_from_its_owner_everywhere(instance: Instance, tenant: Tenant) -> None:
    await register_shop_database(tenant)
    (ci, token_id), ada = await by_token(instance, tenant, "ci"), await by_hand(instance, tenant)
    for http, expected in ((ci, program(tenant, "ci")), (ada, person(tenant))):
        session = (await http.post("/api/v1/troubleshooting/sessions", json={})).json()
        task = (await http.post("/api/v1/tasks", json={"task_type": "opsteward.echo", "delay": 3600})).json()
        body = {
            "name": f"of {expected['kind']}", "cron": "0 0 1 1 *", "task": {"task_type": "opsteward.echo"},
        }  # fmt: skip
        schedule = (await http.post("/api/v1/schedules", json=body)).json()
        pause = {"scope": "action", "target": "log_only", "reason": "drill"}
        (await http.post("/api/v1/controls/pause", json=pause)).raise_for_status()
        pauses = (await tenant.http.get("/api/v1/controls")).json()["pauses"]
        (await http.post("/api/v1/controls/resume", json=pause)).raise_for_status()
        action = {"action": "log_only", "params": {"title": "x", "severity": "low"}, "reason": "x"}
        action = (await http.post("/api/v1/actions", json=action)).json()
        read = [
            (f"/api/v1/troubleshooting/sessions/{session['id']}", "requester"),
            (f"/api/v1/tasks/{task['id']}", "requester"),
            (f"/api/v1/schedules/{schedule['id']}", "creator"),
            (f"/api/v1/actions/{action['id']}", "requester"),
        ]
        for path, name in read:
            found = (await tenant.http.get(path)).json()
            assert found[name] == expected, path
            listed = (await tenant.http.get(path.rpartition("/")[0])).json()["items"]
            assert next(one for one in listed if one["id"] == found["id"])[name] == expected, path
        assert [one["pauser"] for one in pauses] == [expected]
        about = (await tenant.http.get("/api/v1/audit", params={"object_id": schedule["id"]})).json()["items"]
        assert [one["who"] for one in about] == [expected]
    (await tenant.http.delete(f"/api/v1/tokens/{token_id}")).raise_for_status()
    entries = (await tenant.http.get("/api/v1/audit", params={"object_type": "schedule"})).json()["items"]
    assert [one["who"] for one in entries] == [person(tenant), program(tenant, "ci")]  # revoked, and named still


async def test_the_one_who_decided_is_told_by_what_they_decided_with(instance: Instance, tenant: Tenant) -> None:
    bot, _ = await by_token(instance, tenant, "onboarding-bot")
    ada = await by_hand(instance, tenant)
    decided = {}
    for http, username in ((bot, "one"), (ada, "two")):
        body = {"username": username, "email": f"{username}@example.com", "full_name": username, "role": "wizard"}
        user = (await ada.post("/api/v1/users", json=body)).json()
        (waits,) = (await ada.get("/api/v1/enrollments", params={"user_id": user["id"]})).json()["items"]
        assert waits["requester"] == person(tenant)
        (await http.post(f"/api/v1/enrollments/{waits['id']}/approve", json={})).raise_for_status()
        decided[username] = (await ada.get(f"/api/v1/enrollments/{waits['id']}")).json()
    assert decided["one"]["decider"] == program(tenant, "onboarding-bot")
    assert decided["one"]["stages"][0]["decider"] == program(tenant, "onboarding-bot")
    assert decided["two"]["decider"] == person(tenant)


async def test_what_an_operator_did_is_named_after_they_left(instance: Instance, tenant: Tenant) -> None:
    grace = await tenant.operator("admin", name="Grace Hopper")
    task = (await grace.http.post("/api/v1/tasks", json={"task_type": "opsteward.echo", "delay": 3600})).json()
    (await tenant.http.delete(f"/api/v1/operators/{grace.id}")).raise_for_status()
    found = (await tenant.http.get(f"/api/v1/tasks/{task['id']}")).json()["requester"]
    assert (found["name"], found["kind"], found["token"]) == ("Grace Hopper", "token", "test")


async def test_a_lifted_freeze_says_who_lifted_it(instance: Instance, tenant: Tenant) -> None:
    action = {"action": "log_only", "params": {"title": "x", "severity": "low"}, "reason": "x"}
    ci, _ = await by_token(instance, tenant, "ci")
    run = (await ci.post("/api/v1/actions", json=action)).json()
    tenant.instance.sql(
        "insert into opsteward.freezes (id, tenant_id, target_key, action, action_run_id, reason, frozen_at, until)"
        " values (gen_random_uuid(), %s, 'x', 'log_only', %s, 'no help', now(), now() + interval '1 hour')",
        tenant.id,
        run["id"],
    )
    (frozen,) = (await tenant.http.get("/api/v1/freezes")).json()["items"]
    assert (frozen["requester"], frozen["lifter"]) == (program(tenant, "ci"), None)
    ada = await by_hand(instance, tenant)
    (await ada.post(f"/api/v1/freezes/{frozen['id']}/lift")).raise_for_status()
    assert (await tenant.http.get("/api/v1/freezes")).json()["items"] == []
    (over,) = (await tenant.http.get("/api/v1/freezes", params={"over": True})).json()["items"]
    assert (over["lifter"], over["requester"]) == (person(tenant), program(tenant, "ci"))


async def test_the_token_is_a_part_of_what_the_chain_proves(tenant: Tenant) -> None:
    (await tenant.http.post("/api/v1/tokens", json={"name": "ci"})).raise_for_status()
    assert (await tenant.http.get("/api/v1/audit/verify")).json()["ok"]
    tenant.instance.sql(
        "update opsteward.audit_entries set token_id = null where tenant_id = %s and token_id is not null", tenant.id
    )
    assert not (await tenant.http.get("/api/v1/audit/verify")).json()["ok"]
