"""Finding users and groups over SCIM. Each filter is compared with what `scim2_models` says of the documents."""

from __future__ import annotations

from typing import Any

import pytest
from scim2_models import ScimFilter

from opsteward.api.scim.schemas import MODELS, POLICY
from opsteward.directory.scim.types import Kind
from support.instance import Tenant
from support.scim import ENTERPRISE, MESSAGES, ROOT, USER, Provisioner, error_of

PEOPLE: list[dict[str, Any]] = [
    {"userName": "Ada", "externalId": "E-1", "displayName": "Ada Lovelace", "title": "Engineer", "userType": "Employee",
     "name": {"familyName": "Lovelace", "givenName": "Ada"}, "nickName": "Countess",
     "emails": [{"value": "ada@Example.com", "type": "work", "primary": True},
                {"value": "ada@home.example", "type": "home"}],
     "phoneNumbers": [{"value": "+44 1", "type": "mobile"}], "x509Certificates": [{"value": "QUJD"}],
     ENTERPRISE: {"department": "Engines", "employeeNumber": "10", "costCenter": "A"}},
    {"userName": "bob", "externalId": "e-1", "displayName": "Bob", "active": False, "title": "",
     "emails": [{"value": "bob@example.org", "type": "home"}], "name": {"familyName": "o'Brien"},
     ENTERPRISE: {"department": "engines", "employeeNumber": "9"}},
    {"userName": "Straße", "displayName": "100% _under_ \\ \"quoted\" ; drop table users --", "title": "engineer",
     "emails": [{"value": "strasse@example.com", "type": "other", "primary": True, "display": "x"}]},
    {"userName": "dora", "name": {"formatted": "Dora D"}, "roles": [{"value": "admin"}, {"value": "dev", "type": "a"}]},
    {"userName": "eve", "displayName": "Ｅｖｅ Ünlü", "locale": "de-DE", "profileUrl": "https://example.com/Eve"},
]  # fmt: skip

FILTERS = [
    'userName eq "ada"', 'USERNAME EQ "ADA"', 'userName eq "STRASSE"', 'userName ne "ada"', 'userName co "o"',
    'userName sw "A"', 'userName ew "A"', 'userName gt "bob"', 'userName le "bob"', "userName pr", 'userName eq ""',
    'externalId eq "E-1"', 'externalId eq "e-1"', 'externalId eq "x"', "externalId pr", "not (externalId pr)",
    'externalId sw "e"', 'externalId ne "E-1"', "externalId eq null", "externalId ne null",
    "active eq true", "active eq false", "active ne true", "active pr", 'active eq "True"',
    'title eq "ENGINEER"', 'title ne "engineer"', "title pr", "not (title pr)", 'title co "gin"', 'title gt "e"',
    'displayName co "lace"', 'displayName co "100%"', 'displayName co "_under_"', 'displayName co "\\\\"',
    'displayName co "\\"quoted\\""', 'displayName co "; drop table"', 'displayName sw "bo"', "displayName pr",
    'displayName eq "x\' or 1=1 --"', 'displayName ew "--"',
    'name.familyName eq "LOVELACE"', 'name.familyName co "\'"', "name pr", "name.givenName pr", "not (name pr)",
    'emails.value eq "ADA@example.com"', 'emails.value eq "ada@home.example"', 'emails eq "bob@example.org"',
    'emails.value co "example.com"', 'emails co "home"', 'emails.value sw "ada"', 'emails.type eq "home"',
    'emails.value ew "HOME.example"', 'emails.value gt "ada@home"', 'emails[value co "@home" and type eq "home"]',
    'emails[value co "@home" and type eq "work"]', 'emails[value ne "ada@example.com"]', 'emails co "@home"',
    'userName sw ""', 'userName sw "strat"', 'userName sw "\U0010ffff"', 'userName sw "ada\ud7ff"',
    'emails.value ne "bob@example.org"', "emails pr", "not (emails pr)", "emails.display pr", "emails.primary eq true",
    'emails[type eq "work"]', 'emails[type eq "work" and value co "@example.com"]',
    'emails[type eq "work" and value eq "ada@example.com"]', 'emails[type eq "home" and value eq "ada@example.com"]',
    'emails[type eq "work"].value eq "ada@example.com"', 'emails[not (type eq "work")]',
    'emails[type eq "home" or display pr]', "emails[primary eq true]", "emails[primary eq false]",
    'emails[value sw "bob"] and active eq false', 'phoneNumbers[type eq "mobile"].value eq "+44 1"',
    'roles.value eq "admin" and roles.value eq "dev"', 'roles[value eq "dev" and type eq "a"]',
    'roles[value eq "admin" and type eq "a"]', 'x509Certificates.value eq "QUJD"',
    f'{ENTERPRISE}:department eq "ENGINES"', f'{ENTERPRISE.upper()}:department sw "eng"',
    f'{ENTERPRISE}:employeeNumber gt "10"', f"{ENTERPRISE}:employeeNumber pr", f"{ENTERPRISE}:manager pr",
    f'{ENTERPRISE}:costCenter eq "a"', f'{USER}:userName eq "bob"', f'not ({ENTERPRISE}:costCenter eq "a")',
    'userName eq "ada" or userName eq "bob" and active eq true',
    '(userName eq "ada" or userName eq "bob") and title pr',
    'not (userName eq "ada" or title pr)', 'not (not (userName eq "ada"))', 'title pr and not (active eq false)',
    'meta.resourceType eq "User"', 'meta.created gt "2020-01-01T00:00:00Z"',
    'meta.lastModified lt "2020-01-01T00:00:00Z"',
    'meta.lastModified ge "2020-01-01T00:00:00+02:00"', 'meta.version eq "W/\\"1\\""', 'locale eq "DE-de"',
    'profileUrl co "example"', 'schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"', f'schemas eq "{ENTERPRISE}"',
    f'schemas ne "{ENTERPRISE}"', 'nickName eq "countess"',
]  # fmt: skip


