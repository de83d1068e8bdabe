"""The figures of a program of one's own: timers, counters, gauges, errors by pattern, and their export."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from opsteward.core.errors import Invalid
from opsteward.troubleshooting import Monitoring
from opsteward.troubleshooting.error_patterns import ErrorPatterns, recommendation


def test_a_block_is_timed_and_one_that_ends_with_an_error_is_a_failure() -> None:
    monitoring = Monitoring("billing")
    for _ in range(3):
        with monitoring.timer("close"):
            pass
    with pytest.raises(TimeoutError), monitoring.timer("close"):
        raise TimeoutError("order 4711 timed out")
    figures = monitoring.snapshot().timers["close"]
    assert (figures.count, figures.failures, figures.running) == (4, 1, 0)
    assert 0 <= figures.shortest <= figures.p50 <= figures.p95 <= figures.p99 <= figures.longest <= figures.total
    (pattern,) = monitoring.error_patterns()
    assert (pattern.error_type, pattern.operations, pattern.trend) == ("TimeoutError", ["close"], "new")
    assert pattern.recommendation.startswith("No answer in time")


async def test_coroutines_are_timed_side_by_side_and_a_cancelled_one_is_no_error() -> None:
    monitoring = Monitoring()

    async def work(seconds: float) -> None:
        with monitoring.timer("work"):
            await asyncio.sleep(seconds)

    long = asyncio.create_task(work(60))
    await work(0)
    assert monitoring.snapshot().timers["work"].running == 1
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    assert (monitoring.snapshot().timers["work"].failures, monitoring.error_patterns()) == (1, [])


def test_counters_go_up_gauges_say_how_it_is_and_names_are_bounded() -> None:
    monitoring = Monitoring()
    monitoring.count("sent")
    monitoring.count("sent", by=4)
    monitoring.gauge("queue", 7)
    monitoring.gauge("queue", 3)
    shot = monitoring.snapshot()
    assert (shot.counters, shot.gauges) == ({"sent": 5}, {"queue": 3})
    with pytest.raises(Invalid, match="less than 0"):
        monitoring.count("sent", by=-1)
    for number in range(999):
        monitoring.count(f"user {number}")
    with pytest.raises(Invalid, match="one more than 1000"):
        monitoring.count("user 1000")
    monitoring.count("sent")


def test_an_export_gives_the_path_of_what_it_wrote(tmp_path: Path) -> None:
    monitoring = Monitoring("nightly / import")
    monitoring.count("rows", by=2)
    monitoring.error("password=hunter2 was refused: permission denied")
    written = monitoring.export(tmp_path)
    told = json.loads(written.read_text(encoding="utf-8"))
    assert written.parent == tmp_path.resolve() and written.name.startswith("nightly---import-")
    assert (told["counters"], told["errors"][0]["count"]) == ({"rows": 2}, 1)
    assert "hunter2" not in written.read_text(encoding="utf-8")
    assert monitoring.export(tmp_path / "own.json") == (tmp_path / "own.json").resolve()
    with pytest.raises(Invalid, match="can't be written"):
        monitoring.export(tmp_path / "nowhere" / "own.json")


def test_errors_that_say_the_same_are_one_pattern_with_its_trend() -> None:
    patterns = ErrorPatterns()
    for second in range(0, 600, 60):
        patterns.add(f"connection to 10.0.0.{second % 7} refused: request {second}", operation="ask", at=float(second))
    for second in range(600, 1200, 10):
        patterns.add(f"connection to 10.0.0.{second % 7} refused: request {second}", operation="ask", at=float(second))
    patterns.add("KeyError: 'total'", operation="sum", at=100.0)
    first, second = patterns.found(1200.0)
    assert (first.count, first.trend, first.first_at, first.last_at) == (70, "rising", 0.0, 1190.0)
    assert (second.count, second.trend) == (1, "steady")
    assert patterns.found(2500.0)[0].trend == "steady"


def test_patterns_are_bounded() -> None:
    patterns = ErrorPatterns()
    for number in range(600):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        patterns.add(f"the part {letters} is broken", operation="", at=float(number))
    assert len(patterns.found(600.0)) == 500


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("FATAL: sorry, too many clients already", "Connections are used up"),
        ("deadlock detected", "Transactions lock each other"),
        ("connect ECONNREFUSED 127.0.0.1:5432", "Nothing listens there"),
        ("getaddrinfo ENOTFOUND api.example", "The name has no address"),
        ("HTTP 429 Too Many Requests", "The other side limits you"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("503 Service Unavailable", "What stands behind the proxy"),
        ("certificate verify failed: certificate has expired", "The certificate is not accepted"),
        ("relation \"orders\" does not exist", "Code and schema differ"),
    ],
)  # fmt: skip
def test_what_to_do_is_recommended_by_what_the_error_says(error: str, advice: str) -> None:
    assert recommendation("", error, "system_error").startswith(advice)
