"""Odd orders: amounts far from the usual, doubles, bursts, sums that do not add up."""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from opsteward.crew.catalogue.declaring import DataUsed, seconds_of
from opsteward.crew.catalogue.ecommerce import AnomalyOrder, OddOrder, OddOrders, OrderAnomalies
from opsteward.crew.engines.arrays import Floats, np
from opsteward.crew.engines.findings import Findings
from opsteward.crew.engines.usual import distances_from_others, middle_and_spread

_MIN_TO_COMPARE = 12
_MIN_OF_CUSTOMER = 6
_USUAL = 0.05


def run(parameters: OrderAnomalies) -> OddOrders:
    """The oddest first."""
    orders = parameters.orders
    odd = Findings(len(orders))
    _impossible(orders, odd)
    _sums(orders, odd)
    _amounts(orders, parameters.threshold, odd)
    _prices(orders, parameters.threshold, odd)
    missing = []
    if any(order.placed_at is None for order in orders):
        missing.append("placed_at of every order: for doubles and bursts")
    if any(order.customer_id is None for order in orders):
        missing.append("customer_id of every order: to compare with the customer's own")
    _in_time(orders, parameters, odd)
    _countries(orders, odd)
    found = [
        OddOrder(order=_name(orders[place], place), score=round(odd.score(place), 4), reasons=odd.reasons[place],
                 kinds=sorted(set(odd.kinds[place])))
        for place in range(len(orders))
        if odd.reasons[place]
    ]  # fmt: skip
    found.sort(key=lambda one: -one.score)
    by_kind = Counter(kind for one in found for kind in one.kinds)
    return OddOrders(
        summary=f"{len(found)} of {len(orders)} orders are odd"
        + (
            ": " + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in by_kind.most_common())
            if found
            else ""
        )
        + ".",
        data_used=DataUsed(rows=len(orders), fields=["amount", "quantity", "unit_price", "customer_id", "placed_at"]),
        missing=missing,
        notes=[f"the {parameters.top} oddest are listed"] if len(found) > parameters.top else [],
        orders=found[: parameters.top],
        by_kind=dict(by_kind),
    )


def _impossible(orders: Sequence[AnomalyOrder], odd: Findings) -> None:
    seen: dict[str, int] = {}
    for place, order in enumerate(orders):
        if order.amount is not None and order.amount < 0:
            odd.add(place, "negative", 0.7, f"the amount is {order.amount:g}")
        elif order.amount == 0:
            odd.add(place, "free", 0.5, "the amount is 0")
        if order.quantity is not None and order.quantity <= 0:
            odd.add(place, "quantity", 0.7, f"the quantity is {order.quantity:g}")
        if order.order_id is not None:
            name = str(order.order_id)
            if name in seen:
                odd.add(place, "same_number", 0.8, f"order {name} is there twice")
            seen[name] = place


def _sums(orders: Sequence[AnomalyOrder], odd: Findings) -> None:
    """Amount against quantity times price; where most differ (discounts, shipping), their ratio is what is usual."""
    ratios = {
        place: order.amount / (order.quantity * order.unit_price)
        for place, order in enumerate(orders)
        if order.amount is not None and order.quantity and order.unit_price and order.quantity * order.unit_price > 0
    }
    if not ratios:
        return
    usual = float(np.median(list(ratios.values()))) if len(ratios) >= _MIN_TO_COMPARE else 1.0
    wide = float(np.median([abs(ratio - usual) for ratio in ratios.values()])) if len(ratios) >= _MIN_TO_COMPARE else 0
    for place, ratio in ratios.items():
        order = orders[place]
        exact = abs(ratio - 1) * abs((order.quantity or 0) * (order.unit_price or 0)) <= 0.011
        if not exact and abs(ratio - usual) > max(0.02, 6 * 1.4826 * wide):
            reason = f"{order.amount:g} is not {order.quantity:g} times {order.unit_price:g}"
            odd.add(place, "sum", 0.75, reason)


def _amounts(orders: Sequence[AnomalyOrder], threshold: float, odd: Findings) -> None:
    """By logarithm, in one currency: against all orders, and against the customer's own."""
    by_currency: defaultdict[str, list[int]] = defaultdict(list)
    by_customer: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, order in enumerate(orders):
        if order.amount is not None and order.amount > 0:
            by_currency[order.currency.upper()].append(place)
            if order.customer_id is not None:
                by_customer[order.currency.upper(), str(order.customer_id)].append(place)
    for places in by_currency.values():
        logs = _logs(orders, places)
        if len(places) >= _MIN_TO_COMPARE:
            middle, apart = _distances(logs)
            for place, far in zip(places, apart, strict=True):
                if abs(far) > threshold:
                    _tell_amount(odd, orders[place], place, float(far), threshold, math.exp(middle), "usual")
    for (_, customer), places in by_customer.items():
        if len(places) >= _MIN_OF_CUSTOMER:
            logs = _logs(orders, places)
            for place, (middle, far) in zip(places, distances_from_others(logs, 0.15), strict=True):
                if far > threshold and "amount" not in odd.kinds[place]:
                    said = f"usual for customer {customer}"
                    _tell_amount(odd, orders[place], place, far, threshold, math.exp(middle), said)


