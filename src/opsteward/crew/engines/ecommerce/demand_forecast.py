"""Demand of each product, step by step."""

from __future__ import annotations

import math

from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.catalogue.ecommerce import DemandForecast, DemandForecasts, DemandPoint, ProductForecast
from opsteward.crew.engines.arrays import Floats, np
from opsteward.crew.engines.series.forecasting import forecast
from opsteward.crew.engines.series.regular import SEASONS, Regular, regular, start_of, step_of
from opsteward.crew.engines.series.seasons import find_season

_MAX_PRODUCTS = 200
_RARE = 0.5  # share of steps without demand from which only its mean can be foretold


def run(parameters: DemandForecast) -> DemandForecasts:
    """The largest products first; beyond 200 the rest is one."""
    notes: list[str] = []
    step = parameters.step or step_of([one.date for one in parameters.history])
    totals: dict[str, float] = {}
    for one in parameters.history:
        totals[one.product] = totals.get(one.product, 0.0) + one.quantity
    kept = sorted(totals, key=lambda name: (-totals[name], name))[:_MAX_PRODUCTS]
    if len(kept) < len(totals):
        notes.append(f"{len(totals) - len(kept)} small products were left out: at most {_MAX_PRODUCTS} at once")
    rows = {name: [(one.date, one.quantity) for one in parameters.history if one.product == name] for name in kept[:1]}
    if len(kept) > 1:
        rows = {name: [] for name in kept}
        for one in parameters.history:
            if one.product in rows:
                rows[one.product].append((one.date, one.quantity))
    last = start_of(max(one.date for one in parameters.history), step)
    products, gaps = [], 0
    for name in kept:
        mine = rows[name]
        if parameters.gaps == "zero" and start_of(max(day for day, _ in mine), step) < last:
            mine = [*mine, (last, 0.0)]  # sold before, not any more
        series = regular(mine, step=step, gap=parameters.gaps)
        gaps += series.gaps
        products.append(_product(name, series, parameters))
    if gaps and parameters.gaps == "zero":
        notes.append(f"{gaps} {step}s had no row and count as no sales")
    whole = sum(one.total for one in products)
    return DemandForecasts(
        summary=f"{whole:,.0f} expected in the next {parameters.horizon} {step}s over {len(products)} "
        f"product{'s' if len(products) != 1 else ''}.",
        data_used=DataUsed(rows=len(parameters.history), fields=["date", "quantity", "product"]),
        notes=notes,
        missing=["two whole seasons of history, to tell a season"]
        if any(one.season_length == 1 for one in products) and step != "year"
        else [],
        step=step,
        products=products,
    )


def _product(name: str, series: Regular, parameters: DemandForecast) -> ProductForecast:
    values, note = series.values, ""
    period = parameters.season_length or find_season(values, SEASONS[series.step])
    if parameters.season_length and len(values) < 2 * parameters.season_length:
        note = f"{len(values)} {series.step}s are less than two seasons of {parameters.season_length}: taken without"
        period = 1
    if len(values) < 2:
        guess = np.full(parameters.horizon, float(values[0]))
        low, high, methods, error = np.zeros_like(guess), 2 * guess, {"the only value": 1.0}, None
        note = "one value is no history"
    elif float((values == 0).mean()) > _RARE:
        guess, spread = _rare(values, parameters.horizon)
        low, high, methods, error = np.zeros_like(guess), guess + spread, {"Croston, corrected": 1.0}, None
        note, period = "asked for rarely: the mean is foretold, and not when", 1
    else:
        found = forecast(values, parameters.horizon, period, level=parameters.interval)
        guess, low, high = found.values, found.low, found.high
        methods, error = found.shares, found.relative_error
    if float(values.min()) >= 0:  # nothing below none is sold
        guess, low, high = np.maximum(guess, 0), np.maximum(low, 0), np.maximum(high, 0)
    points = [
        DemandPoint(date=series.after(number), quantity=float(one), low=float(below), high=float(above))
        for number, (one, below, above) in enumerate(zip(guess, low, high, strict=True), 1)
    ]
    return ProductForecast(
        product=name, points=points, total=float(guess.sum()), season_length=period, methods=methods,
        relative_error=error if error is None or math.isfinite(error) else None, note=note,
    )  # fmt: skip


def _rare(values: Floats, horizon: int) -> tuple[Floats, float]:
    """Croston's size and interval, with Syntetos and Boylan's correction; the spread of single steps."""
    asked = np.flatnonzero(values)
    if not len(asked):
        return np.zeros(horizon), 0.0
    rate, size, gap, last = 0.1, float(values[asked].mean()), len(values) / len(asked), int(asked[0])
    for place in asked[1:]:
        size += rate * (float(values[place]) - size)
        gap += rate * (int(place) - last - gap)
        last = int(place)
    # Not asked for longer than ever before: it may not come back.
    since = len(values) - 1 - last
    return np.full(horizon, (1 - rate / 2) * size / max(gap, since / 2, 1.0)), 1.3 * float(values.std())
