"""Who does a piece of work: every cell of the matrix, the reasons, the estimate, and what outcomes teach."""

from __future__ import annotations

import random

import numpy as np
import pytest
from pydantic import ValidationError

from opsteward.crew.delegation.complexity import derive, volume_of
from opsteward.crew.delegation.deciding import Delegation
from opsteward.crew.delegation.estimates import ENOUGH, OutcomeHistory
from opsteward.crew.delegation.learning import Learner, Weights
from opsteward.crew.delegation.matrix import SHIPPED, Matrix, Row, matched
from opsteward.crew.delegation.proposals import propose
from opsteward.crew.delegation.types import LEVELS, Outcome, Work
from opsteward.crew.types import Complexity, Strategy

EVERY = tuple(Strategy)


def work(
    complexity: str = "moderate",
    volume: int = 10,
    *,
    ai: bool = False,
    several: bool = False,
    name: str = "crm.scoring",
) -> Work:
    return Work(task_type=name, complexity=Complexity(complexity), volume=volume, requires_ai=ai, multi_domain=several)


def outcome(
    strategy: Strategy,
    seconds: float = 1.0,
    *,
    of: Work | None = None,
    cost: float = 0.0,
    success: bool = True,
    row: str = "",
) -> Outcome:
    return Outcome(work=of or work(), strategy=strategy, seconds=seconds, cost=cost, success=success, row=row)


@pytest.mark.parametrize(
    ("of", "strategy"),
    [
        (work("simple", 999), "direct"),
        (work("simple", 1_000), "direct"),
        (work("simple", 10, ai=True), "single_agent"),
        (work("simple", 50_000, ai=True), "single_agent"),
        (work("moderate", 9_999, ai=True), "single_agent"),
        (work("moderate", 10_000, ai=True), "multi_agent"),
        (work("moderate", 10), "direct"),
        (work("complex", 99_999, ai=True), "multi_agent"),
        (work("complex", 99_999), "direct"),
        (work("complex", 100_000, ai=True), "crew"),
        (work("simple", 100_000), "crew"),
        (work("expert", 1), "crew"),
        (work("simple", 1, several=True), "crew"),
    ],
)
def test_the_shipped_matrix(of: Work, strategy: str) -> None:
    decision = Delegation().decide(of, possible=EVERY)
    assert decision.strategy == strategy
    assert decision.reasons[-1].endswith(f": {strategy}")
    assert {one.strategy for one in decision.not_taken} == set(Strategy) - {decision.strategy}
    assert all(one.why for one in decision.not_taken)


def test_every_piece_of_work_has_a_row() -> None:
    for complexity in LEVELS:
        for volume in (0, 999, 1_000, 9_999, 10_000, 99_999, 100_000, 10**9):
            for ai in (False, True):
                for several in (False, True):
                    assert matched(SHIPPED, work(complexity, volume, ai=ai, several=several)).row in SHIPPED.rows


def test_a_matrix_without_a_row_for_the_rest_is_refused() -> None:
    row = Row(name="a", requires_ai=True, strategy=Strategy.CREW)
    with pytest.raises(ValidationError):
        Matrix(rows=(row,))
    with pytest.raises(ValidationError):
        Matrix(rows=(Row(name="a", strategy=Strategy.CREW), Row(name="a", strategy=Strategy.CREW)))


def test_what_a_type_can_not_run_by_is_not_chosen() -> None:
    decision = Delegation().decide(work("expert"), possible=(Strategy.DIRECT, Strategy.SINGLE_AGENT))
    assert decision.strategy is Strategy.SINGLE_AGENT
    assert "crm.scoring can't run by it" in {one.why for one in decision.not_taken}


@pytest.mark.parametrize(
    ("default", "volume", "domains", "complexity", "reason"),
    [
        ("simple", 10, 1, "simple", "t is simple work"),
        ("simple", 1_000, 1, "moderate", "1,000 records are 1,000 or more: at least moderate"),
        ("moderate", 5_000, 1, "moderate", "t is moderate work"),
        ("simple", 10_000, 1, "complex", "10,000 records are 10,000 or more: at least complex"),
        ("expert", 10_000, 1, "expert", "t is expert work"),
        ("simple", 1, 2, "expert", "it touches 2 domains: expert"),
    ],
)
def test_complexity_is_derived_with_its_reason(
    default: str, volume: int, domains: int, complexity: str, reason: str
) -> None:
    found = derive(default=Complexity(default), task_type="t", volume=volume, domains=domains, parameters={})
    assert (found.complexity, found.reasons[-1]) == (complexity, reason)


def test_many_options_make_it_more_complex() -> None:
    options: dict[str, object] = {f"o{n}": n for n in range(41)}
    assert (
        derive(default=Complexity.SIMPLE, task_type="t", volume=1, domains=1, parameters=options).complexity
        == "moderate"
    )


def test_records_are_counted_wherever_they_stand() -> None:
    assert volume_of({}) == 1
    assert volume_of({"a": [{"x": 1}] * 5, "b": {"c": [{"y": 1}] * 3}, "d": [1, 2]}) == 10
    deep: dict[str, object] = {}
    for _ in range(50):
        deep = {"a": deep}
    assert volume_of(deep) == 1


