"""Where the people of an export are, in JSON, XML and address books; and lists that nobody may guess among."""

from __future__ import annotations

import json

import pytest

from opsteward.directory.imports.people_lists import Ambiguous, people_in
from support.checked_files import Checked

ADA = {"username": "ada", "email": "ada@c.test", "name": "Ada L"}
BO = {"username": "bo", "email": "bo@c.test", "name": "Bo B", "active": False}
BOTH = {"ada": None, "bo": "inactive"}
DEEP: dict[str, object] = {
    "a graph's connection": {"data": {"users": {"edges": [{"node": ADA}, {"node": BO}]}}},
    "nodes": {"data": {"organization": {"members": {"totalCount": 2, "nodes": [ADA, BO]}}}},
    "hits of a search": {"took": 1, "hits": {"total": {"value": 2}, "hits": [{"_id": "1", "_source": ADA},
                                                                             {"_id": "2", "_source": BO}]}},
    "resources of a bundle": {"resourceType": "Bundle", "entry": [{"resource": ADA}, {"resource": BO}]},
    "a feed": {"feed": {"entry": [{"content": {"properties": ADA}}, {"content": {"properties": BO}}]}},
    "OData": {"d": {"results": [{**ADA, "__metadata": {"uri": "x"}}, {**BO, "manager": {"__deferred": {"uri": "x"}}}]}},
    "JSON:API": {"data": [{"type": "users", "id": "1", "attributes": ADA},
                          {"type": "users", "id": "2", "attributes": BO}],
                 "included": [{"type": "users", "id": "9", "attributes": {**ADA, "username": "boss"}}]},
    "HAL": {"_embedded": {"users": [ADA, BO]}, "_links": {"self": {"href": "x"}}},
    "pages in a list": {"pages": [{"users": [ADA]}, {"users": [BO]}]},
    "each under a key": {"ada": {"email": "ada@c.test", "name": "L"}, "bo": {"email": "bo@c.test", "active": 0}},
    "six levels": {"a": {"b": {"c": {"d": {"e": {"people": [ADA, BO]}}}}}},
    "beside those who were deleted": {"users": [ADA, BO], "deletedUsers": [{**ADA, "username": "gone"}]},
    "beside groups with addresses": {"users": [ADA, BO], "groups": [{"name": "g", "email": "g@c.test"}]},
    "one whose name has parts": {"users": [
        {"login": "ada", "contact": {"email": {"value": "ada@c.test", "verified": True}}, "name": {"first": "A"}},
        {"login": "bo", "contact": {"email": "bo@c.test"}, "account": {"status": "DISABLED"}, "name": {"first": "B"}},
    ]},
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_the_one_list_of_people_is_found(name: str) -> None:
    for file_format in ("json", "ndjson"):
        found = Checked(json.dumps(DEEP[name]).encode(), file_format, block=100_000)
        assert (found.statuses, found.failed) == (BOTH, 0), (found.problems, found.notes)


def test_what_is_left_out_is_noted() -> None:
    found = Checked(json.dumps(DEEP["beside those who were deleted"]).encode(), "json")
    assert "the list deletedUsers is left out" in found.notes


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"users": [ADA], "admins": [BO]}, "several lists of people: users (1), admins (1)"),
        ({"data": {"staff": [ADA], "contractors": [BO, ADA]}}, "data.staff (1), data.contractors (2)"),
        ({"deletedUsers": [ADA]}, "no list of users but deletedUsers"),
        ({"data": {"removed": {"items": [ADA, BO]}}}, "no list of users but data.removed.items"),
    ],
)
def test_lists_that_nobody_may_guess_among_are_refused(value: dict[str, object], says: str) -> None:
    with pytest.raises(Ambiguous, match="send the") as refused:
        people_in(json.loads(json.dumps(value)))
    assert says in str(refused.value)
    found = Checked(json.dumps(value).encode(), "json")
    assert not found.users and says in found.problems[0].reason
    found = Checked(f"{json.dumps(ADA)}\n{json.dumps(value)}\n".encode(), "ndjson")
    assert (list(found.users), found.failed) == (["ada"], 1), "a line that is refused spoils no other"


