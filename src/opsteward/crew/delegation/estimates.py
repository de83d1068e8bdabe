"""What a piece of work is expected to take, from what such work took.

The interval is the conformal one: with n outcomes its bounds are the values of rank 0.05 (n + 1) and 0.95 (n + 1), so
that the next outcome falls between them nine times of ten, whatever the distribution. That needs 19 outcomes; below
that a wider circle of outcomes counts, and at last the numbers that ship.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Sequence

from opsteward.crew.delegation.types import Estimate, Outcome, Work
from opsteward.crew.types import Strategy

ENOUGH = 19
KEPT = 200
_OUTSIDE = 0.05  # on each side
#: Before anything was measured: seconds (median, low, high) and US dollars a run with a model.
SHIPPED = {
    Strategy.DIRECT: ((0.3, 0.02, 1.0), (0.0, 0.0, 0.0)),
    Strategy.SINGLE_AGENT: ((20.0, 15.0, 30.0), (0.01, 0.0, 0.05)),
    Strategy.MULTI_AGENT: ((40.0, 20.0, 60.0), (0.03, 0.0, 0.15)),
    Strategy.CREW: ((90.0, 60.0, 120.0), (0.08, 0.0, 0.40)),
}
_Cell = tuple[str, Strategy, int | None]


class _Cellful:
    """The newest outcomes of a cell, in their order and sorted."""

    __slots__ = ("_cost_order", "_costs", "_estimate", "_order", "_seconds")

    def __init__(self) -> None:
        self._order: deque[float] = deque()
        self._cost_order: deque[float] = deque()
        self._seconds: list[float] = []
        self._costs: list[float] = []
        self._estimate: Estimate | None = None

    def __len__(self) -> int:
        return len(self._order)

    def add(self, seconds: float, cost: float) -> None:
        for order, values, value in ((self._order, self._seconds, seconds), (self._cost_order, self._costs, cost)):
            order.append(value)
            insort(values, value)
            if len(order) > KEPT:
                values.remove(order.popleft())
        self._estimate = None

    def estimate(self, what: str) -> Estimate:
        if self._estimate is None:
            seconds, costs, count = _interval(self._seconds), _interval(self._costs), len(self)
            self._estimate = Estimate(
                seconds=seconds[0],
                seconds_low=seconds[1],
                seconds_high=seconds[2],
                cost=costs[0],
                cost_low=costs[1],
                cost_high=costs[2],
                outcomes=count,
                basis=f"measured: the latest {count} outcomes of {what}",
            )
        return self._estimate


class OutcomeHistory:
    """The outcomes of one tenant by type, strategy and volume."""

    def __init__(self, outcomes: Sequence[Outcome] = ()) -> None:
        self._cells: dict[_Cell, _Cellful] = {}
        for one in outcomes:
            self.add(one)

    def add(self, outcome: Outcome) -> None:
        """What took part in it counts from now on; the oldest beyond 200 of a cell counts no more."""
        for cell in _cells(outcome.work, outcome.strategy):
            self._cells.setdefault(cell, _Cellful()).add(outcome.seconds, outcome.cost)

    def count(self, work: Work, strategy: Strategy) -> int:
        """Outcomes of this type by this strategy, of any volume."""
        found = self._cells.get((work.task_type, strategy, None))
        return len(found) if found else 0

    def estimate(self, work: Work, strategy: Strategy) -> Estimate:
        """From the narrowest circle with enough outcomes: type, strategy and volume; type and strategy; what ships."""
        for cell in _cells(work, strategy):
            found = self._cells.get(cell)
            if found is not None and len(found) >= ENOUGH:
                of = f"{work.task_type} by {strategy}"
                return found.estimate(of if cell[2] is None else f"{of}, {_bucket_words(cell[2])}")
        count = self.count(work, strategy)
        (seconds, low, high), (cost, cost_low, cost_high) = SHIPPED[strategy]
        return Estimate(
            seconds=seconds,
            seconds_low=low,
            seconds_high=high,
            cost=cost,
            cost_low=cost_low,
            cost_high=cost_high,
            outcomes=0,
            basis=f"not measured yet: the numbers that ship, until there are {ENOUGH} outcomes (now {count})",
        )


def _cells(work: Work, strategy: Strategy) -> tuple[_Cell, _Cell]:
    return (work.task_type, strategy, bucket_of(work.volume)), (work.task_type, strategy, None)


def bucket_of(volume: int) -> int:
    """The power of ten that a volume reaches."""
    return int(math.log10(volume)) if volume >= 1 else 0


def _bucket_words(bucket: int) -> str:
    return f"{10**bucket:,} to {10 ** (bucket + 1) - 1:,} records"


def _interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, low and high."""
    count = len(values)
    low = max(1, math.floor(_OUTSIDE * (count + 1)))
    high = min(count, math.ceil((1 - _OUTSIDE) * (count + 1)))
    middle = count // 2
    median = values[middle] if count % 2 else (values[middle - 1] + values[middle]) / 2
    return median, values[low - 1], values[high - 1]
