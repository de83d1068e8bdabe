"""Enrolment over the API: stages, decisions, rules as data, duties that must not meet."""

from __future__ import annotations

from typing import Any

import pytest

from opsteward.directory.users.lifecycle import do_what_is_due
from support.instance import Operator, Tenant
from support.problems import problem_of


async def _waiting(tenant: Tenant, role: str, username: str = "joiner") -> tuple[str, str]:
    """The ids of a new user and of the enrolment that it waits for."""
    body = {"username": username, "email": f"{username}@example.com", "full_name": username, "role": role}
    answer = await tenant.http.post("/api/v1/users", json=body)
    assert (answer.status_code, answer.json()["status"]) == (201, "pending"), answer.text
    user_id = answer.json()["id"]
    (waiting,) = (await tenant.http.get("/api/v1/enrollments", params={"user_id": user_id})).json()["items"]
    assert (waiting["status"], waiting["automatic"]) == ("pending_manual_review", False)
    return user_id, waiting["id"]


async def _decide(by: Operator | Tenant, enrollment_id: str, what: str, **body: Any) -> Any:
    return await by.http.post(f"/api/v1/enrollments/{enrollment_id}/{what}", json=body)


async def _set_rule(tenant: Tenant, name: str, rule: dict[str, Any] | None) -> Any:
    return await tenant.http.put("/api/v1/enrollment-rules", json={"rules": {name: rule}})


async def _user(tenant: Tenant, user_id: str) -> dict[str, Any]:
    return dict((await tenant.http.get(f"/api/v1/users/{user_id}")).json())


async def test_a_contractor_needs_a_check_and_a_review_by_two_people(tenant: Tenant) -> None:
    user_id, enrollment_id = await _waiting(tenant, "contractor")
    first = await _decide(tenant, enrollment_id, "approve", reason="checked")
    assert (first.status_code, first.json()["status"], first.json()["stage"]) == (200, "pending_manual_review", 1)
    assert (await _user(tenant, user_id))["permissions"] == []
    problem_of(await _decide(tenant, enrollment_id, "approve"), 403)
    other = await tenant.operator("approver")
    second = await _decide(other, enrollment_id, "approve", reason="welcome")
    assert (second.json()["status"], second.json()["approver"]) == ("approved", other.name)
    user = await _user(tenant, user_id)
    assert (user["status"], user["permissions"], user["system_access"]) == ("active", ["read_basic"], ["main_app"])
    problem_of(await _decide(other, enrollment_id, "reject"), 409)


async def test_the_approver_is_who_bears_the_token(tenant: Tenant) -> None:
    _, enrollment_id = await _waiting(tenant, "contractor")
    problem_of(await _decide(tenant, enrollment_id, "approve", approver="somebody else"), 403)
    named = await _decide(tenant, enrollment_id, "approve", approver=tenant.owner.name)
    assert named.status_code == 200


async def test_a_rejected_joiner_gets_nothing(tenant: Tenant) -> None:
    user_id, enrollment_id = await _waiting(tenant, "contractor")
    rejected = await _decide(tenant, enrollment_id, "reject", reason="no contract")
    assert (rejected.json()["status"], rejected.json()["reason"]) == ("rejected", "no contract")
    user = await _user(tenant, user_id)
    assert (user["status"], user["permissions"]) == ("inactive", [])


async def test_a_role_that_no_rule_knows_is_looked_at(tenant: Tenant) -> None:
    user_id, enrollment_id = await _waiting(tenant, "wizard")
    assert (await _decide(tenant, enrollment_id, "approve")).json()["status"] == "approved"
    assert (await _user(tenant, user_id))["permissions"] == []


async def test_rules_are_data(tenant: Tenant) -> None:
    shipped = (await tenant.http.get("/api/v1/enrollment-rules")).json()
    assert {"standard_user", "premium_user", "contractor", "executive", "admin"} <= set(shipped)
    rule = {
        "auto_approve": True,
        "permissions": ["sell"],
        "systems": ["crm"],
        "match": {"departments": ["Sales"], "attributes": {"level": 2}},
    }
    put = await _set_rule(tenant, "sales", rule)
    assert (put.status_code, put.json()["sales"]["permissions"]) == (200, ["sell"])
    body = {"username": "s", "email": "s@example.com", "full_name": "S", "department": "sales"}
    seller = (await tenant.http.post("/api/v1/users", json={**body, "profile_data": {"level": 2}})).json()
    assert seller["permissions"] == ["sell"]
    other = {**body, "username": "t", "email": "t@example.com", "profile_data": {"level": 3}}
    assert "sell" not in (await tenant.http.post("/api/v1/users", json=other)).json()["permissions"]
    assert "sales" not in (await _set_rule(tenant, "sales", None)).json()
    problem_of(await _set_rule(tenant, "standard_user", None), 404)


