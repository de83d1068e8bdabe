"""Every error that the validating library knows, and those of parsers, become a problem and a remedy of our own."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema_rs
import pytest
import yaml
from pydantic import AnyUrl, AwareDatetime, BaseModel, Field, ValidationError, field_validator
from pydantic_core import PydanticKnownError
from pydantic_core._pydantic_core import list_all_errors

from opsteward.core.error_words import problems_of, refusal, said
from opsteward.core.format_words import CSV_PROBLEM, json_problem, schema_problem, toml_problem, yaml_problem
from support.foreign_words import foreign_words


@pytest.mark.parametrize("known", list_all_errors(), ids=lambda known: known["type"])
def test_every_known_error_has_words(known: dict[str, Any]) -> None:
    context = known.get("example_context") or {}
    problem, remedy = said({"type": known["type"], "loc": ("x",), "ctx": context})
    assert problem
    assert remedy
    assert not foreign_words(f"{problem}; {remedy}")
    assert "{" not in problem + remedy


def test_an_error_of_a_later_version_of_the_library_has_words_too() -> None:
    for kind in ("brand_new_error", "int_brand_new", "greater_than"):  # the last one without its limit
        problem, remedy = said({"type": kind, "loc": (), "msg": "Input should be new", "ctx": {}})
        assert problem
        assert remedy
        assert not foreign_words(problem + remedy)


class Inner(BaseModel):
    count: int


class Everything(BaseModel, extra="forbid"):
    text: Annotated[str, Field(min_length=2, max_length=4, pattern="^a")] = "aa"
    whole: Annotated[int, Field(gt=0, lt=10, multiple_of=2)] = 2
    number: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0
    money: Annotated[Decimal, Field(max_digits=3, decimal_places=1)] = Decimal(1)
    flag: bool = True
    word: Literal["a", "b"] = "a"
    day: date = date(2026, 1, 1)
    at: AwareDatetime | None = None
    local: datetime | None = None
    clock: time | None = None
    length: timedelta = timedelta(0)
    id: UUID | None = None
    url: AnyUrl | None = None
    many: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    inner: Inner = Inner(count=1)
    either: int | list[int] | Inner = 1
    data: dict[str, int] = {}
    own: str = ""
    theirs: str = ""

    @field_validator("own")
    @classmethod
    def _own(cls, value: str) -> str:
        if value == "plain":
            raise ValueError("is plain")
        if value == "refused":
            raise refusal("is refused", "ask somebody")
        return value

    @field_validator("theirs")
    @classmethod
    def _theirs(cls, value: str) -> str:
        return value and str(json.loads(value))


WRONG: tuple[Any, ...] = (
    None,
    True,
    11,
    -1,
    3,
    0.5,
    1e400,
    "",
    "b",
    "aaaaaa",
    [],
    [1, 2, 3],
    ["x"],
    {},
    {"x": "y"},
    b"\xff",
)


def found_in(values: dict[str, Any]) -> list[tuple[str, str, str]]:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate(values)
    return [(p.field, p.problem, p.remedy) for p in problems_of(caught.value.errors(), given=values)]


def test_no_wrong_value_of_any_type_is_told_in_a_librarys_words() -> None:
    asked = 0
    for name in Everything.model_fields:
        for wrong in WRONG:
            try:
                Everything.model_validate({name: wrong})
            except ValidationError as error:
                for one in problems_of(error.errors(), given={name: wrong}):
                    asked += 1
                    assert one.problem
                    assert one.remedy
                    assert one.field == name or one.field.startswith(f"{name}.")
                    assert not foreign_words(f"{one.field}: {one.problem}; {one.remedy}")
    assert asked > 150


def test_the_words_name_limits_and_choices() -> None:
    told = found_in({"text": "aaaaaa", "whole": 12, "word": "c", "many": [], "surprise": 1, "inner": {}})
    assert told == [
        ("text", "is longer than 4 characters", "shorten it"),
        ("whole", "is not less than 10", "send less than 10"),
        ("word", "is none of the values that it may have", "use 'a' or 'b'"),
        ("many", "has no entry", "give at least one"),
        ("inner.count", "is missing", "add it"),
        ("surprise", "is no field here", "leave it out"),
    ]


def test_the_types_that_were_tried_are_no_part_of_a_fields_name() -> None:
    assert {field for field, _, _ in found_in({"either": {"count": "x"}})} == {"either", "either.count"}
    assert {field for field, _, _ in found_in({"either": ["x"]})} == {"either", "either.0"}


def test_what_our_validators_say_is_passed_on_and_what_a_library_says_in_them_is_not() -> None:
    assert found_in({"own": "plain"}) == [("own", "is plain", "correct it")]
    assert found_in({"own": "refused"}) == [("own", "is refused", "ask somebody")]
    ((_, problem, _),) = found_in({"theirs": "{"})
    assert problem == "has a value that can't be taken"


BAD_JSON = ("", "{", "{'a': 1}", '{"a": 1,}', "[1 2]", '"\\x"', '"abc', "{} {}", "01", "nul", '"\t"', "1e", "9" * 5_000)


@pytest.mark.parametrize("text", BAD_JSON, ids=range(len(BAD_JSON)))
def test_what_is_no_json_is_told_with_its_place(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        json.loads(text)
    told = json_problem(caught.value)
    assert told.startswith("is no JSON")
    assert not foreign_words(told)


@pytest.mark.parametrize("text", ["a", "a = ", "[a", "a = 1\na = 2", 'a = "', "= 1", "a = 2026-13-01", "a = [1, "])
def test_what_is_no_toml_is_told_with_its_place(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert toml_problem(caught.value).startswith("is no TOML")
    assert not foreign_words(toml_problem(caught.value))


@pytest.mark.parametrize(
    "text", ["a: [", "a: 'x", "a: b: c", "- a\nb: 1", "\t- a", "a: *b", "%x", '"\\q"', "{a: b", "@a", "a\x07"]
)
def test_what_is_no_yaml_has_a_problem_and_a_remedy(text: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    problem, remedy = yaml_problem(f"{getattr(caught.value, 'problem', '')} {getattr(caught.value, 'context', '')}")
    assert problem
    assert remedy
    assert not foreign_words(problem + remedy)


SCHEMAS = [
    ({"type": "integer"}, "x"),
    ({"enum": ["a"]}, "x"),
    ({"const": 1}, 2),
    ({"minimum": 3}, 1),
    ({"exclusiveMaximum": 3}, 3),
    ({"multipleOf": 2}, 3),
    ({"maxLength": 1}, "xx"),
    ({"minItems": 1}, []),
    ({"uniqueItems": True}, [1, 1]),
    ({"pattern": "^a"}, "b"),
    ({"format": "email"}, "b"),
    ({"required": ["a"]}, {}),
    ({"additionalProperties": False}, {"a": 1}),
    ({"unevaluatedProperties": False}, {"a": 1}),
    ({"propertyNames": {"maxLength": 1}}, {"aa": 1}),
    ({"anyOf": [{"type": "string"}]}, 1),
    ({"oneOf": [{"type": "string"}, {"minLength": 0}]}, "x"),
    ({"not": {}}, 1),
    ({"contains": {"type": "string"}}, [1]),
    ({"dependentRequired": {"a": ["b"]}}, {"a": 1}),
    ({"maxProperties": 0}, {"a": 1}),
    ({"a": False, "properties": {"b": False}}, {"b": 1}),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_what_does_not_fit_a_schema_is_told_by_its_keyword(schema: dict[str, Any], value: Any) -> None:
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    told = [schema_problem(error.kind) for error in validator.iter_errors(value)]
    assert told
    assert not [words for words in told if foreign_words(words) or "{" in words.replace("{2}", "")]


def test_what_is_no_csv_has_words() -> None:
    with pytest.raises(csv.Error):
        list(csv.reader(io.StringIO('a,"b'), strict=True))
    assert not foreign_words(CSV_PROBLEM)


def test_the_test_itself_finds_a_librarys_words() -> None:
    for known in list_all_errors():
        context = known.get("example_context") or {}
        if known["type"] in ("value_error", "assertion_error", "enum", "literal_error"):
            continue
        assert foreign_words(PydanticKnownError(known["type"], context or None).message()), known["type"]
