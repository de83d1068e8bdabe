"""What lists say by name: enrolments and their grants, the audit log, versions of orders, tokens, a system's past."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from opsteward.core.retention import forget
from opsteward.systems.health_history import note_check
from support.instance import Instance, Tenant
from support.problems import problem_of
from support.waiting import register_shop_database

ORDERS = """version: 1
orders:
  - name: {name}
    match: {{category: security_issue}}
    action: escalate
    approval: auto
"""


async def waiting(tenant: Tenant, role: str, username: str) -> dict[str, Any]:
    body = {"username": username, "email": f"{username}@example.com", "full_name": f"{username} Doe", "role": role}
    made = (await tenant.http.post("/api/v1/users", json=body)).json()
    (found,) = (await tenant.http.get("/api/v1/enrollments", params={"user_id": made["id"]})).json()["items"]
    return dict(found)


async def test_an_enrolment_says_what_it_grants_before_it_does(tenant: Tenant) -> None:
    rule = {"permissions": ["read_basic", "deploy"], "systems": ["main_app", "vault"], "access_days": 90,
            "stages": [{"name": "manager"}]}  # fmt: skip
    await tenant.http.put("/api/v1/enrollment-rules", json={"rules": {"builder": rule}})
    one = await waiting(tenant, "builder", "bob")
    assert one["will_grant"] == {
        "permissions": ["deploy", "read_basic"], "systems": ["main_app", "vault"], "all_systems": False,
        "access_days": 90, "stages_left": ["manager"], "refused_for": None,
    }  # fmt: skip
    assert (one["requester"]["name"], one["decider"]) == ("ada", None)
    await tenant.http.post(f"/api/v1/enrollments/{one['id']}/approve", json={"reason": "hired"})
    user = (await tenant.http.get(f"/api/v1/users/{one['user_id']}")).json()
    assert (user["permissions"], user["system_access"]) == (["deploy", "read_basic"], ["main_app", "vault"])
    done = (await tenant.http.get(f"/api/v1/enrollments/{one['id']}")).json()
    assert (done["will_grant"], done["decider"]["name"], done["reason"]) == (None, "ada", "hired")
    assert [(s["decider"]["name"], s["reason"]) for s in done["stages"]] == [("ada", "hired")]


async def test_who_has_a_part_already_is_granted_the_rest(tenant: Tenant) -> None:
    for name, rule in (
        ("reader", {"auto_approve": True, "permissions": ["read"], "systems": ["main_app"]}),
        ("writer", {"permissions": ["read", "write"], "all_systems": True}),
    ):
        await tenant.http.put("/api/v1/enrollment-rules", json={"rules": {name: rule}})
    body = {"username": "eve", "email": "eve@example.com", "full_name": "Eve", "role": "reader"}
    user_id = (await tenant.http.post("/api/v1/users", json=body)).json()["id"]
    await tenant.http.put(f"/api/v1/users/{user_id}", json={"role": "writer"})
    newest, first = (await tenant.http.get("/api/v1/enrollments", params={"user_id": user_id})).json()["items"]
    assert (newest["will_grant"]["permissions"], newest["will_grant"]["systems"]) == (["write"], [])
    assert newest["will_grant"]["all_systems"] is True
    assert (first["decider"]["kind"], first["decider"]["automatic"], first["will_grant"]) == ("rule", True, None)


async def test_enrolments_are_found_by_words_and_age(tenant: Tenant) -> None:
    first, other = await waiting(tenant, "contractor", "anna"), await waiting(tenant, "contractor", "bert")
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for wanted, expected in (
        ({"search": "ANNA doe"}, [first]), ({"search": "bert@example"}, [other]), ({"search": "%"}, []),
        ({"since": later}, []), ({"until": later}, [other, first]),
    ):  # fmt: skip
        found = (await tenant.http.get("/api/v1/enrollments", params=wanted)).json()["items"]
        assert [one["id"] for one in found] == [one["id"] for one in expected], wanted


async def test_the_audit_log_is_read_and_exported_by_name(tenant: Tenant) -> None:
    other = await tenant.operator("admin", name="Grace Hopper")
    await register_shop_database(tenant)
    made = await other.http.post("/api/v1/operators", json={"name": "carl", "roles": ["viewer"]})
    assert made.status_code == 201, made.text
    for actor in ("grace hopper", str(other.id), other.actor):
        found = (await tenant.http.get("/api/v1/audit", params={"actor": actor})).json()["items"]
        assert [(one["verb"], one["who"]["name"]) for one in found] == [("operator.created", "Grace Hopper")], actor
    assert (await tenant.http.get("/api/v1/audit", params={"actor": "nobody"})).json()["items"] == []
    systems = (await tenant.http.get("/api/v1/audit", params={"object_type": "system"})).json()["items"]
    assert [one["verb"] for one in systems] == ["system.registered"]
    export = await tenant.http.get("/api/v1/audit/export")
    assert export.headers["content-type"] == "application/x-ndjson"
    whole = (await tenant.http.get("/api/v1/audit", params={"limit": 1000})).json()["items"]
    assert [json.loads(line)["id"] for line in export.text.splitlines()] == [one["id"] for one in whole]
    part = await tenant.http.get("/api/v1/audit/export", params={"actor": "Grace Hopper"})
    assert [json.loads(line)["who"]["name"] for line in part.text.splitlines()] == ["Grace Hopper"]
    viewer = await tenant.operator("viewer")
    problem_of(await viewer.http.get("/api/v1/audit/export"), 403)


async def test_every_version_of_the_orders_is_kept_with_its_author(tenant: Tenant) -> None:
    other = await tenant.operator("admin", name="grace")
    path = "/api/v1/standing-orders"
    for by, name in ((tenant.owner, "first"), (other, "second"), (tenant.owner, "third")):
        (await by.http.put(path, json={"text": ORDERS.format(name=name)})).raise_for_status()
    listed = (await tenant.http.get(f"{path}/versions", params={"limit": 2})).json()
    assert [(v["version"], v["author"]["name"], v["in_force"]) for v in listed["items"]] == [
        (3, "ada", True), (2, "grace", False),
    ]  # fmt: skip
    rest = (await tenant.http.get(f"{path}/versions", params={"before": listed["next"]})).json()
    assert [(v["version"], v["author"]["automatic"]) for v in rest["items"]] == [(1, False), (0, True)]
    assert rest["next"] is None
    old = (await tenant.http.get(f"{path}/version", params={"number": 2})).json()
    assert (old["text"], old["author"]["name"]) == (ORDERS.format(name="second"), "grace")
    assert (await tenant.http.get(f"{path}/version")).json()["text"] == ORDERS.format(name="third")
    last = (await tenant.http.get(f"{path}/diff")).json()
    assert (last["before"]["version"], last["after"]["version"], last["added"], last["removed"]) == (2, 3, 1, 1)
    assert "-  - name: second\n+  - name: third" in last["diff"]
    same = (await tenant.http.get(f"{path}/diff", params={"from": 1, "to": 1})).json()
    assert (same["diff"], same["added"], same["removed"]) == ("", 0, 0)
    assert (
        "there is no version 9" in problem_of(await tenant.http.get(f"{path}/diff", params={"from": 9}), 404)["detail"]
    )


async def test_who_never_applied_orders_has_what_ships(tenant: Tenant) -> None:
    (only,) = (await tenant.http.get("/api/v1/standing-orders/versions")).json()["items"]
    assert (only["version"], only["in_force"], only["applied_at"]) == (0, True, None)
    assert (await tenant.http.get("/api/v1/standing-orders/diff")).json()["diff"] == ""


async def test_tokens_and_operators_say_whose_they_are_and_who_made_them(tenant: Tenant) -> None:
    await tenant.http.post("/api/v1/operators", json={"name": "carl", "roles": ["viewer"]})
    await tenant.http.post("/api/v1/tokens", json={"operator": "carl", "name": "ci"})
    (token, *_) = (await tenant.http.get("/api/v1/tokens")).json()["items"]
    assert (token["name"], token["operator"], token["issuer"]["name"]) == ("ci", "carl", "ada")
    people = {one["name"]: one for one in (await tenant.http.get("/api/v1/operators")).json()["items"]}
    assert people["carl"]["creator"]["name"] == "ada"
    assert people["ada"]["creator"]["kind"] == "system"


async def test_a_systems_past_is_summed_up(instance: Instance, tenant: Tenant) -> None:
    system_id = await register_shop_database(tenant)
    start = datetime(2026, 3, 1, tzinfo=UTC)
    async with instance.services.app.unit_of_work(tenant.id) as session:
        for minute in range(120):
            for second, seconds in ((0, 0.1), (30, 0.3)):
                failed = minute < 12 and second == 30
                await note_check(
                    session, system_id=system_id, at=start + timedelta(minutes=minute, seconds=second),
                    failed=failed, response_time=None if failed else seconds,
                )  # fmt: skip
    period = {"since": start.isoformat(), "until": (start + timedelta(hours=2)).isoformat()}
    path = f"/api/v1/systems/{system_id}/health/history"
    found = (await tenant.http.get(path, params={**period, "points": 2})).json()
    assert (found["checks"], found["failed"], found["availability_percent"]) == (240, 12, 95.0)
    assert (found["seconds_per_point"], found["response_time_max"]) == (3600, 0.3)
    assert round(found["response_time"], 4) == round((120 * 0.1 + 108 * 0.3) / 228, 4)
    assert [(point["checks"], point["availability_percent"]) for point in found["points"]] == [
        (120, 90.0),
        (120, 100.0),
    ]
    fine = (await tenant.http.get(path, params={**period, "points": 1000})).json()
    assert (len(fine["points"]), fine["seconds_per_point"]) == (120, 60)
    day = (await tenant.http.get(path)).json()
    assert (day["points"], day["availability_percent"], day["checks"]) == ([], None, 0)
    problem_of(await tenant.http.get(path, params={"since": period["until"], "until": period["since"]}), 422)
    foreign = await instance.tenant()
    problem_of(await foreign.http.get(path, params=period), 404)


async def test_a_past_beyond_its_retention_is_forgotten(instance: Instance, tenant: Tenant) -> None:
    system_id = UUID(int=7)
    async with instance.services.app.unit_of_work(tenant.id) as session:
        for at in (datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC)):
            await note_check(session, system_id=system_id, at=at, failed=False, response_time=0.1)
    await forget(instance.services.app, "forget_health", instance.services.settings.systems.health_retention)
    assert tenant.count("health_minutes") == 1


async def test_systems_are_found_by_a_part_of_their_name(tenant: Tenant) -> None:
    for name in ("Shop-DB", "books-db"):
        await register_shop_database(tenant, name)
    for text, expected in (("shop", ["Shop-DB"]), ("-DB", ["books-db", "Shop-DB"]), ("%", [])):
        found = (await tenant.http.get("/api/v1/systems", params={"search": text})).json()["items"]
        assert [one["name"] for one in found] == expected, text
