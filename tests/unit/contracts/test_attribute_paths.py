"""Values inside of attributes, by the paths of SCIM."""

from __future__ import annotations

from typing import Any

import pytest

from opsteward.contracts.attribute_paths import put_into, value_at

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER: dict[str, Any] = {
    "userName": "a",
    "odd.name": "as it is",
    "name": {"familyName": "Doe", "givenName": "J", "formatted": "J Doe"},
    "emails": [{"type": "home", "value": "h@x"}, {"type": "work", "value": "w@x", "primary": True}],
    ENTERPRISE: {"department": "IT", "manager": {"value": "26"}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("userName", "a"),
        ("odd.name", "as it is"),
        ("name.familyName", "Doe"),
        ('emails[type eq "work"].value', "w@x"),
        ('emails[type eq "WORK"].value', "w@x"),
        ("emails[primary eq true].value", "w@x"),
        ('emails[type eq "other"].value', None),
        ("emails.value", ["h@x", "w@x"]),
        (ENTERPRISE, USER[ENTERPRISE]),
        (f"{ENTERPRISE}:department", "IT"),
        (f"{ENTERPRISE}:manager.value", "26"),
        ("name.none.further", None),
        ("userName.further", None),
        ("[broken", None),
        ("name.", None),
    ],
)
def test_a_value_is_found_by_its_path(path: str, value: Any) -> None:
    assert value_at(USER, path) == value


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({"name.familyName": "New"}, {"name": {"familyName": "New", "givenName": "J", "formatted": "J Doe"}}),
        ({"name.familyName": None, "name.givenName": None, "name.formatted": None}, {"name": None}),
        ({'emails[type eq "work"].value': "n@x"},
         {"emails": [USER["emails"][0], {"type": "work", "value": "n@x", "primary": True}]}),
        ({'emails[type eq "other"].value': "o@x"}, {"emails": [*USER["emails"], {"type": "other", "value": "o@x"}]}),
        ({'emails[type eq "home"].value': None}, {"emails": [USER["emails"][1]]}),
        ({"emails.value": ["w@x", "z@x"]}, {"emails": [USER["emails"][1], {"value": "z@x"}]}),
        ({f"{ENTERPRISE}:department": "HR"}, {ENTERPRISE: {"department": "HR", "manager": {"value": "26"}}}),
        ({"odd.name": "other"}, {"odd.name": "other"}),
    ],
)  # fmt: skip
def test_a_change_leaves_the_rest_of_its_attribute(changes: Any, made: Any) -> None:
    before = repr(USER)
    assert put_into(USER, changes) == made
    assert repr(USER) == before


def test_a_new_record_gets_its_attributes_nested() -> None:
    new = {"name.familyName": "D", "name.givenName": "J", 'emails[type eq "work"].value': "w@x", "active": True,
           f"{ENTERPRISE}:manager.value": "26"}  # fmt: skip
    assert put_into({}, new) == {
        "name": {"familyName": "D", "givenName": "J"}, "emails": [{"type": "work", "value": "w@x"}], "active": True,
        ENTERPRISE: {"manager": {"value": "26"}},
    }  # fmt: skip
