"""A series' trend, changes and outliers."""

from __future__ import annotations

from datetime import date
from typing import Literal

from opsteward.crew.catalogue.analytics import ChangePoint, TrendChanges, TrendOutlier, TrendReport
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.arrays import Floats, np
from opsteward.crew.engines.series.change_points import Change, find_changes
from opsteward.crew.engines.series.regular import SEASONS, Regular, regular
from opsteward.crew.engines.series.seasons import find_season, without_season
from opsteward.crew.engines.series.trends import Trend, trend_of

Direction = Literal["rising", "falling", "steady"]
_SURE = 0.05
_BARE_SEASONS = (7, 12, 24, 4, 52, 30)


def run(parameters: TrendChanges) -> TrendReport:
    """With fewer than 8 values only the trend."""
    notes: list[str] = []
    dated: Regular | None = None
    if parameters.series:
        dated = regular([(one.date, one.value) for one in parameters.series], step=parameters.step, gap=parameters.gaps)
        values, seasons = dated.values, SEASONS[dated.step]
        if dated.gaps:
            filled = "as 0" if parameters.gaps == "zero" else "on the line between their neighbours"
            notes.append(f"{dated.gaps} {dated.step}s without a row were taken {filled}")
    else:
        values, seasons = np.array(parameters.values, dtype=float), _BARE_SEASONS
    period = parameters.season_length or find_season(values, seasons)
    if period > 1 and len(values) < 2 * period:
        notes.append(f"less than two seasons of {period}: taken without")
        period = 1
    plain = without_season(values, period)
    pieces = find_changes(plain)
    whole, recent_from = _trend(plain), pieces.changes[-1].place if pieces.changes else 0
    recent = _trend(plain[recent_from:])
    changes = [_told(change, pieces.sloped, dated) for change in pieces.changes]
    direction, now = _direction(whole), _direction(recent)
    if len(values) < 16:
        notes.append(f"{len(values)} values are few: only strong changes can be seen")
    return TrendReport(
        summary=_summary(direction, whole, changes, now, dated),
        data_used=DataUsed(
            rows=len(parameters.series) or len(values), fields=["date", "value"] if dated else ["values"]
        ),
        notes=notes,
        direction=direction,
        slope=whole.slope,
        slope_low=whole.low,
        slope_high=whole.high,
        p_value=whole.p_value,
        recent_direction=now,
        recent_slope=recent.slope,
        season_length=period,
        noise=pieces.noise,
        changes=changes,
        outliers=[
            TrendOutlier(place=place, date=dated.days[place] if dated else None, value=float(values[place]))
            for place in pieces.outliers
        ],
    )


def _trend(values: Floats) -> Trend:
    if len(values) < 3:
        slope = float(values[-1] - values[0]) if len(values) > 1 else 0.0
        return Trend(slope, slope, slope, 1.0)
    return trend_of(values)


def _direction(trend: Trend) -> Direction:
    if trend.p_value > _SURE or trend.slope == 0:
        return "steady"
    return "rising" if trend.slope > 0 else "falling"


def _told(change: Change, sloped: bool, dated: Regular | None) -> ChangePoint:
    apart = change.after - change.before
    steeper = abs(change.slope_after - change.slope_before)
    kind: Literal["level", "slope"] = "slope" if sloped and steeper * 4 > abs(apart) else "level"
    if kind == "slope":
        before, after = change.slope_before, change.slope_after
    else:
        before, after = change.before, change.after
    return ChangePoint(
        place=change.place, date=dated.days[change.place] if dated else None, kind=kind, before=before, after=after,
        change=after - before, change_percent=100 * (after - before) / abs(before) if before else None,
        strength=change.strength,
    )  # fmt: skip


def _summary(
    direction: Direction, whole: Trend, changes: list[ChangePoint], now: Direction, dated: Regular | None
) -> str:
    step = dated.step if dated else "step"
    said = f"{direction.capitalize()}"
    if direction != "steady":
        said += f" by {abs(whole.slope):.4g} a {step}"
    if not changes:
        return f"{said}, without a change of level or slope."
    last = changes[-1]
    when: date | int = last.date or last.place
    became = f"{last.kind} {last.before:.4g} to {last.after:.4g}"
    return f"{said}; changes: {len(changes)}, the last on {when} ({became}), {now} since."
