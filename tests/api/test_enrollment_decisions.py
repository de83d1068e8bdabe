"""Decisions on enrolments that are bound to what was shown: one, and many at once."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from support.instance import Operator, Tenant
from support.problems import problem_of

CHANGED = "what would be granted has changed: look again"


async def set_rule(tenant: Tenant, name: str, **rule: Any) -> None:
    answer = await tenant.http.put("/api/v1/enrollment-rules", json={"rules": {name: rule}})
    assert answer.status_code == 200, answer.text


async def joiners(tenant: Tenant, role: str, *names: str) -> list[dict[str, Any]]:
    """The enrolments of new users of this role, in this order, as they are read."""
    for name in names:
        body = {"username": name, "email": f"{name}@example.com", "full_name": name.title(), "role": role}
        assert (await tenant.http.post("/api/v1/users", json=body)).status_code == 201
    params = {"status": "pending_manual_review", "enrollment_type": role, "limit": 200}
    found = (await tenant.http.get("/api/v1/enrollments", params=params)).json()["items"]
    return [one for name in names for one in found if one["username"] == name]


async def decide(by: Tenant | Operator, verdict: str, found: list[dict[str, Any]], **more: Any) -> Any:
    items = [{"id": one["id"], "grants_digest": one["grants_digest"]} for one in found]
    return await by.http.post("/api/v1/enrollments/decide", json={"verdict": verdict, "items": items, **more})


async def user_of(tenant: Tenant, enrollment: dict[str, Any]) -> dict[str, Any]:
    return dict((await tenant.http.get(f"/api/v1/users/{enrollment['user_id']}")).json())


async def test_fifty_are_let_in_at_once_each_with_its_own_trace(tenant: Tenant) -> None:
    await set_rule(tenant, "temp", permissions=["read"], systems=["crm"], access_days=30)
    found = await joiners(tenant, "temp", *(f"temp{number:02}" for number in range(50)))
    answer = (await decide(tenant, "approve", found, reason="season")).json()
    assert (answer["decided"], answer["not_decided"]) == (50, 0)
    assert [one["id"] for one in answer["items"]] == [one["id"] for one in found]
    assert {one["outcome"] for one in answer["items"]} == {"approved"}
    for one in (found[0], found[-1]):
        user = await user_of(tenant, one)
        assert (user["status"], user["permissions"], user["system_access"]) == ("active", ["read"], ["crm"])
        assert user["expires_at"] is not None
        history = (await tenant.http.get(f"/api/v1/users/{one['user_id']}/history")).json()["items"]
        assert (history[0]["what"], history[0]["actor"]) == ("enrolled", tenant.owner.actor)
        entries = (await tenant.http.get("/api/v1/audit", params={"object_id": one["id"]})).json()["items"]
        assert [entry["verb"] for entry in entries] == ["enrollment.approved"]


async def mover(tenant: Tenant, username: str, role: str) -> dict[str, Any]:
    """The enrolment as `role` of a user who has access by another one."""
    body = {"username": username, "email": f"{username}@example.com", "full_name": username, "role": "standard_user"}
    user = (await tenant.http.post("/api/v1/users", json=body)).json()
    (await tenant.http.put(f"/api/v1/users/{user['id']}", json={"role": role})).raise_for_status()
    params = {"status": "pending_manual_review", "user_id": user["id"]}
    return dict((await tenant.http.get("/api/v1/enrollments", params=params)).json()["items"][0])


async def read(tenant: Tenant, enrollment: dict[str, Any]) -> dict[str, Any]:
    return dict((await tenant.http.get(f"/api/v1/enrollments/{enrollment['id']}")).json())


async def grant(tenant: Tenant, enrollment: dict[str, Any], permission: str) -> None:
    body = {"kind": "permission", "name": permission, "reason": "a favour"}
    answer = await tenant.http.post(f"/api/v1/users/{enrollment['user_id']}/grants", json=body)
    assert answer.status_code == 201, answer.text


async def test_what_would_be_granted_has_changed_since_for_one_and_the_others_go_through(tenant: Tenant) -> None:
    await set_rule(tenant, "temp", permissions=["read", "write"], systems=["crm"])
    await set_rule(tenant, "clerk", permissions=["file"])
    anna, carl = await joiners(tenant, "temp", "anna", "carl")
    (dora,) = await joiners(tenant, "clerk", "dora")
    bert = await mover(tenant, "bert", "temp")
    assert bert["will_grant"]["permissions"] == ["read", "write"]
    await grant(tenant, bert, "write")
    await set_rule(tenant, "clerk", permissions=["file", "shred"])
    answer = (await decide(tenant, "approve", [anna, bert, dora, carl])).json()
    assert [(one["outcome"], one["detail"]) for one in answer["items"]] == [
        ("approved", None), ("changed", CHANGED), ("changed", CHANGED), ("approved", None),
    ]  # fmt: skip
    assert (await user_of(tenant, dora))["permissions"] == []
    again = [await read(tenant, bert), await read(tenant, dora)]
    assert [one["will_grant"]["permissions"] for one in again] == [["read"], ["file", "shred"]]
    assert (await decide(tenant, "approve", again)).json()["decided"] == 2
    assert (await user_of(tenant, bert))["permissions"] == ["read", "write"]


@pytest.mark.parametrize("rule", [
    {"permissions": ["read", "pay"], "systems": ["crm"]},
    {"permissions": ["read"], "systems": ["crm", "vault"]},
    {"permissions": ["read"], "all_systems": True},
    {"permissions": ["read"], "systems": ["crm"], "access_days": 1},
    {"permissions": [], "systems": ["crm"]},
])  # fmt: skip
@pytest.mark.parametrize("what", ["approve", "reject"])
async def test_a_single_decision_is_for_what_was_shown(tenant: Tenant, rule: dict[str, Any], what: str) -> None:
    await set_rule(tenant, "temp", permissions=["read"], systems=["crm"])
    (one,) = await joiners(tenant, "temp", "anna")
    await set_rule(tenant, "temp", **rule)
    path, digest = f"/api/v1/enrollments/{one['id']}/{what}", {"grants_digest": one["grants_digest"]}
    assert problem_of(await tenant.http.post(path, json=digest), 409)["detail"] == CHANGED
    assert (await user_of(tenant, one))["status"] == "pending"
    await set_rule(tenant, "temp", permissions=["read"], systems=["crm"])
    assert (await tenant.http.post(path, json=digest)).status_code == 200


async def test_a_denial_of_a_review_is_not_promised(tenant: Tenant) -> None:
    await set_rule(tenant, "temp", permissions=["read", "pay"])
    (one,) = await joiners(tenant, "temp", "anna")
    tenant.instance.sql(
        "insert into opsteward.user_grants (id, tenant_id, user_id, kind, name, denied, granted_by, reason, granted_at)"
        " values (gen_random_uuid(), %s, %s, 'permission', 'pay', true, 'x', 'x', now())",
        tenant.id,
        one["user_id"],
    )
    shown = (await tenant.http.get(f"/api/v1/enrollments/{one['id']}")).json()
    assert shown["will_grant"]["permissions"] == ["read"]
    assert (await decide(tenant, "approve", [shown])).json()["decided"] == 1
    assert (await user_of(tenant, one))["permissions"] == ["read"]


async def test_each_that_cannot_be_decided_says_why(tenant: Tenant) -> None:
    foreign = await (await tenant.instance.tenant()).operator("owner")
    await set_rule(tenant, "temp", permissions=["order"])
    await set_rule(tenant, "buyer", permissions=["pay", "ship"])
    over, gone, stage, fine = await joiners(tenant, "temp", "over", "gone", "stage", "fine")
    (await tenant.http.post(f"/api/v1/enrollments/{over['id']}/reject", json={})).raise_for_status()
    (checked,) = await joiners(tenant, "contractor", "checked")
    (await tenant.http.post(f"/api/v1/enrollments/{checked['id']}/approve", json={})).raise_for_status()
    checked = await read(tenant, checked)
    clash = await mover(tenant, "clash", "buyer")
    await grant(tenant, clash, "audit")
    pairs = {"pairs": [["audit", "pay"]]}
    (await tenant.http.put("/api/v1/segregation-of-duties", json=pairs)).raise_for_status()
    clash = await read(tenant, clash)
    assert clash["will_grant"]["refused_for"] == ["audit", "pay"]
    unknown = {**gone, "id": str(tenant.id)}
    answer = (await decide(tenant, "approve", [over, unknown, checked, clash, fine])).json()
    assert [one["outcome"] for one in answer["items"]] == [
        "already_decided", "not_found", "denied", "conflict", "approved",
    ]  # fmt: skip
    assert all(one["detail"] for one in answer["items"][:-1])
    assert (answer["decided"], answer["not_decided"]) == (1, 4)
    assert (await user_of(tenant, stage))["status"] == "pending"
    theirs = (await decide(foreign, "reject", [gone, stage])).json()
    assert [one["outcome"] for one in theirs["items"]] == ["not_found", "not_found"]
    assert (await decide(tenant, "reject", [gone, stage], reason="no need")).json()["decided"] == 2
    assert (await user_of(tenant, gone))["status"] == "inactive"


async def test_a_set_names_each_once_and_with_a_digest(tenant: Tenant) -> None:
    await set_rule(tenant, "temp", permissions=["order"])
    (one,) = await joiners(tenant, "temp", "anna")
    problem = problem_of(await decide(tenant, "approve", [one, one]), 422)
    assert problem["errors"][0]["field"] == "items.1.id"
    for items in ([], [{"id": one["id"]}], [{"id": one["id"], "grants_digest": "x" * 64}]):
        body = {"verdict": "approve", "items": items}
        problem_of(await tenant.http.post("/api/v1/enrollments/decide", json=body), 422)
    viewer = await tenant.operator("viewer")
    problem_of(await decide(viewer, "approve", [one]), 403)
    assert (await user_of(tenant, one))["status"] == "pending"


async def test_many_cost_as_many_statements_as_one(tenant: Tenant) -> None:
    await set_rule(tenant, "temp", permissions=["read"])
    found = await joiners(tenant, "temp", *(f"t{number:02}" for number in range(41)))
    await _statements(tenant, found[:1])  # that the token is used is written down the first time
    few = await _statements(tenant, found[1:2])
    assert await _statements(tenant, found[2:]) == few


async def _statements(tenant: Tenant, found: list[dict[str, Any]]) -> int:
    engine = tenant.instance.services.web._engine.sync_engine
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        assert (await decide(tenant, "approve", found)).json()["not_decided"] == 0
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return len(seen)
