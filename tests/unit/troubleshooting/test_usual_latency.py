"""A system is slow by what is usual for itself."""

from __future__ import annotations

from opsteward.troubleshooting.usual_latency import above_usual

USUAL = [0.1 + 0.001 * (minute % 20) for minute in range(100)]


def test_far_above_what_is_usual_is_told_with_its_percentiles() -> None:
    told = above_usual([0.5, 0.6, 0.55], USUAL)
    assert told is not None
    assert (told["median_seconds_lately"], told["minutes_compared"]) == (0.55, 100)
    assert 0.1 < float(str(told["usual_p50_seconds"])) < float(str(told["usual_p95_seconds"])) < 0.12


def test_one_slow_answer_among_usual_ones_is_not() -> None:
    assert above_usual([0.1, 0.11, 3.0], USUAL) is None


def test_a_system_that_is_often_slow_is_held_against_its_slow_minutes() -> None:
    often = [0.1] * 80 + [0.5] * 20
    assert above_usual([0.6], often) is None
    assert above_usual([0.9], often) is not None


def test_what_is_fast_or_hardly_known_is_never_told() -> None:
    assert above_usual([0.05], [0.001] * 100) is None
    assert above_usual([5.0], [0.1] * 10) is None
    assert above_usual([], USUAL) is None
