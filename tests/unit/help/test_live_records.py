"""Which of things that are alike a question gets: what it denies, when, and what was not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from opsteward.help.live.asking import Asking, Found, Named
from opsteward.help.live.question import Question
from opsteward.help.live.records import Record, answer_of
from opsteward.help.live.rooms import KINDS

NOW = datetime(2026, 3, 18, 14, 30, tzinfo=UTC)  # a Wednesday


def ago(days: float | None) -> datetime | None:
    return None if days is None else NOW - timedelta(days=days)


def token(name: str, used: float | None, expires: float | None, made: float = 30) -> Record:
    times = {"made": ago(made), "used": ago(used), "expires": ago(expires)}
    return Record(name=name, says=name, url="/operators", state="expired" if (expires or -1) > 0 else "valid",
                  times=times)  # fmt: skip


TOKENS = [token("busy", 0.1, -1), token("idle", 9, 1), token("fresh", None, None, 2)]
IMPORTS = [
    Record(name=f"{number}", says=f"import {number}", url="/imports", state="failed" if number % 2 else "completed",
           times={"made": ago(number / 100 + 1)})
    for number in range(200)
]  # fmt: skip
BEATS = [
    Record(name="backup", says="backup", url="/", state="down", times={"used": ago(2), "made": ago(90)}),
    Record(name="payroll", says="payroll", url="/", state="healthy", times={"used": ago(0.1), "made": ago(90)}),
]


def found(text: str, kind: str, records: Sequence[Record]) -> Found:
    nothing = cast(Any, None)
    ask = Asking(session=nothing, by=nothing, question=Question.of(text, NOW), sources=nothing, named=Named())
    return answer_of(ask, KINDS[kind], records)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Which tokens were not used in the last 3 days?", ["idle", "fresh"]),
        ("Which tokens were used in the last 10 days?", ["busy", "idle"]),
        ("Which tokens have never been used?", ["fresh"]),
        ("Which tokens expired yesterday?", ["idle"]),
        ("Which tokens expire tomorrow?", ["busy"]),
        ("Which tokens never expire?", ["fresh"]),
        ("Which tokens do not expire tomorrow?", ["idle", "fresh"]),
        ("Which tokens are not valid?", ["idle"]),
        ("Which tokens were not created this week?", ["busy", "idle"]),
    ],
)
def test_what_is_denied_is_turned_round_and_periods_are_of_the_deed(text: str, names: list[str]) -> None:
    answer = found(text, "tokens", TOKENS)
    assert answer.text.split("\n- ")[1:] == names
    assert (answer.known, answer.missed, answer.denied) == (True, (), bool(Question.of(text, NOW).denial))


@pytest.mark.parametrize(
    ("text", "kind", "records", "missed"),
    [
        ("Which heartbeats were late yesterday?", "heartbeats", BEATS, "yesterday"),
        ("Which tokens were used last week?", "tokens", TOKENS, "last week"),  # when else is not kept
        ("Which tokens made last week were never used?", "tokens", TOKENS, "last week"),
    ],
)
def test_a_period_that_cannot_be_applied_is_named(text: str, kind: str, records: Sequence[Record], missed: str) -> None:
    assert found(text, kind, records).missed == (missed,)


def test_a_denial_that_is_of_neither_state_nor_deed_is_left() -> None:
    assert not found("Which tokens are without a comment?", "tokens", TOKENS).denied


def test_a_state_that_is_said_by_a_denial_is_no_denial_of_it() -> None:
    answer = found("Which heartbeats didn't arrive?", "heartbeats", BEATS)
    assert (answer.text, answer.denied) == ("1 heartbeat (late):\n- backup", True)


@pytest.mark.parametrize(
    ("text", "known"),
    [("How many imports failed?", False), ("Which imports are running?", False), ("Which imports failed?", True)],
)
def test_of_what_was_not_read_whole_no_number_is_known(text: str, known: bool) -> None:
    answer = found(text, "imports", IMPORTS)
    assert answer.text.startswith("Of the newest 200 imports")
    assert answer.known is known
    assert found(text, "imports", IMPORTS[:199]).known