@pytest.mark.parametrize(("rule", "field"), [
    ({"surprise": 1}, "surprise"),
    ({"permissions": [""]}, "permissions"),
    ({"access_days": 0}, "access_days"),
    ({"stages": [{"name": "a", "escalate_after": -1}]}, "stages.0.escalate_after"),
    ({"auto_approve": "perhaps"}, "auto_approve"),
])  # fmt: skip
async def test_a_bad_rule_is_refused_by_its_field(tenant: Tenant, rule: dict[str, Any], field: str) -> None:
    problem = problem_of(await _set_rule(tenant, "x", rule), 422)
    assert problem["errors"][0]["field"].startswith(f"rules.x.{field}")
    assert tenant.count("enrollment_rules") == 0


async def test_duties_that_must_not_meet_do_not(tenant: Tenant) -> None:
    put = await tenant.http.put("/api/v1/segregation-of-duties", json={"pairs": [["pay", "order"]]})
    assert put.json() == {"pairs": [["order", "pay"]]}
    problem_of(await _set_rule(tenant, "x", {"permissions": ["pay", "order"]}), 409)
    await _set_rule(tenant, "buyer", {"auto_approve": True, "permissions": ["order"]})
    body = {"username": "b", "email": "b@example.com", "full_name": "B", "role": "buyer"}
    user = (await tenant.http.post("/api/v1/users", json=body)).json()
    grants = f"/api/v1/users/{user['id']}/grants"
    refused = await tenant.http.post(grants, json={"kind": "permission", "name": "pay"})
    assert "segregation" in problem_of(refused, 409)["detail"]
    assert (await _user(tenant, user["id"]))["permissions"] == ["order"]
    assert tenant.count("user_grants") == 0
    given = {"pairs": [["read_basic", "write_basic"]]}
    problem_of(await tenant.http.put("/api/v1/segregation-of-duties", json=given), 409)


async def test_a_further_stage_needs_somebody_else_than_a_puppet(tenant: Tenant) -> None:
    _, enrollment_id = await _waiting(tenant, "contractor")
    assert (await _decide(tenant, enrollment_id, "approve")).status_code == 200
    await tenant.http.post("/api/v1/operators", json={"name": "sock", "roles": ["admin"]})
    token = (await tenant.http.post("/api/v1/tokens", json={"operator": "sock"})).json()["token"]
    answer = await tenant.instance.client(token).post(f"/api/v1/enrollments/{enrollment_id}/approve", json={})
    assert "of the earlier approver's making: sock was" in problem_of(answer, 403)["detail"]
    other = await tenant.operator("admin")
    assert (await _decide(other, enrollment_id, "approve")).json()["status"] == "approved"


async def test_an_overdue_stage_becomes_an_incident_once(tenant: Tenant) -> None:
    rule = {"stages": [{"name": "manager", "escalate_after": 3600}]}
    await _set_rule(tenant, "slow", rule)
    await _waiting(tenant, "slow")
    tenant.instance.sql("update opsteward.enrollments set due_at = now() where tenant_id = %s", tenant.id)
    services = tenant.instance.services
    for _ in range(2):
        await do_what_is_due(services.app, tenant.id, services.users, services.enrollments)
    incidents = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert len(incidents) == 1
    assert "manager" in incidents[0]["title"]


async def test_a_viewer_sees_and_decides_nothing(tenant: Tenant) -> None:
    _, enrollment_id = await _waiting(tenant, "contractor")
    viewer = await tenant.operator("viewer")
    assert (await viewer.http.get("/api/v1/enrollments")).status_code == 200
    problem_of(await _decide(viewer, enrollment_id, "approve"), 403)