NESTED: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "values with labels": (
        {"attributes": {
            "email": {"label": "Email", "value": "a@c.test"}, "first_name": {"label": "First", "value": "Ada"},
            "last_name": {"label": "Last", "value": "L"}, "status": {"label": "Status", "value": "inactive"},
            "department": {"label": "D", "value": {"type": "Department", "attributes": {"id": 1, "name": "R"}}},
            "supervisor": {"label": "S", "value": {"type": "Employee", "attributes": {
                "id": {"label": "ID", "value": 7}, "email": {"label": "E", "value": "boss@c.test"}}}}}},
        {"username": "a@c.test", "full_name": "Ada L", "status": "inactive", "department": "R",
         "manager": "boss@c.test"},
    ),
    "lists of one": (
        {"uid": ["ada"], "mail": ["a@c.test", "b@c.test"], "cn": ["Ada L"], "nsaccountlock": ["TRUE"], "ou": ["R"]},
        {"username": "ada", "email": "a@c.test", "full_name": "Ada L", "status": "inactive", "department": "R"},
    ),
    "sections": (
        {"email": "a@c.test", "displayName": "Ada L", "work": {"department": "R", "reportsTo": {"email": "b@c.test"}},
         "personal": {"email": "home@c.test", "department": "none"}, "internal": {"status": "Inactive"}},
        {"username": "a@c.test", "email": "a@c.test", "department": "R", "manager": "b@c.test", "status": "inactive"},
    ),
    "a manager by an address that is no one of the user's": (
        {"login": "ada", "emails": [{"type": "home", "value": "h@c.test"}, {"type": "work", "value": "a@c.test"}],
         "name": {"givenName": "Ada", "familyName": "L"}, "manager": {"value": "7", "displayName": "Boss"}},
        {"username": "ada", "email": "a@c.test", "full_name": "Ada L", "manager": "7"},
    ),
    "ways to reach somebody": (
        {"active": False, "name": [{"family": "L", "given": ["Ada", "M"]}],
         "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@c.test"}]},
        {"username": "a@c.test", "full_name": "Ada M L", "status": "inactive"},
    ),
    "lists of what has a type": (
        {"primaryEmail": "a@c.test", "name": {"fullName": "Ada L"},
         "relations": [{"type": "spouse", "value": "x@c.test"},
         {"type": "manager", "value": "b@c.test"}], "externalIds": [{"type": "organization", "value": "E1"}],
         "organizations": [{"department": "old"}, {"department": "R", "primary": True}]},
        {"username": "a@c.test", "manager": "b@c.test", "external_id": "E1", "department": "R"},
    ),
    "an account's name beside one to show": (
        {"name": "ada", "display-name": "Ada L", "email": "a@c.test", "delete_at": 1750000000000},
        {"username": "ada", "full_name": "Ada L", "status": "inactive"},
    ),
    "an id that is no name": (
        {"user_id": "auth0|1", "email": "a@c.test", "name": "Ada L", "deletedAt": "0001-01-01T00:00:00Z"},
        {"username": "a@c.test", "full_name": "Ada L", "status": "\\N"},
    ),
    "names behind a word": (
        {"Employee Email Address": "a@c.test", "Employee First Name": "Ada", "Employee Last Name": "L",
         "Employee Department": "R", "suspended_on": "2026-01-01"},
        {"username": "a@c.test", "full_name": "Ada L", "department": "R", "status": "suspended"},
    ),
    "a state that is an object": (
        {"email": "a@c.test", "name": "Ada", "state": {"id": 3, "name": "Terminated"}},
        {"username": "a@c.test", "status": "inactive"},
    ),
    "another system's role": (
        {"login": "ada", "email": "a@c.test", "name": "Ada", "role": {"id": 1, "name": "admin"}},
        {"username": "ada", "role": "standard_user"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_what_is_laid_in_objects_is_read(name: str) -> None:
    value, wanted = NESTED[name]
    found = Checked(json.dumps([value]).encode(), "json")
    [user] = found.users.values()
    assert {key: user[key] for key in wanted} == wanted, (found.problems, found.notes)


XML = {
    "elements": "<?xml version='1.0'?><users><user><username>ada</username><email>ada@c.test</email><name>A</name>"
    "</user><user><username>bo</username><email>bo@c.test</email><name>B &amp; C</name><enabled>false</enabled>"
    "</user></users>",
    "attributes, namespaces": "<w:r xmlns:w='urn:w'><w:emp username='ada' email='ada@c.test' name='A'/>"
    "<w:emp username='bo' email='bo@c.test' name='B' active='0'/></w:r>",
    "named fields": "<directory><employees><employee id='1'><field id='login'>ada</field>"
    "<field id='workEmail'>ada@c.test</field><field id='displayName'>A</field></employee><employee id='2'>"
    "<field id='login'>bo</field>"
    "<field id='workEmail'>bo@c.test</field><field id='displayName'>B</field><field id='status'>Inactive</field>"
    "</employee></employees></directory>",
}


@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_is_read(name: str, encoding: str) -> None:
    found = Checked(XML[name].encode(encoding), "xml", block=17 if encoding == "utf-8" else 4000)
    assert ({one: said or "active" for one, said in found.statuses.items()}) == {"ada": "active", "bo": "inactive"}, (
        found.problems, found.notes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a><user><email>&b;</email></user></a>", "document type declaration"),
        ("<users><user>", "is no XML"),
        ("username,email\n", "is no XML"),
        ("<a><b>c</b></a>", "no list of people"),
        ("<a>" * 100 + "</a>" * 100, "nested deeper"),
    ],
)
def test_xml_that_is_none_is_refused(content: str, says: str) -> None:
    found = Checked(content.encode(), "xml")
    assert not found.users and says in found.problems[0].reason


VCARDS = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lang;Ada;;;\r\nFN:Ada Lang\r\nORG:Acme\\, Inc;Research\r\n"
    "EMAIL;TYPE=HOME:h@c.test\r\nitem1.EMAIL;TYPE=WORK,PREF:ada@c.\r\n test\r\nPHOTO;ENCODING=b:AAAA\r\n BBBB\r\n"
    "END:VCARD\r\n\r\nBEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=96l;=\r\nCy\r\n"
    "EMAIL;INTERNET:cy@c.test\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:G\r\nEND:VCARD\r\n"
)


