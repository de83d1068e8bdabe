"""What delegation speaks of: a piece of work as it is weighed, what it may take, the decision, an outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsteward.crew.types import Complexity, Strategy

#: From the least to the most.
LEVELS = tuple(Complexity)
STRATEGIES = tuple(Strategy)


@dataclass(frozen=True, kw_only=True)
class Work:
    """A piece of work as far as delegation looks at it. `volume`: records."""

    task_type: str
    complexity: Complexity
    volume: int
    requires_ai: bool
    multi_domain: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a piece of work is expected to take: the median, and the bounds of the interval that nine of ten outcomes
    fall into. Seconds, and US dollars. `outcomes`: so many it rests on; 0: on the numbers that ship."""

    seconds: float
    seconds_low: float
    seconds_high: float
    cost: float
    cost_low: float
    cost_high: float
    outcomes: int
    basis: str

    @property
    def measured(self) -> bool:
        """Whether it rests on outcomes."""
        return self.outcomes > 0


@dataclass(frozen=True, kw_only=True)
class NotTaken:
    """A strategy that was not chosen, and why."""

    strategy: Strategy
    why: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who is to do it, and why. `propensity`: how probable this choice was; 1 where nothing is tried out."""

    strategy: Strategy
    reasons: tuple[str, ...]
    not_taken: tuple[NotTaken, ...]
    estimate: Estimate
    complexity: Complexity
    matrix_version: int
    row: str
    propensity: float = 1.0
    propensities: dict[str, float] = field(default_factory=dict)
    explored: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a piece of work took by a strategy. Seconds, US dollars."""

    work: Work
    strategy: Strategy
    seconds: float
    cost: float
    success: bool
    row: str = ""
