"""Engines of analytics: on planted cases, on little data and on what slips into real data."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from work import done

from opsteward.core.errors import Invalid


def test_a_planted_shift_is_found_on_its_day_and_a_steady_series_has_none() -> None:
    dice = random.Random(1)
    values = [dice.gauss(100, 5) + (30 if place >= 60 else 0) for place in range(100)]
    series = [{"date": str(date(2026, 1, 1) + timedelta(days=n)), "value": value} for n, value in enumerate(values)]
    found = done("analytics.trend_changes", series=series)
    assert [change["date"] for change in found["changes"]] == ["2026-03-02"]
    assert found["changes"][0]["change"] == pytest.approx(30, abs=4)
    assert found["recent_direction"] == "steady"
    assert done("analytics.trend_changes", values=[dice.gauss(0, 1) for _ in range(200)])["changes"] == []


def test_a_slope_an_outlier_and_a_season_are_told_apart() -> None:
    dice = random.Random(2)
    values = [0.5 * n + [0, 0, 0, 0, 0, 25, 30][n % 7] + dice.gauss(0, 1) for n in range(140)]
    values[70] += 60
    found = done("analytics.trend_changes", values=values)
    assert found["direction"] == "rising"
    assert found["slope"] == pytest.approx(0.5, abs=0.05)
    assert found["season_length"] == 7
    assert [one["place"] for one in found["outliers"]] == [70]
    assert found["changes"] == []


@pytest.mark.parametrize("values", [[1.0], [1, 1], [5] * 50, [0, 0, 0, 1e15]])
def test_little_or_constant_data_has_a_trend_without_a_crash(values: list[float]) -> None:
    assert done("analytics.trend_changes", values=values)["direction"] == "steady"


def test_a_series_and_values_at_once_or_none_is_refused() -> None:
    for sent in ({}, {"values": [1], "series": [{"date": "2026-01-01", "value": 1}]}, {"values": [float("inf")]}):
        with pytest.raises(ValidationError):
            done("analytics.trend_changes", **sent)


def test_retention_counts_whole_periods_only() -> None:
    events = [{"user_id": n, "date": "2026-01-05"} for n in range(10)]
    events += [{"user_id": n, "date": "2026-01-13"} for n in range(4)]
    events += [{"user_id": n, "date": "2026-01-20"} for n in range(2)]
    found = done("analytics.cohort_retention", events=events, as_of="2026-01-21")
    assert found["cohorts"][0]["size"] == 10
    assert [(cell["period"], cell["active"]) for cell in found["cohorts"][0]["retention"]] == [(1, 4)]
    cell = found["cohorts"][0]["retention"][0]
    assert cell["low"] < cell["share"] == 0.4 < cell["high"]


def test_newer_cohorts_that_come_back_less_are_told() -> None:
    events = []
    for week in range(8):
        start = date(2026, 1, 5) + timedelta(weeks=week)
        for user in range(60):
            events.append({"user_id": f"{week}-{user}", "date": str(start)})
            if user < (40 if week < 4 else 15):
                events.append({"user_id": f"{week}-{user}", "date": str(start + timedelta(days=8))})
    found = done("analytics.cohort_retention", events=events)
    assert "less often" in found["change"]


def test_a_funnel_counts_steps_in_order_and_within_the_window() -> None:
    def at(user: int, step: str, hour: int, device: str = "web") -> dict[str, Any]:
        return {"user_id": user, "step": step, "at": f"2026-01-01T{hour:02}:00:00Z", "device": device}

    events = [at(1, "visit", 1), at(1, "cart", 2), at(1, "pay", 3)]
    events += [at(2, "pay", 1), at(2, "visit", 2)]  # paid before the visit: another order
    events += [at(3, "visit", 1), at(3, "cart", 20)]  # too late
    events += [at(4, "cart", 3)]  # came from elsewhere
    found = done("analytics.funnel", steps=["visit", "cart", "pay"], events=events, window_hours=10)
    assert [step["count"] for step in found["steps"]] == [3, 1, 1]
    assert found["steps"][1]["median_hours"] == 1
    assert found["biggest_loss"] == "cart"
    with pytest.raises(Invalid, match="no event is of the first step 'landing'"):
        done("analytics.funnel", steps=["landing", "cart"], events=events)


def test_a_segment_of_the_funnel_that_differs_is_named() -> None:
    events = []
    for user in range(400):
        device = "phone" if user % 2 else "web"
        events.append({"user_id": user, "step": "visit", "device": device})
        if user % (10 if device == "phone" else 2) in (0, 1):
            events.append({"user_id": user, "step": "pay", "device": device})
    found = done("analytics.funnel", steps=["visit", "pay"], events=events, segment_by="device")
    assert set(found["differing"]) == {"phone", "web"}
    assert found["notes"]


def test_a_funnel_of_counts_says_what_it_can_not_know() -> None:
    found = done(
        "analytics.funnel", counts=[{"step": "a", "count": 100}, {"step": "b", "count": 0}, {"step": "c", "count": 0}]
    )
    assert found["steps"][2]["from_before"] == 0
    assert found["missing"]


def _cube(factor: float) -> list[dict[str, Any]]:
    dice, rows = random.Random(3), []
    for country in ("de", "fr", "us", "uk"):
        for channel in ("web", "app", "shop"):
            for plan in ("free", "pro"):
                base = dice.randrange(200, 900)
                moved = factor if (country, channel) == ("fr", "app") else 1.05
                cell = {"country": country, "channel": channel, "plan": plan}
                rows.append({"period": "may", "value": base, **cell})
                rows.append({"period": "june", "value": base * moved + dice.gauss(0, 3), **cell})
    return rows


def test_the_slice_that_moved_unlike_the_rest_is_the_cause() -> None:
    found = done("analytics.period_comparison", rows=_cube(0.3), before="may", after="june")
    assert [cause["where"] for cause in found["causes"]] == [{"country": "fr", "channel": "app"}]
    assert found["rest_change_percent"] == pytest.approx(5, abs=1)
    parts = found["dimensions"]["country"]
    assert sum(part["contribution"] for part in parts) == pytest.approx(found["change"])
    assert done("analytics.period_comparison", rows=_cube(1.05), before="may", after="june")["causes"] == []


def test_of_a_ratio_rate_and_mix_add_up_to_the_change() -> None:
    rows = [
        {"date": day, "value": paid, "per": visits, "device": device}
        for day, device, visits, paid in (
            ("2026-01-01", "web", 1000, 100), ("2026-01-01", "phone", 1000, 20),
            ("2026-02-01", "web", 500, 50), ("2026-02-01", "phone", 1500, 30),
        )
    ]  # fmt: skip
    found = done(
        "analytics.period_comparison",
        rows=rows,
        before={"first": "2026-01-01", "last": "2026-01-31"},
        after={"first": "2026-02-01", "last": "2026-02-28"},
    )
    parts = found["dimensions"]["device"]
    assert found["change"] == pytest.approx(0.04 - 0.06)
    assert sum(part["by_mix"] for part in parts) == pytest.approx(found["change"])
    assert [part["by_rate"] for part in parts] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"after": "july"}, "after"), ({"dimensions": ["city"]}, "no row has 'city'")],
)
def test_a_period_or_dimension_that_is_not_there_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        done("analytics.period_comparison", **{"rows": _cube(1), "before": "may", "after": "june", **change})
