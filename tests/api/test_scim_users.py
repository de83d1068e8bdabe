"""Users over SCIM: what is kept and what is mapped, changed as identity providers change them, deleted, told apart."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from support.instance import Instance, Tenant
from support.scim import ENTERPRISE, GROUP, MESSAGES, ROOT, USER, Provisioner, error_of, user


@pytest.fixture
async def idp(tenant: Tenant) -> Provisioner:
    return await Provisioner.of(tenant)


WHOLE: dict[str, Any] = {
    "externalId": "00u1",
    "name": {"formatted": "Ms. Ada Lovelace", "givenName": "Ada", "familyName": "Lovelace", "honorificPrefix": "Ms."},
    "displayName": "Ada Lovelace",
    "nickName": "Äda 🙂",
    "profileUrl": "https://people.example/ada?x=1&y=ü",
    "title": "<script>alert(1)</script>",
    "userType": "Employee",
    "preferredLanguage": "en-GB",
    "emails": [
        {"value": "home@Example.ORG", "type": "home"},
        {"value": "Ada@EXAMPLE.com", "type": "work", "primary": True, "display": "work"},
    ],
    "phoneNumbers": [{"value": "tel:+44 1", "type": "work"}],
    "addresses": [{"type": "work", "streetAddress": "1\n2", "country": "GB"}],
    "roles": [{"value": "owner", "primary": True}],
    "x509Certificates": [{"value": "QUJD"}],
    ENTERPRISE: {
        "employeeNumber": "7",
        "department": "Engines",
        "costCenter": "c",
        "organization": "o",
        "division": "d",
    },
    "urn:example:2.0:User": {"badge": {"colour": "red", "numbers": [1, 2.5, True, None]}},
    "shoeSize": 40,
}


async def test_what_is_sent_is_kept_and_mapped(idp: Provisioner) -> None:
    made = await idp.user("ada", **WHOLE, password="never told")
    for name, value in WHOLE.items():
        assert made[name] == value, name
    assert "password" not in made
    assert (made["active"], made["meta"]["resourceType"], made["meta"]["version"]) == (True, "User", 'W/"1"')
    assert (await idp.ask("GET", f"/Users/{made['id']}")).json() == made
    ours = (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()
    assert (ours["username"], ours["full_name"], ours["email"]) == ("ada", "Ada Lovelace", "Ada@EXAMPLE.com")
    assert (ours["department"], ours["external_id"], ours["source"]) == ("Engines", "00u1", "scim")
    # a directory's role gives nothing by itself, whatever it is called
    assert (ours["role"], ours["status"], ours["permissions"]) == (
        "standard_user", "active", ["read_basic", "write_basic"],
    )  # fmt: skip
    assert idp.tenant.count("operators") == 2
    assert not idp.tenant.instance.sql("select 1 from opsteward.users where scim::text like '%%never told%%'")


async def test_a_change_elsewhere_is_seen_here(idp: Provisioner) -> None:
    made = await idp.user("ada", **WHOLE)
    changes = {"full_name": "A. King", "email": "king@example.com", "department": None}
    answer = await idp.tenant.http.put(f"/api/v1/users/{made['id']}", json=changes)
    assert answer.status_code == 200, answer.text
    seen = (await idp.ask("GET", f"/Users/{made['id']}")).json()
    assert seen["displayName"] == "A. King"
    assert [one["value"] for one in seen["emails"]] == ["king@example.com", "home@Example.ORG"]
    assert "department" not in seen[ENTERPRISE]
    for text in ('displayName eq "a. king"', 'emails.value eq "KING@example.com"', 'emails co "king@"'):
        assert await idp.found(text) == ["ada"], text
    assert await idp.found('emails.value eq "ada@example.com"') == []
    plain = {"username": "bob", "email": "bob@example.com", "full_name": "Bob B"}
    bob = (await idp.tenant.http.post("/api/v1/users", json=plain)).json()
    seen = (await idp.ask("GET", f"/Users/{bob['id']}")).json()
    assert (seen["userName"], seen["displayName"], seen["active"]) == ("bob", "Bob B", True)
    assert seen["emails"] == [{"value": "bob@example.com", "type": "work", "primary": True}]


@pytest.mark.parametrize(("body", "scim_type"), [
    ({"schemas": [USER]}, "invalidValue"),
    ({"schemas": [USER], "userName": ""}, "invalidValue"),
    ({"schemas": [USER], "userName": " a"}, "invalidValue"),
    ({"schemas": [USER], "userName": "a\u202eb"}, "invalidValue"),
    ({"schemas": [USER], "userName": "x" * 256}, "invalidValue"),
    ({"schemas": [USER], "userName": 7}, "invalidValue"),
    ({"schemas": [USER], "userName": "a", "emails": [{"value": "no address"}]}, "invalidValue"),
    ({"schemas": [USER], "userName": "a", "emails": {"value": "a@example.com"}}, "invalidValue"),
    ({"schemas": [USER], "userName": "a", "active": "perhaps"}, "invalidValue"),
    ({"schemas": [USER], "userName": "a", "title": "x" * 70_000}, "invalidValue"),
    ({"schemas": [USER], "userName": "a", "emails": [
        {"value": "a@example.com", "primary": True}, {"value": "b@example.com", "primary": True}]}, None),
    ([], None), ("text", None), (None, None), ({}, None),
])  # fmt: skip
async def test_what_is_no_user_is_refused(idp: Provisioner, body: Any, scim_type: str | None) -> None:
    error_of(await idp.http.post(f"{ROOT}/Users", json=body), 400, scim_type)
    assert idp.tenant.count("users") == 0


async def test_a_taken_name_or_address_is_a_conflict(idp: Provisioner) -> None:
    await idp.user("Straße", emails=[{"value": "a@example.com"}])
    other = await idp.user("other")
    for body in (user("STRASSE"), user("new", emails=[{"value": "A@EXAMPLE.com"}])):
        error_of(await idp.ask("POST", "/Users", body), 409, "uniqueness")
        error_of(await idp.ask("PUT", f"/Users/{other['id']}", body), 409, "uniqueness")
    rename = {"op": "replace", "path": "userName", "value": "strasse"}
    error_of(await idp.patch(f"/Users/{other['id']}", rename), 409, "uniqueness")
    answers = await asyncio.gather(*(idp.ask("POST", "/Users", user("race")) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    # several have none
    for one in ("p", "q"):
        made = await idp.user(one, emails=[{"value": f"{one}@example.com"}])
        assert "emails" not in await idp.patched(f"/Users/{made['id']}", {"op": "remove", "path": "emails"})


async def test_active_is_the_lifecycle(idp: Provisioner) -> None:
    path = f"/Users/{(await idp.user('leo'))['id']}"
    ours = f"/api/v1{path.lower()}"

    async def status() -> str:
        return str((await idp.tenant.http.get(ours)).json()["status"])

    for value, active, stands in (("False", False, "inactive"), ("True", True, "active"), (False, False, "inactive")):
        seen = await idp.patched(path, {"op": "Replace", "path": "active", "value": value})
        assert (seen["active"], await status()) == (active, stands)
    await idp.patched(path, {"op": "replace", "value": {"active": True}})
    assert (await idp.tenant.http.get(ours)).json()["permissions"] == ["read_basic", "write_basic"]
    # who was suspended here is not let in again from there
    await idp.tenant.http.put(ours, json={"status": "suspended"})
    seen = await idp.patched(path, {"op": "replace", "path": "active", "value": True})
    assert (seen["active"], await status()) == (False, "suspended")
    history = (await idp.tenant.http.get(f"{ours}/history")).json()["items"]
    assert [one["what"] for one in history] == ["suspended", "activated", "deactivated", "activated", "deactivated"]


async def test_who_comes_inactive_has_nothing_until_active(idp: Provisioner) -> None:
    made = await idp.user("later", active=False)
    ours = f"/api/v1/users/{made['id']}"
    before = (await idp.tenant.http.get(ours)).json()
    assert (made["active"], before["status"], before["permissions"]) == (False, "inactive", [])
    await idp.patched(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": True})
    after = (await idp.tenant.http.get(ours)).json()
    assert (after["status"], after["permissions"]) == ("active", ["read_basic", "write_basic"])


@pytest.mark.parametrize(("operation", "where", "value"), [
    ({"op": "Add", "path": "title", "value": "x"}, ("title",), "x"),
    ({"op": "REPLACE", "path": "NAME.givenname", "value": "x"}, ("name", "givenName"), "x"),
    ({"op": "add", "value": {"name.givenName": "x", f"{ENTERPRISE}:division": "d"}}, (ENTERPRISE, "division"), "d"),
    ({"op": "add", "path": f"{ENTERPRISE}:department", "value": "x"}, (ENTERPRISE, "department"), "x"),
    ({"op": "replace", "path": ENTERPRISE, "value": {"costCenter": "x"}}, (ENTERPRISE, "costCenter"), "x"),
    ({"op": "replace", "value": {ENTERPRISE: {"department": "x"}}}, (ENTERPRISE, "department"), "x"),
    ({"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1"},
     ("phoneNumbers",), [{"value": "+1", "type": "mobile"}]),
    ({"op": "Replace", "path": 'emails[type eq "work"].value', "value": "new@example.com"},
     ("emails", 0, "value"), "new@example.com"),
    ({"op": "replace", "path": 'emails[primary eq true].display', "value": "x"}, ("emails", 0, "display"), "x"),
    ({"op": "remove", "path": 'emails[type eq "work"]'}, ("emails",), None),
    ({"op": "remove", "path": "displayName"}, ("displayName",), None),
    ({"op": "replace", "path": "externalId", "value": "e2"}, ("externalId",), "e2"),
    ({"op": "remove", "path": "externalId"}, ("externalId",), None),
    ({"op": "remove", "path": "active"}, ("active",), None),
    ({"op": "replace", "path": f"{USER}:nickName", "value": "x"}, ("nickName",), "x"),
    ({"op": "add", "path": "nonsense", "value": "x"}, ("nonsense",), "x"),
])  # fmt: skip
async def test_habits_of_identity_providers(
    idp: Provisioner, operation: dict[str, Any], where: tuple[Any, ...], value: Any
) -> None:
    made = await idp.user(
        "pat", displayName="Pat", externalId="e1", emails=[{"value": "p@example.com", "type": "work", "primary": True}]
    )
    seen: Any = await idp.patched(f"/Users/{made['id']}", operation)
    assert seen["userName"] == "pat"
    for step in where:
        seen = seen.get(step) if isinstance(seen, dict) else seen[step]
    assert seen == value


async def test_managers_by_id_by_text_and_gone(idp: Provisioner) -> None:
    boss, made = await idp.user("boss"), await idp.user("pat")
    path, manager = f"/Users/{made['id']}", f"{ENTERPRISE}:manager"
    for value in (boss["id"], {"value": boss["id"]}, {"value": boss["id"], "$ref": f"../Users/{boss['id']}"}):
        seen = await idp.patched(path, {"op": "Add", "path": manager, "value": value})
        assert seen[ENTERPRISE]["manager"] == {"value": boss["id"], "$ref": boss["meta"]["location"]}
        ours = (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()
        assert ours["manager_id"] == boss["id"]
        assert await idp.found(f'{ENTERPRISE}:manager.value eq "{boss["id"]}"') == ["pat"]
        assert ENTERPRISE not in await idp.patched(path, {"op": "remove", "path": manager})
    # a name that is no id of ours is kept, and stands for nobody
    seen = await idp.patched(path, {"op": "replace", "path": manager, "value": "jdoe"})
    assert seen[ENTERPRISE]["manager"] == {"value": "jdoe"}
    assert (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()["manager_id"] is None
    error_of(await idp.patch(path, {"op": "add", "path": manager, "value": made["id"]}), 400, "invalidValue")


@pytest.mark.parametrize(("operation", "scim_type"), [
    ({"op": "sing", "path": "title", "value": "x"}, "invalidValue"),
    ({"op": "remove"}, "noTarget"),
    ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
    ({"op": "replace", "path": "groups", "value": []}, "mutability"),
    ({"op": "remove", "path": "userName"}, "mutability"),
    ({"op": "replace", "path": "emails[type eq", "value": "x"}, "invalidPath"),
    ({"op": "replace", "path": 'emails[foo gt 5 and value co "x"]', "value": {}}, None),
    ({"op": "add", "path": "emails", "value": [{"value": "no address"}]}, "invalidValue"),
    ({"op": "replace", "path": "userName", "value": "x\u0007"}, "invalidValue"),
])  # fmt: skip
async def test_a_patch_that_makes_no_sense_changes_nothing(
    idp: Provisioner, operation: dict[str, Any], scim_type: str | None
) -> None:
    made = await idp.user("pat")
    fine = {"op": "add", "path": "title", "value": "changed"}
    error_of(await idp.patch(f"/Users/{made['id']}", fine, operation), 400, scim_type)
    assert (await idp.ask("GET", f"/Users/{made['id']}")).json() == made


async def test_a_put_replaces(idp: Provisioner) -> None:
    made = await idp.user("ada", **WHOLE)
    seen = (await idp.ask("PUT", f"/Users/{made['id']}", user("ada2", active=None))).json()
    assert set(seen) == {"schemas", "id", "userName", "active", "meta"}
    ours = (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()
    assert (ours["username"], ours["email"], ours["external_id"], ours["status"]) == ("ada2", None, None, "active")
    again = await idp.ask("PUT", f"/Users/{made['id']}", {**seen, "id": "ignored"})
    assert again.json() == seen  # nothing changed, nothing written


async def test_deleted_is_gone_but_recorded(idp: Provisioner) -> None:
    made = await idp.user("ada", **WHOLE)
    path = f"/Users/{made['id']}"
    crew = await idp.group("crew", made["id"])
    assert (await idp.ask("DELETE", path)).status_code == 204
    for method, body in (("GET", None), ("DELETE", None), ("PUT", user("x")), ("PATCH", {})):
        error_of(await idp.ask(method, path, body), 400 if method == "PATCH" else 404)
    for text in ('userName eq "ada"', 'emails.value eq "home@example.org"', 'externalId eq "00u1"', "title pr",
                 f'id eq "{made["id"]}"'):  # fmt: skip
        assert await idp.found(text) == [], text
    assert "members" not in (await idp.ask("GET", f"/Groups/{crew['id']}")).json()
    ours = (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()
    assert (ours["username"], ours["status"], ours["permissions"]) == ("ada", "inactive", [])
    again = await idp.user("ada", **WHOLE)
    assert again["id"] != made["id"]
    assert idp.tenant.count("users") == 2


async def test_versions(idp: Provisioner) -> None:
    answer = await idp.ask("POST", "/Users", user("vera"))
    path, first = answer.headers["location"].partition(ROOT)[2], answer.headers["etag"]
    assert first == 'W/"1"' == answer.json()["meta"]["version"]
    known = await idp.ask("GET", path, **{"If-None-Match": first})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", first)
    change = {"op": "add", "path": "title", "value": "x"}
    second = (await idp.patch(path, change, **{"If-Match": first})).headers["etag"]
    assert second == 'W/"2"'
    assert (await idp.ask("GET", path, **{"If-None-Match": f'{first}, W/"7"'})).status_code == 200
    for method, body in (("PUT", user("vera")), ("DELETE", None)):
        error_of(await idp.ask(method, path, body, **{"If-Match": first}), 412)
    error_of(await idp.patch(path, change, **{"If-Match": 'W/"x"'}), 412)
    assert (await idp.ask("DELETE", path, **{"If-Match": "*"})).status_code == 204


async def test_roles_as_configured(idp: Provisioner, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = idp.tenant.instance.app.state.services.settings
    monkeypatch.setattr(settings.scim, "roles", {"Boss": "executive", "Temp": "contractor"})
    made = await idp.user("ada", roles=[{"value": "none"}, {"value": "boss", "primary": True}])
    ours = f"/api/v1/users/{made['id']}"
    assert (await idp.tenant.http.get(ours)).json()["role"] == "executive"
    await idp.tenant.http.put(ours, json={"role": "premium_user"})
    # what does not touch the role leaves it to who gave it
    await idp.patched(f"/Users/{made['id']}", {"op": "add", "path": "title", "value": "x"})
    assert (await idp.tenant.http.get(ours)).json()["role"] == "premium_user"
    await idp.patched(f"/Users/{made['id']}", {"op": "remove", "path": "roles"})
    assert (await idp.tenant.http.get(ours)).json()["role"] == "standard_user"
    temp = await idp.user("temp", userType="TEMP")
    ours = f"/api/v1/users/{temp['id']}"
    assert (await idp.tenant.http.get(ours)).json()["status"] == "pending"
    assert temp["active"] is True


async def test_who_may(instance: Instance, tenant: Tenant, other_tenant: Tenant, idp: Provisioner) -> None:
    made = await idp.user("ada", emails=[{"value": "ada@example.com"}])
    crew = await idp.group("crew", made["id"])
    for client in (instance.client(), instance.client("ops_" + "x" * 43)):
        for path in ("/Users", f"/Users/{made['id']}", "/ServiceProviderConfig", "/Groups"):
            answer = await client.get(f"{ROOT}{path}")
            error_of(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
    for role in ("operator", "viewer", "auditor", "approver", "metrics"):
        client = (await tenant.operator(role)).http
        error_of(await client.get(f"{ROOT}/Users"), 403)
        error_of(await client.post(f"{ROOT}/Users", json=user("x")), 403)
    assert (await idp.http.get("/api/v1/users")).status_code == 403
    # to another tenant none of it is there
    foreign = await Provisioner.of(other_tenant)
    for path in (f"/Users/{made['id']}", f"/Groups/{crew['id']}"):
        for method, body in (("GET", None), ("DELETE", None)):
            error_of(await foreign.ask(method, path, body), 404)
    error_of(await foreign.ask("PUT", f"/Users/{made['id']}", user("x")), 404)
    change = {"op": "add", "path": "members", "value": [{"value": made["id"]}]}
    error_of(await foreign.patch(f"/Groups/{crew['id']}", change), 404)
    own = await foreign.group("crew")
    error_of(await foreign.patch(f"/Groups/{own['id']}", change), 400, "invalidValue")
    for text in ("userName pr", 'userName eq "ada"', 'emails.value eq "ada@example.com"', f'id eq "{made["id"]}"'):
        assert await foreign.found(text) == []
    assert await foreign.found(f'members.value eq "{made["id"]}"', "Groups") == []
    assert (await foreign.user("ada"))["userName"] == "ada"
    everything = (await foreign.ask("POST", "/.search", {"schemas": [f"{MESSAGES}:SearchRequest"]})).json()
    assert everything["totalResults"] == 2


async def test_other_addresses_and_methods(idp: Provisioner) -> None:
    error_of(await idp.ask("GET", "/Nothing"), 404)
    error_of(await idp.ask("GET", f"/Users/{uuid4()}"), 404)
    error_of(await idp.ask("GET", "/Users/nobody"), 404)
    answer = await idp.ask("PUT", "/Users", user("x"))
    error_of(answer, 405)
    assert answer.headers["allow"] == "GET, POST"
    error_of(await idp.ask("DELETE", "/ServiceProviderConfig"), 405)
    error_of(await idp.http.post(f"{ROOT}/Users", content=b"{", headers={"Content-Type": "application/scim+json"}), 400)
    error_of(await idp.http.post(f"{ROOT}/Users", content=b"a=b", headers={"Content-Type": "text/plain"}), 415)
    deep = "[" * 500 + "]" * 500
    body = f'{{"schemas": ["{USER}"], "userName": "x", "title": {deep}}}'
    error_of(await idp.http.post(f"{ROOT}/Users", content=body.encode()), 400)
    error_of(await idp.http.post(f"{ROOT}/Users", content=b" " * 1_100_000), 413)
    error_of(await idp.ask("POST", "/Users", {"schemas": [GROUP], "userName": "x"}), 400)
    assert idp.tenant.count("users") == 0
