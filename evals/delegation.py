"""How good delegation is: speed, what the intervals cover, and regret against the best strategy.

    python -m evals.delegation

The workload is simulated: types of work whose true cost by each strategy depends on the volume, with a better strategy
planted where the matrix names another. Regret is what the decisions cost more than the best ones would have, in
expected US dollars (money, time and failures), as a share of the best. The baseline is the matrix that ships.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opsteward.crew.delegation.complexity import derive
from opsteward.crew.delegation.deciding import Delegation
from opsteward.crew.delegation.estimates import OutcomeHistory
from opsteward.crew.delegation.learning import Learner, Weights
from opsteward.crew.delegation.matrix import SHIPPED
from opsteward.crew.delegation.proposals import propose
from opsteward.crew.delegation.types import Outcome, Work
from opsteward.crew.types import Complexity, Strategy

WEIGHTS = Weights(second=0.002, failure=1.0)
STEPS, SEEDS = 5_000, 8
EVERY = tuple(Strategy)


@dataclass(frozen=True)
class Truth:
    """What a type of work takes by a strategy: seconds at one record, how they grow, US dollars, failures."""

    seconds: float
    growth: float
    cost: float
    failures: float


D, S, M, C = Strategy.DIRECT, Strategy.SINGLE_AGENT, Strategy.MULTI_AGENT, Strategy.CREW
#: Of "planted" one agent does worse than several, though the matrix names it for moderate work.
WORKLOAD: dict[str, dict[Strategy, Truth]] = {
    "as the matrix says": {
        D: Truth(0.3, 0.30, 0.0, 0.15),
        S: Truth(15, 0.05, 0.01, 0.05),
        M: Truth(35, 0.03, 0.05, 0.04),
        C: Truth(80, 0.02, 0.12, 0.03),
    },
    "planted": {
        D: Truth(0.3, 0.35, 0.0, 0.45),
        S: Truth(22, 0.10, 0.02, 0.25),
        M: Truth(30, 0.03, 0.03, 0.02),
        C: Truth(90, 0.02, 0.12, 0.02),
    },
    "engine is enough": {
        D: Truth(0.2, 0.20, 0.0, 0.01),
        S: Truth(18, 0.05, 0.02, 0.02),
        M: Truth(40, 0.03, 0.06, 0.02),
        C: Truth(85, 0.02, 0.13, 0.02),
    },
}


def expected_loss(work: Work, strategy: Strategy) -> float:
    truth = WORKLOAD[work.task_type][strategy]
    seconds = truth.seconds * math.exp(truth.growth * math.log(work.volume))
    return WEIGHTS.second * seconds + truth.cost + WEIGHTS.failure * truth.failures


def happens(work: Work, strategy: Strategy, rng: np.random.Generator, row: str) -> Outcome:
    truth = WORKLOAD[work.task_type][strategy]
    seconds = truth.seconds * math.exp(truth.growth * math.log(work.volume)) * rng.lognormal(-0.045, 0.3)
    return Outcome(
        work=work, strategy=strategy, seconds=seconds, cost=truth.cost, success=rng.random() >= truth.failures, row=row
    )


def some_work(rng: np.random.Generator) -> Work:
    name = list(WORKLOAD)[rng.integers(len(WORKLOAD))]
    volume = int(10 ** rng.uniform(0, 4.9))
    derived = derive(default=Complexity.MODERATE, task_type=name, volume=volume, domains=1, parameters={})
    return Work(task_type=name, complexity=derived.complexity, volume=volume, requires_ai=True, multi_domain=False)


def regret(delegation: Delegation, *, seed: int, learns: bool) -> tuple[float, list[Outcome]]:
    """As a share of what the best strategies would have cost, and what happened."""
    rng = np.random.default_rng(seed)
    lost, best, outcomes = 0.0, 0.0, []
    for _ in range(STEPS):
        work = some_work(rng)
        decision = delegation.decide(work, possible=EVERY)
        least = min(expected_loss(work, one) for one in EVERY)
        lost += expected_loss(work, decision.strategy) - least
        best += least
        outcome = happens(work, decision.strategy, rng, decision.row)
        outcomes.append(outcome)
        if learns:
            delegation.learner.add(outcome)
    return lost / best, outcomes


def exploring(seed: int) -> Delegation:
    return Delegation(
        learner=Learner(weights=WEIGHTS), explored_types=frozenset(WORKLOAD), rng=np.random.default_rng(seed)
    )


def print_regret() -> None:
    fixed, learned = [], []
    for seed in range(SEEDS):
        fixed.append(regret(Delegation(), seed=seed, learns=False)[0])
        share, outcomes = regret(exploring(seed), seed=seed, learns=True)
        learned.append(share)
    print(f"regret over {STEPS:,} decisions, mean of {SEEDS} seeds (worst)")
    for name, shares in (("matrix", fixed), ("Thompson sampling", learned)):
        print(f"  {name:<18} {statistics.fmean(shares):6.1%} ({max(shares):.1%})")
    for one in propose(SHIPPED, outcomes, WEIGHTS):
        print(f"  proposed: {one.summary}")


def print_coverage() -> None:
    """Of the 90 % interval, for outcomes that come after the first 200."""
    shares: dict[str, Callable[[np.random.Generator], float]] = {
        "log-normal": lambda rng: rng.lognormal(0, 1),
        "exponential": lambda rng: rng.exponential(10),
        "two peaks": lambda rng: rng.normal(5, 0.5) if rng.random() < 0.7 else rng.normal(60, 5),
    }
    print("coverage of the 90 % interval after 200 outcomes")
    for name, draw in shares.items():
        covered = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            history, work = OutcomeHistory(), some_work(rng)
            hits = 0
            for n in range(700):
                seconds = draw(rng)
                if n >= 200:
                    found = history.estimate(work, D)
                    hits += found.seconds_low <= seconds <= found.seconds_high
                history.add(Outcome(work=work, strategy=D, seconds=seconds, cost=0.0, success=True))
            covered.append(hits / 500)
        print(f"  {name:<12} mean {statistics.fmean(covered):.3f}, {min(covered):.3f} to {max(covered):.3f} of 20 runs")


def print_speed() -> None:
    rng = np.random.default_rng(1)
    works = [some_work(rng) for _ in range(10_000)]
    for name, delegation in (("matrix", Delegation()), ("trying out", exploring(1))):
        for _ in range(300):
            work = some_work(rng)
            for strategy in EVERY:
                outcome = happens(work, strategy, rng, "")
                delegation.learner.add(outcome)
                delegation.history.add(outcome)
        times = []
        for work in works:
            began = time.perf_counter()
            delegation.decide(work, possible=EVERY)
            times.append(time.perf_counter() - began)
        times.sort()
        print(f"10,000 decisions, {name}: median {times[5_000] * 1000:.3f} ms, p99 {times[9_900] * 1000:.3f} ms")


def main() -> int:
    print_speed()
    print_coverage()
    print_regret()
    return 0


if __name__ == "__main__":
    sys.exit(main())
