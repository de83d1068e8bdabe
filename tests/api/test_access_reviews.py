"""Access reviews over the API: what they list, what a decision takes, and from whom."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.instance import Tenant
from support.naughty import NAUGHTY
from support.problems import named_fields, problem_of


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


async def _decide(tenant: Tenant, review_id: str, decision: str, *items: str, **more: str) -> Any:
    decisions = [{"item_id": item, "decision": decision} | more for item in items]
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


async def _found(tenant: Tenant, review_id: str, **query: Any) -> list[tuple[str, str]]:
    """Users and names of all pages of two, as they follow each other."""
    found: list[tuple[str, str]] = []
    after: dict[str, str] = {}
    while True:
        path = f"/api/v1/access-reviews/{review_id}/items"
        answer = await tenant.http.get(path, params=query | {"limit": 2} | after)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [(one["username"], one["name"]) for one in page["items"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


async def test_items_are_found_by_who_has_them_what_they_are_and_how_they_were_decided(tenant: Tenant) -> None:
    await _user(tenant, "ada", full_name="Ada ÅNGSTRÖM")
    await _user(tenant, "bob", full_name="100% Bob_")
    await _user(tenant, "cy", full_name="Cy")
    review, items = await _start(tenant)
    await _decide(tenant, review["id"], "keep", items["ada", "read_basic"], items["bob", "main_app"])
    await _decide(tenant, review["id"], "revoke", items["cy", "main_app"], items["bob", "write_basic"])
    every = await _found(tenant, review["id"])
    assert len(every) == len(set(every)) == 9

    async def fits(**query: Any) -> set[tuple[str, str]]:
        found = await _found(tenant, review["id"], **query)
        assert found == [one for one in every if one in found], "not in the order of the whole list"
        return set(found)

    of = {user: {one for one in every if one[0] == user} for user in ("ada", "bob", "cy")}
    for part in ("ADA", "ångström", "Ngstr", "ada@exam"):
        assert await fits(search=part) == of["ada"], part
    assert (await fits(search="100%"), await fits(search="b_"), await fits(search="%")) == (of["bob"],) * 3
    assert await fits(search="example.com") == set(every)
    assert await fits(search="") == set(every)
    assert await fits(search="nobody") == set()
    assert await fits(kind="system") == {(user, "main_app") for user in of}
    assert await fits(name="write_basic") == {(user, "write_basic") for user in of}
    assert await fits(name="write") == set()
    assert await fits(decision="keep") == {("ada", "read_basic"), ("bob", "main_app")}
    assert await fits(decision="revoke") == {("cy", "main_app"), ("bob", "write_basic")}
    decided = await fits(decision="keep") | await fits(decision="revoke")
    assert await fits(decision="open") == await fits(undecided="true") == set(every) - decided
    assert await fits(search="o", kind="system", decision="revoke") == {("cy", "main_app")}  # of example.com
    assert await fits(search="bob", name="main_app", decision="keep") == {("bob", "main_app")}
    assert await fits(kind="permission", name="main_app") == set()


async def test_a_search_that_many_users_fit_finds_all_of_their_items(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few are looked up, of many the items are gone through: what is found is the same."""
    for number in range(6):
        await _user(tenant, f"user-{number}")
    await _user(tenant, "somebody")
    review, items = await _start(tenant)
    last = max(items.items(), key=lambda one: (one[0][0] != "somebody", one[0]))
    await _decide(tenant, review["id"], "revoke", last[1])
    for query in ({}, {"name": "main_app"}, {"decision": "revoke"}, {"name": last[0][1]}, {"kind": "permission"}):
        about = {"search": "USER-"} | query
        looked_up = await _found(tenant, review["id"], **about)
        with monkeypatch.context() as patched:
            patched.setattr("opsteward.directory.reviews.queries._FEW", 2)
            assert await _found(tenant, review["id"], **about) == looked_up
        assert looked_up
        assert {user for user, _ in looked_up} <= {f"user-{number}" for number in range(6)}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=role", "kind"),
        ("kind=", "kind"),
        ("decision=maybe", "decision"),
        ("decision=keep&undecided=true", "decision"),
        ("search=" + "x" * 201, "search"),
        ("search=a%00b", "search"),
        ("name=" + "x" * 256, "name"),
        ("name=%00", "name"),
        ("limit=501", "limit"),
        ("after=nothing", "after"),
        ("after=0192f0c1-2345-7abc-8def-0123456789ab", "after"),
    ],
)
async def test_a_bad_filter_is_named(tenant: Tenant, query: str, field: str) -> None:
    await _user(tenant, "ada")
    review, _ = await _start(tenant)
    answer = await tenant.http.get(f"/api/v1/access-reviews/{review['id']}/items?{query}")
    problem_of(answer, 422)
    assert field in named_fields(answer)