def test_without_outcomes_the_estimate_says_so() -> None:
    history = OutcomeHistory()
    for strategy, low, high in (("direct", 0.0, 1.0), ("single_agent", 15, 30), ("crew", 60, 120)):
        found = history.estimate(work(), Strategy(strategy))
        assert not found.measured and found.basis.startswith("not measured yet")
        assert low <= found.seconds_low <= found.seconds <= found.seconds_high <= high


def test_measured_outcomes_replace_what_ships() -> None:
    history = OutcomeHistory([outcome(Strategy.DIRECT, 2.0 + n / 100, cost=0.1) for n in range(ENOUGH)])
    found = history.estimate(work(), Strategy.DIRECT)
    assert (found.outcomes, found.seconds, found.cost) == (ENOUGH, pytest.approx(2.09), 0.1)
    assert (found.seconds_low, found.seconds_high) == (2.0, pytest.approx(2.18))
    assert history.estimate(work(name="other"), Strategy.DIRECT).outcomes == 0
    # another volume has none of its own: the type's count
    assert history.estimate(work(volume=5_000), Strategy.DIRECT).outcomes == ENOUGH


def test_volumes_are_told_apart_once_there_are_enough() -> None:
    small = [outcome(Strategy.DIRECT, 1.0, of=work(volume=50)) for _ in range(ENOUGH)]
    large = [outcome(Strategy.DIRECT, 9.0, of=work(volume=5_000)) for _ in range(ENOUGH)]
    history = OutcomeHistory([*small, *large])
    assert history.estimate(work(volume=60), Strategy.DIRECT).seconds == 1.0
    assert history.estimate(work(volume=6_000), Strategy.DIRECT).seconds == 9.0


def test_the_interval_covers_nine_of_ten_after_200_outcomes() -> None:
    rng = random.Random(5)
    history, covered, looked_at = OutcomeHistory(), 0, 0
    for n in range(1_200):
        seconds = rng.lognormvariate(0, 1)
        if n >= 200:
            found = history.estimate(work(), Strategy.DIRECT)
            looked_at += 1
            covered += found.seconds_low <= seconds <= found.seconds_high
        history.add(outcome(Strategy.DIRECT, seconds))
    assert 0.87 <= covered / looked_at <= 0.93


def test_nothing_is_tried_out_unless_it_is_allowed() -> None:
    learner = Learner()
    for _ in range(50):
        learner.add(outcome(Strategy.DIRECT, 100.0))
        learner.add(outcome(Strategy.SINGLE_AGENT, 0.1))
    for explored in (frozenset(), frozenset({"another.type"})):
        delegation = Delegation(learner=learner, explored_types=explored, rng=np.random.default_rng(1))
        decisions = [delegation.decide(work(), possible=EVERY) for _ in range(50)]
        assert {(one.strategy, one.propensity, one.explored) for one in decisions} == {(Strategy.DIRECT, 1.0, False)}


def test_where_it_is_allowed_the_better_one_is_found_and_how_probable_it_was_is_kept() -> None:
    delegation = Delegation(explored_types=frozenset({"crm.scoring"}), rng=np.random.default_rng(2))
    taken = []
    for _ in range(300):
        decision = delegation.decide(work(), possible=EVERY)
        assert sum(decision.propensities.values()) == pytest.approx(1.0)
        assert 0 < decision.propensity == decision.propensities[decision.strategy]
        seconds = 50.0 if decision.strategy is Strategy.SINGLE_AGENT else 900.0
        delegation.learner.add(outcome(decision.strategy, seconds))
        taken.append(decision.strategy)
    assert taken[-100:].count(Strategy.SINGLE_AGENT) > 95


def history_of_two(better: float = 1.0, count: int = 60, present: int = 60) -> list[Outcome]:
    rng, of = random.Random(3), work(ai=True)
    return [
        outcome(strategy, mean * rng.uniform(0.8, 1.2), of=of, row="moderate_with_ai")
        for strategy, mean, n in ((Strategy.SINGLE_AGENT, 10.0, present), (Strategy.DIRECT, better, count))
        for _ in range(n)
    ]


def test_a_surely_better_strategy_is_proposed_with_its_figures() -> None:
    (found,) = propose(SHIPPED, history_of_two(), Weights(second=0.01))
    assert (found.row, found.present.strategy, found.proposed.strategy) == (
        "moderate_with_ai",
        "single_agent",
        "direct",
    )
    assert found.proposed.seconds == pytest.approx(1.0, rel=0.1)
    assert found.saved_in_past == pytest.approx(60 * 0.09, rel=0.1)
    # the change is for this type alone, and everything else stays
    assert matched(found.matrix, work(ai=True)).row.strategy is Strategy.DIRECT
    assert matched(found.matrix, work(ai=True, name="another")).row.strategy is Strategy.SINGLE_AGENT
    # once it is in force it is not proposed again
    again = [
        outcome(o.strategy, o.seconds, of=o.work, row=matched(found.matrix, o.work).row.name) for o in history_of_two()
    ]
    assert propose(found.matrix, again, Weights(second=0.01)) == []


@pytest.mark.parametrize(("better", "count", "present"), [(9.99, 60, 60), (1.0, 29, 60), (12.0, 60, 60), (1.0, 60, 2)])
def test_what_is_not_sure_or_not_worth_it_is_not_proposed(better: float, count: int, present: int) -> None:
    assert propose(SHIPPED, history_of_two(better, count, present), Weights(second=0.01)) == []