@pytest.fixture
async def idp(tenant: Tenant) -> Provisioner:
    return await Provisioner.of(tenant)


async def populated(idp: Provisioner) -> list[dict[str, Any]]:
    return [await idp.user(one["userName"], **{k: v for k, v in one.items() if k != "userName"}) for one in PEOPLE]


async def test_every_filter_finds_what_the_standard_says(idp: Provisioner) -> None:
    model: Any = MODELS[Kind.USER]
    documents = await populated(idp)
    resources = [model.model_validate(one, scim_policy=POLICY) for one in documents]
    found_any = 0
    for text in FILTERS:
        expected = {one.user_name for one in resources if ScimFilter[model](text).match(one)}
        if text == 'userName eq "STRASSE"':
            expected = {"Straße"}  # names are compared more widely here
        found = set(await idp.found(text))
        assert found == expected, text
        found_any += bool(found)
    assert found_any > len(FILTERS) * 0.7


async def test_looking_up_ids_and_places(idp: Provisioner) -> None:
    ada, *_ = await populated(idp)
    assert await idp.found(f'id eq "{ada["id"]}"') == ["Ada"]
    assert await idp.found(f'id eq "{ada["id"].upper()}"') == []
    assert await idp.found('id eq "nobody"') == []
    assert await idp.found(f'meta.location eq "{ada["meta"]["location"]}"') == ["Ada"]
    assert await idp.found(f'meta.created le "{ada["meta"]["created"]}"') == ["Ada"]


@pytest.mark.parametrize("text", [
    "", "userName", "userName eq", 'userName like "x"', 'userName eq "x" and', '(userName eq "x"', "userName eq x",
    'nonsense eq "x"', 'emails[nonsense eq "x"]', "active gt true", 'meta.created eq "yesterday"', 'password eq "x"',
    'name eq "x"', "userName eq 7", 'title[value eq "x"]', 'emails[type eq "x"', 'urn:x:y:name eq "x"',
    "not (" * 200 + 'userName eq "x"' + ")" * 200, " or ".join(['title eq "x"'] * 500), 'groups.type eq "direct"',
])  # fmt: skip
async def test_a_filter_that_makes_no_sense_is_refused(idp: Provisioner, text: str) -> None:
    error_of(await idp.http.get(f"{ROOT}/Users", params={"filter": text}), 400, "invalidFilter")


async def test_pages_and_orders(idp: Provisioner) -> None:
    await populated(idp)

    async def page(**asked: Any) -> tuple[int, int, list[str]]:
        answer = (await idp.http.get(f"{ROOT}/Users", params=asked)).json()
        assert answer["itemsPerPage"] == len(answer["Resources"])
        return answer["totalResults"], answer["startIndex"], [one["userName"] for one in answer["Resources"]]

    assert await page() == (5, 1, ["Ada", "bob", "dora", "eve", "Straße"])
    assert await page(startIndex=2, count=2) == (5, 2, ["bob", "dora"])
    assert await page(startIndex=-3, count=1) == (5, 1, ["Ada"])
    assert await page(startIndex=6) == (5, 6, [])
    assert await page(count=0) == await page(count=-1) == (5, 1, [])
    assert (await page(count=10**9))[0] == 5
    assert (await page(sortBy="userName", sortOrder="descending"))[2] == ["Straße", "eve", "dora", "bob", "Ada"]
    # what has no value is last, and first the other way round
    assert (await page(sortBy="externalId"))[2][:2] == ["Ada", "bob"]
    assert (await page(sortBy="externalId", sortOrder="descending"))[2][3:] == ["bob", "Ada"]
    assert (await page(sortBy="name.familyName"))[2][:2] == ["Ada", "bob"]
    assert (await page(sortBy="emails"))[2][:3] == ["Ada", "bob", "Straße"]
    assert (await page(sortBy=f"{ENTERPRISE}:employeeNumber"))[2][:2] == ["Ada", "bob"]
    assert (await page(sortBy="meta.created"))[2] == [one["userName"] for one in PEOPLE]
    for asked in ({"sortBy": "nonsense"}, {"sortBy": "name"}, {"sortBy": "password"}, {"count": "x"},
                  {"startIndex": "1.5"}, {"sortOrder": "up"}, {"startIndex": "9" * 400}):  # fmt: skip
        error_of(await idp.http.get(f"{ROOT}/Users", params=asked), 400)