async def test_a_hostile_search_finds_nothing_and_does_nothing(tenant: Tenant) -> None:
    await _user(tenant, "ada")
    review, items = await _start(tenant)
    path = f"/api/v1/access-reviews/{review['id']}/items"
    found = 0
    for text in [one[:200] for one in NAUGHTY if len(one) > 7][::5]:
        for field in ("search", "name"):
            answer = await tenant.http.get(path, params={field: text})
            if answer.status_code != 422:  # refused for what no name holds
                assert (answer.status_code, answer.json()["items"]) == (200, []), (field, text)
                found += 1
    assert found > 50
    assert tenant.count("access_review_items") == len(items)


async def test_another_tenants_review_is_not_there(tenant: Tenant, other_tenant: Tenant) -> None:
    await _user(tenant, "ada")
    review, items = await _start(tenant)
    await _user(other_tenant, "ada")
    path = f"/api/v1/access-reviews/{review['id']}"
    for query in ("", "?search=ada", "?decision=open", "?name=main_app"):
        problem_of(await other_tenant.http.get(f"{path}/items{query}"), 404)
    problem_of(await _decide(other_tenant, review["id"], "revoke", items["ada", "main_app"]), 404)
    problem_of(await other_tenant.http.post(f"{path}/close"), 404)
    own, _ = await _start(other_tenant)
    problem_of(await _decide(other_tenant, own["id"], "revoke", items["ada", "main_app"]), 422)
    assert (await tenant.http.get(path)).json()["undecided"] == len(items)


async def test_a_kept_item_is_revoked_after_all(tenant: Tenant) -> None:
    ada = await _user(tenant, "ada")
    review, items = await _start(tenant)
    item = items["ada", "write_basic"]
    await _decide(tenant, review["id"], "keep", item, reason="has always had it")
    told = await _decide(tenant, review["id"], "revoke", item, instead_of="keep", reason="left the team")
    assert (told.status_code, told.json()["revoked"], told.json()["undecided"]) == (200, 1, len(items) - 1)
    assert (await tenant.http.get(f"/api/v1/users/{ada['id']}")).json()["permissions"] == ["read_basic"]
    path = f"/api/v1/access-reviews/{review['id']}/items?decision=revoke"
    (shown,) = (await tenant.http.get(path)).json()["items"]
    assert (shown["reason"], shown["earlier"][0]["decision"]) == ("left the team", "keep")
    assert shown["earlier"][0]["reason"] == "has always had it"
    assert shown["earlier"][0]["decided_by"] == shown["decided_by"]
    entries = (await tenant.http.get("/api/v1/audit")).json()["items"]
    details = [one["detail"] for one in entries if one["verb"] == "access_review.decided"]
    assert {"items": 1, "changed": [{"item_id": item, "before": "keep", "after": "revoke"}]} in details


async def test_a_revoke_that_becomes_a_keep_gives_back_what_still_gives_it(tenant: Tenant) -> None:
    ada = await _user(tenant, "ada")
    path = f"/api/v1/users/{ada['id']}"
    grant = (await tenant.http.post(f"{path}/grants", json={"kind": "system", "name": "vault"})).json()
    review, items = await _start(tenant)
    both = items["ada", "write_basic"], items["ada", "vault"]
    await _decide(tenant, review["id"], "revoke", *both, items["ada", "main_app"])
    assert (await tenant.http.get(path)).json()["system_access"] == []
    told = await _decide(tenant, review["id"], "keep", *both, instead_of="revoke")
    assert (told.status_code, told.json()["revoked"]) == (200, 1)
    back = (await tenant.http.get(path)).json()
    assert (back["permissions"], back["system_access"]) == (["read_basic", "write_basic"], ["vault"])
    grants = (await tenant.http.get(f"{path}/grants")).json()["items"]
    assert {(one["name"], one["denied"]) for one in grants} == {("vault", False), ("main_app", True)}
    assert grant["id"] in {one["id"] for one in grants}
    history = (await tenant.http.get(f"{path}/history")).json()["items"]
    assert (history[0]["what"], history[0]["fields"]["system_access"]) == ("reviewed", [[], ["vault"]])


