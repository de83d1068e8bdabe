"""The decision: the matrix, and beside it what outcomes say where strategies may be tried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opsteward.crew.delegation.estimates import OutcomeHistory
from opsteward.crew.delegation.learning import Learner
from opsteward.crew.delegation.matrix import SHIPPED, Matrix, matched
from opsteward.crew.delegation.types import Decision, NotTaken, Work
from opsteward.crew.types import Strategy

if TYPE_CHECKING:
    import numpy as np

ALL_TYPES = "all"


@dataclass(kw_only=True)
class Delegation:
    """What decides for one tenant. `explored_types`: the types of work of which strategies may be tried out."""

    matrix: Matrix = SHIPPED
    version: int = 0
    history: OutcomeHistory = field(default_factory=OutcomeHistory)
    learner: Learner = field(default_factory=Learner)
    explored_types: frozenset[str] = frozenset()
    rng: np.random.Generator | None = None

    def decide(self, work: Work, *, possible: Sequence[Strategy], reasons: Sequence[str] = ()) -> Decision:
        """Which strategy, among those that this type of work can run by. `reasons`: of its complexity."""
        match = matched(self.matrix, work)
        chosen, row = match.row.strategy, match.row
        told = [*reasons, f"row {row.name} of the matrix ({row.in_words()}): {chosen}"]
        why_not = dict(match.why_not)
        if chosen not in possible:
            nearest = min(possible, key=lambda one: abs(_rank(one) - _rank(chosen)))
            told.append(f"{work.task_type} can't run by {chosen}: the nearest that it can is {nearest}")
            why_not[chosen], chosen = f"{work.task_type} can't run by it", nearest
            why_not.pop(nearest, None)
        propensities, explored = {chosen: 1.0}, False
        if self._may_explore(work) and len(possible) > 1:
            drawn = self.learner.draw(work, possible, self._rng())
            propensities, explored = drawn.propensities, drawn.strategy is not chosen
            if explored:
                why_not[chosen] = f"the matrix names it; {drawn.strategy} is tried out instead"
                told.append(
                    f"strategies of {work.task_type} may be tried out: {drawn.strategy} was drawn"
                    f" with a probability of {propensities[drawn.strategy]:.2f}"
                )
                chosen = drawn.strategy
        return Decision(
            strategy=chosen,
            reasons=tuple(told),
            not_taken=tuple(NotTaken(strategy=one, why=why) for one, why in why_not.items() if one is not chosen),
            estimate=self.history.estimate(work, chosen),
            complexity=work.complexity,
            matrix_version=self.version,
            row=row.name,
            propensity=propensities[chosen],
            propensities={one.value: share for one, share in propensities.items()},
            explored=explored,
        )

    def _may_explore(self, work: Work) -> bool:
        return work.task_type in self.explored_types or ALL_TYPES in self.explored_types

    def _rng(self) -> np.random.Generator:
        if self.rng is None:
            import numpy as np

            self.rng = np.random.default_rng()
        return self.rng


def _rank(strategy: Strategy) -> int:
    return list(Strategy).index(strategy)