async def test_only_what_is_asked_for(idp: Provisioner) -> None:
    ada, *_ = await populated(idp)
    path = f"/Users/{ada['id']}"

    async def names(**asked: str) -> dict[str, Any]:
        answer = await idp.http.get(f"{ROOT}{path}", params=asked)
        assert answer.status_code == 200, answer.text
        return {key: value for key, value in answer.json().items() if key not in ("schemas", "id")}

    assert await names(attributes="userName") == {"userName": "Ada"}
    assert await names(attributes="NAME.familyname, active") == {"name": {"familyName": "Lovelace"}, "active": True}
    assert await names(attributes="emails.value") == {
        "emails": [{"value": "ada@Example.com"}, {"value": "ada@home.example"}]
    }
    assert await names(attributes=f"{ENTERPRISE}:department") == {ENTERPRISE: {"department": "Engines"}}
    assert await names(attributes=f"{USER}:title") == {"title": "Engineer"}
    assert await names(attributes="nonsense") == {}
    assert set(ada) - set(await names(excludedAttributes="emails,id,userName,schemas")) == {
        "emails", "userName", "id", "schemas",
    }  # fmt: skip
    assert (await names(excludedAttributes="name.givenName"))["name"] == {"familyName": "Lovelace"}
    assert "department" not in (await names(excludedAttributes=f"{ENTERPRISE}:department"))[ENTERPRISE]
    both = {"attributes": "userName", "excludedAttributes": "title"}
    error_of(await idp.http.get(f"{ROOT}{path}", params=both), 400)
    patched = await idp.http.patch(
        f"{ROOT}{path}?attributes=title",
        json={
            "schemas": [f"{MESSAGES}:PatchOp"],
            "Operations": [{"op": "replace", "path": "title", "value": "x"}],
        },
    )
    assert {**patched.json(), "schemas": None} == {"schemas": None, "id": ada["id"], "title": "x"}


async def test_searches_as_a_body_and_of_everything(idp: Provisioner) -> None:
    ada, *_ = await populated(idp)
    await idp.group("Ada's crew", ada["id"])

    async def search(path: str, **asked: Any) -> list[str]:
        answer = await idp.ask("POST", f"{path}/.search", {"schemas": [f"{MESSAGES}:SearchRequest"], **asked})
        assert answer.status_code == 200, answer.text
        return [one.get("userName") or one["displayName"] for one in answer.json()["Resources"]]

    assert await search("/Users", filter='userName sw "a"', attributes=["userName"]) == ["Ada"]
    assert await search("", filter='displayName sw "ada"') == ["Ada", "Ada's crew"]
    assert await search("", filter="userName pr or members pr", count=2, startIndex=5) == ["Straße", "Ada's crew"]
    assert await search("", sortBy="displayName", count=2) == ["Straße", "Ada"]
    everything = (await idp.ask("GET", "?count=1")).json()
    assert (everything["totalResults"], everything["itemsPerPage"]) == (6, 1)
    error_of(await idp.ask("POST", "/.search", {"filter": "userName pr"}), 400)
    error_of(await idp.ask("POST", "/Users/.search", {"schemas": [f"{MESSAGES}:SearchRequest"], "count": "x"}), 400)


async def test_groups_by_their_members_and_members_by_their_groups(idp: Provisioner) -> None:
    ada, bob, *_ = await populated(idp)
    inner = await idp.group("Inner", ada["id"])
    await idp.group("Outer", inner["id"], bob["id"])
    assert await idp.found(f'members.value eq "{ada["id"]}"', "Groups") == ["Inner"]
    assert await idp.found(f'members[value eq "{inner["id"]}" and type eq "Group"]', "Groups") == ["Outer"]
    assert await idp.found('members.type eq "user"', "Groups") == ["Inner", "Outer"]
    assert await idp.found('displayName eq "INNER"', "Groups") == ["Inner"]
    assert await idp.found('groups.display eq "outer"') == ["Ada", "bob"]
    assert await idp.found(f'groups.value eq "{inner["id"]}"') == ["Ada"]
    assert await idp.found('groups[display eq "inner"] and active eq true') == ["Ada"]
    assert set(await idp.found("not (groups pr)")) == {"dora", "eve", "Straße"}
    seen = (await idp.ask("GET", f"/Users/{ada['id']}")).json()["groups"]
    assert [(one["display"], one["type"]) for one in seen] == [("Inner", "direct"), ("Outer", "indirect")]
