"""Which slices of a table moved unlike the rest, found one after the other.

Each cell (a combination of all dimensions) is expected to move by one factor. A slice is a cause when a factor of its
own, and another one for the rest, describe the cells so much better that chance does not. Every cell counts by its
noise, which has a part that grows with the root of its size (counts) and one that grows with its size (rates).
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.crew.engines.arrays import Floats, Ints, np

_MAX_DEPTH = 3  # dimensions of a cause
_MAX_SLICES = 60_000
_PRICE = 8.0  # beside what so many slices find by chance
_TINY = 1e-12
_FEW = 12.0  # cells
_RATES = 0.01  # of a cell's square, from which its noise is one of rates
_MIDDLE = 0.455  # the median of a squared normal deviate


@dataclass(frozen=True)
class Slice:
    """Values of some dimensions (place of the dimension, place of the value), and the cells that have them."""

    at: tuple[tuple[int, int], ...]
    members: Ints


@dataclass(frozen=True)
class _Sums:
    """What a weighted fit of one factor needs: of the slices and of the whole."""

    cross: Floats
    square: Floats
    all_cross: float
    all_square: float

    def gains(self) -> Floats:
        """By how much two factors describe the cells better than one, in squared deviations."""
        rest_cross, rest_square = self.all_cross - self.cross, self.all_square - self.square
        apart = self.cross**2 / np.maximum(self.square, 1e-300) + rest_cross**2 / np.maximum(rest_square, 1e-300)
        return np.asarray(apart - self.all_cross**2 / max(self.all_square, 1e-300))


def find_causes(expected: Floats, observed: Floats, places: Ints, most: int) -> list[Slice]:
    """The strongest first. `places` holds each cell's value in each dimension."""
    slices = _slices(places)
    if len(expected) < 4 or not slices:
        return []
    members = np.concatenate([one.members for one in slices])
    starts = np.concatenate([[0], np.cumsum([len(one.members) for one in slices])[:-1]])
    depth = np.array([len(one.at) for one in slices])
    signed = bool((expected < 0).any() or (observed < 0).any())
    free = np.ones(len(expected), dtype=bool)  # in no cause yet
    found: list[Slice] = []
    while len(found) < most and int(free.sum()) >= 4:
        base, seen = (np.ones(len(expected)), observed - expected) if signed else (expected, observed)
        variances, of_rates = _variances(base, seen, places, free, signed)
        if of_rates:
            # Noise of rates is even in logarithms only: twice as much is no more than half as much.
            logs = np.log(np.maximum(seen / np.maximum(base, _TINY), math.exp(-5)))
            base, seen, variances = np.ones(len(base)), logs, _variances(logs * 0, logs, places, free, True)[0]
        weights = np.where(free, 1 / variances, 0.0)
        cross, square, cells = weights * base * seen, weights * base**2, free.astype(float)
        sums = [np.add.reduceat(part[members], starts) for part in (cross, square, cells)]
        gains = _Sums(sums[0], sums[1], float(cross.sum()), float(square.sum())).gains()
        gains = np.where((sums[2] > 0) & (sums[2] < cells.sum()), gains, -np.inf)
        best = float(gains.max())
        chance = 2 * math.log(len(slices))
        # Of few cells the noise is known badly.
        if best <= (chance + _PRICE) * (1 + _FEW / _left(places[free])):
            break
        # The coarsest of those that explain about as much: each dimension more has to pay for itself.
        worth = np.where(gains >= 0.5 * best, gains - chance * depth / 2, -np.inf)
        chosen = slices[int(worth.argmax())]
        free[chosen.members] = False
        found.append(chosen)
    return found


def _slices(places: Ints) -> list[Slice]:
    """All that hold some cells and not all; of two with the same cells the coarser one."""
    made: list[Slice] = []
    seen: set[bytes] = set()
    for depth in range(1, min(_MAX_DEPTH, places.shape[1]) + 1):
        for chosen in itertools.combinations(range(places.shape[1]), depth):
            groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
            for number, key in enumerate(map(tuple, places[:, chosen].tolist())):
                groups[key].append(number)
            if len(made) + len(groups) > _MAX_SLICES:
                return made
            for key, cells in groups.items():
                members = np.array(cells, dtype=np.int64)
                mark = members.tobytes()
                if len(members) < len(places) and mark not in seen:
                    seen.add(mark)
                    made.append(Slice(tuple(zip(chosen, key, strict=True)), members))
    return made


def _variances(base: Floats, seen: Floats, places: Ints, free: np.ndarray, signed: bool) -> tuple[Floats, bool]:
    """Of each cell, from how far cells lie from what their values share; the middle of these, so that causes that
    are not found yet do not count as noise. Says too whether it is the noise of rates, and large."""
    if signed:
        apart = seen - _shared(seen, places, free)
        flat = _scale(apart[free] ** 2, places[free])
        return np.full(len(base), max(flat, 1e-18 * float((seen**2).max()), 1e-200)), False
    floor = 1e-9 * max(float(base.sum()), float(seen.sum()), 1e-300) / len(base)
    told = free & (base > floor) & (seen > floor)
    if told.sum() < 4:
        return np.maximum(base, floor), False
    logs = np.zeros(len(base))
    logs[told] = np.log(seen[told] / base[told])
    model = np.maximum(base * np.exp(_shared(logs, places, told)), floor)
    squares = (seen - model)[free] ** 2
    sizes = model[free]
    best, found, of_rates = math.inf, model, False
    middle = float(np.median(sizes))
    for ratio in (0.0, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1e4):
        shape = sizes + ratio * sizes**2 / middle
        uneven = _unevenness(squares / shape, sizes)
        if uneven < best:
            best = uneven
            found = (model + ratio * model**2 / middle) * _scale(squares / shape, places[free])
            of_rates = ratio > 1 and bool(told[free].all()) and bool(np.median(found / model**2) > _RATES)
    return np.maximum(found, max(floor**2, 1e-200) + 1e-9 * model**2), of_rates


def _shared(values: Floats, places: Ints, told: np.ndarray) -> Floats:
    """What a cell's values have in common with others: medians by dimension, where each value has several cells."""
    made = np.full(len(values), float(np.median(values[told])))
    for _ in range(2):
        for dimension in range(places.shape[1]):
            at = places[:, dimension]
            for value in np.unique(at[told]):
                there = told & (at == value)
                if there.sum() >= 5:
                    made[at == value] += float(np.median((values - made)[there]))
    return made


def _scale(squares: Floats, places: Ints) -> float:
    """The variance from squared deviations, by their middle; what the medians took is given back."""
    return float(np.median(squares)) / _MIDDLE * len(squares) / _left(places)


def _left(places: Ints) -> float:
    """Cells beyond those that the medians take."""
    return max(len(places) - 1 - sum(len(np.unique(column)) - 1 for column in places.T), len(places) / 3)


def _unevenness(squares: Floats, sizes: Floats) -> float:
    """How differently small and large cells scatter."""
    parts: Sequence[Floats] = np.array_split(squares[np.argsort(sizes, kind="stable")], 4)
    middles = [math.log(max(float(np.median(part)), 1e-300)) for part in parts if len(part)]
    return float(np.var(middles))
