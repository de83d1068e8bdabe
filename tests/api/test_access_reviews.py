"""Access reviews over the API: what they list, what a decision takes, and from whom."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.instance import Tenant
from support.problems import problem_of


async def _user(tenant: Tenant, username: str, **more: Any) -> dict[str, Any]:
    body = {"username": username, "email": f"{username}@example.com", "full_name": username, **more}
    answer = await tenant.http.post("/api/v1/users", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _start(tenant: Tenant, **about: Any) -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    """A review, and its items' ids by user and name."""
    review = (await tenant.http.post("/api/v1/access-reviews", json={"name": "autumn", **about})).json()
    items = (await tenant.http.get(f"/api/v1/access-reviews/{review['id']}/items")).json()["items"]
    return review, {(one["username"], one["name"]): one["id"] for one in items}


async def _decide(tenant: Tenant, review_id: str, decision: str, *items: str) -> Any:
    decisions = [{"item_id": item, "decision": decision} for item in items]
    return await tenant.http.post(f"/api/v1/access-reviews/{review_id}/decisions", json={"decisions": decisions})


async def test_what_is_revoked_is_taken_from_that_user_alone(tenant: Tenant) -> None:
    ada, bob = await _user(tenant, "ada"), await _user(tenant, "bob")
    await tenant.http.post(f"/api/v1/users/{bob['id']}/grants", json={"kind": "system", "name": "vault"})
    await _user(tenant, "waiting", role="contractor")
    review, items = await _start(tenant)
    assert review["items"] == review["undecided"] == len(items) == 7
    told = await _decide(tenant, review["id"], "revoke", items["bob", "write_basic"], items["bob", "vault"])
    assert (told.json()["undecided"], told.json()["revoked"]) == (5, 2)
    kept = (await tenant.http.get(f"/api/v1/users/{ada['id']}")).json()
    less = (await tenant.http.get(f"/api/v1/users/{bob['id']}")).json()
    assert kept["permissions"] == ["read_basic", "write_basic"]
    assert (less["permissions"], less["system_access"]) == (["read_basic"], ["main_app"])
    history = (await tenant.http.get(f"/api/v1/users/{bob['id']}/history")).json()["items"]
    assert (history[0]["what"], history[0]["reason"]) == ("reviewed", "access review: autumn")


async def test_what_was_taken_stays_taken_until_it_is_given_or_the_role_changes(tenant: Tenant) -> None:
    ada = await _user(tenant, "ada")
    path = f"/api/v1/users/{ada['id']}"
    review, items = await _start(tenant)
    await _decide(tenant, review["id"], "revoke", items["ada", "write_basic"], items["ada", "main_app"])
    await tenant.http.put(path, json={"status": "suspended"})
    back = (await tenant.http.put(path, json={"status": "active"})).json()
    assert (back["permissions"], back["system_access"]) == (["read_basic"], [])
    given = await tenant.http.post(f"{path}/grants", json={"kind": "system", "name": "main_app"})
    assert given.status_code == 201, given.text
    assert (await tenant.http.get(path)).json()["system_access"] == ["main_app"]
    moved = (await tenant.http.put(path, json={"role": "premium_user"})).json()
    assert "write_basic" in moved["permissions"]


async def test_an_item_is_decided_once_and_all_or_none(tenant: Tenant) -> None:
    await _user(tenant, "ada")
    review, items = await _start(tenant)
    one, other, *_ = items.values()
    problem_of(await _decide(tenant, review["id"], "revoke", one, str(uuid4())), 422)
    assert (await _decide(tenant, review["id"], "keep", one)).json()["undecided"] == len(items) - 1
    assert (await _decide(tenant, review["id"], "keep", one)).status_code == 200
    problem_of(await _decide(tenant, review["id"], "revoke", other, one), 409)
    undecided = (await tenant.http.get(f"/api/v1/access-reviews/{review['id']}/items?undecided=true")).json()["items"]
    assert other in {item["id"] for item in undecided}
    closed = await tenant.http.post(f"/api/v1/access-reviews/{review['id']}/close")
    assert (closed.json()["status"], closed.json()["undecided"]) == ("closed", len(items) - 1)
    problem_of(await _decide(tenant, review["id"], "keep", other), 409)
    problem_of(await tenant.http.post(f"/api/v1/access-reviews/{review['id']}/close"), 409)


async def test_a_review_is_of_somebody(tenant: Tenant) -> None:
    await _user(tenant, "ada", department="Sales")
    await _user(tenant, "bob", department="Ops")
    review, items = await _start(tenant, department="Sales")
    assert (review["items"], {user for user, _ in items}) == (3, {"ada"})
    nobody = await tenant.http.post("/api/v1/access-reviews", json={"name": "x", "role": "nobody"})
    problem_of(nobody, 422)
    assert tenant.count("access_reviews") == 1


@pytest.mark.parametrize(("first", "second"), [("paypal", "pаypal"), ("pаypal", "paypal"), ("аdа", "adа")])
async def test_a_name_that_looks_like_another_is_flagged_not_merged(tenant: Tenant, first: str, second: str) -> None:
    one = await _user(tenant, first, email="a@example.com")
    other = await _user(tenant, second, email="b@example.com")
    plain = await _user(tenant, "somebody")
    assert (one["looks_like"], other["looks_like"], plain["looks_like"]) == (None, one["id"], None)
