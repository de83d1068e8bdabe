"""Trend, rhythm and coincidence of a group's beginnings. Pure; what chance explains is not told."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from statistics import median

from opsteward.events.patterns.recorded import Group
from opsteward.events.patterns.types import Rhythm, Trend

#: So many seconds after a deployment, or around the beginning of another group, count as together with it.
AFTER_DEPLOYMENT, AROUND_GROUP = 1800.0, 120.0
_TIMES_LEAST = 3
_SHARE_LEAST = 0.5
_CHANCE = 0.01  # that it is none, of all that are compared together
_CLEAR = 2.5  # standard errors between the halves of a span
_GROWN = 1.5
_BEGINNINGS_LIMIT = 100  # of one group: the newest
_RHYTHM_SHARE = 0.8


def trend_of(group: Group, *, since: datetime, until: datetime, first_seen: datetime) -> tuple[Trend, int, int]:
    """And how many events the earlier and the later half of the span held."""
    half, quarter = len(group.counts) // 2, len(group.counts) // 4
    earlier, later = group.counts[:half], group.counts[half:]
    sums = sum(earlier), sum(later)
    last_quarter = since + (until - since) * 0.75
    if first_seen >= last_quarter:
        return "new", *sums
    if not any(group.counts[-quarter:]) and group.events >= 3:
        return "quiet", *sums
    # of logarithms: a single burst is no trend
    logs = [[math.log1p(count) for count in counts] for counts in (earlier, later)]
    means = [sum(part) / half for part in logs]
    spread = sum(sum((x - mean) ** 2 for x in part) / (half - 1) / half for part, mean in zip(logs, means, strict=True))
    clear = abs(means[1] - means[0]) > _CLEAR * math.sqrt(spread)
    if clear and sums[1] > _GROWN * sums[0]:
        return "growing", *sums
    if clear and sums[0] > _GROWN * sums[1]:
        return "falling", *sums
    return "steady", *sums


def rhythm_of(begun: Sequence[datetime]) -> Rhythm | None:
    """The time of the hour or of the day at which nearly all of them lie, on enough hours or days."""
    minutes = [at.hour * 60 + at.minute for at in begun]
    hours = {at.replace(minute=0, second=0, microsecond=0) for at in begun}
    days = {at.date() for at in begun}
    if len(hours) >= 6:
        at, times = _densest([minute % 60 for minute in minutes], width=4, around=60)
        if times >= _RHYTHM_SHARE * len(begun):
            return Rhythm(every="hour", at=f":{at:02}", times=times, of=len(begun))
    if len(days) >= 3:
        at, times = _densest(minutes, width=30, around=1440)
        if times >= max(_RHYTHM_SHARE * len(begun), 3):
            return Rhythm(every="day", at=f"{at // 60:02}:{at % 60:02}", times=times, of=len(begun))
    return None


def _densest(minutes: Sequence[int], *, width: int, around: int) -> tuple[int, int]:
    """The first minute, and how many lie within so many from one of them on; the clock goes round."""
    found = (
        (sum((other - minute) % around < width for other in minutes), -place, minute)
        for place, minute in enumerate(minutes)
    )
    times, _, at = max(found)
    return at, times


class Beginnings:
    """The beginnings of a group or of deployments, and how much of a span lies near them."""

    def __init__(
        self, begun: Sequence[datetime], *, since: datetime, until: datetime, before: float, after: float
    ) -> None:
        """What begins at most `before` seconds earlier or `after` seconds later is together with one of them."""
        self._times = sorted(at.timestamp() for at in begun)
        self._before, self._after = before, after
        begin, end, covered, edge = since.timestamp(), until.timestamp(), 0.0, -math.inf
        for at in self._times:
            low, high = max(at - before, edge, begin), min(at + after, end)
            covered, edge = covered + max(0.0, high - low), max(edge, high)
        self._share = min(1.0, covered / max(end - begin, 1.0))

    def near(self, begun: Sequence[datetime], *, compared: int) -> tuple[int, int, float, float] | None:
        """How many of these are together with one, of how many, how many would be by chance, and how many seconds
        after it (the median); None where chance explains it. `compared`: how many comparisons there are in all."""
        times = sorted(at.timestamp() for at in begun)[-_BEGINNINGS_LIMIT:]
        apart = [seconds for at in times if (seconds := self._seconds_after(at)) is not None]
        if len(apart) < max(_TIMES_LEAST, _SHARE_LEAST * len(times)):
            return None
        if _chance_of(len(apart), len(times), self._share) > _CHANCE / max(compared, 1):
            return None
        return len(apart), len(times), round(len(times) * self._share, 2), round(median(apart), 1)

    def _seconds_after(self, at: float) -> float | None:
        """After the nearest one, negative for before it; None where none is near."""
        place = bisect_left(self._times, at)
        found = [at - one for one in self._times[max(0, place - 1) : place + 1]]
        near = [seconds for seconds in found if -self._before <= seconds <= self._after]
        return min(near, key=abs, default=None)


def _chance_of(least: int, of: int, share: float) -> float:
    """That so many or more of them are near by chance: the upper part of a binomial distribution."""
    if share >= 1.0:
        return 1.0
    return sum(math.comb(of, times) * share**times * (1 - share) ** (of - times) for times in range(least, of + 1))
