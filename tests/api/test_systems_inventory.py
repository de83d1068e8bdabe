"""The inventory is changed, declared in a file, disabled and tried; secrets never come back."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.instance import Tenant
from support.problems import problem_of


def system(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "service", "endpoint": "http://127.0.0.1:9/", "criticality": "backup", **more}


async def register(tenant: Tenant, **more: Any) -> dict[str, Any]:
    made = await tenant.http.post("/api/v1/systems", json=system(f"s-{uuid4().hex[:8]}", **more))
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_fields_are_changed_one_by_one_and_the_others_stay(tenant: Tenant) -> None:
    secret = "pl4nted-secret"
    made = await register(tenant, credentials={"username": "u", "password": secret}, owner="Ops", tags=["a", "a"])
    assert made["tags"] == ["a"] and made["enabled"] is True and made["circuit"]["state"] == "closed"
    where = f"/api/v1/systems/{made['id']}"
    changed = await tenant.http.patch(where, json={"runbook_url": "https://wiki/x", "enabled": False})
    assert changed.status_code == 200, changed.text
    assert changed.json()["owner"] == "Ops" and changed.json()["has_credentials"] and not changed.json()["enabled"]
    cleared = (await tenant.http.patch(where, json={"credentials": {}, "owner": None})).json()
    assert not cleared["has_credentials"] and cleared["owner"] is None
    assert secret not in made.__str__() + changed.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"endpoint": "gopher://x"}, "endpoint"),
        ({"criticality": "high"}, "criticality"),
        ({"tags": ["no spaces"]}, "tags.0"),
        ({"runbook_url": "javascript:alert(1)"}, "runbook_url"),
        ({"endpoint": "http://u:p@host/"}, "endpoint"),
        ({"depends_on": ["nowhere"]}, "depends_on.0"),
        ({"nothing": 1}, "nothing"),
    ],
)
async def test_a_bad_change_names_the_field_and_changes_nothing(tenant: Tenant, change: Any, field: str) -> None:
    made = await register(tenant)
    answer = await tenant.http.patch(f"/api/v1/systems/{made['id']}", json={"owner": "X", **change})
    assert answer.status_code == 422, answer.text
    assert field in answer.text and "p@host" not in answer.text
    assert (await tenant.http.get(f"/api/v1/systems/{made['id']}")).json()["owner"] is None


async def test_stored_credentials_are_never_led_to_another_server(tenant: Tenant) -> None:
    made = await register(tenant, credentials={"username": "u", "password": "pl4nted"})
    where = f"/api/v1/systems/{made['id']}"
    for endpoint in ("http://127.0.0.1:10/", "https://127.0.0.1:9/", "http://evil.example/"):
        answer = await tenant.http.patch(where, json={"endpoint": endpoint})
        assert answer.status_code == 422 and "another server" in answer.text
    same_server = await tenant.http.patch(where, json={"endpoint": "http://127.0.0.1:9/other"})
    assert same_server.status_code == 200
    given = {"endpoint": "http://127.0.0.1:10/", "credentials": {"username": "v", "password": "w"}}
    assert (await tenant.http.patch(where, json=given)).status_code == 200


async def test_systems_never_depend_on_each_other_in_a_circle(tenant: Tenant) -> None:
    first = await register(tenant)
    second = await register(tenant, depends_on=[first["name"]])
    answer = await tenant.http.patch(f"/api/v1/systems/{first['id']}", json={"depends_on": [second["name"]]})
    assert problem_of(answer, 409)
    taken = await tenant.http.patch(f"/api/v1/systems/{first['id']}", json={"name": second["name"].upper()})
    assert problem_of(taken, 409)


async def test_a_declared_inventory_is_planned_applied_and_stays(tenant: Tenant) -> None:
    base, app = f"base-{uuid4().hex[:6]}", f"app-{uuid4().hex[:6]}"
    declared = [
        system(app, depends_on=[base], credentials={"username": "u", "password": "pl4nted"}, tags=["b", "a"]),
        system(base, owner="Ops"),
    ]
    plan = (await tenant.http.post("/api/v1/systems/plan", json={"systems": declared})).json()
    assert {s["name"]: s["what"] for s in plan["systems"] if s["name"] in {app, base}} == {
        app: "create",
        base: "create",
    }
    applied = await tenant.http.post("/api/v1/systems/apply", json={"systems": declared})
    assert applied.status_code == 200, applied.text
    again = (await tenant.http.post("/api/v1/systems/plan", json={"systems": declared})).json()
    assert again["changes"] == 0
    found = (await tenant.http.get("/api/v1/systems", params={"search": app})).json()["items"][0]
    await tenant.http.patch(f"/api/v1/systems/{found['id']}", json={"criticality": "critical", "credentials": {}})
    drift = (await tenant.http.post("/api/v1/systems/plan", json={"systems": declared})).json()
    fields = next(s["fields"] for s in drift["systems"] if s["name"] == app)
    assert [f["field"] for f in fields] == ["criticality", "credentials"]
    assert fields[0]["now"] == "critical" and "pl4nted" not in str(drift)
    bad = [system(base, owner="Else"), system("other", type="nothing")]
    refused = await tenant.http.post("/api/v1/systems/apply", json={"systems": bad})
    assert refused.status_code == 422 and "systems.1.type" in refused.text
    kept = (await tenant.http.get("/api/v1/systems", params={"search": base})).json()["items"][0]
    assert kept["owner"] == "Ops"
    twice = await tenant.http.post("/api/v1/systems/plan", json={"systems": [system(base), system(base.upper())]})
    assert twice.status_code == 422
    pruned = await tenant.http.post("/api/v1/systems/apply", json={"systems": [], "prune": True})
    assert pruned.status_code == 200, pruned.text
    assert (await tenant.http.get("/api/v1/systems")).json()["items"] == []


async def test_a_system_is_tried_and_says_what_is_wrong(tenant: Tenant) -> None:
    made = await register(tenant)
    tried = await tenant.http.post(f"/api/v1/systems/{made['id']}/access-check")
    assert tried.status_code == 200 and not tried.json()["reachable"] and "127.0.0.1" in tried.json()["problem"]
