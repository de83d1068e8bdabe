"""What outcomes teach of the strategies: what work costs by each and how often it fails, and Thompson sampling over it.

The loss of an outcome is its money, its time and its failure in US dollars. For each type of work and strategy a
Bayesian linear regression says how far money and time are from the numbers that ship (by the volume, the complexity,
the need for AI and several domains), and a beta distribution how often it fails; both say how sure that is. Where the
operator lets strategies be tried out, one is drawn by how probable it is the best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opsteward.crew.delegation.estimates import SHIPPED
from opsteward.crew.delegation.types import LEVELS, Outcome, Work
from opsteward.crew.types import Strategy

if TYPE_CHECKING:
    import numpy as np

_FEATURES = 5
_PRIOR = 1.0  # how strong the assumption is that nothing is known
_DRAWS = 100  # for the propensities
_DRAWS_TO_BE_SURE = 5_000
#: By so much less than what is not known do draws spread, as if everything had been seen twice: the full spread goes on
#: trying what is all but known to be worse, half of it never finds the best in some runs (evals/delegation.py).
_TRIED_WITHIN = 0.7
#: Not weaker: what fails once by bad luck would be left for long.
_ASSUMED_FAILURES, _ASSUMED_SUCCESSES = 0.5, 4.5


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What a second and a failure are worth, in US dollars."""

    second: float = 0.001
    failure: float = 1.0

    def loss(self, outcome: Outcome) -> float:
        """What an outcome cost in all."""
        return self.spent(outcome) + (0.0 if outcome.success else self.failure)

    def spent(self, outcome: Outcome) -> float:
        """Its money and its time."""
        return outcome.cost + self.second * outcome.seconds

    def assumed(self, strategy: Strategy) -> float:
        """Money and time of a strategy by the numbers that ship."""
        seconds, cost = SHIPPED[strategy]
        return cost[0] + self.second * seconds[0]


@dataclass(frozen=True)
class Drawn:
    """The strategy that was drawn, and how probable each was."""

    strategy: Strategy
    propensities: dict[Strategy, float]


@dataclass
class _Arm:
    """One strategy's regression of what is spent beyond what was assumed (`precision`: the inverse of the covariance,
    but for the noise; `squares`: of these), all that was spent, squared, and its failures."""

    precision: Any
    moment: Any
    squares: float = 0.0
    spent_squares: float = 0.0
    count: int = 0
    failures: int = 0
    solved: tuple[Any, Any] | None = None


@dataclass
class Learner:
    """The models of one tenant, by type of work. Not for several threads at once."""

    weights: Weights = field(default_factory=Weights)
    _arms: dict[tuple[str, Strategy], _Arm] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Learn from it."""
        import numpy as np

        arm, features = self._arm(outcome.work.task_type, outcome.strategy), np.array(_features(outcome.work))
        spent = self.weights.spent(outcome)
        beyond = spent - self.weights.assumed(outcome.strategy)
        arm.precision += np.outer(features, features)
        arm.moment += beyond * features
        arm.squares += beyond * beyond
        arm.spent_squares += spent * spent
        arm.count += 1
        arm.failures += not outcome.success
        arm.solved = None

    def draw(self, work: Work, among: Sequence[Strategy], rng: np.random.Generator) -> Drawn:
        """Thompson's draw among these strategies, with the probability of each. What was never tried is drawn as often
        as its wide prior makes it the best."""
        import numpy as np

        draws = self._draws(work, among, rng, _DRAWS + 1, within=_TRIED_WITHIN)
        best = draws.argmin(axis=1)
        shares = (np.bincount(best[1:], minlength=len(among)) + 1) / (_DRAWS + len(among))
        propensities = {one: float(share) for one, share in zip(among, shares, strict=True)}
        return Drawn(among[int(best[0])], propensities)

    def certainty(self, work: Work, strategy: Strategy, *, than: Strategy) -> float:
        """How probable it is that a strategy costs less than another, from 0 to 1; the same each time."""
        import numpy as np

        draws = self._draws(work, (strategy, than), np.random.default_rng(0), _DRAWS_TO_BE_SURE, within=1.0)
        return float((draws[:, 0] < draws[:, 1]).mean())

    def _draws(
        self, work: Work, among: Sequence[Strategy], rng: np.random.Generator, count: int, *, within: float
    ) -> Any:
        """So many possible losses of each, which spread by this share of what is not known."""
        import numpy as np

        features = np.array(_features(work))
        means, spreads = np.empty(len(among)), np.empty(len(among))
        scale = self._scale(work.task_type)
        for number, strategy in enumerate(among):
            means[number], spreads[number] = self._expected(work.task_type, strategy, features, scale)
        failed, done = self._ends(work.task_type, among)
        spent = means + within * spreads * rng.standard_normal((count, len(among)))
        return spent + self.weights.failure * rng.beta(failed / within**2, done / within**2, (count, len(among)))

    def _ends(self, task_type: str, among: Sequence[Strategy]) -> tuple[Any, Any]:
        """Failures and successes of each, with those that are assumed before anything is known."""
        import numpy as np

        arms = [self._arms.get((task_type, one)) for one in among]
        failed = [_ASSUMED_FAILURES + (arm.failures if arm else 0) for arm in arms]
        done = [_ASSUMED_SUCCESSES + (arm.count - arm.failures if arm else 0) for arm in arms]
        return np.array(failed), np.array(done)

    def _arm(self, task_type: str, strategy: Strategy) -> _Arm:
        import numpy as np

        key = (task_type, strategy)
        if key not in self._arms:
            self._arms[key] = _Arm(_PRIOR * np.eye(_FEATURES), np.zeros(_FEATURES))
        return self._arms[key]

    def _scale(self, task_type: str) -> float:
        """How large the losses of this type are: the spread of what is not known is measured by it."""
        arms = [arm for (name, _), arm in self._arms.items() if name == task_type and arm.count]
        count = sum(arm.count for arm in arms)
        return math.sqrt(sum(arm.spent_squares for arm in arms) / count) if count else 1.0

    def _expected(self, task_type: str, strategy: Strategy, features: Any, scale: float) -> tuple[float, float]:
        """Mean and standard deviation of what is spent."""
        assumed, arm = self.weights.assumed(strategy), self._arms.get((task_type, strategy))
        if arm is None:
            return assumed, scale
        mean, covariance = self._solved(arm)
        spread = self._noise(arm, mean, scale) * math.sqrt(max(0.0, float(features @ covariance @ features)))
        return assumed + float(mean @ features), spread

    @staticmethod
    def _noise(arm: _Arm, mean: Any, scale: float) -> float:
        """The standard deviation of single losses, pulled towards the scale while there are few."""
        residual = max(0.0, arm.squares - float(mean @ arm.moment))
        return math.sqrt((residual + 4 * (0.5 * scale) ** 2) / (arm.count + 4))

    @staticmethod
    def _solved(arm: _Arm) -> tuple[Any, Any]:
        import numpy as np

        if arm.solved is None:
            covariance = np.linalg.inv(arm.precision)
            arm.solved = (covariance @ arm.moment, covariance)
        return arm.solved


def _features(work: Work) -> list[float]:
    return [
        1.0,
        math.log10(1 + work.volume) / 5,
        LEVELS.index(work.complexity) / (len(LEVELS) - 1),
        float(work.requires_ai),
        float(work.multi_domain),
    ]
