"""Order success is counted from the traffic log alone, and silence is no success."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsteward.core.errors import Invalid
from opsteward.lab.scoring import order_success, recovered


def write(traffic: Path, orders: list[tuple[float, bool]]) -> Path:
    lines = [{"at": at, "ok": ok, "status": 201 if ok else 503, "seconds": 0.01} for at, ok in orders]
    traffic.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return traffic


def steady(start: float, end: float, ok: bool = True, rate: float = 20.0) -> list[tuple[float, bool]]:
    return [(start + n / rate, ok) for n in range(round((end - start) * rate))]


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    return tmp_path / "traffic.jsonl"


def test_a_window_takes_its_start_and_leaves_its_end(traffic: Path) -> None:
    write(traffic, [(9.9, False), (10.0, True), (10.5, False), (11.0, True)])
    found = order_success(traffic, 10, 11)
    assert (found.orders, found.ok, found.share) == (2, 1, 0.5)


def test_orders_that_were_due_and_never_logged_count_as_failed(traffic: Path) -> None:
    write(traffic, steady(100, 105))
    assert order_success(traffic, 100, 110).share == 1.0
    found = order_success(traffic, 100, 110, rate=20)
    assert (found.orders, found.ok) == (199, 100)


def test_no_log_is_no_success(traffic: Path) -> None:
    assert order_success(traffic, 0, 10, rate=20).share == 0.0
    assert order_success(traffic, 0, 10).share == 0.0


def test_a_line_that_is_still_being_written_is_left_out(traffic: Path) -> None:
    write(traffic, [(1.0, True)])
    with traffic.open("a") as log:
        log.write('{"at": 1.1, "ok"')
    assert order_success(traffic, 0, 2).orders == 1


@pytest.mark.parametrize(("failures", "expected"), [(0, True), (4, True), (5, False)])
def test_recovered_means_99_percent_of_the_level_before(traffic: Path, failures: int, expected: bool) -> None:
    after = [(at, n >= failures) for n, (at, _) in enumerate(steady(60, 80))]
    write(traffic, steady(0, 50) + steady(50, 60, ok=False) + after)
    assert recovered(traffic, rate=20, fault_at=50, repaired_at=60).recovered is expected


def test_traffic_that_stopped_is_no_recovery(traffic: Path) -> None:
    write(traffic, steady(0, 50) + steady(60, 70))
    found = recovered(traffic, rate=20, fault_at=50, repaired_at=60)
    assert not found.recovered and found.after.share == pytest.approx(0.5, abs=0.01)


def test_a_young_log_is_compared_with_what_there_is(traffic: Path) -> None:
    write(traffic, steady(45, 50) + steady(50, 60, ok=False) + steady(60, 80))
    found = recovered(traffic, rate=20, fault_at=50, repaired_at=60)
    assert found.recovered and found.before.orders == 90


def test_without_orders_before_the_fault_there_is_nothing_to_compare(traffic: Path) -> None:
    write(traffic, steady(60, 80))
    with pytest.raises(Invalid):
        recovered(traffic, rate=20, fault_at=50, repaired_at=60)
