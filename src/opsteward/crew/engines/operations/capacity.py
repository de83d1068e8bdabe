"""When resources fill up: the trend since the last change, its doubt, and the usual peaks on top."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Literal

from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.catalogue.operations import Capacity, CapacityOutlook, CapacityResource, ResourceOutlook
from opsteward.crew.engines.arrays import Floats, np
from opsteward.crew.engines.series.change_points import find_changes
from opsteward.crew.engines.series.regular import regular
from opsteward.crew.engines.series.seasons import find_season, seasonal_parts
from opsteward.crew.engines.series.trends import trend_of

_FARTHEST = 5 * 365  # days that a trend is drawn on
_NEVER = 10.0 * _FARTHEST
_DRAWS = 2000
_SEED = 23
_FEW = 14  # days, below which nothing sure can be said
_ORDER = {"full": 0, "now": 1, "soon": 2, "ok": 3}


def run(parameters: Capacity) -> CapacityOutlook:
    """The most urgent first."""
    found = [_outlook(one, parameters) for one in parameters.resources]
    found.sort(key=lambda one: (_ORDER[one.level], -one.risk, -one.share))
    first = found[0]
    urgent = [one for one in found if one.level != "ok"]
    said = f"{len(urgent)} of {len(found)} resources need more within {parameters.horizon_days} days"
    if urgent:
        said += f"; first {first.name}, full on {first.full_on or 'an unknown day'} ({first.share:.0%} used)"
    short = [one.name for one in parameters.resources if max(len(one.usage), len(one.daily)) < _FEW]
    return CapacityOutlook(
        summary=said + ".",
        data_used=DataUsed(
            rows=sum(len(one.usage) + len(one.daily) for one in parameters.resources), fields=["usage", "limit"]
        ),
        missing=[f"more days of {name}: {_FEW} at least" for name in short[:20]],
        resources=found,
    )


def _outlook(one: CapacityResource, parameters: Capacity) -> ResourceOutlook:
    if one.usage:
        series = regular([(row.date, row.value) for row in one.usage], step="day", gap="between")
        values, last = series.values, series.days[-1]
    else:
        values, last = np.array(one.daily, dtype=float), parameters.as_of
    period = find_season(values, (7, 30)) if len(values) >= _FEW else 1
    parts = seasonal_parts(values, period)
    plain = values - np.resize(parts, len(values))
    used = float(values[-1])
    level, slopes, noise, note = _trend(plain)
    peak = float(parts.max()) if period > 1 else 0.0
    dice = np.random.default_rng(_SEED)
    drawn = dice.normal(slopes[0], slopes[1], _DRAWS) if slopes[1] > 0 else np.full(_DRAWS, slopes[0])
    starts = level + dice.normal(0, noise / math.sqrt(max(len(plain), 1)), _DRAWS)
    full = _days_to(one.limit - peak, starts, drawn)
    warn = _days_to(one.limit * parameters.warn_at - peak, starts, drawn)
    already = used >= one.limit
    risk = 1.0 if already else float((full <= parameters.horizon_days).mean())
    at_end = starts + drawn * parameters.horizon_days + peak + 1.28 * noise
    wanted = max(float(np.quantile(at_end, 0.95)), used) / (1 - parameters.headroom)
    add = max(0.0, wanted - one.limit)
    middle = float(np.median(full))
    first_warn = float(np.median(warn))
    return ResourceOutlook(
        name=one.name, used=used, share=used / one.limit, growth_a_day=slopes[0],
        warns_on=last if used >= one.limit * parameters.warn_at else _day(last, first_warn),
        full_on=last if already else _day(last, middle),
        full_earliest=last if already else _day(last, float(np.quantile(full, 0.05))),
        full_latest=last if already else _day(last, float(np.quantile(full, 0.95))),
        risk=risk, wanted_limit=wanted, add=add, cost_a_month=None if one.unit_cost is None else add * one.unit_cost,
        level=_level(already, risk, middle, used / one.limit, parameters), note=note,
    )  # fmt: skip


def _trend(values: Floats) -> tuple[float, tuple[float, float], float, str]:
    """The level now, the slope with its deviation, the noise, and what to say about them."""
    if len(values) < 3:
        return float(values[-1]), (0.0, 0.0), 0.0, "too few values to see a trend"
    pieces = find_changes(values)
    recent, note = values, ""
    if pieces.changes:
        place = pieces.changes[-1].place
        if len(values) - place >= 7:
            recent = values[place:]
            note = f"by the {len(recent)} days since the last change"
        else:
            note = "changed only days ago: the trend before that is used"
    trend = trend_of(recent)
    at = np.arange(len(recent))
    level = float(np.median(recent - trend.slope * at)) + trend.slope * (len(recent) - 1)
    if pieces.changes and recent is values:  # the change itself is real, its trend is not known yet
        level = float(np.median(values[pieces.changes[-1].place :]))
    left = recent - np.median(recent - trend.slope * at) - trend.slope * at
    noise = 1.4826 * float(np.median(np.abs(left)))
    deviation = (trend.high - trend.low) / (2 * 1.96)
    if len(values) < _FEW:
        note = "few values: a guess"
        deviation = max(deviation, noise / len(values))
    return level, (trend.slope, deviation), noise, note


def _days_to(height: float, starts: Floats, slopes: Floats) -> Floats:
    """Until each drawn line is there; _NEVER for those that never are."""
    apart = height - starts
    steep = np.maximum(np.maximum(slopes, apart / _NEVER), 1e-300)
    return np.asarray(np.where(apart <= 0, 0.0, np.clip(apart, 0.0, None) / steep))


def _day(last: date, days: float) -> date | None:
    return last + timedelta(days=math.ceil(days)) if days <= _FARTHEST else None


def _level(
    already: bool, risk: float, days: float, share: float, parameters: Capacity
) -> Literal["ok", "soon", "now", "full"]:
    if already:
        return "full"
    if days <= 14 or share >= 0.97:
        return "now"
    return "soon" if risk >= 0.1 or share >= parameters.warn_at else "ok"
