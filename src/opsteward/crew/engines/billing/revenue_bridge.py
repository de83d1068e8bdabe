"""The change of recurring revenue from period to period, taken apart so that the parts add up exactly."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.billing import Bridge, BridgeStep, RevenueBridge, RevenueRow
from opsteward.crew.catalogue.declaring import DataUsed

_MOVERS = 10
_ZERO = Decimal(0)
Sums = Mapping[str, Decimal]


@dataclass(frozen=True)
class _Effects:
    """Why revenue changed where products are told: prices, quantities, products that came and went."""

    price: Decimal
    quantity: Decimal
    products: Decimal


def run(parameters: RevenueBridge) -> Bridge:
    """Raises Invalid for fewer than two periods, or rows of one that `periods` does not name."""
    there = sorted({row.period for row in parameters.rows}, key=_with_numbers)
    periods = list(parameters.periods) or there
    if len(set(periods)) < len(periods):
        raise Invalid.field("periods", "one is named twice", "name each once, in order")
    if unknown := [period for period in there if period not in periods]:
        raise Invalid.field(
            "periods", f"rows are of {unknown[0]!r}, which is not named", "name it, or leave its rows out"
        )
    if len(periods) < 2:
        raise Invalid.field("rows", f"all are of {periods[0]!r}", "a bridge needs two periods")
    steps: list[BridgeStep] = []
    for currency in sorted({row.currency.upper() for row in parameters.rows}):
        rows = [row for row in parameters.rows if row.currency.upper() == currency]
        steps += _steps(currency, rows, periods)
    last, missing, notes = steps[-1], list[str](), list[str]()
    if last.by_price is None:
        missing.append("product, quantity and price of every row: to tell prices from quantities")
    if not parameters.periods:
        notes.append(f"the order of the periods is that of their names: {', '.join(periods[:12])}")
    retention = f"{last.net_retention:.1%}" if last.net_retention is not None else "unknown"
    return Bridge(
        summary=f"{last.before} to {last.after}: {last.opening:,.2f} to {last.closing:,.2f} {last.currency}".rstrip()
        + f" (new {last.new:,.2f}, expansion {last.expansion:,.2f}, contraction {last.contraction:,.2f}, "
        f"lost {last.churned:,.2f}); net retention {retention}.",
        data_used=DataUsed(rows=len(parameters.rows), fields=["customer", "period", "amount", "currency"]),
        missing=missing,
        notes=notes,
        steps=steps,
    )  # fmt: skip


def _with_numbers(name: str) -> list[tuple[int, int, str]]:
    """To sort "2026-10" after "2026-9"."""
    parts = re.findall(r"\d{1,18}|\D+", name)
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]


def _steps(currency: str, rows: Sequence[RevenueRow], periods: Sequence[str]) -> list[BridgeStep]:
    sums: dict[str, defaultdict[str, Decimal]] = {period: defaultdict(Decimal) for period in periods}
    by_period: defaultdict[str, list[RevenueRow]] = defaultdict(list)
    for row in rows:
        sums[row.period][str(row.customer)] += row.value
        by_period[row.period].append(row)
    paid_before: set[str] = set()
    found = []
    for before, after in itertools.pairwise(periods):
        paid_before |= {customer for customer, amount in sums[before].items() if amount > 0}
        effects = _effects(by_period[before], by_period[after])
        found.append(_step(currency, (before, after), (sums[before], sums[after]), paid_before, effects))
    return found


def _step(
    currency: str, names: tuple[str, str], sums: tuple[Sums, Sums], paid_before: set[str], effects: _Effects | None
) -> BridgeStep:
    parts = dict.fromkeys(("new", "reactivated", "expansion", "contraction", "churned"), _ZERO)
    moved: list[tuple[Decimal, str, str]] = []
    lost = 0
    for customer in sums[0].keys() | sums[1].keys():
        was, now = sums[0].get(customer, _ZERO), sums[1].get(customer, _ZERO)
        change = now - was
        if not change:
            continue
        if was <= 0 < now:
            part = "reactivated" if customer in paid_before else "new"
        elif now <= 0 < was:
            part, lost = "churned", lost + 1
        else:
            part = "expansion" if change > 0 else "contraction"
        parts[part] += change
        moved.append((change, customer, part))
    moved.sort(key=lambda one: (-abs(one[0]), one[1]))
    opening, closing = sum(sums[0].values(), _ZERO), sum(sums[1].values(), _ZERO)
    kept = opening + parts["contraction"] + parts["churned"]
    return BridgeStep(
        currency=currency, before=names[0], after=names[1], opening=float(opening), closing=float(closing),
        **{name: float(value) for name, value in parts.items()},
        net_retention=float((kept + parts["expansion"]) / opening) if opening > 0 else None,
        gross_retention=float(kept / opening) if opening > 0 else None,
        customers_before=sum(amount > 0 for amount in sums[0].values()),
        customers_after=sum(amount > 0 for amount in sums[1].values()),
        customers_lost=lost,
        movers=[f"{customer}: {change:+,.2f} ({part})" for change, customer, part in moved[:_MOVERS]],
        by_price=float(effects.price) if effects else None,
        by_quantity=float(effects.quantity) if effects else None,
        by_products=float(effects.products) if effects else None,
    )  # fmt: skip


def _effects(before: Sequence[RevenueRow], after: Sequence[RevenueRow]) -> _Effects | None:
    """By customer and product: quantity at the old price, then price at the new quantity."""
    rows = [*before, *after]
    if not before or not after or any(row.quantity is None or not row.product for row in rows):
        return None
    old, new = _by_product(before), _by_product(after)
    price = quantity = products = _ZERO
    for key in old.keys() | new.keys():
        (count, value), (new_count, new_value) = old.get(key, (_ZERO, _ZERO)), new.get(key, (_ZERO, _ZERO))
        if not count or not new_count:
            products += new_value - value
            continue
        moved = (new_count - count) * value / count
        quantity += moved
        price += new_value - value - moved
    return _Effects(price, quantity, products)


def _by_product(rows: Sequence[RevenueRow]) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    found: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for row in rows:
        key = (str(row.customer), row.product)
        count, value = found.get(key, (_ZERO, _ZERO))
        found[key] = (count + (row.quantity or _ZERO), value + row.value)
    return found
