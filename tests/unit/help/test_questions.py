"""What is read out of a question's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsteward.help.live.glossary import in_english
from opsteward.help.live.periods import ahead_of, period_of
from opsteward.help.live.question import Question

NOW = datetime(2026, 3, 18, 14, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("words", "since", "until"),
    [
        ("today", "2026-03-18T00:00", "2026-03-18T14:30"),
        ("yesterday", "2026-03-17T00:00", "2026-03-18T00:00"),
        ("the day before yesterday", "2026-03-16T00:00", "2026-03-17T00:00"),
        ("last night", "2026-03-17T18:00", "2026-03-18T08:00"),
        ("this week", "2026-03-16T00:00", "2026-03-18T14:30"),
        ("last week", "2026-03-09T00:00", "2026-03-16T00:00"),
        ("last month", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("on Monday", "2026-03-16T00:00", "2026-03-17T00:00"),
        ("on 2026-03-01", "2026-03-01T00:00", "2026-03-02T00:00"),
        ("in the last hour", "2026-03-18T13:30", "2026-03-18T14:30"),
        ("in the last 3 days", "2026-03-15T14:30", "2026-03-18T14:30"),
        ("two hours ago", "2026-03-18T12:30", "2026-03-18T14:30"),
        ("on 12 March", "2026-03-12T00:00", "2026-03-13T00:00"),
        ("on March 12th", "2026-03-12T00:00", "2026-03-13T00:00"),
        ("on 12.3.", "2026-03-12T00:00", "2026-03-13T00:00"),
        ("on 24 December", "2025-12-24T00:00", "2025-12-25T00:00"),
        ("in February", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("between 2 March and 5 March", "2026-03-02T00:00", "2026-03-06T00:00"),
        ("from Monday to yesterday", "2026-03-16T00:00", "2026-03-18T00:00"),
        ("since Monday", "2026-03-16T00:00", "2026-03-18T14:30"),
        ("before last week", "1970-01-02T00:00", "2026-03-09T00:00"),
        ("more than a week ago", "1970-01-02T00:00", "2026-03-11T14:30"),
        ("three days ago", "2026-03-15T00:00", "2026-03-16T00:00"),
        ("yesterday evening", "2026-03-17T18:00", "2026-03-18T00:00"),
    ],
)
def test_periods(words: str, since: str, until: str) -> None:
    found = period_of(f"which tasks failed {words}?", NOW)
    assert found is not None
    assert (found.since.isoformat()[:16], found.until.isoformat()[:16]) == (since, until)


@pytest.mark.parametrize(
    ("words", "since", "until"),
    [
        ("tomorrow", "2026-03-19T00:00", "2026-03-20T00:00"),
        ("in the next 3 days", "2026-03-18T14:30", "2026-03-21T14:30"),
        ("on Friday", "2026-03-20T00:00", "2026-03-21T00:00"),
        ("this week", "2026-03-18T14:30", "2026-03-25T14:30"),
    ],
)
def test_periods_ahead(words: str, since: str, until: str) -> None:
    found = ahead_of(f"which tokens expire {words}?", NOW)
    assert found is not None
    assert (found.since.isoformat()[:16], found.until.isoformat()[:16]) == (since, until)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("welche Systeme sind gestört?", "which systems are unhealthy?"),
        ("Wer hat Zugriff auf billing?", "who has access to billing?"),
        ("quels incidents sont ouverts ?", "which incidents are open ?"),
        ("which agents r not running rn", "which agents are not running right now"),
        ("who let Ann Lee in?", "who let in Ann Lee?"),
        ("who turned it down?", "who turned it down?"),
        ("is die-hard up?", "is die-hard up?"),
    ],
)
def test_other_languages_and_shorthands_are_put_into_english(asked: str, meant: str) -> None:
    assert in_english(asked) == meant


@pytest.mark.parametrize(
    ("text", "denied"),
    [("which agents are not running?", True), ("agents that aren't running", True), ("which are running?", False),
     ("which are not ours and are still running?", False)],
)  # fmt: skip
def test_what_is_denied(text: str, denied: bool) -> None:
    assert Question.of(text, NOW).denies("running") is denied


@pytest.mark.parametrize("text", ["which incidents are open?", "on 2026-13-45", "on 9999-12-31", "the last incident"])
def test_no_period(text: str) -> None:
    assert period_of(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "for_documents"),
    [
        ("How do I acknowledge an incident?", True),
        ("What is a standing order?", True),
        ("What happens when a task fails?", True),
        ("What permissions does the approver role have?", True),
        ("What is our on-call policy?", True),
        ("Have we seen this error before?", True),
        ("How many incidents are open?", False),
        ("How long has billing been down?", False),
        ("What is the status of billing?", False),
        ("Why was incident 3 closed?", False),
        ("Who is on call?", False),
    ],
)
def test_questions_for_documents_and_questions_of_state(text: str, for_documents: bool) -> None:
    assert Question.of(text, NOW).how_to is for_documents


@pytest.mark.parametrize("text", ["why was incident 12 closed", "what about #12?", "status of incident #12"])
def test_an_incident_by_number(text: str) -> None:
    assert Question.of(text, NOW).number == 12
