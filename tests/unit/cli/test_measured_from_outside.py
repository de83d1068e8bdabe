"""What the load tools reckon: percentiles, the steps of a stress, the hours saved."""

from __future__ import annotations

from typing import Any

import pytest

from opsteward.loadtest.saved_hours import MINUTES, done_without_a_person, hours, minutes_of
from opsteward.loadtest.simulated_users import percentile, spread
from opsteward.loadtest.soak import _grown
from opsteward.loadtest.stress import _Step


def entry(verb: str, actor: str, object_id: str, **detail: Any) -> dict[str, Any]:
    return {
        "verb": verb,
        "actor": actor,
        "object_type": verb.partition(".")[0],
        "object_id": object_id,
        "detail": detail,
    }


def test_percentiles() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99)) == (51, 96, 100)
    assert percentile([], 0.5) == 0
    assert percentile([3.0], 0.99) == 3
    assert spread([0.1, 0.2]) == {"p50": 200.0, "p95": 200.0, "p99": 200.0}


@pytest.mark.parametrize(
    ("times", "failed", "unsent", "seconds", "held"),
    [
        ([0.01] * 100, 0, 0, 5.0, True),
        ([0.9] * 100, 0, 0, 5.0, False),  # too slow
        ([0.01] * 100, 5, 0, 5.0, False),  # errors
        ([0.01] * 100, 0, 10, 5.0, False),  # not even sent
        ([0.01] * 100, 0, 0, 9.0, False),  # answered long after it was asked
    ],
)
def test_a_step_is_held_only_within_all_limits(
    times: list[float], failed: int, unsent: int, seconds: float, held: bool
) -> None:
    step = _Step(20.0, seconds=seconds, unsent=unsent)
    step.recorder.seconds["read"] = times
    step.recorder.errors["read"]["503"] = failed
    assert step.row(limit=0.5, errors=0.01)["held"] is held


def test_hours_count_what_no_person_had_a_hand_in() -> None:
    done = done_without_a_person(
        [
            entry("action.requested", "system:triage", "a"),
            entry("action.succeeded", "system:executor", "a", action="postgresql.terminate_blocker"),
            entry("action.succeeded", "system:executor", "b", action="supervisor.restart"),
            entry("action.approved", "operator:1", "b"),  # somebody had to look
            entry("action.failed", "system:executor", "c", action="supervisor.restart"),
            entry("action.succeeded", "system:executor", "d", action="log_and_monitor"),
            entry("incident.resolved", "system:monitor", "e"),
            entry("incident.resolved", "operator:1", "f"),
            entry("troubleshooting.resolved", "system:troubleshooting", "g"),
            entry("troubleshooting.unresolved", "system:troubleshooting", "h"),
            entry("tasks.task.submitted", "schedule:nightly", "i"),
            entry("tasks.tasks.submitted", "schedule:nightly", "j", count=4),
            entry("tasks.task.submitted", "operator:1", "k"),
        ]
    )
    assert done == {"repair": 1, "notice": 1, "incident": 1, "troubleshooting": 1, "task": 5}
    assert hours(done, {"repair": 60, "task": 12}) == 2.0
    assert done_without_a_person([]) == dict.fromkeys(MINUTES, 0)


def test_the_assumption_can_be_set() -> None:
    assert minutes_of(["repair=30", "task=0.5"]) == {**MINUTES, "repair": 30.0, "task": 0.5}
    for wrong in ("repair", "repair=", "repair=x", "repair=-1", "nothing=3", "repair=1e3"):
        with pytest.raises(ValueError, match="kind=minutes"):
            minutes_of([wrong])


def test_growth_leaves_the_start_out() -> None:
    assert _grown([100, 150, 150, 150, 150, 150, 150, 150, 150, 150]) == 0
    assert _grown([100, 150, 150, 160, 170, 180, 190, 200, 210, 210]) == 55
    assert _grown([]) == 0
