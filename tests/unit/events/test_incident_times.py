"""Where the time of an incident went: made-up timelines, and what a person would say of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from opsteward.events.incident_times import times_of
from opsteward.events.types import IncidentTimes, TimelineView

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def line(seconds: float, kind: str, **detail: Any) -> TimelineView:
    return TimelineView(id=uuid4(), at=at(seconds), kind=kind, title=kind, detail=detail)


def action(seconds: float, status: str, action_id: str = "a", **detail: Any) -> TimelineView:
    return line(seconds, "action", action_id=action_id, action="supervisor.restart", status=status, **detail)


def times(*lines: TimelineView, resolved: float | None = None, now: float = 1000) -> IncidentTimes:
    return times_of(lines, opened_at=START, resolved_at=None if resolved is None else at(resolved), now=at(now))


def test_waiting_for_an_approval_is_no_work() -> None:
    found = times(
        line(0, "detected", occurred_at=at(-5).isoformat()),
        line(10, "diagnosing"),
        line(20, "remediating"),
        action(21, "requested"),
        action(22, "awaiting_approval", step="planned x"),
        action(622, "approved", step="approval.approved"),
        action(623, "executing"),
        action(625, "succeeded"),
        line(625, "verifying"),
        line(630, "resolved"),
        resolved=630,
    )
    assert found == IncidentTimes(
        detect_seconds=5, waiting_seconds=600, working_seconds=20, watching_seconds=10, total_seconds=630,
        repair_seconds=630,
    )  # fmt: skip


def test_a_refusal_ends_the_waiting_though_the_run_still_stands_as_it_did() -> None:
    found = times(
        line(0, "diagnosing"),
        action(10, "awaiting_approval"),
        action(50, "awaiting_approval", step="approval.refused"),
        action(51, "refused"),
        line(60, "escalated"),
        line(160, "resolved"),
        resolved=160,
    )
    assert (found.waiting_seconds, found.working_seconds, found.watching_seconds) == (140, 20, 0)


def test_who_is_called_is_waited_for_until_somebody_goes_on() -> None:
    found = times(
        line(0, "diagnosing"), line(10, "escalated"), line(100, "acknowledged"), line(110, "diagnosing"), now=130
    )
    assert (found.waiting_seconds, found.working_seconds, found.repair_seconds) == (100, 30, None)


def test_two_approvals_at_once_are_one_wait() -> None:
    found = times(
        action(10, "awaiting_approval", "a"),
        action(20, "awaiting_approval", "b"),
        action(30, "executing", "a"),
        action(40, "executing", "b"),
        action(41, "succeeded", "a"),
        action(42, "succeeded", "b"),
        resolved=50,
    )
    # while b waits for a person, a is done: that time is the person's
    assert (found.waiting_seconds, found.working_seconds, found.watching_seconds) == (30, 2, 18)


def test_what_nobody_works_on_is_watched() -> None:
    found = times(line(0, "detected", occurred_at=at(60).isoformat()), line(0, "decided"), resolved=90)
    assert found == IncidentTimes(
        detect_seconds=0, waiting_seconds=0, working_seconds=0, watching_seconds=90, total_seconds=90, repair_seconds=90
    )


def test_what_is_told_after_the_end_counts_no_more() -> None:
    found = times(line(0, "diagnosing"), line(30, "resolved"), action(40, "awaiting_approval"), resolved=30)
    assert (found.working_seconds, found.waiting_seconds, found.total_seconds) == (30, 0, 30)


def test_writing_something_down_is_no_work() -> None:
    routine = [line(s, "action", action_id="r", action="log_and_monitor", status=status)
               for s, status in ((1, "executing"), (9, "succeeded"))]  # fmt: skip
    assert times(*routine, resolved=10).working_seconds == 0


def test_the_parts_are_the_whole() -> None:
    found = times(
        line(3, "diagnosing"), action(5, "awaiting_approval"), line(7, "escalated"), action(20, "expired"),
        line(30, "diagnosing"), line(44, "resolved"), resolved=44,
    )  # fmt: skip
    assert found.waiting_seconds + found.working_seconds + found.watching_seconds == found.total_seconds == 44
