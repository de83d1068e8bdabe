"""Payloads against required fields and JSON Schema, both of which come from outside."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opsteward.core.errors import Invalid
from opsteward.events.payload_validation import CPU_SECONDS, ERROR_LIMIT, validate_payload
from opsteward.events.regex_cost import BadPattern, steps

ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["customer", "items"],
    "properties": {
        "customer": {"type": "object", "required": ["email"], "properties": {"email": {"$ref": "#/$defs/email"}}},
        "items": {"type": "array", "minItems": 1, "items": {"$ref": "#item"}, "uniqueItems": True},
    },
    "$defs": {
        "email": {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+\.[^@\s]+$"},
        "item": {"$anchor": "item", "type": "object", "required": ["sku"]},
    },
}


@pytest.mark.parametrize(
    ("payload", "required", "missing"),
    [
        ({"a": 1}, ["a"], ()),
        ({"a": 1}, ["a", "b"], ("b",)),
        ({}, ["b", "a", "b"], ("b", "a")),
        ({"user": {"email": "x"}}, ["user.email", "user.name"], ("user.name",)),
        ({"items": [{"sku": 1}]}, ["items.0.sku", "items.1.sku", "items.x"], ("items.1.sku", "items.x")),
        ({"user.email": "x"}, ["user.email"], ()),
        ({"a": None, "b": "", "c": 0, "d": False, "e": []}, ["a", "b", "c", "d", "e"], ("a",)),
        ([1], ["0", "a"], ("a",)),
        ("text", ["a"], ("a",)),
        (None, ["a.b"], ("a.b",)),
        ({"a": {"b": 1}}, ["a.", ".", ""], ("a.", ".", "")),
    ],
)
def test_required_fields(payload: Any, required: list[str], missing: tuple[str, ...]) -> None:
    report = validate_payload(payload, required)
    assert report.missing_fields == missing
    assert report.is_valid is (not missing)
    assert [error.field for error in report.errors] == list(missing)
    assert all(name[:80] in report.message for name in missing)


def test_a_schema_names_each_field_at_fault() -> None:
    good = {"customer": {"email": "a@b.example"}, "items": [{"sku": 1}, {"sku": True}]}
    assert validate_payload(good, ["customer.email"], ORDER).is_valid
    bad = {"customer": {"email": "nope"}, "items": [{"sku": 1}, {"sku": 1.0}, {}]}
    report = validate_payload(bad, ["note"], ORDER)
    assert {(error.field, error.problem.split(" ")[-1]) for error in report.errors} >= {
        ("note", "required"),
        ("items.2.sku", "required"),
        ("items", "unique"),
    }
    assert report.missing_fields == ("note", "items.2.sku")
    assert any(error.field == "customer.email" for error in report.errors)
    assert not report.is_valid


def test_a_field_missing_for_both_reasons_is_told_once() -> None:
    report = validate_payload({}, ["customer"], ORDER)
    assert [error.field for error in report.errors] == ["customer", "items"]


def test_the_number_and_length_of_errors_are_bounded() -> None:
    report = validate_payload(["x" * 5_000] * 1_000, [], {"items": {"type": "integer"}})
    assert len(report.errors) == ERROR_LIMIT
    assert all(len(error.problem) < 400 for error in report.errors)


CIRCLE = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
DOUBLING = {
    "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)} | {"d30": True},
    "$ref": "#/$defs/d0",
}
DEEP: dict[str, Any] = {}
for _ in range(100):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "nonsense"}, "type"),
        ({"type": [{"a": 1}, "x"] * 400}, "type"),
        ({"pattern": 5}, "pattern"),
        ({"$ref": "http://127.0.0.1:1/x.json"}, "nothing is fetched"),
        ({"$ref": "other.json#/x"}, "nothing is fetched"),
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"$ref": "#none"}, "leads nowhere"),
        ({"$dynamicRef": "#none"}, "leads nowhere"),
        ({"unevaluatedProperties": False, "$ref": "#none"}, "leads nowhere"),
        ({"$ref": "#/title", "title": "x"}, "no schema"),
        ({"$ref": "#/properties", "properties": {"type": {"type": "string"}}}, "type"),
        ({"$ref": "#"}, "without end"),
        (CIRCLE, "without end"),
        (DOUBLING, "takes more than"),
        (DEEP, "levels"),
        ({"enum": list(range(5_000))}, "items"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "not known"),
        ({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}, "at the top only"),
        ({"properties": {"a": {"$id": "http://elsewhere.example/"}}}, "at the top only"),
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "(a+)+$"}, "repeats"),
        ({"patternProperties": {"(a|aa)+$": {}}}, "repeats"),
        ({"patternProperties": {"a*a*a*a*a*a*b": {}}}, "too long"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any], problem: str) -> None:
    started = time.thread_time()
    with pytest.raises(Invalid) as caught:
        validate_payload({"a" * 300: 1}, [], schema)
    assert caught.value.problems[0].field == "schema"
    assert problem in str(caught.value)
    assert time.thread_time() - started < CPU_SECONDS + 2


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": True}, "$ref": "#/definitions/a"},
        {"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"$defs": {"a/b%": {}}, "$ref": "#/$defs/a~1b%25"},
        {"format": "email"},
        {},
    ],
)
def test_a_schema_that_is_unusual_and_sound_is_taken(schema: dict[str, Any]) -> None:
    assert validate_payload({"pattern": "x"}, [], schema).is_valid


def test_a_payload_beyond_the_bounds() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(Invalid, match="payload"):
        validate_payload(deep, [], {"type": "array"})
    with pytest.raises(Invalid, match="payload"):
        validate_payload(10**4_000, [], {"multipleOf": 0.5})
    assert not validate_payload("a" * 100_000, [], {"pattern": "a*a*b"}).is_valid  # too long for its pattern
    assert not validate_payload([{}, {"a": 1}, 1] * 20_000, [], {"uniqueItems": True}).is_valid


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*$",
        "(a?){20}",
        "(.*)*",
        "^(?:(?:a|b)c){2}$",
        "(?>a+)+",
        r"(a)\1",
        "(?P<x>a)(?P=x)",
        "(?i)a",
        "(?#(a+)+",
        "a" * 501,
        "[",
        "a**",
    ],
)
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        steps(pattern, 10)


@pytest.mark.parametrize(
    ("pattern", "length", "most"),
    [
        ("^[a-z]+$", 1_000, 2_000),
        (r"^\d{3}-\d{4}(-\d+)?$", 20, 1_000),
        ("^(red|green|blue)$", 10, 10),
        ("[]a]+[^]]*", 100, 1_000_000),
        (r"^(?=.*[A-Z])(?=.*\d).{8,}$", 64, 1_000_000),
    ],
)
def test_patterns_of_everyday_are_cheap(pattern: str, length: int, most: int) -> None:
    assert steps(pattern, length) <= most


@pytest.mark.parametrize("pattern", ["(?:)?" * 24 + "b", "(a|a)" * 30 + "b", "a?" * 30, "x*" * 30, "^a*a*a*a*b"])
def test_patterns_whose_cost_explodes_are_seen(pattern: str) -> None:
    assert steps(pattern, 300) > 10_000_000
