"""Groups over SCIM, and many operations in one request."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.instance import Tenant
from support.scim import ENTERPRISE, GROUP, MESSAGES, USER, Provisioner, error_of, user


@pytest.fixture
async def idp(tenant: Tenant) -> Provisioner:
    return await Provisioner.of(tenant)


def ids(group: dict[str, Any]) -> list[str]:
    return sorted(one["value"] for one in group.get("members", []))


async def test_a_group_through_its_life(idp: Provisioner) -> None:
    ada, bob, eve = [(await idp.user(name))["id"] for name in ("ada", "bob", "eve")]
    made = await idp.group("Crew <b>", ada)
    path = f"/Groups/{made['id']}"
    assert made["members"] == [
        {"value": ada, "$ref": made["meta"]["location"].replace(path, f"/Users/{ada}"), "type": "User"}
    ]
    add, one = {"op": "Add", "path": "members"}, {"value": bob, "display": "Bob", "$ref": None}
    answer = await idp.patch(path, {**add, "value": [one, {"value": ada}]})
    assert (answer.status_code, answer.headers["etag"]) == (204, 'W/"2"')
    seen = (await idp.ask("GET", path)).json()
    assert ids(seen) == sorted([ada, bob])
    assert {one.get("display") for one in seen["members"]} == {None, "Bob"}
    # again is no change
    assert (await idp.patch(path, {**add, "value": [one]})).headers["etag"] == 'W/"2"'
    for gone in (
        {"op": "remove", "path": f'members[value eq "{bob}"]'},
        {"op": "Remove", "path": "members", "value": [{"value": ada}]},
    ):
        await idp.patch(path, gone)
    assert ids((await idp.ask("GET", path)).json()) == []
    renamed = {"op": "replace", "value": {"id": made["id"], "displayName": "Team", "externalId": "x"}}
    seen = await idp.patched(path, renamed, {**add, "value": [{"value": eve}]})
    assert (seen["displayName"], seen["externalId"], ids(seen)) == ("Team", "x", [eve])
    seen = await idp.patched(path, {"op": "replace", "path": "members", "value": [{"value": ada}, {"value": bob}]})
    assert ids(seen) == sorted([ada, bob])
    seen = (await idp.ask("PUT", path, {"schemas": [GROUP], "displayName": "T", "members": [{"value": bob}]})).json()
    assert (seen["displayName"], ids(seen), "externalId" in seen) == ("T", [bob], False)
    assert await idp.patched(path, {"op": "remove", "path": "members"}) == (await idp.ask("GET", path)).json()
    assert "members" not in (await idp.ask("GET", f"{path}?excludedAttributes=members")).json()
    error_of(await idp.ask("DELETE", path, **{"If-Match": 'W/"1"'}), 412)
    assert (await idp.ask("DELETE", path)).status_code == 204
    error_of(await idp.ask("GET", path), 404)
    assert (await idp.ask("GET", f"/Users/{bob}")).status_code == 200
    verbs = idp.tenant.instance.sql(
        "select distinct verb from opsteward.audit_entries where tenant_id = %s and object_type = 'scim_group'",
        idp.tenant.id,
    )
    assert {verb for (verb,) in verbs} == {"scim_group.created", "scim_group.changed", "scim_group.deleted"}


async def test_what_is_no_group_is_refused(idp: Provisioner) -> None:
    made = await idp.group("g")
    for body in (
        {"schemas": [GROUP]},
        {"schemas": [GROUP], "displayName": "\u0007"},
        {"schemas": [GROUP], "displayName": "x", "members": [{"value": str(uuid4())}]},
        {"schemas": [GROUP], "displayName": "x", "members": [{"value": "nobody"}]},
        {"schemas": [GROUP], "displayName": "x", "members": [{"value": made["id"]}, 7]},
    ):
        error_of(await idp.ask("POST", "/Groups", body), 400)
    own = {"op": "add", "path": "members", "value": [{"value": made["id"]}]}
    error_of(await idp.patch(f"/Groups/{made['id']}", own), 400, "invalidValue")
    assert idp.tenant.count("scim_groups") == 1
    assert idp.tenant.count("scim_group_members") == 0


async def test_groups_in_a_circle_end(idp: Provisioner) -> None:
    ada = await idp.user("ada")
    one = await idp.group("one", ada["id"])
    two = await idp.group("two", one["id"])
    await idp.patched(f"/Groups/{one['id']}", {"op": "add", "path": "members", "value": [{"value": two["id"]}]})
    seen = (await idp.ask("GET", f"/Users/{ada['id']}")).json()["groups"]
    assert [one["display"] for one in seen] == ["one", "two"]
    assert await idp.found(f'groups.value eq "{two["id"]}"') == ["ada"]


def bulk(*operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schemas": [f"{MESSAGES}:BulkRequest"], "Operations": list(operations), **more}


def post(name: str, bulk_id: str, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": user(name, **more)}


async def test_a_bulk_request_with_references(idp: Provisioner) -> None:
    old = await idp.user("old")
    group = {"schemas": [GROUP], "displayName": "crew", "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}]}
    answer = await idp.ask("POST", "/Bulk", bulk(
        {"method": "post", "path": "/Groups", "bulkId": "g", "data": group},
        post("ada", "a", **{ENTERPRISE: {"manager": {"value": "bulkId:b"}}}),
        post("bob", "b"),
        {"method": "PATCH", "path": "/Users/bulkId:b", "data": {"schemas": [f"{MESSAGES}:PatchOp"],
            "Operations": [{"op": "add", "path": "title", "value": "Boss"}]}},
        {"method": "DELETE", "path": f"/Users/{old['id']}", "version": 'W/"1"'},
        {"method": "PUT", "path": f"/Users/{old['id']}", "data": user("old")},
        post("ADA", "c"),
    ))  # fmt: skip
    assert answer.status_code == 200
    results = answer.json()["Operations"]
    assert [one["status"] for one in results] == ["201", "201", "201", "200", "204", "404", "409"]
    assert [one.get("bulkId") for one in results] == ["g", "a", "b", None, None, None, "c"]
    assert results[6]["response"]["scimType"] == "uniqueness"
    assert "location" not in results[6]
    assert all(one["location"] for one in results[:6])
    ada = (await idp.http.get(results[1]["location"])).json()
    bob = (await idp.http.get(results[2]["location"])).json()
    assert (ada[ENTERPRISE]["manager"]["value"], bob["title"]) == (bob["id"], "Boss")
    assert ids((await idp.http.get(results[0]["location"])).json()) == sorted([ada["id"], bob["id"]])
    assert results[3]["version"] == bob["meta"]["version"]


async def test_a_bulk_request_stops_after_so_many_errors(idp: Provisioner) -> None:
    bad = {"method": "DELETE", "path": f"/Users/{uuid4()}"}
    answer = (await idp.ask("POST", "/Bulk", bulk(post("a", "a"), bad, bad, post("b", "b"), failOnErrors=2))).json()
    assert [one["status"] for one in answer["Operations"]] == ["201", "404", "404"]
    assert idp.tenant.count("users") == 1
    circle = [
        post("x", "x", **{ENTERPRISE: {"manager": {"value": "bulkId:y"}}}),
        post("y", "y", **{ENTERPRISE: {"manager": {"value": "bulkId:x"}}}),
    ]
    answer = (await idp.ask("POST", "/Bulk", bulk(*circle, post("z", "z"), post("zz", "z")))).json()
    assert sorted(one["status"] for one in answer["Operations"]) == ["201", "400", "409", "409"]


@pytest.mark.parametrize(("body", "status"), [
    ({}, 400), ([], 400), (bulk(), 200), (bulk({}), 400), (bulk(7), 400), ({"schemas": [USER], "Operations": []}, 400),
    (bulk({"method": "GET", "path": "/Users"}), 400), (bulk({"method": "POST", "path": "/Users", "data": {}}), 400),
    (bulk({"method": "PUT", "path": "/Users/x"}), 400), (bulk(post("a", "a"), failOnErrors=0), 400),
    (bulk(*(post(f"u{n}", f"{n}") for n in range(501))), 413),
])  # fmt: skip
async def test_what_is_no_bulk_request_does_nothing(idp: Provisioner, body: Any, status: int) -> None:
    answer = await idp.ask("POST", "/Bulk", body)
    assert answer.status_code == status, answer.text
    assert idp.tenant.count("users") == 0


async def test_paths_that_lead_nowhere_fail_each_for_itself(idp: Provisioner) -> None:
    answer = await idp.ask("POST", "/Bulk", bulk(
        {"method": "DELETE", "path": "/Schemas/x"}, {"method": "DELETE", "path": "/Users"},
        {"method": "POST", "path": f"/Users/{uuid4()}", "bulkId": "q", "data": user("q")},
        {"method": "DELETE", "path": "/Users/bulkId:nobody"}, {"method": "PATCH", "path": "/Users/1", "data": 7},
        {"method": "DELETE", "path": "/Users/' or 1=1"}, post("fine", "f"),
    ))  # fmt: skip
    statuses = [one["status"] for one in answer.json()["Operations"]]
    assert statuses == ["404", "400", "400", "409", "400", "404", "201"]
