"""Access on an outside system follows the users: given and taken by tasks, through the door, on a real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.live import Live, LiveTenant, running_instance
from support.target import on_target, target_server

_WITHIN = 30.0  # seconds
RULES = {
    "analyst": {"permissions": ["read"], "systems": ["Orders-DB"], "auto_approve": True},
    "admin": {"permissions": ["read"], "all_systems": True, "auto_approve": True},
    "guest": {"permissions": ["read"], "auto_approve": True},
}


DONE = {"succeeded", "not_needed"}
Members = Callable[[], set[str]]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running_instance({}) as instance:
        on_target("create role keeper login createrole")
        on_target("create role grandee login createdb")
        yield instance


@pytest.fixture
def tenant(live: Live) -> LiveTenant:
    """A tenant whose analysts may use the orders."""
    tenant = live.tenant(f"kept-{uuid4().hex[:12]}")
    tenant.owner.http.put("/api/v1/enrollment-rules", json={"rules": RULES}).raise_for_status()
    return tenant


@pytest.fixture
def readers(live: Live) -> str:
    """A role of the server whose members may read the orders; nobody is one."""
    role = f"readers-{uuid4().hex[:8]}"
    on_target(f'create role "{role}"')
    on_target(f'grant "{role}" to keeper with admin option')
    return role


@pytest.fixture
def members(live: Live, readers: str) -> Members:
    def look() -> set[str]:
        rows = on_target(
            "select m.member::regrole::text from pg_auth_members m"
            " where m.roleid = %s::regrole and m.member <> 'keeper'::regrole",
            f'"{readers}"',
        )
        return {name.strip('"') for (name,) in rows}

    return look


def register(live: Live, tenant: LiveTenant, role: str) -> str:
    """The orders' database as a system of the tenant."""
    system = {
        "name": "orders-db",
        "type": "database",
        "endpoint": f"postgresql:///postgres?host={target_server().sockets}",
        "credentials": {"username": "keeper"},
        "settings": {"access_role": role},
    }
    answer = tenant.owner.http.post("/api/v1/systems", json=system)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def join(tenant: LiveTenant, name: str, role: str = "analyst") -> str:
    body = {"username": name, "email": f"{name}@example.com", "full_name": name.title(), "role": role}
    answer = tenant.owner.http.post("/api/v1/users", json=body)
    assert answer.status_code == 201, answer.text
    return f"/api/v1/users/{answer.json()['id']}"


def until(look: Members, wanted: set[str]) -> None:
    deadline = time.monotonic() + _WITHIN
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, f"they are {found}"
        time.sleep(0.05)


@pytest.mark.slow(reason="access is carried to a real server, and back")
def test_access_follows_the_users(live: Live, tenant: LiveTenant, readers: str, members: Members) -> None:
    http = tenant.owner.http
    ada, bob = join(tenant, "ada"), join(tenant, "bob", role="guest")
    register(live, tenant, readers)
    until(members, {"ada"})  # who was here before the system

    cy = join(tenant, "cy")
    http.put(bob, json={"role": "analyst", "reason": "moved"}).raise_for_status()
    until(members, {"ada", "bob", "cy"})

    http.put(cy, json={"role": "admin"}).raise_for_status()
    http.put(bob, json={"role": "admin"}).raise_for_status()
    http.put(cy, json={"role": "guest"}).raise_for_status()
    http.delete(ada).raise_for_status()
    until(members, {"bob"})

    http.put(bob, json={"username": "robert"}).raise_for_status()
    until(members, {"robert"})

    grant = {"kind": "system", "name": "orders-db", "reason": "month's end"}
    granted = http.post(f"{cy}/grants", json=grant).raise_for_status().json()
    until(members, {"robert", "cy"})
    http.delete(f"{cy}/grants/{granted['id']}").raise_for_status()
    until(members, {"robert"})

    until(lambda: {run["status"] for run in http.get("/api/v1/actions").json()["items"]} - DONE, set())
    runs = http.get("/api/v1/actions").json()["items"]
    assert {run["action"] for run in runs} == {"postgresql.keep_access"}
    assert all(run["proof"]["ok"] for run in runs if run["status"] == "succeeded")
    tasks = http.get("/api/v1/tasks").json()["items"]
    assert {task["task_type"] for task in tasks} == {"systems.keep_access"}


