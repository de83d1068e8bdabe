"""Short conditions: what they say, and that nothing but a condition is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsteward.core.conditions import parse_condition
from opsteward.core.errors import Invalid

VALUES = {
    "status": 200,
    "latency": 0.2,
    "body": 'all "fine"',
    "json": {"status": "ok", "items": [{"n": 1}, {"n": 2.5}], "on": True, "no": None, "tags": ["a", "b"], "x-y": 1},
}


@pytest.mark.parametrize(
    "text",
    [
        "status == 200",
        'status == 200 and latency < 0.5 and json.status == "ok"',
        "status >= 200 and status < 300",
        "not status == 500",
        "not (status == 500 or latency > 1)",
        "status == 500 or latency <= 0.2",
        'body contains "fine"',
        r'body == "all \"fine\""',
        "json.items[1].n == 2.5",
        "json.on",
        "json.on == true",
        "json.no == null",
        "json.nothing.at.all == null",
        "json.items[9] == null",
        'json.tags contains "b"',
        "json.x-y == 1",
        "-1 < 0",
        "status == 500 and status == 500 or status == 200",
        '"a" < "b"',
    ],
)
def test_what_holds(text: str) -> None:
    assert parse_condition(text).holds(VALUES)
    assert not parse_condition(f"not ({text})").holds(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "json.on == 1",
        "json.nothing < 1",
        'status < "300"',
        "body contains 1",
        "json.items",
        "json.status contains null",
    ],
)
def test_what_does_not_hold_and_does_not_fail(text: str) -> None:
    condition = parse_condition(text)
    assert condition.holds(VALUES) is (text == "json.items")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "status =",
        "status == ",
        "== 200",
        "status 200",
        "(status == 200",
        "status == 200)",
        '"open',
        "__import__('os')",
        "f(1)",
        "status.__class__[x]",
        "1 < 2 < 3",
        "status == 200 &&",
        "a" * 501,
        "(" * 100 + "1" + ")" * 100,
        "not " * 100 + "true",
        "9" * 100 + " < 1",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_condition(text)


def test_a_value_that_is_not_known_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        parse_condition("state == 200", known=("status", "latency"), field="settings.expect")
    assert refused.value.problems[0].field == "settings.expect"
    assert "'state'" in refused.value.problems[0].problem


WORDS = ["status", "json", ".", "[0]", "==", "<", "and", "or", "not", "(", ")", '"a"', "1", "null"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_condition_or_is_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except Invalid:
        return
    assert condition.holds(VALUES) in (True, False)
