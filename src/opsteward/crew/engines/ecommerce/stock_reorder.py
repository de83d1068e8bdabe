"""What to order again: demand over the lead time, its spread, and what is there."""

from __future__ import annotations

import math
from datetime import date, timedelta
from statistics import NormalDist

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.catalogue.ecommerce import ReorderLine, ReorderPlan, StockItem, StockReorder
from opsteward.crew.engines.arrays import np

_RARE = 0.3  # share of days without demand
_MAX_QUANTITY = 10**12


def run(parameters: StockReorder) -> ReorderPlan:
    """The most urgent first; within the budget where there is one."""
    skus = [item.sku for item in parameters.items]
    if len(set(skus)) < len(skus):
        double = next(sku for sku in skus if skus.count(sku) > 1)
        raise Invalid.field("items", f"{double!r} is there twice", "send each sku once")
    lines = [_line(item, parameters) for item in parameters.items]
    lines.sort(key=lambda line: (not line.order_now, -line.stockout_risk, line.days_of_cover or math.inf))
    notes: list[str] = []
    missing = sorted({f"unit_cost of {item.sku}" for item in parameters.items if item.unit_cost is None})[:20]
    short = [item.sku for item in parameters.items if item.daily_demand and len(item.daily_demand) < 14]
    if short:
        notes.append(f"less than two weeks of demand for {', '.join(short[:10])}: their spread is a guess")
    if parameters.budget is not None:
        lines = _within(lines, parameters.budget, notes)
    now = [line for line in lines if line.order_now]
    costs = [line.cost for line in now]
    total = None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs)
    first = f", first {now[0].sku} ({now[0].quantity})" if now else ""
    return ReorderPlan(
        summary=f"{len(now)} of {len(lines)} items are to be ordered now{first}.",
        data_used=DataUsed(rows=len(lines), fields=["on_hand", "on_order", "daily_demand", "lead_time_days"]),
        missing=missing,
        notes=notes,
        lines=lines,
        total_cost=total,
    )


def _line(item: StockItem, parameters: StockReorder) -> ReorderLine:
    history = np.array(item.daily_demand, dtype=float)
    mean = item.mean_daily_demand if item.mean_daily_demand is not None else float(history.mean())
    deviation = item.demand_deviation
    if deviation is None:
        # Of a mean alone: as of orders that come by chance.
        deviation = float(history.std(ddof=1)) if len(history) > 1 else math.sqrt(max(mean, 0.0))
    available = item.on_hand + item.on_order - item.reserved
    days = item.lead_time_days + parameters.review_days
    spread = math.sqrt(days * deviation**2 + (mean * item.lead_time_deviation) ** 2)
    expected = mean * days
    rare = len(history) >= 28 and mean > 0 and float((history == 0).mean()) > _RARE
    z = NormalDist().inv_cdf(parameters.service_level)
    level = _skewed_level(expected, spread, z) if rare else expected + z * spread
    risk = _risk(item, mean, deviation, item.on_hand - item.reserved)
    cover = (item.on_hand - item.reserved) / mean if mean > 0 else None
    order_now = mean > 0 and available <= level
    quantity = _quantity(item, level + mean * parameters.review_days - available) if order_now else 0
    if quantity == 0:
        order_now = False
    empty = None
    if cover is not None and max(cover, 0) < 3650:
        empty = parameters.as_of + timedelta(days=max(0, math.floor(cover)))
    return ReorderLine(
        sku=item.sku, order_now=order_now, quantity=quantity,
        cost=None if item.unit_cost is None else item.unit_cost * quantity,
        reorder_point=level, safety_stock=max(0.0, level - expected), available=available,
        days_of_cover=cover, empty_on=empty, stockout_risk=risk,
        reason=_reason(item, mean, level, available, order_now, empty),
    )  # fmt: skip


def _skewed_level(mean: float, spread: float, z: float) -> float:
    """What rare demand, which is no bell curve, stays below: of a gamma distribution, by Wilson and Hilferty."""
    if mean <= 0 or spread <= 0:
        return mean
    shape = (mean / spread) ** 2
    root = 1 - 1 / (9 * shape) + z / (3 * math.sqrt(shape))
    return max(mean, mean * max(root, 0.0) ** 3)


def _risk(item: StockItem, mean: float, deviation: float, there: float) -> float:
    """Of being empty before an order of today arrives."""
    expected = mean * item.lead_time_days
    spread = math.sqrt(item.lead_time_days * deviation**2 + (mean * item.lead_time_deviation) ** 2)
    if spread <= 0:
        return 1.0 if expected > there else 0.0
    return 1 - NormalDist().cdf((there - expected) / spread)


def _quantity(item: StockItem, wanted: float) -> int:
    packs = math.ceil(max(wanted, item.min_order, 1) / item.pack_size)
    quantity = packs * item.pack_size
    if quantity > _MAX_QUANTITY:
        raise Invalid.field("items", f"{item.sku}: {quantity:g} would have to be ordered", "check its demand")
    return quantity


def _reason(item: StockItem, mean: float, level: float, available: float, now: bool, empty: date | None) -> str:
    if mean <= 0:
        return "nothing is asked for"
    said = f"{available:g} available, the reorder point is {level:.1f}"
    if not now:
        return f"enough: {said}"
    when = f"; at {mean:.3g} a day the shelf is empty on {empty}" if empty else ""
    return f"{said}{when}"


def _within(lines: list[ReorderLine], budget: float, notes: list[str]) -> list[ReorderLine]:
    """The most urgent that the budget pays for; packs are not split."""
    left, made, dropped = budget, [], []
    for line in lines:
        if line.order_now and line.cost is not None:
            if line.cost > left:
                dropped.append(line.sku)
                made.append(
                    line.model_copy(update={"order_now": False, "quantity": 0, "cost": 0.0,
                                            "reason": f"beyond the budget: {line.reason}"})
                )  # fmt: skip
                continue
            left -= line.cost
        made.append(line)
    if dropped:
        notes.append(f"the budget of {budget:,.2f} leaves out {', '.join(dropped[:20])}")
    return made