async def test_a_keep_gives_nothing_back_that_nothing_gives_any_more(tenant: Tenant) -> None:
    ada = await _user(tenant, "ada")
    path = f"/api/v1/users/{ada['id']}"
    await tenant.http.post(f"{path}/grants", json={"kind": "system", "name": "vault"})
    first, of_first = await _start(tenant)
    second, of_second = await _start(tenant, name="winter")
    for review, items in ((first, of_first), (second, of_second)):
        await _decide(tenant, review["id"], "revoke", items["ada", "main_app"], items["ada", "vault"])
    keep = of_first["ada", "main_app"], of_first["ada", "vault"]
    assert (await _decide(tenant, first["id"], "keep", *keep, instead_of="revoke")).status_code == 200
    assert (await tenant.http.get(path)).json()["system_access"] == [], "the other review has taken it too"
    keep = of_second["ada", "main_app"], of_second["ada", "vault"]
    await _decide(tenant, second["id"], "keep", *keep, instead_of="revoke")
    assert (await tenant.http.get(path)).json()["system_access"] == ["main_app", "vault"]
    # a grant whose time is over meanwhile stays over
    await _decide(tenant, second["id"], "revoke", *keep, instead_of="keep")
    tenant.instance.sql(
        "update opsteward.user_grants set expires_at = now() where tenant_id = %s and name = 'vault'", tenant.id
    )
    await _decide(tenant, second["id"], "keep", *keep, instead_of="revoke")
    assert (await tenant.http.get(path)).json()["system_access"] == ["main_app"]


async def test_a_keep_that_would_bring_duties_together_is_refused_whole(tenant: Tenant) -> None:
    ada = await _user(tenant, "ada")
    path = f"/api/v1/users/{ada['id']}"
    await tenant.http.post(f"{path}/grants", json={"kind": "permission", "name": "pay"})
    review, items = await _start(tenant)
    both = items["ada", "pay"], items["ada", "main_app"]
    await _decide(tenant, review["id"], "revoke", *both)
    pairs = {"pairs": [["order", "pay"]]}
    assert (await tenant.http.put("/api/v1/segregation-of-duties", json=pairs)).status_code == 200
    given = await tenant.http.post(f"{path}/grants", json={"kind": "permission", "name": "order"})
    assert given.status_code == 201
    problem_of(await _decide(tenant, review["id"], "keep", *both, instead_of="revoke"), 409)
    user = (await tenant.http.get(path)).json()
    assert (user["permissions"], user["system_access"]) == (["order", "read_basic", "write_basic"], [])
    assert (await tenant.http.get(f"/api/v1/access-reviews/{review['id']}")).json()["revoked"] == 2


async def test_a_decision_is_changed_by_who_knows_it_only_and_only_while_the_review_is_open(tenant: Tenant) -> None:
    await _user(tenant, "ada")
    review, items = await _start(tenant)
    item, other, *_ = items.values()
    await _decide(tenant, review["id"], "keep", item)
    problem_of(await _decide(tenant, review["id"], "revoke", item), 409)
    problem_of(await _decide(tenant, review["id"], "revoke", item, instead_of="revoke"), 409)
    problem_of(await _decide(tenant, review["id"], "revoke", other, item, instead_of="keep"), 409)
    problem_of(await _decide(tenant, review["id"], "keep", other, other), 422)
    problem_of(await _decide(tenant, review["id"], "revoke", item, instead_of="maybe"), 422)
    path = f"/api/v1/access-reviews/{review['id']}"
    assert (await tenant.http.get(path)).json()["undecided"] == len(items) - 1
    viewer = (await tenant.operator("viewer")).http
    body = {"decisions": [{"item_id": item, "decision": "revoke", "instead_of": "keep"}]}
    problem_of(await viewer.post(f"{path}/decisions", json=body), 403)
    await tenant.http.post(f"{path}/close")
    problem_of(await _decide(tenant, review["id"], "revoke", item, instead_of="keep"), 409)
    assert (await tenant.http.get(path)).json()["revoked"] == 0


@pytest.mark.parametrize(("first", "second"), [("paypal", "pаypal"), ("pаypal", "paypal"), ("аdа", "adа")])
async def test_a_name_that_looks_like_another_is_flagged_not_merged(tenant: Tenant, first: str, second: str) -> None:
    one = await _user(tenant, first, email="a@example.com")
    other = await _user(tenant, second, email="b@example.com")
    plain = await _user(tenant, "somebody")
    assert (one["looks_like"], other["looks_like"], plain["looks_like"]) == (None, one["id"], None)
