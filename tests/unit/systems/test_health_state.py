"""How looks become a system's health: at once down, well again when it lasts, one alert however it flaps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from opsteward.systems.health_state import HealthState, RecoveryRules, next_state

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = RecoveryRules(passes=2, lasting=timedelta(seconds=10))


def changes(looks: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """When the health changed to what, from (seconds, seen)."""
    state = HealthState(health="healthy", since=START - timedelta(days=1))
    found = []
    for seconds, seen in looks:
        after = next_state(state, seen=seen, at=START + timedelta(seconds=seconds), rules=RULES)
        if after.health != state.health:
            found.append((seconds, after.health))
        state = after
    return found


@pytest.mark.parametrize("phase", [0.0, 0.5, 1.0, 1.9])
def test_flapping_is_one_alert(phase: float) -> None:
    looks = [(t, "healthy" if int((t + phase) // 4) % 2 == 0 else "down") for t in range(0, 180, 2)]
    assert [health for _, health in changes(looks)] == ["down"]


def test_slow_flapping_is_one_alert_after_its_first_relapses() -> None:
    looks = [(t, "healthy" if (t // 14) % 2 == 0 else "down") for t in range(0, 600, 2)]
    assert len([1 for _, health in changes(looks) if health == "down"]) <= 3


def test_a_failure_counts_at_once_and_a_recovery_that_lasts_is_one() -> None:
    looks = [(0, "healthy"), (2, "down"), (4, "healthy"), (8, "healthy"), (14, "healthy"), (16, "healthy")]
    assert changes(looks) == [(2, "down"), (14, "healthy")]


def test_a_recovery_takes_longer_after_each_relapse() -> None:
    looks = [(0, "down"), (2, "healthy"), (4, "down"), *((t, "healthy") for t in range(6, 60, 2))]
    assert changes(looks) == [(0, "down"), (26, "healthy")]


def test_what_could_not_be_seen_is_neither_recovery_nor_failure() -> None:
    assert changes([(0, "down"), (2, "unknown"), (4, "healthy"), (6, "unknown"), (20, "healthy"), (22, "healthy")]) == [
        (0, "down")
    ]


def test_one_slow_answer_is_no_alert_but_three_in_a_row_are() -> None:
    looks = ["degraded", "healthy", "degraded", "degraded", "degraded"]
    assert changes(enumerate(looks)) == [(4, "degraded")]
