"""Whether an answer keeps what an OpenAPI document or a recorded answer promises; and how a token tells its end."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from opsteward.core.json_types import Json
from opsteward.integrations.web.api import token_end
from opsteward.integrations.web.contract import broken_promises, promised_schema, schema_of

JOB: dict[str, Json] = {
    "type": "object",
    "required": ["id", "state"],
    "properties": {
        "id": {"type": "integer"},
        "state": {"enum": ["waiting", "done"]},
        "note": {"type": ["string", "null"]},
        "owner": {"$ref": "#/components/schemas/Owner"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
DOCUMENT: dict[str, Json] = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://host/api"}],
    "paths": {
        "/jobs/{id}": {
            "get": {
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
                    "default": {"$ref": "#/components/responses/Problem"},
                }
            }
        }
    },
    "components": {
        "schemas": {
            "Job": JOB,
            "Owner": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["name"]}]},
            "Loop": {"$ref": "#/components/schemas/Loop"},
        },
        "responses": {"Problem": {"content": {"application/json": {"schema": {"type": "object"}}}}},
    },
}


def problems(answer: Any) -> list[str]:
    schema = promised_schema(DOCUMENT, "/api/jobs/7?x=1", 200)
    assert schema is not None
    return broken_promises(answer, schema, DOCUMENT)


def test_an_answer_that_keeps_its_promise_has_no_problem() -> None:
    assert problems({"id": 7, "state": "done", "note": None, "owner": {"name": "a"}, "tags": ["x"], "more": 1}) == []
    assert problems({"id": 7.0, "state": "waiting", "owner": None}) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"id": "7", "state": "done"}, "id is string, not integer"),
        ({"id": 7}, "state is missing"),
        ({"id": 7, "state": "gone"}, "state is none of the promised values"),
        ({"id": 7, "state": "done", "owner": {}}, "owner is none of what is promised"),
        ({"id": 7, "state": "done", "tags": ["x", 3]}, "tags[1] is integer, not string"),
        ({"id": True, "state": "done"}, "id is boolean, not integer"),
        ([], "the answer is array, not object"),
    ],
)
def test_each_broken_promise_is_told_with_its_place(answer: Any, told: str) -> None:
    assert told in problems(answer)


def test_a_path_that_is_not_promised_is_held_against_nothing() -> None:
    assert promised_schema(DOCUMENT, "/api/other", 200) is None
    assert promised_schema({}, "/x", 200) is None
    assert promised_schema(DOCUMENT, "/jobs/7", 404) == {"type": "object"}


def test_a_schema_that_leads_in_a_circle_ends() -> None:
    assert broken_promises({}, {"$ref": "#/components/schemas/Loop"}, DOCUMENT) == []


@pytest.mark.parametrize("word", ["allOf", "anyOf"])
def test_choices_of_choices_take_little_time(word: str) -> None:
    document: dict[str, Json] = {"components": {"schemas": {"A": {word: [{"$ref": "#/components/schemas/A"}] * 5}}}}
    began = time.process_time()
    broken_promises({"a": [1] * 1000}, {"$ref": "#/components/schemas/A"}, document)
    assert time.process_time() - began < 1.0


def test_a_recorded_answer_is_a_promise_of_its_fields_and_their_kinds() -> None:
    schema = schema_of({"id": 1, "price": 2, "who": {"name": "a"}, "tags": ["x"], "gone": None})
    assert broken_promises({"id": 5, "price": 2.5, "who": {"name": "b"}, "tags": [], "gone": 3}, schema, {}) == []
    assert broken_promises({"id": 5, "price": 2, "who": {}, "tags": [1], "gone": None}, schema, {}) == [
        "who.name is missing",
        "tags[0] is integer, not string",
    ]


def test_a_token_tells_its_end_if_it_is_one_that_does() -> None:
    def token(claims: object) -> str:
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"e30.{part}.sig"

    assert token_end(token({"exp": 1700000000})) == 1700000000.0
    endless = [token({"exp": 10**400}), token({"exp": float("-inf")})]
    for strange in ("", "abc", "a.b.c", token([]), token({"exp": "soon"}), token({"exp": True}), "e30.!!!.x", *endless):
        assert token_end(strange) is None
