"""Who is gone is never taken for somebody in use: states as objects, in long words, said twice; what can't be read is
refused and not passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsteward.directory.imports.account_status import standing_kind
from support.checked_files import Checked

ADA: dict[str, Any] = {"username": "ada", "email": "a@c.test", "full_name": "Ada"}
GONE: list[dict[str, Any]] = [
    {"status": {"id": 2, "label": "Terminated"}},
    {"status": {"code": "T", "name": "Terminated"}},
    {"status": {"code": "T", "title": "Terminated"}},
    {"status": {"value": 1, "label": "Terminated"}},
    {"status": {"value": "active", "name": "Terminated"}},
    {"status": [{"label": "Status", "value": "inactive"}]},
    {"active": {"label": "Active", "value": False}},
    {"employment": {"status": {"name": "Former"}}},
    {"terminationDate": {"year": 2020, "month": 1, "day": 31}},
    {"employment": {"endDate": {"year": 2020, "month": 1, "day": 31}}},
    {"expires_at": {"year": 2020, "month": 1, "day": 31}},
    {"accountState": "DEACTIVATED_BY_ADMIN"},
    {"employeeState": "Terminated (Involuntary)"},
    {"currentStatus": "Terminated - Voluntary"},
    {"status": "Terminated, with notice"},
    {"status": "active", "job": {"status": "terminated"}},
    {"status": "terminated", "job": {"status": "active"}},
    {"active": True, "data": {"active": False}},
]
GONE += [
    {"employment": [{"status": "terminated"}, {"status": "active"}]},
    {"custom_fields": [{"key": "status", "value": "terminated"}, {"key": "floor", "value": 1}]},
    {"hr": {"status": "terminated"}},
    {"dates": {"terminationDate": "2020-01-01"}},
]
UNREAD: list[dict[str, Any]] = [
    {"status": {"id": 2}},
    {"status": {"label": "Wound down"}},
    {"status": ["active", "terminated"]},
    {"status": "T"},
    {"status": {"code": "T"}},
    {"account": {"status": ["terminated", "x"]}},
    {"account": {"status": {"id": 3}}},
    {"state": {"id": 3}},
    {"deletedAt": {"seconds": 1}},
    {"terminationDate": {"seconds": 1577836800}},
    {"employment": {"endDate": {"seconds": 1577836800}}},
    {"accountState": "wound down"},
    {"userStatus": "wound down"},
    {"Mitarbeiterstatus": "abgewickelt"},
    {"employeeState": "was terminated"},
    {"currentStatus": "Terminated, then re-hired"},
    {"state": "auto-deactivated"},
    {"status": "active", "job": {"status": "wound down"}},
]
IN_USE: list[dict[str, Any]] = [
    {"memberState": "CA"},
    {"employeeState": "California"},
    {"state": {"code": "CA", "name": "California"}},
    {"currentStatus": "Full-time"},
    {"status": {"label": "Status", "value": "active"}},
    {"status": {"id": None}},
    {"deletedAt": {}},
    {"deleted": {"label": "Deleted", "value": False}},
    {"manager": {"__deferred": {"uri": "x"}}},
]


@pytest.mark.parametrize("said", GONE, ids=json.dumps)
def test_who_is_gone_is_seen_to_be(said: dict[str, Any]) -> None:
    for file_format in ("json", "ndjson"):
        assert Checked(json.dumps({**ADA, **said}).encode(), file_format).statuses == {"ada": "inactive"}


@pytest.mark.parametrize("said", UNREAD, ids=json.dumps)
def test_a_state_that_can_t_be_read_is_refused(said: dict[str, Any]) -> None:
    found = Checked(json.dumps({**ADA, **said}).encode(), "json")
    assert (found.users, found.failed) == ({}, 1), found.notes
    assert any(word in found.problems[0].reason for word in ("use one of", "map the column", "write it as"))


@pytest.mark.parametrize("said", IN_USE, ids=json.dumps)
def test_what_says_nothing_of_the_account_keeps_nobody_out(said: dict[str, Any]) -> None:
    found = Checked(json.dumps({**ADA, **said}).encode(), "json")
    assert found.statuses["ada"] in (None, "active") and found.failed == 0, found.problems


XML = "<users><user><username>ada</username><email>a@c.test</email><full_name>Ada</full_name>{}</user></users>"


@pytest.mark.parametrize(
    "element",
    [
        '<status id="3">inactive</status>',
        '<status code="T">Terminated</status>',
        '<active xmlns:xsi="urn:i" xsi:type="xsd:boolean">false</active>',
        '<terminationDate type="date">2020-01-01</terminationDate>',
    ],
)
def test_text_beside_attributes_is_read(element: str) -> None:
    assert Checked(XML.format(element).encode(), "xml").statuses == {"ada": "inactive"}


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"manager": {"displayName": "Bob"}}, "manager", "bob"),
        ({"manager": {"id": 7, "displayName": "Bob"}}, "manager", "7"),
        ({"department": {"id": 4, "title": "Sales"}}, "department", "Sales"),
    ],
)
def test_what_an_object_is_called_is_its_value(given: dict[str, Any], field: str, value: str) -> None:
    assert Checked(json.dumps({**ADA, **given}).encode(), "json").users["ada"][field] == value


def test_what_is_only_referred_to_changes_nothing_and_is_noted() -> None:
    for given in ({"manager": {"__deferred": {"uri": "x"}}}, {"department": {"id": 4, "href": "x"}}):
        found = Checked(json.dumps({**ADA, **given}).encode(), "json")
        [name] = given
        assert any(f"'{name}: an object'" in note for note in found.notes)
        assert found.users["ada"][name] == "\\N"


def test_an_object_means_no_field_by_its_marker() -> None:
    found = Checked(json.dumps({**ADA, "account": {"plan": {"a": 1}}}).encode(), "json")
    assert not any("counts where" in note for note in found.notes)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("accountstate", "word"), ("statutducompte", "word"), ("benutzerstatus", "word"), ("memberstate", "state"),
        ("userstate", "state"), ("personstatus", "state"), ("status" * 40, None),
    ],
)  # fmt: skip
def test_states_of_accounts_are_told_from_those_of_addresses(column: str, kind: str | None) -> None:
    assert standing_kind(column) == kind


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Term Date", "2020-01-01"), ("Date Left", "2020-01-01"), ("Ausgeschieden am", "2020-01-01"),
        ("Resigned", "yes"), ("Has left", "Y"), ("Employed", "no"), ("Currently Employed", "N"),
        ("Ausgeschieden", "ja"), ("Removed", "true"),
        ("Inactive since", "2020-01-01"), ("Offboarding Date", "2020-01-01"), ("Archived At", "2020-01-01"),
        ("Empl Status", "Terminated"), ("État", "inactif"), ("État du compte", "désactivé"), ("Статус", "Уволен"),
        ("状态", "离职"), ("退職", "true"),
    ],
)  # fmt: skip
def test_columns_that_tell_who_has_left(column: str, value: str) -> None:
    found = Checked(f"username,email,full_name,{column}\na,a@c.test,A,{value}\n".encode(), "csv")
    assert found.statuses == {"a": "inactive"}, found.notes


@pytest.mark.parametrize("attribute", [("status", "active", "left"), ("enabled", "TRUE", "FALSE")])
def test_of_several_values_in_a_directory_the_one_that_takes_most_counts(attribute: tuple[str, str, str]) -> None:
    name, *values = attribute
    for first, second in (values, values[::-1]):
        entry = (
            f"dn: uid=a,dc=c\nuid: a\nmail: a@c.test\ncn: A\nobjectClass: person\n{name}: {first}\n{name}: {second}\n"
        )
        assert Checked(entry.encode(), "ldif").statuses == {"a": "inactive"}
