"""Where a series changes its level or its slope: the cheapest division into pieces, and a price for each piece.

The price grows with the noise, and with how much the noise of one step is still there in the next: a wandering series
is not full of changes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from opsteward.crew.engines.arrays import Floats, np

MAX_LENGTH = 5000
_SHORTEST = 4  # values of a piece
_FAR = 5.0  # deviations from its neighbours at which a value is an outlier
_PRICE = 2.2  # of a parameter, in log n


@dataclass(frozen=True)
class Change:
    """The first place of the new piece, and what is different from there on."""

    place: int
    before: float
    after: float
    slope_before: float
    slope_after: float
    #: the change in deviations of the noise
    strength: float


@dataclass(frozen=True)
class Pieces:
    """The changes in order, the outliers, and the standard deviation of what is left."""

    changes: list[Change]
    outliers: list[int]
    noise: float
    sloped: bool


def find_changes(values: Floats) -> Pieces:
    """Of a series without season."""
    outliers, clean = _without_outliers(values)
    if len(clean) < 2 * _SHORTEST:
        return Pieces([], outliers, float(clean.std()), False)
    carry = 0.0
    for _ in range(3):  # the noise is known better once the pieces are
        starts, sloped, left = _best_division(clean, carry)
        again = _carry_over(left)
        if abs(again - carry) < 0.05:
            break
        carry = again
    noise = max(float(left.std()), 1e-12 * max(1.0, float(np.abs(clean).max())))
    edges = [0, *starts, len(clean)]
    fits = [_line(clean[a:b], sloped) for a, b in itertools.pairwise(edges)]
    changes = []
    for number, place in enumerate(starts):
        (low, rise), (new_low, new_rise) = fits[number], fits[number + 1]
        before = low + rise * (place - edges[number])
        strength = _strength(clean, edges[number : number + 3], fits[number], fits[number + 1], noise)
        changes.append(Change(place, before, new_low, rise, new_rise, strength))
    return Pieces(changes, outliers, noise, sloped)


def _best_division(values: Floats, carry: float) -> tuple[list[int], bool, Floats]:
    """Flat pieces or sloped ones, whichever explain more for their price; the starts of pieces after the first."""
    noise = _noise(values) * (1 + 0.5 * carry)
    scale = max(noise**2, 1e-18 * max(1.0, float(np.abs(values).max())) ** 2)
    inflated = (1 + carry) / (1 - carry)  # of the variance of a mean, when noise carries over
    best: tuple[float, list[int], bool] | None = None
    for sloped in (False, True):
        price = _PRICE * (3 if sloped else 2) * math.log(len(values)) * inflated * scale
        cost, starts = _divided(values, price, sloped)
        if best is None or cost < best[0]:
            best = cost, starts, sloped
    assert best is not None
    _, starts, sloped = best
    edges = [0, *starts, len(values)]
    left = np.concatenate([_left(values[a:b], sloped) for a, b in itertools.pairwise(edges)])
    return starts, sloped, left


def _divided(values: Floats, price: float, sloped: bool) -> tuple[float, list[int]]:
    """The cheapest division by dynamic programming; sums of squares come from running sums."""
    size = len(values)
    at = np.arange(size, dtype=float) - (size - 1) / 2
    shifted = values - values.mean()
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (shifted, shifted**2, at, at**2, at * shifted)]
    best = np.full(size + 1, np.inf)
    best[0] = 0.0
    before = np.zeros(size + 1, dtype=np.int64)
    for end in range(_SHORTEST, size + 1):
        first = np.arange(0, end - _SHORTEST + 1)
        count = end - first
        y, yy, x, xx, xy = (part[end] - part[first] for part in sums)
        loss = yy - y**2 / count
        if sloped:
            across = xy - x * y / count
            wide = np.maximum(xx - x**2 / count, 1e-9)
            loss = loss - across**2 / wide
        costs = best[first] + np.maximum(loss, 0.0) + price
        place = int(costs.argmin())
        best[end], before[end] = costs[place], first[place]
    starts, end = list[int](), size
    while end > 0:
        end = int(before[end])
        starts.append(end)
    return float(best[size]), starts[-2::-1]


def _without_outliers(values: Floats) -> tuple[list[int], Floats]:
    """Single values far from both neighbours are told, and replaced by the median around them."""
    if len(values) < 7:
        return [], values
    padded = np.pad(values, 3, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7), axis=1)
    apart = values - around
    moved = np.abs(apart[apart != 0])  # every seventh value or so is its own median
    spread = 1.4826 * float(np.median(moved)) if len(moved) > len(values) / 2 else 0.0
    if spread <= 0:
        spread = float(apart.std()) or 1.0
    far = np.abs(apart) > _FAR * spread
    # Two or more in a row are no slip: the division decides about them.
    lonely = far & ~np.concatenate([[False], far[:-1]]) & ~np.concatenate([far[1:], [False]])
    places = [int(place) for place in np.flatnonzero(lonely)]
    return places, np.where(lonely, around, values)


def _noise(values: Floats) -> float:
    """By neighbours: a change of level is in one difference only."""
    steps = np.diff(values)
    spread = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2)
    return spread if spread > 0 else float(steps.std()) / math.sqrt(2) / 4


def _carry_over(left: Floats) -> float:
    """How much of one step's noise is in the next."""
    whole = float(left @ left)
    return min(max(float(left[1:] @ left[:-1]) / whole, 0.0), 0.9) if whole > 0 else 0.0


def _line(values: Floats, sloped: bool) -> tuple[float, float]:
    """The value at the first place, and the rise of a step."""
    if not sloped:
        return float(values.mean()), 0.0
    rise, low = np.polyfit(np.arange(len(values)), values, 1)
    return float(low), float(rise)


def _left(values: Floats, sloped: bool) -> Floats:
    low, rise = _line(values, sloped)
    return np.asarray(values - low - rise * np.arange(len(values)))


def _strength(
    values: Floats, edges: list[int], one: tuple[float, float], other: tuple[float, float], noise: float
) -> float:
    """How far the new piece lies from where the old one was going."""
    first, place, end = edges
    at = np.arange(place, end)
    carried_on = one[0] + one[1] * (at - first)
    became = other[0] + other[1] * (at - place)
    return float(np.abs(became - carried_on).mean()) / noise
