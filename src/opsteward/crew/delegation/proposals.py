"""Which change of the matrix the outcomes speak for, with the figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

from opsteward.crew.delegation.learning import Learner, Weights
from opsteward.crew.delegation.matrix import ROWS_LIMIT, Matrix, Row
from opsteward.crew.delegation.types import Outcome, Work
from opsteward.crew.types import Strategy

ENOUGH = 30  # outcomes of the strategy that is proposed
FEWEST = 3  # of the present one: where strategies are tried out, what does badly is soon tried no more
_SURE = 0.95  # probability that the proposed one costs less
_WORTH_IT = 0.05  # share of the present loss


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the outcomes of one strategy came to on average. `loss`: money, time and failures in US dollars."""

    strategy: Strategy
    outcomes: int
    loss: float
    seconds: float
    cost: float
    success_rate: float


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """In this row another strategy costs less for this type of work; what it would have saved in the recorded past."""

    row: str
    task_type: str
    present: Figures
    proposed: Figures
    saved_per_task: float
    saved_in_past: float
    matrix: Matrix

    @property
    def summary(self) -> str:
        """In one sentence."""
        return (
            f"{self.task_type} in row {self.row}: {self.proposed.strategy} instead of {self.present.strategy}, "
            f"{self.proposed.loss:.4f} instead of {self.present.loss:.4f} US dollars a task "
            f"({self.proposed.outcomes} and {self.present.outcomes} outcomes)"
        )


def propose(matrix: Matrix, outcomes: Iterable[Outcome], weights: Weights) -> list[Proposal]:
    """Changes that are worth it and surely better, the largest saving first. Each is a matrix with one more row, for
    this type, before the row that it is taken out of."""
    outcomes = list(outcomes)
    learner = Learner(weights=weights)
    for one in outcomes:  # of all rows: how often a strategy fails at a type of work is learned from each of them
        learner.add(one)
    by_cell: dict[tuple[str, str], dict[Strategy, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for one in outcomes:
        if one.row:
            by_cell[one.row, one.work.task_type][one.strategy].append(one)
    found = []
    for (name, task_type), by_strategy in by_cell.items():
        row = next((one for one in matrix.rows if one.name == name), None)
        if row is None or len(by_strategy.get(row.strategy, ())) < FEWEST or len(matrix.rows) >= ROWS_LIMIT:
            continue
        proposal = _best(matrix, row, task_type, by_strategy, learner)
        if proposal is not None:
            found.append(proposal)
    return sorted(found, key=lambda one: one.saved_in_past, reverse=True)


def _best(
    matrix: Matrix, row: Row, task_type: str, by_strategy: dict[Strategy, list[Outcome]], learner: Learner
) -> Proposal | None:
    weights = learner.weights
    losses = {one: [weights.loss(each) for each in of_it] for one, of_it in by_strategy.items()}
    present = losses[row.strategy]
    typical = _typical([one.work for one in chain.from_iterable(by_strategy.values())])
    candidates = [
        one
        for one, values in losses.items()
        if one is not row.strategy
        and len(values) >= ENOUGH
        and fmean(present) - fmean(values) > _WORTH_IT * fmean(present)
        and learner.certainty(typical, one, than=row.strategy) >= _SURE
    ]
    if not candidates:
        return None
    best = min(candidates, key=lambda one: fmean(losses[one]))
    saved = fmean(present) - fmean(losses[best])
    return Proposal(
        row=row.name,
        task_type=task_type,
        present=_figures(row.strategy, by_strategy[row.strategy], weights),
        proposed=_figures(best, by_strategy[best], weights),
        saved_per_task=saved,
        saved_in_past=saved * len(present),
        matrix=_changed(matrix, row, task_type, best),
    )


def _typical(works: Sequence[Work]) -> Work:
    """The one in the middle by volume."""
    return sorted(works, key=lambda one: one.volume)[len(works) // 2]


def _figures(strategy: Strategy, outcomes: Sequence[Outcome], weights: Weights) -> Figures:
    return Figures(
        strategy=strategy,
        outcomes=len(outcomes),
        loss=fmean(weights.loss(one) for one in outcomes),
        seconds=fmean(one.seconds for one in outcomes),
        cost=fmean(one.cost for one in outcomes),
        success_rate=fmean(one.success for one in outcomes),
    )


def _changed(matrix: Matrix, row: Row, task_type: str, strategy: Strategy) -> Matrix:
    rows = list(matrix.rows)
    if row.task_types == (task_type,):
        rows[rows.index(row)] = row.model_copy(update={"strategy": strategy})
    else:
        word = "".join(c if c.isalnum() else "_" for c in task_type.lower())
        taken, number = {one.name for one in rows}, 1
        while (name := f"{word}_{number}"[-61:]) in taken:
            number += 1
        rows.insert(
            rows.index(row), row.model_copy(update={"name": name, "task_types": (task_type,), "strategy": strategy})
        )
    return Matrix(rows=tuple(rows))
