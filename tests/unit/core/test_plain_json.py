"""Plain JSON is read at speed, and is what the slower way gives; what is not plain is left to that."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsteward.core.plain_json import DEPTH_LIMIT, NotPlain, is_deep, json_text, parse_plain
from opsteward.events.sources.unwrapping import storable

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(categories=None)), inner),
    max_leaves=10,
)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@settings(max_examples=60)
@given(VALUES, st.booleans())
def test_what_is_plain_needs_no_more_than_reading(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        found = parse_plain(text)
    except NotPlain:
        return
    assert found == json.loads(text)
    assert storable(found) == found


@pytest.mark.parametrize(
    "text",
    [
        r'{"a": "\u0000"}',
        r'{"\u0000": 1}',
        '{"a": "\0"}',
        r'["\ud800"]',
        r'["\uDFFF"]',
        "1e400",
        "[NaN]",
        "[-Infinity]",
        "123456789012345678901",
        '{"n": -9999999999999999999}',
        nested(DEPTH_LIMIT + 1),
        nested(300),
        nested(100_000),
        "[" + "1," * 200_000 + "1]",
        "",
        "{",
        "{'a': 1}",
    ],
)
def test_what_cannot_be_held_is_not_plain(text: str) -> None:
    with pytest.raises(NotPlain):
        parse_plain(text.encode())


def test_bytes_that_are_no_text_are_not_plain() -> None:
    with pytest.raises(NotPlain):
        parse_plain(b'"\xff"')


@pytest.mark.parametrize(
    "text", ['{"a": [1, -2.5, null, true, "\\u00e4\\n"]}', nested(DEPTH_LIMIT), "123456789012345678", '"[[[{{{"']
)
def test_what_everybody_sends_is_plain(text: str) -> None:
    assert parse_plain(text.encode()) == json.loads(text)


@settings(max_examples=60)
@given(VALUES)
def test_the_text_of_a_value_is_read_back_as_that_value(value: Any) -> None:
    assert json.loads(json_text(value)) == value


def test_keys_that_are_no_texts_are_written_as_json_has_them() -> None:
    assert json.loads(json_text({1: 2**80})) == {"1": 2**80}


@pytest.mark.parametrize("beside", [1, 2**80])
def test_instants_and_ids_are_written_as_texts(beside: int) -> None:
    at, key = datetime(2026, 1, 1, 12, 30, 0, 5, tzinfo=UTC), UUID(int=7)
    assert json.loads(json_text([at, key, beside])) == [at.isoformat(), str(key), beside]


def test_what_is_no_json_has_no_text() -> None:
    with pytest.raises(TypeError):
        json_text({"a": object()})


@pytest.mark.parametrize("limit", [1, 3, DEPTH_LIMIT])
@pytest.mark.parametrize("inner", ["", "1", '"\\n' + " " * 200 + '"', "{}", '{"a": []}', "[[], 2]"])
def test_the_depth_is_bounded_exactly(limit: int, inner: str) -> None:
    for depth in range(1, limit + 3):
        for text in (
            f"{'[' * depth}{inner}{']' * depth}",
            f'{{"a": [[], {{"b": {"[" * depth}{inner}{"]" * depth}}}]}}',
        ):
            value = json.loads(text)
            try:
                assert parse_plain(text.encode(), depth=limit) == value
                plain = True
            except NotPlain:
                plain = False
            assert plain is not is_deep(value, limit), text
