"""Root causes by recorded metrics: the made set of the evaluations, and its files as public sets keep them."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from evals.causes.__main__ import place_of
from evals.causes.made import made

from opsteward.core.errors import Invalid
from opsteward.troubleshooting.metric_causes import likely_causes
from opsteward.troubleshooting.recorded_metrics import Column, Recording, read_recording

LATENCY = ("latency", "Average")


def recording(before: dict[str, float], now: dict[str, float], calls: dict[str, list[str]]) -> Recording:
    def series(values: dict[str, float], rows: int) -> dict[Column, list[float]]:
        return {
            (node, *LATENCY): [value * (1 + 0.01 * (row % 3)) for row in range(rows)] for node, value in values.items()
        }

    return Recording(calls=calls, before=series(before, 20), now=series(now, 6), target=("front", *LATENCY))


def test_the_true_cause_is_named_first_more_often_than_by_the_peer() -> None:
    places = [place_of(*made(seed)[:2]) for seed in range(20_000, 20_020)]
    assert sum(place == 1 for place in places) / len(places) > 0.654
    assert sum(place is not None and place <= 3 for place in places) / len(places) > 0.827


def test_the_deepest_node_that_nothing_below_accounts_for_is_the_cause() -> None:
    calls = {"front": ["orders", "search"], "orders": ["stock"], "stock": ["disk"]}
    usual = {"front": 0.2, "orders": 0.1, "search": 0.05, "stock": 0.05, "disk": 0.01}
    slow = {"front": 0.7, "orders": 0.6, "search": 0.05, "stock": 0.55, "disk": 0.01}
    first = likely_causes(recording(usual, slow, calls))[0]
    assert (first.node, first.path) == ("stock", ("front", "orders", "stock"))


def test_what_nobody_measures_is_suspected_where_its_caller_is_worse_for_no_other_reason() -> None:
    calls = {"front": ["orders"], "orders": ["unseen"]}
    found = likely_causes(recording({"front": 0.2, "orders": 0.1}, {"front": 0.7, "orders": 0.6}, calls))
    assert {suspect.node for suspect in found} >= {"orders", "unseen"}


def test_without_a_change_of_the_complaint_nobody_is_suspected() -> None:
    calls = {"front": ["orders"]}
    same = {"front": 0.2, "orders": 0.1}
    assert likely_causes(recording(same, same, calls)) == []
    assert likely_causes(recording({}, {}, calls)) == []


def test_calls_in_a_circle_end() -> None:
    calls = {"front": ["orders"], "orders": ["front"]}
    assert likely_causes(recording({"front": 0.2, "orders": 0.1}, {"front": 0.7, "orders": 0.6}, calls))


def test_an_address_that_few_requests_take_is_not_the_cause_of_what_all_wait_for() -> None:
    calls = {"front": ["search", "address"], "search": ["table"]}
    usual = {"front": 0.1, "search": 0.02, "table": 0.01, "address": 0.02}
    slow = {"front": 0.4, "search": 0.32, "table": 0.31, "address": 1.5}
    case = recording(usual, slow, calls)
    often = {"front": 100.0, "search": 100.0, "table": 100.0, "address": 4.0}
    now = {**case.now, **{(node, "requests", "Sum"): [number] * 6 for node, number in often.items()}}
    assert likely_causes(replace(case, now=now))[0].node == "table"


def test_what_was_otherwise_just_before_is_not_of_this_complaint() -> None:
    calls = {"front": ["batch", "search"]}
    case = recording({"front": 0.1, "batch": 1.0, "search": 0.01}, {"front": 0.13, "batch": 3.0, "search": 0.04}, calls)
    front = [0.1, 0.1, 0.13, 0.13, 0.13, 0.13]
    search = [0.01, 0.01, 0.04, 0.04, 0.04, 0.04]
    now = {**case.now, ("front", *LATENCY): front, ("search", *LATENCY): search}
    assert likely_causes(replace(case, now=now))[0].node == "search"


def test_a_few_failures_in_a_hundred_are_seen_where_there_never_was_one() -> None:
    target = ("front", "availability", "Average")
    well = [100.0] * 20
    failing = {"front": [100.0, 100.0, 98.4, 98.9], "search": [100.0, 100.0, 97.9, 98.8], "pay": [100.0] * 4}
    case = Recording(
        calls={"front": ["search", "pay"]},
        before={(node, *target[1:]): well for node in failing},
        now={(node, *target[1:]): values for node, values in failing.items()},
        target=target,
    )
    assert likely_causes(case)[0].node == "search"


@pytest.mark.parametrize(("complained_at", "since"), [(605.0, 2), (290.0, 1), (0.0, 0), (9999.0, 2), (None, 2)])
def test_the_time_of_the_complaint_says_from_which_row_on_it_shows(
    tmp_path: Path, complained_at: float | None, since: int
) -> None:
    case, truth, _ = made(20_000)
    issue = tmp_path / "issue_0"
    _write(tmp_path, issue, case, truth)
    told = json.loads((issue / "target.json").read_text())
    told["target"] |= {} if complained_at is None else {"timestamp": complained_at}
    (issue / "target.json").write_text(json.dumps(told))
    assert read_recording(tmp_path, issue)[0].since == since


def test_a_recording_is_read_from_its_files(tmp_path: Path) -> None:
    case, truth, _ = made(20_000)
    issue = tmp_path / "issue_0"
    _write(tmp_path, issue, case, truth)
    read, told = read_recording(tmp_path, issue)
    assert (told, read.target, read.calls) == (truth, case.target, {k: sorted(v) for k, v in case.calls.items()})
    assert [s.node for s in likely_causes(read)] == [s.node for s in likely_causes(case)]


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "target.json").write_text("[]")
    with pytest.raises(Invalid, match="can't be read as a recording"):
        read_recording(tmp_path, tmp_path)


def _write(scenario: Path, issue: Path, case: Recording, truth: str) -> None:
    issue.mkdir()
    (scenario / "noissue").mkdir()
    names = sorted(case.calls)
    with (scenario / "graph.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["", *names])
        rows.writerows([caller, *(float(called in case.calls[caller]) for called in names)] for caller in names)
    for folder, series in ((scenario / "noissue", case.before), (issue, case.now)):
        columns = list(series)
        with (folder / "metrics.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            for place, head in enumerate(("microservice", "metric", "statistic")):
                rows.writerow([head, *(column[place] for column in columns)])
            rows.writerow(["unix_timestamp", *("" for _ in columns)])
            for number in range(len(series[columns[0]])):
                values = (series[column][number] for column in columns)
                rows.writerow([number * 300.0, *("" if math.isnan(v) else v for v in values)])
    target = dict(zip(("node", "metric", "agg"), case.target, strict=True))
    (issue / "target.json").write_text(json.dumps({"target": target, "root_cause": {"node": truth, "metric": None}}))
