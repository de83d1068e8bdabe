"""When a figure will reach its limit: a robust trend over its history, with how sure that is. No training step.

The trend is the median of the slopes between pairs of points (Theil-Sen), taken within stretches between steps (a disk
that was cleaned up, a table that was archived) and at whole days where there are days, so that neither steps nor the
hours of the day count as growth. How sure it is follows from leaving out one part of the history after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY = 86_400.0
POINTS_LIMIT = 240  # of one series; more are put together
FEWEST_POINTS = 12
_BLOCKS = 8  # parts of the history that are left out in turn
_BOUNDS = 4.0  # errors on either side: blocks that follow each other know less than they seem to
_SURE = 4.0  # a slope of so many of its own errors is a trend
_STEPS_LIMIT = 6
_STEP_SIZE = 6.0  # in standard deviations of the noise
_RISE = 3.0  # the trend must have moved the figure by so much of its noise


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """`seconds_left` until the limit, and its bounds (nine of ten times); `slope` a second; `level` is the present one
    without noise."""

    seconds_left: float
    soonest: float
    latest: float
    slope: float
    slope_error: float
    level: float
    noise: float
    points: int
    span: float


def forecast(times: Floats, values: Floats, limit: float) -> Forecast | None:
    """Seconds (ascending) and values; None where no trend leads to the limit, or there is too little to tell."""
    import numpy as np

    good = np.isfinite(values)
    times, values = _thinned(times[good], values[good])
    if len(times) < FEWEST_POINTS or times[-1] <= times[0]:
        return None
    stretch = _stretches(times, values)
    slope, season = _trend(times, values, stretch)
    rest = values - slope * times - season
    for number in np.unique(stretch):
        rest[stretch == number] -= np.median(rest[stretch == number])
    noise = float(1.4826 * np.median(np.abs(rest))) or float(np.std(rest))
    error = _slope_error(times, values - season, stretch, slope)
    last = stretch == stretch[-1]
    level = float(np.median((values - season - slope * (times - times[-1]))[last]))
    distance = limit - level
    span = float(times[-1] - times[0])
    if distance * slope <= 0 or abs(slope) < _SURE * error or abs(slope) * span < _RISE * noise:
        return None
    margin = noise / np.sqrt(max(1, int(last.sum())))
    fast, slow = abs(slope) + _BOUNDS * error, max(abs(slope) - _BOUNDS * error, abs(slope) / 10)
    return Forecast(
        seconds_left=abs(distance / slope),
        soonest=float(max(0.0, abs(distance) - _BOUNDS * margin) / fast),
        latest=float((abs(distance) + _BOUNDS * margin) / slow),
        slope=slope,
        slope_error=error,
        level=level,
        noise=noise,
        points=len(times),
        span=span,
    )


def _thinned(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """At most `POINTS_LIMIT` points: neighbours are put together by their median."""
    import numpy as np

    width = -(-len(times) // POINTS_LIMIT)
    if width <= 1:
        return times, values
    whole = len(times) // width * width
    cut = (times[-whole:].reshape(-1, width), values[-whole:].reshape(-1, width))  # the oldest ones are left out
    return np.mean(cut[0], axis=1), np.median(cut[1], axis=1)


def _trend(times: Floats, values: Floats, stretch: NDArray[np.int64]) -> tuple[float, Floats]:
    """The slope, and the part of each value that its hour of the day explains."""
    import numpy as np

    slope = _slope(times, values, stretch)
    season = np.zeros_like(values)
    if times[-1] - times[0] >= 2 * DAY and np.median(np.diff(times)) <= DAY / 6:
        for _ in range(2):
            season = _season(times, values - slope * times, stretch)
            slope = _slope(times, values - season, stretch)
    return slope, season


def _slope(times: Floats, values: Floats, stretch: NDArray[np.int64]) -> float:
    import numpy as np

    first, second = np.triu_indices(len(times), 1)
    together = stretch[first] == stretch[second]
    apart = times[second] - times[first]
    chosen = together & (apart > 0)
    span = times[-1] - times[0]
    if span >= 2 * DAY:  # at the same hour, a season is the same
        off = np.abs(apart - np.round(apart / DAY) * DAY)
        same_hour = chosen & (apart > DAY / 2) & (off <= DAY / 12)
        if same_hour.sum() >= FEWEST_POINTS:
            chosen = same_hour
    if not chosen.any():
        return 0.0
    slopes = (values[second] - values[first])[chosen] / apart[chosen]
    return _weighted_median(slopes, apart[chosen])


def _weighted_median(values: Floats, weights: Floats) -> float:
    """Pairs far apart say more of the slope than neighbours."""
    import numpy as np

    order = np.argsort(values)
    heap = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(heap, heap[-1] / 2)])


def _season(times: Floats, values: Floats, stretch: NDArray[np.int64]) -> Floats:
    """The median of what is left at each hour of the day, around nothing."""
    import numpy as np

    rest = values.copy()
    for number in np.unique(stretch):
        rest[stretch == number] -= np.median(rest[stretch == number])
    hour = ((times % DAY) / DAY * 24).astype(np.int64)
    by_hour = np.zeros(24)
    for each in np.unique(hour):
        by_hour[each] = np.median(rest[hour == each])
    by_hour -= np.mean(by_hour[np.unique(hour)])
    found: Floats = by_hour[hour]
    return found


def _stretches(times: Floats, values: Floats) -> NDArray[np.int64]:
    """The number of the stretch that each point is in: a new one begins where the level jumps and stays."""
    import numpy as np

    stretch = np.zeros(len(times), dtype=np.int64)
    window = max(4, len(times) // 24)
    for _ in range(_STEPS_LIMIT):
        slope, season = _trend(times, values, stretch)
        rest = values - slope * times - season
        place, size = _largest_step(rest, stretch, window)
        if place == 0 or size < _STEP_SIZE:
            break
        stretch[place:] += 1
    return stretch


def _largest_step(rest: Floats, stretch: NDArray[np.int64], window: int) -> tuple[int, float]:
    """Where the medians before and behind differ most, in standard deviations of what differs from point to point."""
    import numpy as np

    count = len(rest)
    jumps = np.diff(rest)
    spread = float(1.4826 * np.median(np.abs(jumps - np.median(jumps))) / np.sqrt(2)) or 1e-12 * (1 + abs(rest[0]))
    best, size = 0, 0.0
    if count < 2 * window + 1:
        return best, size
    views = np.lib.stride_tricks.sliding_window_view(rest, window)
    medians = np.median(views, axis=1)
    before, behind = medians[: count - 2 * window + 1], medians[window:]
    places = np.arange(window, count - window + 1)
    inside = stretch[places - window] == stretch[places + window - 1]
    found = np.where(inside, np.abs(behind - before), 0.0)
    drift = np.median(found[inside]) if inside.any() else 0.0
    at = int(np.argmax(found))
    # one that stands out from the drift of the series itself, and from its noise
    size = float((found[at] - drift) / max(spread, float(drift), 1e-300))
    return int(places[at]), size


def _slope_error(times: Floats, values: Floats, stretch: NDArray[np.int64], slope: float) -> float:
    """The standard error of the slope, by leaving out one part of the history after the other (a jackknife)."""
    import numpy as np

    parts = np.array_split(np.arange(len(times)), _BLOCKS)
    slopes = []
    for part in parts:
        kept = np.ones(len(times), dtype=bool)
        kept[part] = False
        slopes.append(_slope(times[kept], values[kept], stretch[kept]))
    away = np.asarray(slopes) - slope
    return float(np.sqrt((_BLOCKS - 1) / _BLOCKS * np.sum(away**2)))
