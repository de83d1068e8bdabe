"""The requests of bench.scim_differential, in their order: what is made, asked, changed and refused.

`{ada}` in a path or a body is the id of what a step has named so, `{etag:ada}` its present version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0"


@dataclass(frozen=True)
class Step:
    """One request; `names` keeps the id of what it makes."""

    label: str
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    names: str | None = None


PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"userName": "Ada", "externalId": "E-1", "displayName": "Ada Lovelace", "title": "Engineer", "active": True,
            "name": {"familyName": "Lovelace", "givenName": "Ada"}, "nickName": "Countess",
            "emails": [{"value": "ada@example.com", "type": "work", "primary": True},
                       {"value": "ada@home.example", "type": "home"}],
            "phoneNumbers": [{"value": "+44 1", "type": "mobile"}],
            ENTERPRISE: {"department": "Engines", "employeeNumber": "10", "costCenter": "A"}},
    "bob": {"userName": "bob", "externalId": "e-1", "displayName": "Bob", "active": False, "title": "clerk",
            "emails": [{"value": "bob@example.org", "type": "home"}], "name": {"familyName": "o'Brien"},
            ENTERPRISE: {"department": "engines", "employeeNumber": "9"}},
    "cy": {"userName": "cy", "displayName": "100% _under_ \"quoted\"", "title": "engineer", "active": True,
           "emails": [{"value": "cy@example.com", "type": "other", "primary": True, "display": "x"}]},
    "dora": {"userName": "dora", "name": {"formatted": "Dora D"}, "active": True, "displayName": "Dora D",
             "roles": [{"value": "admin"}, {"value": "dev", "type": "a"}]},
    "eve": {"userName": "eve", "displayName": "Éve Ünlü", "locale": "de-DE", "active": True,
            "profileUrl": "https://example.com/Eve"},
}  # fmt: skip

FILTERS = [
    'userName eq "ada"', 'USERNAME EQ "ADA"', 'userName ne "ada"', 'userName co "o"', 'userName sw "A"',
    'userName ew "A"', 'userName gt "bob"', 'userName ge "bob"', 'userName lt "bob"', 'userName le "bob"',
    "userName pr",
    'userName eq ""', 'userName co ""', 'id eq "nobody"', 'id eq "{ada}"', 'externalId eq "E-1"', 'externalId eq "e-1"',
    "externalId pr", "not (externalId pr)", 'externalId ne "E-1"', "externalId eq null", "externalId ne null",
    "active eq true", "active eq false", "active ne true", "active pr", 'active eq "true"', "active gt true",
    'title eq "ENGINEER"', 'title ne "engineer"', "title pr", "not (title pr)", 'title gt "d"', 'displayName co "100%"',
    'displayName co "_under_"', 'displayName co "\\"quoted\\""', 'displayName eq "ÉVE ünlü"', 'displayName ew "D"',
    'name.familyName eq "LOVELACE"', 'name.familyName co "\'"', "name pr", "name.givenName pr", "not (name pr)",
    'name eq "x"', 'emails.value eq "ADA@example.com"', 'emails eq "bob@example.org"', 'emails.value co "example.com"',
    'emails co "home"', 'emails.type eq "home"', 'emails.value ne "bob@example.org"', "emails pr", "not (emails pr)",
    "emails.display pr", "emails.primary eq true", 'emails[type eq "work"]',
    'emails[type eq "work" and value co "@example.com"]', 'emails[type eq "home" and value eq "ada@example.com"]',
    'emails[not (type eq "work")]', 'emails[type eq "home" or display pr]', "emails[primary eq true]",
    'emails[value sw "bob"] and active eq false', 'emails[type eq "work"].value eq "ada@example.com"',
    'roles.value eq "admin" and roles.value eq "dev"', 'roles[value eq "dev" and type eq "a"]',
    f'{ENTERPRISE}:department eq "ENGINES"', f'{ENTERPRISE}:employeeNumber gt "10"', f"{ENTERPRISE}:manager pr",
    f'{USER}:userName eq "bob"', f'not ({ENTERPRISE}:costCenter eq "a")', 'locale eq "DE-de"',
    'userName eq "ada" or userName eq "bob" and active eq true',
    '(userName eq "ada" or userName eq "bob") and title pr', 'not (userName eq "ada" or title pr)',
    'not (not (userName eq "ada"))', 'meta.resourceType eq "User"', 'meta.created gt "2020-01-01T00:00:00Z"',
    'meta.lastModified lt "2020-01-01T00:00:00Z"', 'meta.created gt "2020-01-01T00:00:00+02:00"',
    'meta.created co "2020"', 'meta.created gt "yesterday"', 'profileUrl co "example"', f'schemas eq "{USER}"',
    f'schemas eq "{ENTERPRISE}"', 'groups.value eq "{crew}"', 'groups.display eq "crew"', 'groups[display eq "all"]',
    "groups pr", 'password eq "x"', 'nothing eq "x"', "nothing pr", "", " ", "(", "userName", 'userName is "a"',
    'userName eq "a" and', 'not userName eq "a"', "userName eq 1", "userName eq true", "active eq 1", "userName eq 'a'",
    'userName eq "ada"or userName eq "bob"', 'userName  eq  "ada"',
]  # fmt: skip
OF_GROUPS = [
    'displayName eq "CREW"', 'members.value eq "{ada}"', 'members eq "{ada}"', 'members[value eq "{ada}"]',
    "members pr",
    "not (members pr)", 'members.type eq "Group"', 'members[type eq "User" and value eq "{bob}"]', 'userName eq "x"',
]  # fmt: skip
PAGES: list[dict[str, Any]] = [
    {"startIndex": 0}, {"startIndex": -5}, {"startIndex": 2}, {"startIndex": 2, "count": 2}, {"count": 0},
    {"count": -1}, {"count": 2}, {"startIndex": 5, "count": 5}, {"startIndex": 6}, {"startIndex": 100}, {"count": 5000},
    {"startIndex": "x"}, {"count": "x"}, {"count": "1.5"}, {"startIndex": 10**12}, {"count": 10**12},
]  # fmt: skip
ORDERS: list[dict[str, Any]] = [
    {"sortBy": "userName"}, {"sortBy": "USERNAME", "sortOrder": "descending"}, {"sortBy": "displayName"},
    {"sortBy": "externalId"}, {"sortBy": "externalId", "sortOrder": "descending"}, {"sortBy": "meta.created"},
    {"sortBy": "meta.created", "sortOrder": "descending"}, {"sortBy": f"{ENTERPRISE}:employeeNumber"},
    {"sortBy": f"{USER}:userName"}, {"sortBy": "userName", "sortOrder": "sideways"}, {"sortBy": "nothing"},
    {"sortBy": "name"}, {"sortBy": "groups"}, {"sortOrder": "descending"}, {"sortBy": "id", "count": 0},
    {"sortBy": "userName", "count": 2, "startIndex": 2}, {"sortBy": "userName", "filter": "title pr"},
]  # fmt: skip
PARTS: list[dict[str, Any]] = [
    {"attributes": "userName"}, {"attributes": "USERNAME,emails.value"}, {"attributes": "name.familyName"},
    {"attributes": "nothing"}, {"attributes": "id"}, {"attributes": f"{ENTERPRISE}:department"},
    {"attributes": ENTERPRISE}, {"attributes": f"{USER}:title"}, {"attributes": "meta"}, {"attributes": "groups"},
    {"excludedAttributes": "emails,name"}, {"excludedAttributes": "id,userName"}, {"excludedAttributes": "emails.type"},
    {"excludedAttributes": ENTERPRISE}, {"excludedAttributes": "meta,groups"}, {"attributes": ""},
    {"attributes": "userName", "excludedAttributes": "name"}, {"excludedAttributes": "nothing"},
]  # fmt: skip
PATCHES: list[Any] = [
    [{"op": "add", "path": "title", "value": "T"}], [{"op": "Add", "path": "TITLE", "value": "T2"}],
    [{"op": "replace", "path": "name.givenName", "value": "G"}], [{"op": "remove", "path": "title"}],
    [{"op": "add", "value": {"title": "T3", "nickName": "N"}}], [{"op": "replace", "value": {"title": "T4"}}],
    [{"op": "add", "path": "emails", "value": [{"value": "new@example.com", "type": "new"}]}],
    [{"op": "add", "path": "emails", "value": [{"value": "new@example.com", "type": "new"}]}],
    [{"op": "replace", "path": 'emails[type eq "new"].value', "value": "newer@example.com"}],
    [{"op": "replace", "path": 'emails[type eq "new"]', "value": {"value": "newest@example.com", "type": "new"}}],
    [{"op": "add", "path": 'emails[type eq "new"].display', "value": "D"}],
    [{"op": "remove", "path": 'emails[type eq "new"].display'}],
    [{"op": "add", "path": "emails", "value": [{"value": "p@example.com", "type": "p", "primary": True}]}],
    [{"op": "remove", "path": 'emails[type eq "p" or type eq "new"]'}],
    [{"op": "replace", "path": 'emails[type eq "nobody"].value', "value": "x@example.com"}],
    [{"op": "remove", "path": 'emails[type eq "nobody"]'}],
    [{"op": "replace", "path": f"{ENTERPRISE}:department", "value": "Dep"}],
    [{"op": "add", "value": {f"{ENTERPRISE}:costCenter": "C"}}], [{"op": "remove", "path": f"{ENTERPRISE}:costCenter"}],
    [{"op": "replace", "path": "active", "value": False}], [{"op": "replace", "path": "active", "value": "True"}],
    [{"op": "remove"}], [{"op": "remove", "path": "userName"}], [{"op": "replace", "path": "id", "value": "x"}],
    [{"op": "replace", "path": "groups", "value": []}], [{"op": "replace", "path": "meta.created", "value": "x"}],
    [{"op": "move", "path": "title"}], [{"op": "add", "path": "title", "value": {"x": 1}}],
    [{"op": "add", "path": "nothing", "value": "x"}], [{"op": "add", "path": "title["}],
    [{"op": "add", "path": "title"}], [{"op": "replace", "path": "userName", "value": "BOB"}], [], "x", [1],
    [{"op": "replace", "path": "title", "value": "gone"}, {"op": "replace", "path": "userName", "value": None}],
    [{"op": "add", "path": "title", "value": "T5"}, {"op": "add", "path": "title", "value": "T5"}],
]  # fmt: skip


def steps() -> Iterator[Step]:
    """All of them."""
    for name, person in PEOPLE.items():
        schemas = [USER, *([ENTERPRISE] if ENTERPRISE in person else [])]
        yield Step(f"create {name}", "POST", "/Users", {"schemas": schemas, **person}, names=name)
    yield _group("crew", "{ada}", "{bob}")
    yield _group("all", "{crew}", "{cy}")
    for text in FILTERS:
        yield _asked(f"filter {text}", "/Users", filter=text)
    for text in OF_GROUPS:
        yield _asked(f"filter groups {text}", "/Groups", filter=text)
    for asked in (*PAGES, *ORDERS, *PARTS):
        yield _asked("list " + " ".join(f"{key}={value}" for key, value in asked.items()), "/Users", **asked)
    for asked in PARTS:
        yield _asked("read " + " ".join(f"{key}={value}" for key, value in asked.items()), "/Users/{ada}", **asked)
    yield from _searches()
    yield from _versions()
    yield from _conflicts()
    for operations in PATCHES:
        body = {"schemas": [f"{MESSAGES}:PatchOp"], "Operations": operations}
        yield Step(f"patch {operations}", "PATCH", "/Users/{ada}", body)
        yield Step(f"after patch {operations}", "GET", "/Users/{ada}")
    yield from _memberships()
    yield from _bulks()
    yield from _wrong()
    yield from _deletions()


def _asked(label: str, path: str, **asked: Any) -> Step:
    # what is in braces is an id that is known later
    return Step(label, "GET", f"{path}?{urlencode(asked, safe='{}')}")


def _group(name: str, *members: str) -> Step:
    body = {"schemas": [GROUP], "displayName": name, "members": [{"value": one} for one in members]}
    return Step(f"create group {name}", "POST", "/Groups", body, names=name)


def _searches() -> Iterator[Step]:
    for path in ("/Users/.search", "/.search", "/Groups/.search"):
        for number, asked in enumerate((
            {"filter": 'userName eq "ada" or displayName eq "crew"'}, {"filter": 'displayName co "a"', "count": 1},
            {"filter": 'userName eq "ada"'}, {"attributes": ["userName", "displayName"]}, {"attributes": "userName"},
            {"startIndex": "1", "count": "2"}, {"sortBy": "displayName"}, {"filter": 7}, {"filter": "("},
        )):  # fmt: skip
            body = {"schemas": [f"{MESSAGES}:SearchRequest"], **asked}
            yield Step(f"search {path} {number} {asked}", "POST", path, body)
        yield Step(f"search {path} without schema", "POST", path, {"filter": 'userName eq "ada"'})
    yield Step("search everything", "GET", "/?filter=displayName%20pr")


def _versions() -> Iterator[Step]:
    put = {"schemas": [USER], "userName": "dora", "displayName": "Dora D", "active": True}
    for match in ("{etag:dora}", 'W/"0"', '"0", {etag:dora}', "*", "nonsense"):
        yield Step(f"If-None-Match {match}", "GET", "/Users/{dora}", headers={"If-None-Match": match})
        yield Step(f"PUT If-Match {match}", "PUT", "/Users/{dora}", put, headers={"If-Match": match})
        patch = {"schemas": [f"{MESSAGES}:PatchOp"], "Operations": [{"op": "add", "path": "title", "value": match[:3]}]}
        yield Step(f"PATCH If-Match {match}", "PATCH", "/Users/{dora}", patch, headers={"If-Match": match})
    yield Step("DELETE If-Match stale", "DELETE", "/Users/{dora}", headers={"If-Match": 'W/"0"'})
    yield Step("still there", "GET", "/Users/{dora}")


def _conflicts() -> Iterator[Step]:
    def body(name: Any, **more: Any) -> dict[str, Any]:
        return {"schemas": [USER], "userName": name, "active": True, **more}

    yield Step("the same name", "POST", "/Users", body("Ada"))
    yield Step("the name in another case", "POST", "/Users", body("ADA"))
    yield Step("PUT to a taken name", "PUT", "/Users/{eve}", body("BOB"))
    yield Step("PUT to its own name in another case", "PUT", "/Users/{eve}", body("EVE", displayName="E"))
    yield Step("a taken address", "POST", "/Users", body("fay", emails=[{"value": "ADA@example.com"}]))
    yield Step("a taken external id", "POST", "/Users", body("gus", externalId="E-1"), names="gus")
    yield Step("an id that the client wants", "POST", "/Users", body("hal", id="mine"), names="hal")
    yield Step(
        "a group of the same name", "POST", "/Groups", {"schemas": [GROUP], "displayName": "crew"}, names="crew2"
    )


def _memberships() -> Iterator[Step]:
    for operations in (
        [{"op": "add", "path": "members", "value": [{"value": "{dora}"}]}],
        [{"op": "add", "path": "members", "value": [{"value": "{dora}"}]}],
        [{"op": "remove", "path": 'members[value eq "{bob}"]'}],
        [{"op": "remove", "path": 'members[value eq "{bob}"]'}],
        [{"op": "replace", "path": "members", "value": [{"value": "{eve}"}]}], [{"op": "remove", "path": "members"}],
        [{"op": "add", "path": "members", "value": [{"value": "nobody"}]}],
        [{"op": "add", "value": {"displayName": "Crew", "members": [{"value": "{ada}"}]}}],
    ):  # fmt: skip
        body = {"schemas": [f"{MESSAGES}:PatchOp"], "Operations": operations}
        yield Step(f"patch group {operations}", "PATCH", "/Groups/{crew}", body)
        yield Step(f"after patch group {operations}", "GET", "/Groups/{crew}")
    yield Step("a user's groups", "GET", "/Users/{ada}?attributes=groups")


def _bulks() -> Iterator[Step]:
    def post(name: str, bulk_id: str | None, kind: str = "Users", **more: Any) -> dict[str, Any]:
        own = {"schemas": [USER], "userName": name} if kind == "Users" else {"schemas": [GROUP], "displayName": name}
        return {"method": "POST", "path": f"/{kind}", "bulkId": bulk_id, "data": own | more}

    def group(name: str, bulk_id: str, *members: str) -> dict[str, Any]:
        return post(name, bulk_id, "Groups", members=[{"value": one} for one in members])

    bad: dict[str, Any] = {"method": "POST", "path": "/Users", "bulkId": "bad", "data": {"schemas": [USER]}}
    for label, operations, most in (
        ("references", [post("b1", "q"), group("g1", "g", "bulkId:q")], None),
        ("forward references", [group("g2", "g", "bulkId:q"), post("b2", "q")], None),
        ("a circle", [group("g3", "x", "bulkId:y"), group("g4", "y", "bulkId:x")], None),
        ("an unknown reference", [group("g5", "x", "bulkId:nobody")], None),
        ("stops at the first error", [bad, post("b3", "q")], 1),
        ("goes on below failOnErrors", [bad, post("b4", "q")], 2),
        ("goes on without failOnErrors", [bad, post("b5", "q"), bad | {"bulkId": "bad2"}], None),
        ("a reference to what failed", [bad, group("g6", "g", "bulkId:bad")], None),
        ("no bulkId", [post("b6", None)], None), ("one bulkId twice", [post("b7", "q"), post("b8", "q")], None),
        ("a taken name", [post("ada", "q")], None), ("nothing", [], None),
        ("a path to nothing", [{"method": "POST", "path": "/Nothing", "bulkId": "q", "data": {}}], None),
        ("a GET", [{"method": "GET", "path": "/Users/{ada}"}], None), ("failOnErrors 0", [post("b9", "q")], 0),
        ("a stale version", [{"method": "DELETE", "path": "/Users/{gus}", "version": 'W/"0"'}], None),
        ("change and delete", [
            {"method": "PATCH", "path": "/Users/{gus}", "data": {"schemas": [f"{MESSAGES}:PatchOp"], "Operations": [
                {"op": "add", "path": "title", "value": "T"}]}},
            {"method": "PUT", "path": "/Users/{hal}", "data": {"schemas": [USER], "userName": "hal2"}},
            {"method": "DELETE", "path": "/Users/{gus}"}, {"method": "DELETE", "path": "/Users/{gus}"}], None),
    ):  # fmt: skip
        body = {"schemas": [f"{MESSAGES}:BulkRequest"], "Operations": operations}
        yield Step(f"bulk: {label}", "POST", "/Bulk", body if most is None else body | {"failOnErrors": most})
    yield _asked("users after bulk", "/Users", attributes="userName", sortBy="userName", filter='userName sw "b"')


def _wrong() -> Iterator[Step]:
    for label, body in (
        ("no name", {"schemas": [USER]}), ("an empty name", {"schemas": [USER], "userName": ""}),
        ("no schemas", {"userName": "w1"}), ("another schema", {"schemas": [GROUP], "userName": "w2"}),
        ("a name that is a number", {"schemas": [USER], "userName": 5}), ("a list", []), ("a text", "x"),
        ("an unknown attribute", {"schemas": [USER], "userName": "w3", "nothing": "x"}),
        ("two primaries", {"schemas": [USER], "userName": "w4", "emails": [
            {"value": "1@example.com", "primary": True}, {"value": "2@example.com", "primary": True}]}),
        ("no address", {"schemas": [USER], "userName": "w5", "emails": [{"value": "nonsense"}]}),
        ("names in another case", {"SCHEMAS": [USER], "USERNAME": "w6", "Title": "T"}),
        ("nulls and empty lists", {"schemas": [USER], "userName": "w7", "title": None, "emails": []}),
        ("active as a text", {"schemas": [USER], "userName": "w8", "active": "yes"}),
    ):  # fmt: skip
        yield Step(f"create with {label}", "POST", "/Users", body)
    for path in ("/Users/nobody", "/Nothing", "/Users/{ada}/x", "/Schemas/nothing", "/Me"):
        yield Step(f"GET {path}", "GET", path)
    yield Step("PUT nobody", "PUT", "/Users/nobody", {"schemas": [USER], "userName": "x"})
    yield Step("DELETE nobody", "DELETE", "/Users/nobody")
    yield Step("filter on schemas", "GET", "/Schemas?filter=id%20pr")
    yield Step("PUT without its name", "PUT", "/Users/{cy}", {"schemas": [USER]})
    yield Step("PUT leaves out what there was", "PUT", "/Users/{cy}", {"schemas": [USER], "userName": "cy"})
    yield Step("after it", "GET", "/Users/{cy}")


def _deletions() -> Iterator[Step]:
    yield Step("delete", "DELETE", "/Users/{ada}")
    yield Step("read the deleted", "GET", "/Users/{ada}")
    yield Step("delete the deleted", "DELETE", "/Users/{ada}")
    yield _asked("find the deleted", "/Users", filter='userName eq "ada"')
    yield Step("the deleted in groups", "GET", "/Groups/{crew}")
    yield Step("its name again", "POST", "/Users", {"schemas": [USER], "userName": "Ada", "active": True}, names="ada2")
    yield Step("delete a group", "DELETE", "/Groups/{crew}")
    yield Step("groups after it", "GET", "/Groups/{all}")