def _tell_amount(
    odd: Findings, order: AnomalyOrder, place: int, far: float, threshold: float, usual: float, said: str
) -> None:
    sure = min(0.95, 0.4 + 0.1 * (abs(far) - threshold))
    times = (order.amount or 0) / usual
    words = f"{times:.1f} times" if times >= 1 else f"1/{1 / max(times, 1e-12):.0f} of"
    odd.add(place, "amount", sure, f"{order.amount:,.2f} is {words} the {said} {usual:,.2f}")


def _prices(orders: Sequence[AnomalyOrder], threshold: float, odd: Findings) -> None:
    """The same product at quite another price."""
    by_product: defaultdict[str, list[int]] = defaultdict(list)
    for place, order in enumerate(orders):
        product = order.others.get("sku") or order.others.get("product")
        if product is not None and order.unit_price is not None and order.unit_price > 0:
            by_product[str(product)].append(place)
    for product, places in by_product.items():
        if len(places) >= _MIN_OF_CUSTOMER:
            logs = np.log([orders[place].unit_price or 1.0 for place in places])
            middle, spread = middle_and_spread(logs)
            for place, log in zip(places, logs, strict=True):
                if abs(float(log) - middle) > threshold * max(spread, 0.1):
                    usual = math.exp(middle)
                    odd.add(place, "price", 0.7, f"{product} for {orders[place].unit_price:g}, usually {usual:.2f}")


def _in_time(orders: Sequence[AnomalyOrder], parameters: OrderAnomalies, odd: Findings) -> None:
    """The same again within minutes, and too many of one customer in an hour."""
    by_customer: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for place, order in enumerate(orders):
        if isinstance(order.placed_at, datetime) and order.customer_id is not None:
            by_customer[str(order.customer_id)].append((seconds_of(order.placed_at), place))
    bursts: dict[int, str] = {}
    for customer, rows in by_customer.items():
        rows.sort()
        times = [at for at, _ in rows]
        last: dict[tuple[float | None, str], float] = {}
        for at, place in rows:
            order = orders[place]
            key = (order.amount, str(sorted((name, str(value)) for name, value in order.others.items())))
            before = last.get(key)
            if order.amount and before is not None and at - before <= 60 * parameters.double_within_minutes:
                odd.add(place, "double", 0.85, f"the same order of customer {customer} {at - before:.0f} s before")
            last[key] = at
            count = bisect.bisect_right(times, at) - bisect.bisect_left(times, at - 3600)
            if count >= parameters.burst:
                bursts[place] = f"order {count} of customer {customer} within an hour"
    # What a twentieth of all do is usual here.
    if len(bursts) <= max(_USUAL * sum(map(len, by_customer.values())), 2 * parameters.burst):
        for place, reason in bursts.items():
            odd.add(place, "burst", 0.6, reason)


def _countries(orders: Sequence[AnomalyOrder], odd: Findings) -> None:
    """Billed to one country and shipped to another, where that is rare."""
    both = [place for place, order in enumerate(orders) if order.billing_country and order.shipping_country]
    apart = [
        place
        for place in both
        if (orders[place].billing_country or "").strip().lower()
        != (orders[place].shipping_country or "").strip().lower()
    ]
    if both and len(apart) <= 0.05 * len(both):
        for place in apart:
            order = orders[place]
            odd.add(place, "countries", 0.4, f"billed to {order.billing_country}, shipped to {order.shipping_country}")


def _logs(orders: Sequence[AnomalyOrder], places: Sequence[int]) -> Floats:
    return np.log([orders[place].amount or 1.0 for place in places])


def _distances(logs: Floats) -> tuple[float, Floats]:
    """Each from the middle, in deviations of its own side: amounts are rarely even."""
    middle, _ = middle_and_spread(logs)
    above, below = logs[logs >= middle] - middle, middle - logs[logs <= middle]
    up, down = (max(1.4826 * float(np.median(side)), 0.05) if len(side) else 1.0 for side in (above, below))
    return middle, np.asarray(np.where(logs >= middle, (logs - middle) / up, (logs - middle) / down))


def _name(order: AnomalyOrder, place: int) -> str:
    return str(order.order_id) if order.order_id is not None else f"order {place + 1}"
