"""Dated values as a series with one value for each day, week, month, quarter or year."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from opsteward.core.errors import Invalid
from opsteward.crew.engines.arrays import Floats, np

Step = Literal["day", "week", "month", "quarter", "year"]
MAX_LENGTH = 5000
#: After how many steps a series may repeat itself, likeliest first.
SEASONS: dict[Step, tuple[int, ...]] = {"day": (7, 30), "week": (52,), "month": (12,), "quarter": (4,), "year": ()}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Regular:
    """The first day of each step, with its value."""

    step: Step
    days: list[date]
    values: Floats
    gaps: int

    def after(self, number: int) -> date:
        """The day of the step so many after the last one."""
        return moved(self.days[-1], self.step, number)


def regular(
    rows: Sequence[tuple[date, float]], *, step: Step | None = None, gap: Literal["zero", "between"] = "between"
) -> Regular:
    """Values of one step are added up (`gap` zero) or averaged; steps without any are 0, or on the line between.

    Raises Invalid when the days span more than MAX_LENGTH steps.
    """
    step = step or step_of([day for day, _ in rows])
    sums, counts = dict[date, float](), Counter[date]()
    for day, value in rows:
        first = start_of(day, step)
        sums[first] = sums.get(first, 0.0) + value
        counts[first] += 1
    begin, end = min(sums), max(sums)
    days = [begin]
    while days[-1] < end:
        days.append(moved(begin, step, len(days)))
        if len(days) > MAX_LENGTH:
            raise Invalid.field(
                "history", f"more than {MAX_LENGTH} {step}s from {begin} to {end}", "send fewer years, or longer steps"
            )
    told = np.array([day in sums for day in days])
    values = np.array([sums.get(day, 0.0) / (1 if gap == "zero" else counts[day] or 1) for day in days])
    if gap == "between" and not told.all():
        places = np.arange(len(days))
        values = np.interp(places, places[told], values[told])
    return Regular(step, days, values, int((~told).sum()))


def step_of(days: Sequence[date]) -> Step:
    """The usual distance of neighbours, if the days lie as such steps do: weeks on one weekday, months on one day."""
    distinct = sorted(set(days))
    if len(distinct) < 2:
        return "day"
    apart = sorted((after - before).days for before, after in itertools.pairwise(distinct))
    usual = apart[len(apart) // 2]
    if usual < 5:
        return "day"
    if usual < 20:
        return "week" if _mostly_one([day.weekday() for day in distinct]) else "day"
    ends = all((day + timedelta(days=4)).day <= 4 for day in distinct)
    if not ends and not _mostly_one([day.day for day in distinct]):
        return "day"
    return "month" if usual < 60 else "quarter" if usual < 200 else "year"


def _mostly_one(places: Sequence[int]) -> bool:
    return Counter(places).most_common(1)[0][1] >= 0.8 * len(places)


def start_of(day: date, step: Step) -> date:
    """The first day of the step that a day lies in; weeks begin on Monday."""
    if step == "day":
        return day
    if step == "week":
        return date.fromordinal(max(1, day.toordinal() - day.weekday()))
    size = _MONTHS[step]
    return date(day.year, (day.month - 1) // size * size + 1, 1)


def moved(day: date, step: Step, number: int) -> date:
    """A step's first day, so many steps later."""
    if step in ("day", "week"):
        return day + timedelta(days=number * (7 if step == "week" else 1))
    months = day.year * 12 + day.month - 1 + number * _MONTHS[step]
    return date(months // 12, months % 12 + 1, 1)
