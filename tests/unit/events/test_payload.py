"""Payloads against required fields and JSON Schema, both of which come from outside."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest

from opsteward.core.computing import TooExpensive, compute
from opsteward.core.errors import Invalid
from opsteward.events.payload_validation import CPU_SECONDS, ERROR_LIMIT, validate_payload

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
        ("items", "twice"),
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
FIBONACCI = {  # not memoised: each is another place
    "$defs": {
        f"d{n}": {"anyOf": [{"not": {"$ref": f"#/$defs/d{n + 1}"}}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(40)
    }
    | {"d40": {"required": ["z"]}},
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
        ({"$ref": "http://127.0.0.1:1/x.json"}, "refers to 'http://127.0.0.1:1/x.json'"),
        ({"$ref": "other.json#/x"}, "other.json"),
        ({"$ref": "file:///etc/passwd"}, "refers to 'file:///etc/passwd'"),
        ({"$ref": "#/$defs/none"}, "refers to '/$defs/none', which can't be found"),
        ({"$ref": "#none"}, "none"),
        ({"$dynamicRef": "#none"}, "none"),
        ({"$ref": "#/properties", "properties": {"type": {"type": 7}}}, "type"),
        (DEEP, "levels"),
        ({"enum": list(range(50_000))}, "values"),
        ({"$schema": "http://elsewhere.example/schema#"}, "elsewhere.example"),
        ({"pattern": "("}, "pattern"),
        (["no", "object"], "object"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: Any, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate_payload({"a" * 300: 1}, [], schema)
    assert caught.value.problems[0].field == "schema"
    assert problem in str(caught.value)


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
    assert validate_payload(10**4_000, [], {"multipleOf": 0.5}).is_valid
    assert not validate_payload([{}, {"a": 1}, 1] * 20_000, [], {"uniqueItems": True}).is_valid


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*)*!", "a*a*a*a*a*a*b", "(a?){20}b$"])
def test_patterns_take_time_linear_in_the_text(pattern: str) -> None:
    text = "a" * 100_000 + "!"
    started = time.thread_time()
    validate_payload(text, [], {"pattern": pattern})
    validate_payload({text: 1}, [], {"patternProperties": {pattern: False}})
    assert time.thread_time() - started < CPU_SECONDS


@pytest.mark.parametrize("pattern", ["(?=(a+)+$)b", r"(a+)+\1b", "(?<=(a+a+)+)b", "a{1000}{1000}{1000}"])
async def test_patterns_that_look_around_may_take_their_time_and_no_more(pattern: str) -> None:
    with suppress(Invalid):
        async with asyncio.timeout(60):  # 0.3 s of its own, and others' work beside it; they would take hours
            await compute(0.3, validate_payload, "a" * 100_000 + "!", [], {"pattern": pattern})


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("^[a-z]+$", "abc", "ab1"),
        (r"^\d{3}-\d{4}(-\d+)?$", "123-4567-8", "1234567"),
        ("^(red|green|blue)$", "green", "mauve"),
        (r"^(?=.*[A-Z])(?=.*\d).{8,}$", "Passw0rds", "passwords"),
    ],
)
def test_patterns_of_everyday_are_taken(pattern: str, fits: str, does_not: str) -> None:
    assert validate_payload(fits, [], {"pattern": pattern}).is_valid
    assert not validate_payload(does_not, [], {"pattern": pattern}).is_valid


async def test_a_schema_that_takes_too_long_ends_its_process_and_nothing_else() -> None:
    with pytest.raises(TooExpensive):
        await compute(0.3, validate_payload, {"a": 1}, [], FIBONACCI)
    report = await compute(CPU_SECONDS, validate_payload, {"a": 1}, ["b"], {"required": ["c"]})
    assert report.missing_fields == ("b", "c")
    with pytest.raises(Invalid, match="schema"):
        await compute(CPU_SECONDS, validate_payload, {}, [], {"type": "nonsense"})
