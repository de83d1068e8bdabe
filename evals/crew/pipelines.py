"""A thousand pipelines: value, bottleneck and best spread beside what exact arithmetic and an optimiser find."""

from __future__ import annotations

import random
from fractions import Fraction
from math import prod

import numpy as np
from scipy.optimize import minimize

from evals.crew.report import Report, do


def print_pipelines(report: Report) -> None:
    """The share of pipelines on which each figure is the optimum."""
    report.section("Pipelines: 1,000 generated ones of 2 to 8 stages, beside exact fractions and SciPy's SLSQP")
    dice = random.Random(20_200)
    same_value = same_bottleneck = same_gain = spread_best = naive = 0
    for _ in range(1000):
        rates = [Fraction(dice.randrange(20, 1000), 1000) for _ in range(dice.randrange(2, 9))]
        deal, points = Fraction(dice.randrange(100, 10**6), 100), Fraction(dice.randrange(10, 300), 1000)
        found = do(
            "crm.pipeline_optimization",
            pipeline_data={
                "stages": [f"s{number}" for number in range(len(rates))],
                "conversion_rates": [float(rate) for rate in rates],
                "average_deal_size": float(deal),
            },
            improvement_points=float(points),
        )
        worth = deal * prod(rates)
        gains = [
            deal * prod([*rates[:n], min(Fraction(1), rate + points), *rates[n + 1 :]]) - worth
            for n, rate in enumerate(rates)
        ]
        same_value += abs(found.value_per_lead - float(worth)) <= 1e-9 * float(worth)
        best = max(gains)
        chosen = gains[int(found.bottleneck[1:])]
        same_bottleneck += chosen == best
        same_gain += all(
            abs(one.gain_per_lead - float(gain)) <= 1e-9 * float(deal)
            for one, gain in zip(found.stages, gains, strict=True)
        )
        naive += gains[max(range(len(rates)), key=lambda n: float(prod(rates[:n]) * (1 - rates[n])))] == best
        optimum = _optimum([float(rate) for rate in rates], float(points)) * float(deal)
        spread_best += found.best_spread_value_per_lead >= optimum * (1 - 1e-6)
    report.figure("value equals the exact one", same_value / 1000, wanted=1)
    report.figure("bottleneck is the stage with the largest gain", same_bottleneck / 1000,
                  f"stage that loses most leads {naive / 1000:.3f}", wanted=1)  # fmt: skip
    report.figure("gain of every stage equals the exact one", same_gain / 1000, wanted=1)
    report.figure("spread is worth what the optimiser finds, or more", spread_best / 1000, wanted=1)


def _optimum(rates: list[float], points: float) -> float:
    size = len(rates)
    result = minimize(
        lambda extra: -float(np.log(np.array(rates) + extra).sum()),
        np.full(size, points / size).clip(max=1 - np.array(rates)),
        jac=lambda extra: -1 / (np.array(rates) + extra),
        bounds=[(0, 1 - rate) for rate in rates],
        constraints={"type": "ineq", "fun": lambda extra: points - extra.sum(), "jac": lambda extra: -np.ones(size)},
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-12},
    )
    return float(prod(rate + extra for rate, extra in zip(rates, result.x, strict=True)))
