"""A sales pipeline's conversion, velocity, bottleneck and the best use of an improvement, in closed form.

A lead is worth the deal times the product of the rates. Mending one stage from r to r' multiplies that by r'/r. When
points may be spread, raising the lowest rates to one level is the optimum: the product's logarithm is concave.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.crm import (
    PipelineData,
    PipelineOptimization,
    PipelinePlan,
    Stage,
    StageValue,
)
from opsteward.crew.catalogue.declaring import DataUsed


def run(parameters: PipelineOptimization) -> PipelinePlan:
    """Raises Invalid when a stage's rate can't be known."""
    data, points = parameters.pipeline_data, parameters.improvement_points
    notes: list[str] = []
    stages, rates = _rates(data, notes)
    scale = 0.01 if any(stage.benchmark and stage.benchmark > 1 for stage in stages) else 1.0
    improved = [
        max(rate, stage.benchmark * scale) if stage.benchmark is not None else min(1.0, rate + points)
        for stage, rate in zip(stages, rates, strict=True)
    ]
    worth = data.average_deal_size * math.prod(rates)
    leads = data.leads if data.leads is not None else stages[0].entered
    found = [_stage(data, stages, rates, improved, place, leads) for place in range(len(stages))]
    days = data.sales_cycle_length
    if days is None and all(stage.days is not None for stage in stages):
        days = sum(stage.days or 0.0 for stage in stages) or None
    best = max(found, key=lambda one: one.gain_per_lead)
    spread = best_spread(rates, points)
    missing = [] if leads is not None else ["leads: how many enter a cycle, for velocity and gains in money"]
    if days is None:
        missing.append("sales_cycle_length, or days of each stage: for velocity")
    if best.gain_per_lead == 0:
        notes.append("no stage can be mended: every rate is at its best")
    return PipelinePlan(
        summary=f"{math.prod(rates):.1%} of leads are won, each lead is worth {worth:,.2f}. The bottleneck is "
        f"{best.stage}: from {best.conversion_rate:.1%} to {best.improved_rate:.1%} a lead is worth "
        f"{best.gain_per_lead:,.2f} more.",
        data_used=DataUsed(rows=len(stages), fields=["conversion_rates", "average_deal_size"]),
        missing=missing,
        notes=notes,
        overall_conversion=math.prod(rates),
        value_per_lead=worth,
        velocity=leads * worth / days if leads is not None and days else None,
        bottleneck=best.stage,
        stages=found,
        best_spread={stage.name: share for stage, share in zip(stages, spread, strict=True)},
        best_spread_value_per_lead=data.average_deal_size
        * math.prod(rate + share for rate, share in zip(rates, spread, strict=True)),
    )


def best_spread(rates: Sequence[float], points: float) -> list[float]:
    """Points for each rate such that the product is the largest: the lowest are raised to one level, 1 at most."""
    order = sorted(rates)
    level = order[0]
    for count in range(1, len(order) + 1):
        ceiling = order[count] if count < len(order) else 1.0
        level = (points + sum(order[:count])) / count
        if level <= ceiling:
            break
    level = min(level, 1.0)
    return [max(0.0, level - rate) for rate in rates]


def _rates(data: PipelineData, notes: list[str]) -> tuple[list[Stage], list[float]]:
    """The stages that lead on, with their rates as shares."""
    stages, given = list(data.stages), data.conversion_rates
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise Invalid.field("pipeline_data.stages", "two stages have one name", "name each stage differently")
    if isinstance(given, dict):
        given = _by_first_stage(given, names)
        if unknown := sorted(set(given) - set(names)):
            raise Invalid.field(
                "pipeline_data.conversion_rates", f"{unknown[0]!r} is no stage", f"the stages are {', '.join(names)}"
            )
        if names[-1] not in given and stages[-1].conversion_rate is None and len(stages) > 1:
            stages.pop()
        rates = [given.get(stage.name, stage.conversion_rate) for stage in stages]
    elif given:
        if len(given) not in (len(stages), len(stages) - 1) or not stages:
            raise Invalid.field(
                "pipeline_data.conversion_rates",
                f"{len(given)} rates for {len(stages)} stages",
                "send one for each stage, or one for each step between two stages",
            )
        stages, rates = stages[: len(given)], list(given)
    else:
        rates = _from_stages(stages, notes)
        stages = stages[: len(rates)]
    if not stages or any(rate is None for rate in rates):
        lacking = next((s.name for s, rate in zip(stages, rates, strict=True) if rate is None), names[0])
        raise Invalid.field(
            "pipeline_data.conversion_rates", f"nothing says how many go on from {lacking!r}",
            "send conversion_rates, or `entered` of every stage",
        )  # fmt: skip
    told = [rate for rate in rates if rate is not None]
    if any(rate > 1 for rate in told):
        notes.append("a rate is above 1: all were read as percent")
        told = [rate / 100 for rate in told]
    return stages, told


def _by_first_stage(given: dict[str, float], names: Sequence[str]) -> dict[str, float]:
    """Rates named by both stages ("lead_to_qualified") are those of the first one."""
    steps = {
        f"{before}{between}{after}".lower(): before
        for before, after in itertools.pairwise(names)
        for between in ("_to_", " to ", "->", " -> ", "→", "-")
    }
    return {steps.get(name.lower(), name): rate for name, rate in given.items()}


def _from_stages(stages: Sequence[Stage], notes: list[str]) -> list[float | None]:
    """What the stages say themselves, or follows from how many entered the next one."""
    rates: list[float | None] = [stage.conversion_rate for stage in stages]
    for place, (stage, after) in enumerate(itertools.pairwise(stages)):
        if rates[place] is None and stage.entered and after.entered is not None:
            if after.entered > stage.entered:
                notes.append(f"more entered {after.name} than {stage.name}: its rate is taken as 1")
            rates[place] = min(1.0, after.entered / stage.entered)
    if len(rates) > 1 and rates[-1] is None:
        rates.pop()
    return rates


def _stage(
    data: PipelineData,
    stages: Sequence[Stage],
    rates: Sequence[float],
    improved: Sequence[float],
    place: int,
    leads: float | None,
) -> StageValue:
    others = math.prod(rate for other, rate in enumerate(rates) if other != place)
    gain = data.average_deal_size * others * (improved[place] - rates[place])
    chance = math.prod(rates[place:])
    return StageValue(
        stage=stages[place].name,
        conversion_rate=rates[place],
        improved_rate=improved[place],
        chance_to_win=chance,
        value_of_lead=data.average_deal_size * chance,
        gain_per_lead=gain,
        gain=None if leads is None else gain * leads,
        share_lost=math.prod(rates[:place]) * (1 - rates[place]),
        days=stages[place].days,
    )
