"""Recorded metrics of a graph of services, as public sets of root causes keep them: who calls whom, how it was and is.

graph.csv                who calls whom: a row and a column for each node, 1 where the row calls the column
noissue/metrics.csv      how it was, while all was well
ISSUE/metrics.csv        how it is; three rows of heading name node, metric and statistic of each column
ISSUE/target.json        {"target": {"node", "metric", "agg", "timestamp"}, "root_cause": {"node"}}
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsteward.core.errors import Invalid

#: Node, metric, statistic.
Column = tuple[str, str, str]
Series = Mapping[Column, Sequence[float]]
_ROWS_BEFORE_COMPLAINT = 2


@dataclass(frozen=True, kw_only=True)
class Recording:
    """`calls` by node; series of values, NaN where nothing was measured. `target` is what people complain of, and
    `since` the row of `now` from which on they do."""

    calls: Mapping[str, Sequence[str]]
    before: Series
    now: Series
    target: Column
    since: int = _ROWS_BEFORE_COMPLAINT


def read_recording(scenario: Path, issue: Path) -> tuple[Recording, str]:
    """The recording of one issue, and the node that was its true root cause. Raises Invalid for what is none."""
    try:
        told = json.loads((issue / "target.json").read_text(encoding="utf-8"))
        target = told["target"]
        before, _ = _series(scenario / "noissue" / "metrics.csv")
        now, times = _series(issue / "metrics.csv")
        recording = Recording(
            calls=_graph(scenario / "graph.csv"),
            before=before,
            now=now,
            target=(str(target["node"]), str(target["metric"]), str(target["agg"])),
            since=_row_of(target.get("timestamp"), times),
        )
        return recording, str(told["root_cause"]["node"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Invalid.field("issue", f"{issue.name} can't be read as a recording ({type(error).__name__})") from None


def _graph(path: Path) -> dict[str, list[str]]:
    rows = _rows(path)
    names = rows[0][1:]
    return {row[0]: [name for name, cell in zip(names, row[1:], strict=True) if float(cell or 0)] for row in rows[1:]}


def _series(path: Path) -> tuple[dict[Column, list[float]], list[str]]:
    """The series, and the time of each row."""
    rows = _rows(path)
    columns = list(zip(rows[0][1:], rows[1][1:], rows[2][1:], strict=True))
    series: dict[Column, list[float]] = {column: [] for column in columns}
    times: list[str] = []
    for row in rows[3:]:
        if not any(row[1:]):  # the name of the index stands in a row of its own
            continue
        times.append(row[0])
        for column, cell in zip(columns, row[1:], strict=True):
            series[column].append(float(cell) if cell else math.nan)
    return series, times


def _row_of(timestamp: float | None, times: Sequence[str]) -> int:
    """The first row that is mostly of the time of the complaint; the rows' times are those at which they begin."""
    if timestamp is None or len(times) < 2:
        return _ROWS_BEFORE_COMPLAINT
    first, second = float(times[0]), float(times[1])
    row = round((timestamp - first) / (second - first)) if second > first else -1
    return row if 0 <= row < len(times) else _ROWS_BEFORE_COMPLAINT


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))
