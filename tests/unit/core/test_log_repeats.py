"""What a library repeats is written so often, and then said once more with how many were left out."""

from __future__ import annotations

import logging

from opsteward.core.log import RepeatLimit


def _record(name: str, at: float, message: str = "connection lost %s") -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "file.py", 7, message, ("x",), None)
    record.created = at
    return record


def test_the_same_line_is_written_so_often() -> None:
    limit = RepeatLimit(3, seconds=60)
    assert [limit.filter(_record("dbos", at)) for at in range(10)] == [True] * 3 + [False] * 7
    later = _record("dbos", 61)
    assert limit.filter(later)
    assert later.getMessage() == "connection lost x (7 more like it were left out)"


def test_other_lines_and_our_own_are_not_counted_with_it() -> None:
    limit = RepeatLimit(1)
    assert limit.filter(_record("dbos", 0))
    assert not limit.filter(_record("dbos", 1))
    assert limit.filter(_record("dbos", 1, "another %s"))
    assert all(limit.filter(_record("opsteward.tasks", at)) for at in range(5))
