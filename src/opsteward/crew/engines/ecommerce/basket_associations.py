"""Items that are bought together: pairs, and pairs with a third, each tested against chance."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.catalogue.ecommerce import BasketAssociations, BasketRule, BasketRules

_MAX_ITEMS = 2000  # of the commonest; pairs of others are too rare to be told from chance
_MAX_IN_ORDER = 60
_MAX_SETS = 300_000


def run(parameters: BasketAssociations) -> BasketRules:
    """Rules that hold beyond chance, the surest gain first."""
    notes: list[str] = []
    orders = [frozenset(item.strip() for item in order.items if item.strip()) for order in parameters.orders]
    empty = sum(not order for order in orders)
    if empty:
        notes.append(f"{empty} orders without items were left out")
        orders = [order for order in orders if order]
    least = parameters.min_orders or max(3, math.ceil(0.001 * len(orders)))
    singles = Counter(item for order in orders for item in order)
    common = {item for item, count in singles.most_common(_MAX_ITEMS) if count >= least}
    kept = [sorted(order & common, key=lambda item: (-singles[item], item)) for order in orders]
    if longest := sum(len(order) > _MAX_IN_ORDER for order in kept):
        notes.append(f"of {longest} very large orders only the {_MAX_IN_ORDER} commonest items count")
        kept = [order[:_MAX_IN_ORDER] for order in kept]
    pairs = _counted(kept, 2, least)
    triples = _counted(_inside(kept, pairs), 3, least)
    tested = list(_rules(singles, pairs, triples, len(orders)))
    held = _beyond_chance(tested, parameters.max_false)
    rules = [rule for rule in held if rule.lift > 1 and rule.confidence >= parameters.min_confidence]
    rules = _without_the_idle(rules)
    # A small lift on many orders gives more than a great one on three.
    rules.sort(key=lambda rule: -(rule.orders - rule.orders / rule.lift))
    said = f"{rules[0].then} with {' and '.join(rules[0].given)} ({rules[0].lift:.1f} times as often)" if rules else ""
    return BasketRules(
        summary=f"{len(rules)} rules hold beyond chance in {len(orders)} orders; first: {said}."
        if rules
        else f"No items are bought together beyond chance in {len(orders)} orders.",
        data_used=DataUsed(rows=len(orders), fields=["items"]),
        missing=[] if len(orders) >= 200 else ["more orders: few rules can be told from chance in so few"],
        notes=notes,
        rules=rules[: parameters.top],
        items=len(singles),
        min_orders=least,
    )


def _counted(orders: Iterable[Sequence[str]], size: int, least: int) -> dict[tuple[str, ...], int]:
    counts: Counter[tuple[str, ...]] = Counter()
    for order in orders:
        counts.update(itertools.combinations(order, size))
        if len(counts) > _MAX_SETS:  # what came once by now is what goes first
            counts = Counter({items: count for items, count in counts.items() if count > 1})
    return {items: count for items, count in counts.items() if count >= least}


def _inside(orders: Sequence[Sequence[str]], pairs: dict[tuple[str, ...], int]) -> Iterable[list[str]]:
    """Orders with those items alone that are in a common pair: no common triple has others."""
    there = {item for pair in pairs for item in pair}
    for order in orders:
        yield [item for item in order if item in there][:25]


def _rules(
    singles: Counter[str], pairs: dict[tuple[str, ...], int], triples: dict[tuple[str, ...], int], whole: int
) -> Iterable[BasketRule]:
    for items, count in (*pairs.items(), *triples.items()):
        for then in items:
            given = tuple(item for item in items if item != then)
            before = singles[given[0]] if len(given) == 1 else pairs.get(given, 0)
            if not before:
                continue
            confidence, base = count / before, singles[then] / whole
            if len(given) == 1:
                chance = _chance(whole, singles[then], before, count)
            else:  # beside what the better one of both says alone: else each pair would come back with any third
                alone = [pairs.get(tuple(i for i in items if i in (one, then)), 0) / singles[one] for one in given]
                chance = _binomial(before, max(*alone, base), count)
            yield BasketRule(
                given=list(given), then=then, orders=count, support=count / whole, confidence=confidence,
                lift=confidence / base, p_value=chance,
            )  # fmt: skip


def _binomial(tries: int, chance: float, hits: int) -> float:
    """So many hits or more."""
    if chance >= 1 or hits <= tries * chance:
        return 1.0
    log = _choose(tries, hits) + hits * math.log(chance) + (tries - hits) * math.log1p(-chance)
    term = whole = 1.0
    for count in range(hits, tries):
        term *= (tries - count) / (count + 1) * chance / (1 - chance)
        whole += term
        if term < 1e-12 * whole:
            break
    return min(1.0, math.exp(min(0.0, log + math.log(whole))))


def _chance(whole: int, marked: int, drawn: int, hits: int) -> float:
    """The hypergeometric tail: so many hits or more when `drawn` of `whole` are drawn and `marked` are marked."""
    if hits <= drawn * marked / whole:
        return 1.0
    log = (
        _choose(marked, hits) + _choose(whole - marked, drawn - hits) - _choose(whole, drawn)
        if drawn - hits <= whole - marked
        else -math.inf
    )
    term = whole_sum = 1.0
    for count in range(hits, min(marked, drawn)):
        term *= (marked - count) * (drawn - count) / ((count + 1) * (whole - marked - drawn + count + 1))
        whole_sum += term
        if term < 1e-12 * whole_sum:
            break
    return min(1.0, math.exp(min(0.0, log + math.log(whole_sum))))


def _choose(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)


def _beyond_chance(rules: list[BasketRule], max_false: float) -> list[BasketRule]:
    """Benjamini and Hochberg: at most this share of what is kept is an accident."""
    ordered = sorted(rules, key=lambda rule: rule.p_value)
    kept = 0
    for place, rule in enumerate(ordered, 1):
        if rule.p_value <= max_false * place / len(ordered):
            kept = place
    return ordered[:kept]


def _without_the_idle(rules: list[BasketRule]) -> list[BasketRule]:
    """A third item that adds nothing to a pair's rule only repeats it."""
    pairs = {(rule.given[0], rule.then): rule.confidence for rule in rules if len(rule.given) == 1}
    return [
        rule
        for rule in rules
        if len(rule.given) == 1
        or rule.confidence > 1.2 * max((pairs.get((item, rule.then), 0.0) for item in rule.given), default=0.0)
    ]
