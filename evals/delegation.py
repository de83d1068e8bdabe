"""How good delegation is: speed, what the intervals cover, and regret against the best strategy.

    python -m evals.delegation

The workloads are simulated: types of work whose true cost by each strategy depends on the volume; one with a better
strategy planted where the matrix names another, and one drawn anew for each seed. Regret is what the decisions cost
more than the best ones would have, in expected US dollars (money, time and failures), as a share of the best. The
baseline is the matrix that ships. No seed here was looked at while the learner was made.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from opsteward.crew.delegation.complexity import derive
from opsteward.crew.delegation.deciding import Delegation
from opsteward.crew.delegation.estimates import SHIPPED as SHIPPED_NUMBERS
from opsteward.crew.delegation.estimates import OutcomeHistory
from opsteward.crew.delegation.learning import Learner, Weights
from opsteward.crew.delegation.matrix import SHIPPED
from opsteward.crew.delegation.proposals import Proposal, propose
from opsteward.crew.delegation.types import Outcome, Work
from opsteward.crew.types import Complexity, Strategy

WEIGHTS = Weights(second=0.002, failure=1.0)
STEPS, SEEDS = 5_000, range(3_000, 3_020)
EVERY = tuple(Strategy)


@dataclass(frozen=True)
class Truth:
    """What a type of work takes by a strategy: seconds at one record, how they grow, US dollars, failures."""

    seconds: float
    growth: float
    cost: float
    failures: float


D, S, M, C = Strategy.DIRECT, Strategy.SINGLE_AGENT, Strategy.MULTI_AGENT, Strategy.CREW
Workload = dict[str, dict[Strategy, Truth]]
#: Of "planted" one agent does worse than several, though the matrix names it for moderate work.
PLANTED: Workload = {
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


def drawn_workload(seed: int) -> Workload:
    """Three types of work around the numbers that ship, and a failure in nine tries on average."""
    rng = np.random.default_rng(seed)

    def truth(strategy: Strategy) -> Truth:
        seconds, cost = SHIPPED_NUMBERS[strategy]
        growth = rng.uniform(0, 0.3 if strategy is D else 0.08)
        typical = seconds[0] * rng.lognormal(0, 0.6), cost[0] * rng.lognormal(0, 0.6)
        return Truth(typical[0], growth, typical[1], rng.beta(1, 8))

    return {f"type {number}": {one: truth(one) for one in EVERY} for number in range(3)}


def expected_loss(truth: Truth, volume: int) -> float:
    seconds = truth.seconds * math.exp(truth.growth * math.log(volume))
    return WEIGHTS.second * seconds + truth.cost + WEIGHTS.failure * truth.failures


def happens(truth: Truth, work: Work, strategy: Strategy, rng: np.random.Generator, row: str) -> Outcome:
    seconds = truth.seconds * math.exp(truth.growth * math.log(work.volume)) * rng.lognormal(-0.045, 0.3)
    return Outcome(
        work=work, strategy=strategy, seconds=seconds, cost=truth.cost, success=rng.random() >= truth.failures, row=row
    )


def some_work(workload: Workload, rng: np.random.Generator) -> Work:
    name = list(workload)[rng.integers(len(workload))]
    volume = int(10 ** rng.uniform(0, 4.9))
    derived = derive(default=Complexity.MODERATE, task_type=name, volume=volume, domains=1, parameters={})
    return Work(task_type=name, complexity=derived.complexity, volume=volume, requires_ai=True, multi_domain=False)


def regret(workload: Workload, delegation: Delegation, *, seed: int, learns: bool) -> tuple[float, list[Outcome]]:
    """As a share of what the best strategies would have cost, and what happened."""
    rng = np.random.default_rng(seed)
    lost, best, outcomes = 0.0, 0.0, []
    for _ in range(STEPS):
        work = some_work(workload, rng)
        truths = workload[work.task_type]
        decision = delegation.decide(work, possible=EVERY)
        losses = {one: expected_loss(truths[one], work.volume) for one in EVERY}
        lost += losses[decision.strategy] - min(losses.values())
        best += min(losses.values())
        outcome = happens(truths[decision.strategy], work, decision.strategy, rng, decision.row)
        outcomes.append(outcome)
        if learns:
            delegation.learner.add(outcome)
    return lost / best, outcomes


def exploring(seed: int) -> Delegation:
    return Delegation(
        learner=Learner(weights=WEIGHTS), explored_types=frozenset({"all"}), rng=np.random.default_rng(seed)
    )


def print_regret(name: str, workload_of: Callable[[int], Workload]) -> None:
    fixed, learned = [], []
    asked = right = planted = 0
    for seed in SEEDS:
        workload = workload_of(seed)
        fixed.append(regret(workload, Delegation(), seed=seed, learns=False)[0])
        share, outcomes = regret(workload, exploring(seed), seed=seed, learns=True)
        learned.append(share)
        for one in propose(SHIPPED, outcomes, WEIGHTS):
            asked += 1
            right += is_better(workload[one.task_type], one, outcomes)
            planted += (one.task_type, one.proposed.strategy) == ("planted", M)
    print(f"regret over {STEPS:,} decisions, {name}: mean of {len(SEEDS)} seeds (worst; under 5 %)")
    for way, shares in (("matrix", fixed), ("Thompson sampling", learned)):
        under = sum(share < 0.05 for share in shares)
        print(f"  {way:<18} {statistics.fmean(shares):6.1%} ({max(shares):.1%}; {under}/{len(shares)})")
    found = f", the planted one in {planted}/{len(SEEDS)} runs" if planted else ""
    print(f"  changes proposed: {asked}, {right} of them truly better{found}")


def is_better(truths: dict[Strategy, Truth], change: Proposal, outcomes: Sequence[Outcome]) -> bool:
    """Whether the change lowers what the work of its row is expected to cost."""
    volumes = [one.work.volume for one in outcomes if (one.row, one.work.task_type) == (change.row, change.task_type)]
    present, proposed = truths[change.present.strategy], truths[change.proposed.strategy]
    return sum(expected_loss(proposed, one) - expected_loss(present, one) for one in volumes) < 0


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
            history, work = OutcomeHistory(), some_work(PLANTED, rng)
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
    works = [some_work(PLANTED, rng) for _ in range(10_000)]
    for name, delegation in (("matrix", Delegation()), ("trying out", exploring(1))):
        for _ in range(300):
            work = some_work(PLANTED, rng)
            for strategy in EVERY:
                outcome = happens(PLANTED[work.task_type][strategy], work, strategy, rng, "")
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
    print_regret("a better strategy planted", lambda _: PLANTED)
    print_regret("workloads drawn by chance", drawn_workload)
    return 0


if __name__ == "__main__":
    sys.exit(main())
