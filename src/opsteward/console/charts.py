"""Small charts of figures over time: lines drawn by us, with their numbers as words beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsteward.agents.metric_history import POINTS
from opsteward.agents.types import MetricHistory, MetricPoint
from opsteward.console.languages import N_, _
from opsteward.console.wording import decimal, response_time_in_words

_WIDE, _HIGH = 240, 56  # of the drawing's own units
_ROOM = 1.1  # above the highest value
_SHORTEST = 300.0  # seconds that a chart spans at least
_GAP = 4  # stretches without a value after which the line breaks


def share_in_words(value: float) -> str:
    """`12.5 %` of 0.125."""
    return decimal(f"{100 * value:.1f} %")


def bytes_in_words(value: float) -> str:
    """`162 MB`, `1.4 GB`."""
    return decimal(f"{value / 1e9:.1f} GB") if value >= 1e9 else f"{value / 1e6:.0f} MB"


def number_in_words(value: float) -> str:
    """Whole where it is large, with a digit where it is small."""
    return f"{value:,.0f}".replace(",", " ") if value >= 100 or value == int(value) else decimal(f"{value:.1f}")


def heights(numbers: list[int]) -> list[tuple[int, int, float]]:
    """Of each of the last hours, oldest first: hours ago, how many, and height in percent."""
    most = max(numbers) or 1
    return [(len(numbers) - 1 - at, number, 100 * number / most) for at, number in enumerate(numbers)]


#: The figures that are drawn, in this order: what people call them, and how a value is said.
FIGURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "process.cpu": (N_("CPU of a process"), share_in_words),
    "process.memory_bytes": (N_("Memory of a process"), bytes_in_words),
    "process.loop_lag": (N_("Event-loop lag"), response_time_in_words),
    "host.memory": (N_("Memory of the machine"), share_in_words),
    "host.cpu": (N_("CPU of the machine"), share_in_words),
    "host.disk": (N_("Disk in use"), share_in_words),
    "tasks.ready": (N_("Tasks in the queue"), number_in_words),
    "tasks.oldest_seconds": (N_("Oldest in the queue"), response_time_in_words),
    "tasks.average_seconds": (N_("Time of a task"), response_time_in_words),
    "database.connections": (N_("Database connections"), number_in_words),
    "database.commits_a_second": (N_("Commits a second"), number_in_words),
    "database.bytes": (N_("Size of the database"), bytes_in_words),
}


@dataclass(frozen=True, kw_only=True)
class Course:
    """A figure with the stretch of time that its chart spans: `window` seconds, less when it is newer than that."""

    figure: MetricHistory
    until: datetime
    window: float  # seconds

    @property
    def title(self) -> str:
        """What people call it."""
        return _(FIGURES[self.figure.name][0])

    def in_words(self, value: float) -> str:
        """A value of this figure as people say it."""
        return FIGURES[self.figure.name][1](value)

    @property
    def lines(self) -> list[str]:
        """The points of each part of its line, as SVG has them."""
        return [" ".join(f"{x:.1f},{y:.1f}" for x, y in part) for part in _lines(self)]


def _lines(course: Course) -> list[list[tuple[float, float]]]:
    """The line in parts: where nothing was measured for a while there is none."""
    points = course.figure.points
    top = max(course.figure.highest * _ROOM, 1e-9)
    since = course.until - timedelta(seconds=course.window)
    if points:
        since = min(max(since, points[0].at), course.until - timedelta(seconds=_SHORTEST))
    span = (course.until - since).total_seconds()
    parts: list[list[tuple[float, float]]] = []
    before: MetricPoint | None = None
    for point in points:
        x = _WIDE * (point.at - since).total_seconds() / span
        y = _HIGH - (_HIGH - 2) * max(point.average, 0.0) / top - 1
        if before is None or (point.at - before.at).total_seconds() > _GAP * course.window / POINTS:
            parts.append([])
        parts[-1].append((min(max(x, 0.0), float(_WIDE)), y))
        before = point
    return [_seen(part) for part in parts]


def _seen(part: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A single point would be no line, and so not be seen."""
    if len(part) > 1:
        return list(part)
    (x, y) = part[0]
    return [(max(x - 2, 0.0), y), (x, y)]
