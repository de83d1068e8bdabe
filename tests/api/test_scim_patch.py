"""A PATCH does what it says or is refused: never a 200 that changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.scim import ENTERPRISE, GROUP, MESSAGES, USER, Provisioner, error_of, user

CUSTOM = "urn:example:params:scim:schemas:extension:badge:2.0:User"


@pytest.fixture
async def idp(tenant: Any) -> Provisioner:
    return await Provisioner.of(tenant)


def at(document: Any, *where: Any) -> Any:
    for step in where:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


BEFORE = {
    "title": "Engineer",
    "emails": [{"type": "work", "primary": True, "value": "pat@c.test"}],
    "phoneNumbers": [{"type": "mobile", "value": "+49 1"}, {"type": "work", "value": "+49 2"}],
    "favourites": [{"kind": "tea", "cups": 2}, {"kind": "juice", "cups": 1}],
    "desk": {"floor": 3, "seat": "b"},
    CUSTOM: {"number": "17", "doors": ["a", "b"]},
}


@pytest.mark.parametrize(("operation", "where", "value"), [
    # attributes that no schema has, by every way to name them
    ({"op": "replace", "path": "shoeSize", "value": 42}, ("shoeSize",), 42),
    ({"op": "replace", "value": {"shoeSize": 42}}, ("shoeSize",), 42),
    ({"op": "add", "path": "desk.floor", "value": 4}, ("desk",), {"floor": 4, "seat": "b"}),
    ({"op": "replace", "path": "DESK.Floor", "value": 4}, ("desk", "floor"), 4),
    ({"op": "replace", "path": "desk", "value": {"seat": "c"}}, ("desk",), {"floor": 3, "seat": "c"}),
    ({"op": "remove", "path": "desk.seat"}, ("desk",), {"floor": 3}),
    ({"op": "remove", "path": "desk"}, ("desk",), None),
    ({"op": "replace", "path": 'favourites[kind eq "tea"].cups', "value": 5}, ("favourites", 0, "cups"), 5),
    ({"op": "replace", "value": {'favourites[kind eq "juice"].cups': 9}}, ("favourites", 1, "cups"), 9),
    ({"op": "remove", "path": 'favourites[kind eq "tea"]'}, ("favourites",), [{"kind": "juice", "cups": 1}]),
    ({"op": "add", "path": "favourites", "value": [{"kind": "milk"}]}, ("favourites", 2, "kind"), "milk"),
    ({"op": "add", "path": 'favourites[kind eq "milk"].cups', "value": 1},
     ("favourites", 2), {"kind": "milk", "cups": 1}),
    ({"op": "replace", "path": f"{CUSTOM}:number", "value": "18"}, (CUSTOM, "number"), "18"),
    ({"op": "replace", "value": {f"{CUSTOM}:number": "18"}}, (CUSTOM, "number"), "18"),
    ({"op": "replace", "value": {CUSTOM: {"number": "18"}}}, (CUSTOM,), {"number": "18", "doors": ["a", "b"]}),
    ({"op": "replace", "path": CUSTOM, "value": {"number": "18"}}, (CUSTOM, "number"), "18"),
    ({"op": "add", "path": f"{CUSTOM}:doors", "value": ["c"]}, (CUSTOM, "doors"), ["a", "b", "c"]),
    ({"op": "remove", "path": f"{CUSTOM}:doors"}, (CUSTOM,), {"number": "17"}),
    ({"op": "add", "path": "urn:example:other:1.0:User:colour", "value": "red"},
     ("urn:example:other:1.0:User", "colour"), "red"),
    # parts of declared attributes that their schema has not
    ({"op": "add", "path": "name.nickname", "value": "P"}, ("name", "nickname"), "P"),
    ({"op": "add", "value": {"name": {"givenName": "Pat", "nickname": "P"}}},
     ("name",), {"givenName": "Pat", "nickname": "P"}),
    ({"op": "add", "path": 'emails[type eq "work"].verified', "value": True}, ("emails", 0, "verified"), True),
    # declared ones as keys of a value
    ({"op": "replace", "value": {"name.familyName": "X"}}, ("name", "familyName"), "X"),
    ({"op": "replace", "value": {'emails[type eq "work"].value': "new@c.test"}}, ("emails", 0, "value"), "new@c.test"),
    ({"op": "add", "value": {'phoneNumbers[type eq "fax"].value': "+49 3"}},
     ("phoneNumbers", 2), {"type": "fax", "value": "+49 3"}),
    ({"op": "replace", "value": {f"{ENTERPRISE}:department": "Sales"}}, (ENTERPRISE, "department"), "Sales"),
    ({"op": "replace", "value": {f"{USER}:title": "Boss"}}, ("title",), "Boss"),
    ({"op": "replace", "value": {ENTERPRISE: {"costCenter": "7"}}}, (ENTERPRISE, "costCenter"), "7"),
    # one entry where a list is
    ({"op": "add", "path": "phoneNumbers", "value": {"type": "fax", "value": "+49 3"}},
     ("phoneNumbers", 2, "value"), "+49 3"),
    ({"op": "replace", "path": "title", "value": None}, ("title",), None),
    # a remove has no value: what is sent beside is passed over
    ({"op": "Remove", "path": "title", "value": "Engineer"}, ("title",), None),
    ({"op": "Remove", "path": "title", "value": ""}, ("title",), None),
    ({"op": "Remove", "path": "title", "value": ["Engineer"]}, ("title",), None),
    ({"op": "Remove", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+49 1"},
     ("phoneNumbers", 0, "value"), None),
    ({"op": "Remove", "path": 'phoneNumbers[type eq "mobile"]', "value": "+49 1"},
     ("phoneNumbers",), [{"type": "work", "value": "+49 2"}]),
    ({"op": "Remove", "path": 'emails[type eq "work"].value', "value": "other@c.test"}, ("emails", 0, "value"), None),
    ({"op": "remove", "path": f"{CUSTOM}:number", "value": "17"}, (CUSTOM, "number"), None),
    ({"op": "remove", "path": "phoneNumbers", "value": [{"value": "+49 2"}]},
     ("phoneNumbers",), [{"type": "mobile", "value": "+49 1"}]),
])  # fmt: skip
async def test_what_is_said_is_done(idp: Provisioner, operation: dict[str, Any], where: Any, value: Any) -> None:
    made = await idp.user("pat", **BEFORE)
    seen = await idp.patched(f"/Users/{made['id']}", operation)
    found = at(seen, *where)
    assert found == value or (value is None and found in (None, [], {}))
    others = {key for key in BEFORE if key != where[0]}
    assert {key: seen.get(key) for key in others} == {key: made.get(key) for key in others}


@pytest.mark.parametrize(("operation", "scim_type", "names"), [
    ({"op": "replace", "path": "active", "value": ["true"]}, "invalidValue", "active"),
    ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue", "active"),
    ({"op": "replace", "value": {"title": {"en": "Boss"}}}, "invalidValue", "title"),
    ({"op": "add", "path": "emails", "value": 5}, "invalidValue", "emails"),
    ({"op": "add", "path": "name", "value": "Pat"}, "invalidValue", "name"),
    ({"op": "add", "path": "title.short", "value": "x"}, None, "title"),
    ({"op": "replace", "path": "shoeSize.left", "value": 1}, None, None),
    ({"op": "replace", "path": 'favourites[cups gt 1].kind', "value": "x"}, "invalidFilter", "favourites"),
    ({"op": "replace", "path": 'favourites[kind co "zz"].cups', "value": 1}, "noTarget", "favourites"),
    ({"op": "replace", "path": 'desk[floor eq "3"].seat', "value": 1}, "invalidPath", "desk"),
    ({"op": "remove", "path": "phoneNumbers", "value": []}, "invalidValue", "phoneNumbers"),
    ({"op": "remove", "path": "phoneNumbers", "value": 7}, "invalidValue", "phoneNumbers"),
    ({"op": "replace", "path": "a b", "value": 1}, "invalidPath", "a b"),
    ({"op": "replace", "path": 7, "value": 1}, "invalidPath", "path"),
    ({"op": "replace", "value": "x"}, "invalidValue", "value"),
    ({"op": "replace", "path": "title"}, "invalidValue", "value"),
    ("replace", "invalidSyntax", "Operations[1]"),
])  # fmt: skip
async def test_what_can_not_be_done_is_refused_in_our_own_words(
    idp: Provisioner, operation: Any, scim_type: str | None, names: str | None
) -> None:
    made = await idp.user("pat", **(BEFORE | {"shoeSize": 42}))
    answer = await idp.patch(f"/Users/{made['id']}", {"op": "add", "path": "title", "value": "x"}, operation)
    if answer.status_code == 200 and names is None:
        return
    told = error_of(answer, 400, scim_type)["detail"]
    assert names is None or names in told
    for foreign in ("pydantic", "validation error", "Input should", "type=", "http"):
        assert foreign not in told
    assert (await idp.ask("GET", f"/Users/{made['id']}")).json() == made


async def test_steps_are_done_in_their_order(idp: Provisioner) -> None:
    made = await idp.user("pat", **BEFORE)
    seen = await idp.patched(
        f"/Users/{made['id']}",
        {"op": "replace", "path": "shoeSize", "value": 1},
        {"op": "replace", "path": "title", "value": "x"},
        {"op": "replace", "path": "shoeSize", "value": 2},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": "title", "value": "y"},
    )
    assert (seen["shoeSize"], seen["title"]) == (2, "y")


async def test_one_bad_operation_undoes_all(idp: Provisioner) -> None:
    made = await idp.user("pat", **BEFORE)
    error_of(
        await idp.patch(
            f"/Users/{made['id']}",
            {"op": "add", "path": "shoeSize", "value": 1},
            {"op": "replace", "path": "userName", "value": None},
        ),
        400,
    )
    assert (await idp.ask("GET", f"/Users/{made['id']}")).json() == made


# ---------------------------------------------------------------- references


@pytest.mark.parametrize("form", [
    lambda one: one,
    lambda one: {"value": one},
    lambda one: [{"value": one}],
    lambda one: [one],
    lambda one: {"$ref": f"https://ops.example/scim/v2/Users/{one}"},
    lambda one: {"$ref": f"../Users/{one}/"},
    lambda one: {"value": one, "displayName": "Boss"},
])  # fmt: skip
@pytest.mark.parametrize("path", [f"{ENTERPRISE}:manager", None, "POST", "PUT"])
async def test_a_manager_in_any_form(idp: Provisioner, form: Any, path: str | None) -> None:
    boss = await idp.user("boss")
    given = form(boss["id"])
    whole = {"schemas": [USER, ENTERPRISE], ENTERPRISE: {"manager": given}}
    if path == "POST":
        made = await idp.user("pat", **whole)
    else:
        made = await idp.user("pat")
        if path == "PUT":
            assert (await idp.ask("PUT", f"/Users/{made['id']}", user("pat", **whole))).status_code == 200
        elif path is None:
            await idp.patched(f"/Users/{made['id']}", {"op": "replace", "value": {f"{ENTERPRISE}:manager": given}})
        else:
            await idp.patched(f"/Users/{made['id']}", {"op": "add", "path": path, "value": given})
    ours = (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()
    assert ours["manager_id"] == boss["id"]
    for condition in (f'manager eq "{boss["id"]}"', f'manager.value eq "{boss["id"]}"', "manager pr"):
        assert await idp.found(f"{ENTERPRISE}:{condition}") == ["pat"]


@pytest.mark.parametrize("nobody", [None, "", {"value": ""}, [], {"value": None}])
async def test_a_manager_is_taken_away(idp: Provisioner, nobody: Any) -> None:
    boss = await idp.user("boss")
    made = await idp.user("pat", schemas=[USER, ENTERPRISE], **{ENTERPRISE: {"manager": {"value": boss["id"]}}})
    path = f"{ENTERPRISE}:manager"
    seen = await idp.patched(f"/Users/{made['id']}", {"op": "replace", "path": path, "value": nobody})
    assert "manager" not in seen.get(ENTERPRISE, {})
    assert (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()["manager_id"] is None


@pytest.mark.parametrize("op", ["Add", "Replace"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((f"{ENTERPRISE}:manager", one) for one in ("", " ", [], {}, [{"value": ""}], {"value": None})),
        (f"{ENTERPRISE}:manager.value", ""),
        *((None, {ENTERPRISE: {"manager": one}}) for one in ("", None, {"value": ""})),
        (None, {f"{ENTERPRISE}:manager": ""}),
    ],
)
async def test_an_empty_manager_is_nobody_whatever_the_operation(
    idp: Provisioner, op: str, path: str | None, value: Any
) -> None:
    boss = await idp.user("boss")
    for extension in ({"department": "R"}, {"department": "R", "manager": {"value": boss["id"]}}):
        made = await idp.user(f"pat{len(extension)}", schemas=[USER, ENTERPRISE], **{ENTERPRISE: extension})
        seen = await idp.patched(f"/Users/{made['id']}", {"op": op, "value": value} | ({"path": path} if path else {}))
        assert seen[ENTERPRISE] == {"department": "R"}


async def test_a_manager_without_an_id_is_nobody(idp: Provisioner) -> None:
    boss = await idp.user("boss")
    made = await idp.user("pat", schemas=[USER, ENTERPRISE], **{ENTERPRISE: {"manager": {"value": boss["id"]}}})
    seen = await idp.patched(f"/Users/{made['id']}", {"op": "remove", "path": f"{ENTERPRISE}:manager.value"})
    assert "manager" not in seen.get(ENTERPRISE, {})


@pytest.mark.parametrize("form", [
    lambda one: [{"value": one}],
    lambda one: {"value": one},
    lambda one: one,
    lambda one: [one],
    lambda one: [{"$ref": f"https://ops.example/scim/v2/Users/{one}"}],
    lambda one: [{"value": one, "type": "User", "display": "Pat"}],
])  # fmt: skip
async def test_members_in_any_form(idp: Provisioner, form: Any) -> None:
    pat = (await idp.user("pat"))["id"]
    group = await idp.group("team")
    for operation in (
        {"op": "add", "path": "members", "value": form(pat)},
        {"op": "replace", "path": "members", "value": form(pat)},
        {"op": "add", "value": {"members": form(pat)}},
    ):
        seen = await idp.patched(f"/Groups/{group['id']}", operation)
        assert [one["value"] for one in seen["members"]] == [pat]
    body = {"schemas": [GROUP], "displayName": "team", "members": form(pat)}
    put = await idp.ask("PUT", f"/Groups/{group['id']}", body)
    assert [one["value"] for one in put.json()["members"]] == [pat]
    assert await idp.found(f'members eq "{pat}"', "Groups") == ["team"]
    gone = {"op": "remove", "path": "members", "value": form(pat)}
    assert "members" not in await idp.patched(f"/Groups/{group['id']}", gone)


# ---------------------------------------------------------------- roles


_JSON_ROLE = json.dumps({"id": "06b07648", "value": "Contractor", "displayName": "A contractor"})


@pytest.mark.parametrize("operation", [
    {"op": "Add", "path": "roles", "value": [{"value": _JSON_ROLE}]},
    {"op": "Add", "path": "roles", "value": {"value": _JSON_ROLE}},
    {"op": "Add", "path": "roles", "value": [_JSON_ROLE]},
    {"op": "Add", "path": "roles", "value": f"[{_JSON_ROLE}]"},
    {"op": "Add", "path": "roles", "value": [{"value": f"[{_JSON_ROLE}]"}]},
    {"op": "Add", "value": {"roles": '["Contractor"]'}},
    {"op": "Replace", "value": {"roles": [{"value": _JSON_ROLE, "primary": True}]}},
    {"op": "Add", "path": 'roles[primary eq "True"].value', "value": _JSON_ROLE},
    {"op": "Add", "path": 'roles[primary eq "True"].value', "value": f"[{_JSON_ROLE}]"},
    {"op": "Add", "path": 'roles[primary eq "True"].value', "value": '"Contractor"'},
    {"op": "Add", "path": "roles", "value": '"Contractor"'},
    {"op": "Add", "path": "roles", "value": [{"value": "Contractor"}]},
])  # fmt: skip
async def test_a_role_in_any_form(idp: Provisioner, operation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = idp.tenant.instance.app.state.services.settings
    monkeypatch.setattr(settings.scim, "roles", {"Contractor": "contractor"})
    made = await idp.user("pat")
    seen = await idp.patched(f"/Users/{made['id']}", operation)
    assert seen["roles"][0]["value"] == "Contractor"
    assert (await idp.tenant.http.get(f"/api/v1/users/{made['id']}")).json()["role"] == "contractor"


async def test_text_that_only_looks_like_json_is_kept(idp: Provisioner) -> None:
    made = await idp.user("pat", roles=[{"value": "{not json"}, {"value": '{"no": "value"}'}])
    assert [one["value"] for one in made["roles"]] == ["{not json", '{"no": "value"}']


# ---------------------------------------------------------------- leavers and addresses


async def test_who_is_hired_again_gets_the_address(idp: Provisioner) -> None:
    address = [{"type": "work", "primary": True, "value": "kim@c.test"}]
    old = await idp.user("kim@c.test", externalId="old", emails=address)
    await idp.patched(
        f"/Users/{old['id']}",
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Replace", "path": "userName", "value": "0a21kim@c.test"},
    )
    new = await idp.user("kim@c.test", externalId="new", emails=address)
    assert (await idp.ask("GET", f"/Users/{old['id']}")).json()["emails"] == address
    assert sorted(await idp.found('emails.value eq "kim@c.test"')) == ["0a21kim@c.test", "kim@c.test"]
    # the one who left can't come back to an address that is somebody's by now, but to another
    back = {"op": "Replace", "path": "active", "value": True}
    error_of(await idp.patch(f"/Users/{old['id']}", back), 409, "uniqueness")
    other = {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "kim2@c.test"}
    assert (await idp.patched(f"/Users/{old['id']}", other, back))["active"] is True
    error_of(await idp.ask("POST", "/Users", user("x", emails=address)), 409, "uniqueness")
    assert new["emails"] == address


# ---------------------------------------------------------------- the base address


@pytest.mark.parametrize("base", ["/scim/v2/", "/scim//v2", "//scim/v2/", "/scim/v2//"])
async def test_slashes_too_many_are_passed_over(idp: Provisioner, base: str) -> None:
    made = await idp.user("pat")
    for address in (f"{base}/Users/{made['id']}", f"{base}/Users/{made['id']}/", f"{base}/Users"):
        answer = await idp.http.get(f"http://instance.test{address}")
        assert answer.status_code == 200, (address, answer.text)


async def test_a_search_is_refused_in_our_own_words(idp: Provisioner) -> None:
    for asked in ({"filter": "userName zz 1"}, {"filter": 'active eq "x" and'}, {"sortBy": "emails[type"}):
        answer = await idp.http.get("/scim/v2/Users", params=asked)
        told = error_of(answer, 400)["detail"]
        assert "pydantic" not in told and "http" not in told
    body = {"schemas": [f"{MESSAGES}:SearchRequest"], "count": "many"}
    assert "count" in error_of(await idp.ask("POST", "/Users/.search", body), 400)["detail"]


async def test_going_back_and_forth_between_kinds_of_attributes_is_bounded(idp: Provisioner) -> None:
    made = await idp.user("pat")
    kinds = ({"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "shoeSize", "value": 1})
    error_of(await idp.patch(f"/Users/{made['id']}", *(kinds * 60)), 400, "tooMany")
    assert (await idp.patched(f"/Users/{made['id']}", *([kinds[0]] * 500 + [kinds[1]] * 500)))["shoeSize"] == 1