def test_address_books_are_read() -> None:
    found = Checked(VCARDS.encode(), "vcard", block=11)
    people = {name: (one["full_name"], one["department"]) for name, one in found.users.items()}
    assert people == {"ada@c.test": ("Ada Lang", "Research"), "cy@c.test": ("Cy Öl", "\\N")}, found.problems
    assert (found.failed, found.skipped) == (0, 1)
    cut = Checked(VCARDS[:60].encode(), "vcard")
    assert "ends within this card" in cut.problems[-1].reason


@pytest.mark.parametrize("name", [
    "alumni", "retired", "retirees", "ausgeschiedene", "ehemaligeMitarbeiter", "departed", "dismissed", "left",
    "locked", "exEmployees", "laidOff", "notEmployed", "Anciens salariés", "jubilado", "退職者",
])  # fmt: skip
def test_lists_of_those_who_are_gone_are_never_users(name: str) -> None:
    for value in ({"employees": [], name: [ADA]}, {"data": {name: [ADA, BO]}}, {name: [{"username": "ada"}]}):
        found = Checked(json.dumps(value).encode(), "json")
        assert not found.users, value
    found = Checked(json.dumps({"employees": [BO], name: [ADA]}).encode(), "json")
    assert list(found.users) == ["bo"] and f"the list {name} is left out" in found.notes