def test_a_file_of_joiners_and_one_of_leavers(live: Live, tenant: LiveTenant, readers: str, members: Members) -> None:
    register(live, tenant, readers)
    names = [f"joiner{number}-{readers}" for number in range(520)]
    users = [{"username": n, "email": f"{n}@example.com", "full_name": n, "role": "analyst"} for n in names]
    http = tenant.owner.http
    http.post("/api/v1/users/bulk-import", json={"users": users}).raise_for_status()
    until(members, set(names))
    runs = http.get("/api/v1/actions").json()["items"]
    assert len(runs) >= 2  # of five hundred each
    left = [user | {"status": "inactive"} for user in users[:110]]
    http.post("/api/v1/users/bulk-import", json={"users": left, "mode": "upsert"}).raise_for_status()
    until(members, set(names[110:]))


def test_who_administers_the_server_is_left_alone(
    live: Live, tenant: LiveTenant, readers: str, members: Members
) -> None:
    system_id = register(live, tenant, readers)
    join(tenant, "grandee")
    join(tenant, "keeper")
    join(tenant, "x" * 64)
    join(tenant, "dee")
    until(members, {"dee"})
    people: dict[str, Any] = {
        "system_id": system_id,
        "action": "postgresql.keep_access",
        "params": {"people": [{"user_id": str(uuid4()), "login": "grandee", "wanted": True}]},
        "reason": "asked by hand",
    }
    run = tenant.owner.http.post("/api/v1/actions", json=people).raise_for_status().json()
    url = f"/api/v1/actions/{run['id']}"
    deadline = time.monotonic() + _WITHIN
    while (run := tenant.owner.http.get(url).json())["status"] == "requested":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert run["status"] == "not_needed"
    assert run["plan"]["evidence"]["left_alone"] == ["grandee: the role administers the server"]


def test_what_fails_is_due_again_and_the_latest_word_counts(
    live: Live, tenant: LiveTenant, readers: str, members: Members
) -> None:
    system_id = register(live, tenant, readers)
    on_target(f'revoke admin option for "{readers}" from keeper')
    eve = join(tenant, f"eve-{readers}")
    due = "select login from opsteward.access_due where system_id = %s and due_at > now()"
    until(lambda: {login for (login,) in live.sql(due, system_id)}, {f"eve-{readers}"})
    assert members() == set()
    on_target(f'grant "{readers}" to keeper with admin option')
    tenant.owner.http.delete(eve).raise_for_status()
    live.sql("delete from opsteward.freezes where system_id = %s", system_id)
    zoe = f"zoe-{readers}"
    join(tenant, zoe)
    until(members, {zoe})


def test_access_that_nobody_gave_here_is_listed_adopted_and_taken_with_approval(
    live: Live, tenant: LiveTenant, readers: str, members: Members
) -> None:
    system_id = register(live, tenant, readers)
    bob, eve, ada = (f"{name}-{readers}" for name in ("bob", "eve", "ada"))
    join(tenant, ada)
    join(tenant, bob, role="guest")
    for name in (bob, eve):
        on_target(f'create role "{name}" login')
        on_target(f'grant "{readers}" to "{name}" granted by keeper')
    until(members, {ada, bob, eve})
    http, url = tenant.owner.http, f"/api/v1/systems/{system_id}/excess-access"
    found = http.post(url).raise_for_status().json()["items"]
    assert [(one["login"], one["status"]) for one in found] == [(bob, "active"), (eve, None)]

    assert http.post(f"{url}/adopt", json={"login": eve}).status_code == 422
    assert http.post(f"{url}/remove", json={"logins": [ada]}).status_code == 422
    http.post(f"{url}/adopt", json={"login": bob}).raise_for_status()
    assert [one["login"] for one in http.post(url).json()["items"]] == [eve]

    asker = live.operator(tenant, "asker", "admin")
    run = asker.http.post(f"{url}/remove", json={"logins": [eve]}).raise_for_status().json()
    deadline = time.monotonic() + _WITHIN
    while not (waiting := http.get("/api/v1/approvals").json()["items"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (members(), waiting[0]["action_id"]) == ({ada, bob, eve}, run["id"])
    approval = f"/api/v1/approvals/{waiting[0]['id']}/approve"
    http.post(approval, json={"plan_hash": waiting[0]["plan_hash"]}).raise_for_status()
    until(members, {ada, bob})
    assert http.post(url).json()["items"] == []
