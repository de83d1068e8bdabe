"""Engines of operations: summaries that cite, hand-overs that leave nothing out, capacity that says how sure it is."""

from __future__ import annotations

import random
from typing import Any

import pytest
from work import done

from opsteward.core.errors import Invalid

TIMELINE = [
    ("e1", "10:00", "event", "checkout: connection refused to database"),
    ("e2", "10:01", "event", "checkout: connection refused to database"),
    ("e3", "10:03", "detected", "Check postgresql.connect FAIL"),
    ("e4", "10:08", "acknowledged", "Acknowledged"),
    ("e5", "10:15", "comment", "Restarted the pool, did not help"),
    ("e6", "10:20", "comment", "Root cause: the migration holds a lock on orders"),
    ("e7", "10:25", "action", "postgresql.terminate_idle_transaction executed on 4711"),
    ("e8", "10:26", "comment", "not resolved yet, queue drains slowly"),
    ("e9", "10:40", "resolved", "Verified healthy, closed"),
]


def _timeline(rows: list[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
    return [{"id": i, "at": f"2026-05-01T{at}:00Z", "kind": kind, "text": text} for i, at, kind, text in rows]


def test_every_sentence_of_a_summary_cites_entries_that_are_there() -> None:
    incident = {"number": 12, "title": "Checkout down", "status": "resolved", "system": "shop"}
    found = done("operations.incident_summary", incident=incident, timeline=_timeline(TIMELINE[::-1]))
    about = {sentence["about"]: sentence for sentence in found["sentences"]}
    assert about["start"]["cites"] == ["e1", "e2"]
    assert about["detection"]["cites"] == ["e3"]
    assert about["answer"]["cites"] == ["e4"]
    assert about["cause"]["cites"] == ["e6"]
    assert about["end"]["cites"] == ["e9"]
    assert [one["cites"] for one in found["sentences"] if one["about"] == "action"] == [["e7"]]
    assert [one["cites"] for one in found["sentences"] if one["about"] == "failure"] == [["e5"], ["e8"]]
    texts = {row[0]: row[3] for row in TIMELINE}
    for sentence in found["sentences"]:
        assert texts[sentence["cites"][0]] in sentence["text"]
    assert found["seconds_to_detect"] == 180
    assert found["seconds_to_answer"] == 300
    assert found["seconds_to_resolve"] == 2400
    assert "[e6]" in found["summary"]


def test_what_the_timeline_does_not_say_is_asked_and_not_made_up() -> None:
    found = done("operations.incident_summary", incident={"title": "x"}, timeline=_timeline(TIMELINE[:3]))
    assert found["seconds_to_resolve"] is None
    assert found["sentences"][-1]["about"] == "open"
    assert len(found["open_questions"]) == 3
    empty = done("operations.incident_summary", incident={"title": "x"}, timeline=[])
    assert empty["sentences"] == []
    assert "nothing is known" in empty["summary"]


def test_a_long_story_is_cut_and_its_silence_told() -> None:
    rows = [(f"n{n}", f"{10 + n // 60:02}:{n % 60:02}", "action", f"step {n} executed") for n in range(100)]
    rows.append(("end", "20:00", "resolved", "resolved"))
    found = done("operations.incident_summary", incident={"title": "x"}, timeline=_timeline(rows), max_sentences=5)
    assert len(found["sentences"]) <= 5
    assert found["sentences"][-1]["about"] == "end"
    assert found["longest_silence_after"] == "n99"


def test_a_handover_sorts_by_what_needs_hands_and_tells_noise() -> None:
    alerts = [
        {"title": "disk slow", "at": f"2026-05-01T{h:02}:00:00Z", "resolved_at": f"2026-05-01T{h:02}:02:00Z"}
        for h in range(1, 7)
    ]
    alerts.append({"title": "certificate ends", "at": "2026-05-01T07:00:00Z", "severity": "medium"})
    found = done(
        "operations.oncall_handover",
        shift_start="2026-05-01T00:00:00Z",
        shift_end="2026-05-01T08:00:00Z",
        incidents=[
            {
                "number": 1,
                "title": "slow pages",
                "severity": "low",
                "status": "open",
                "owner": "eva",
                "next_step": "wait",
            },
            {
                "number": 2,
                "title": "no orders",
                "severity": "critical",
                "status": "open",
                "opened_at": "2026-05-01T07:30:00Z",
            },
            {
                "number": 3,
                "title": "was down",
                "severity": "high",
                "status": "resolved",
                "resolved_at": "2026-05-01T06:00:00Z",
            },
            {"number": 4, "title": "long gone", "status": "resolved", "resolved_at": "2026-04-01T06:00:00Z"},
        ],
        alerts=alerts,
        planned=[
            {"title": "patch", "starts_at": "2026-05-01T10:00:00Z", "ends_at": "2026-05-01T11:00:00Z"},
            {"title": "next week", "starts_at": "2026-05-08T10:00:00Z"},
        ],
        approvals=[
            {"what": "restart db", "since": "2026-05-01T07:00:00Z", "expires_at": "2026-05-01T09:00:00Z"},
            {"what": "too late", "since": "2026-05-01T05:00:00Z", "expires_at": "2026-05-01T06:00:00Z"},
        ],
        remarks=["the pager of tom is broken"],
    )
    assert [item["what"] for item in found["now"]] == ["2 no orders", "approval: restart db"]
    assert [item["what"] for item in found["watch"]] == ["3 was down", "1 slow pages", "certificate ends"]
    assert [item["what"] for item in found["coming"]] == ["patch"]
    assert [(one["title"], one["times"]) for one in found["noise"]] == [("disk slow", 6)]
    assert "2 min" in found["noise"][0]["advice"]
    assert "the pager of tom is broken" in found["text"]
    with pytest.raises(Invalid, match="ends before it begins"):
        done("operations.oncall_handover", shift_start="2026-05-02", shift_end="2026-05-01")


def test_a_disk_that_fills_is_told_with_its_day_and_how_sure() -> None:
    dice = random.Random(1)
    filling = [100 + 2 * day + dice.gauss(0, 3) for day in range(60)]  # 218 after 60 days
    steady = [50 + dice.gauss(0, 2) for _ in range(60)]
    found = done(
        "operations.capacity",
        resources=[
            {"name": "steady", "limit": 100, "daily": steady},
            {"name": "disk", "limit": 300, "daily": filling, "unit_cost": 0.5},
            {"name": "over", "limit": 10, "daily": [9, 11]},
        ],
        as_of="2026-03-01",
        horizon_days=60,
    )
    over, disk, flat = found["resources"]
    assert [over["level"], disk["level"], flat["level"]] == ["full", "soon", "ok"]
    assert "2026-04-07" <= disk["full_on"] <= "2026-04-15"
    assert disk["full_earliest"] <= disk["full_on"] <= disk["full_latest"]
    assert disk["risk"] > 0.95
    assert disk["add"] == pytest.approx((218 + 120) / 0.8 - 300, abs=20)
    assert flat["full_on"] is None


def test_growth_since_a_change_counts_and_not_the_years_before() -> None:
    dice = random.Random(2)
    values = [500 + dice.gauss(0, 2) for _ in range(100)] + [100 + 5 * day + dice.gauss(0, 2) for day in range(40)]
    one = done("operations.capacity", resources=[{"name": "x", "limit": 1000, "daily": values}], as_of="2026-03-01")
    assert one["resources"][0]["growth_a_day"] == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("daily", [[5], [5, 5], [0] * 30, [1e15] * 10, [-5.0] * 20])
def test_little_usage_gives_an_outlook_without_a_crash(daily: list[float]) -> None:
    done("operations.capacity", resources=[{"name": "x", "limit": 10, "daily": daily}])