@pytest.mark.parametrize("name", ["departments", "executives", "externals", "experts", "staff", "normal", "admins"])
def test_lists_with_other_names_are_taken(name: str) -> None:
    assert list(Checked(json.dumps({"data": {name: [ADA, BO]}}).encode(), "json").users) == ["ada", "bo"]


@pytest.mark.parametrize(
    "beside",
    [
        {"status": "terminated"},
        {"state": "Former"},
        {"active": False},
        {"disabled": True},
        {"employmentStatus": "Left"},
    ],
)
def test_a_state_beside_the_list_is_not_dropped(beside: dict[str, object]) -> None:
    for value in (
        [{**beside, "employees": [ADA]}, {"status": "active", "employees": [BO]}],
        {"groups of people": [{**beside, "employees": [ADA]}, {"employees": [BO]}]},
        {**beside, "data": {"employees": [ADA, BO]}},
    ):
        found = Checked(json.dumps(value).encode(), "json")
        assert not found.users and "beside the list" in found.problems[0].reason, value
    one = "<e><uid>a</uid><mail>a@c.test</mail></e>"
    xml = f"<r><staff status='left'>{one}{one}</staff></r>"
    assert "beside the list" in Checked(xml.encode(), "xml").problems[0].reason


@pytest.mark.parametrize(
    "beside",
    [
        {"status": "success"}, {"status": "ok"}, {"status": 0}, {"status": "0"}, {"deleted": 3}, {"active": True},
        {"state": "done"},
    ],
)  # fmt: skip
def test_what_an_answer_says_of_itself_is_no_state_of_people(beside: dict[str, object]) -> None:
    assert list(Checked(json.dumps({**beside, "users": [ADA, BO]}).encode(), "json").users) == ["ada", "bo"]


def card(*lines: str, end: str = "END:VCARD\r\n") -> str:
    return "".join(f"{line}\r\n" for line in ("BEGIN:VCARD", "VERSION:4.0", *lines)) + end


def test_the_address_that_is_preferred_most_is_taken() -> None:
    cards = card("FN:A", "EMAIL;PREF=100:z@c.test", "EMAIL;PREF=1:a@c.test", "EMAIL;PREF=50:y@c.test")
    cards += card("FN:B", "EMAIL:z@c.test", "EMAIL;TYPE=INTERNET,pref:b@c.test")
    assert list(Checked(cards.encode(), "vcard").users) == ["a@c.test", "b@c.test"]


def test_a_card_without_an_end_is_refused_and_the_next_is_read() -> None:
    found = Checked((card("FN:A", "EMAIL:a@c.test", end="") + card("FN:B", "EMAIL:b@c.test")).encode(), "vcard")
    assert (list(found.users), found.failed) == (["b@c.test"], 1) and "END:VCARD" in found.problems[0].reason


def test_quoted_text_is_read_in_the_charset_that_it_names() -> None:
    quoted = "FN;CHARSET={};ENCODING=QUOTED-PRINTABLE:J=FCrgen"
    found = Checked(card(quoted.format("ISO-8859-1"), "EMAIL:j@c.test").encode(), "vcard")
    assert found.users["j@c.test"]["full_name"] == "Jürgen"
    for charset in ("UTF-8", "X-NONE"):
        found = Checked(card(quoted.format(charset), "EMAIL:j@c.test").encode(), "vcard")
        assert (found.failed, "FN is no text in" in found.problems[0].reason) == (1, True)


def test_xml_fields_that_are_repeated_are_refused() -> None:
    fields = "<field name='username'>ada</field><field name='email'>a@c.test</field><field name='status'>left</field>"
    user = f"<user>{fields}<field name='status'>active</field></user>"
    found = Checked(f"<users>{user}</users>".encode(), "xml")
    assert (found.users, found.problems[0].field) == ({}, "status")
