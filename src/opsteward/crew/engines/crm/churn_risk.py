"""The risk that customers leave: learned from those who left, from their purchases, or from plain signals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.crm import ChurnCustomer, ChurnRisk, ChurnRisks, CustomerRisk, PurchaseModel
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.arrays import np
from opsteward.crew.engines.learning.outcomes import MIN_OF_EACH, OutcomeModel, learnable
from opsteward.crew.engines.learning.purchases import fit_purchases
from opsteward.crew.engines.learning.tables import number_of

_BLOCK = 2000  # customers
#: Signals for when nothing can be learned: words of a field, the value at which it halves its innocence, its weight.
_SIGNALS = (
    (("days_since", "inactive_days"), 30.0, 1.0),
    (("support_tickets", "tickets", "complaints"), 4.0, 0.7),
    (("failed_payments", "overdue"), 1.0, 0.8),
    (("usage_decline", "decline"), 30.0, 0.8),
)
_IN_FAVOUR = (("engagement_score", 100.0), ("nps", 10.0), ("satisfaction", 10.0))


def run(parameters: ChurnRisk) -> ChurnRisks:
    """Raises Invalid when customers of both kinds of question are missing, or a time lies before another."""
    history = [one for one in parameters.customers if one.churned is not None]
    asked = [one for one in parameters.customers if one.churned is None]
    notes: list[str] = []
    if not asked:
        asked = [one for one in history if not one.churned] or history
        notes.append("every customer has `churned`: the risks are of those who have not left")
    left = sum(bool(one.churned) for one in history)
    if min(left, len(history) - left) >= MIN_OF_EACH:
        found = _learned(history, asked, parameters, notes)
        if found is not None:
            return found
    elif history:
        notes.append(f"{left} left and {len(history) - left} stayed: {MIN_OF_EACH} of each are needed to learn from")
    return _by_purchases(parameters, asked, notes) or _by_signals(parameters, asked, notes)


def _learned(
    history: Sequence[ChurnCustomer], asked: Sequence[ChurnCustomer], parameters: ChurnRisk, notes: list[str]
) -> ChurnRisks | None:
    chosen = learnable(history)
    rows = [_fields(one) for one in chosen]
    fields = list(dict.fromkeys(field for row in rows for field in row))
    model = OutcomeModel(rows, [bool(one.churned) for one in chosen], fields)
    if not model.table.columns:
        notes.append("no field varies: nothing to learn from")
        return None
    if left_out := list(model.table.left_out.items())[:10]:
        notes.append("left out: " + ", ".join(f"{name} ({why})" for name, why in left_out))
    risks: list[CustomerRisk] = []
    for start in range(0, len(asked), _BLOCK):  # the fields of all at once would fill the memory
        block = asked[start : start + _BLOCK]
        ours = [_fields(one) for one in block]
        chances, parts = model.probabilities(ours), model.contributions(ours)
        for number, (one, row, chance, sums) in enumerate(zip(block, ours, chances, parts, strict=True), start + 1):
            top = sorted(((part, field) for field, part in sums.items() if part > 0.05), reverse=True)[:3]
            reasons = [
                f"{field} {row.get(field)!s:.60}: odds {math.exp(min(part, 50)):.1f} times" for part, field in top
            ]
            risks.append(_risk(one, number, float(chance), reasons, base=model.base_rate))
    importance = {field: round(share, 4) for field, share in list(model.importance().items())[:20]}
    return _result(
        parameters, risks, notes, "learned", model.table.fields, len(history) + len(asked),
        auc=model.measure.auc, lift=model.measure.lift_at_10, importance=importance,
    )  # fmt: skip


def _by_purchases(parameters: ChurnRisk, asked: Sequence[ChurnCustomer], notes: list[str]) -> ChurnRisks | None:
    told = [
        (one, float(one.frequency), float(one.recency), float(one.age))
        for one in asked
        if one.frequency is not None and one.recency is not None and one.age is not None
    ]
    for place, (_, _, last, whole) in enumerate(told):
        if last > whole:
            raise Invalid.field(
                f"customers.{place}.recency", f"the last purchase ({last:g}) lies after today ({whole:g})",
                "recency is the time from the first purchase to the last, age from the first to now",
            )  # fmt: skip
    if not told or len(told) < len(asked) / 2:
        return None
    numbers = np.array([row[1:] for row in told])
    frequency, recency, age = numbers[:, 0], numbers[:, 1], numbers[:, 2]
    fit = fit_purchases(frequency.tolist(), recency.tolist(), age.tolist())
    if fit is None:
        notes.append("too few repeat purchases to fit a model of purchases")
        return None
    if len(told) < len(asked):
        notes.append(f"{len(asked) - len(told)} customers without frequency, recency and age were left out")
    alive = fit.alive(frequency, recency, age)
    more = fit.expected(frequency, recency, age, parameters.horizon)
    risks = []
    for number, ((one, x, t, whole), chance, soon) in enumerate(zip(told, alive, more, strict=True), 1):
        reasons = [f"{x:g} repeat purchases, the last one {whole - t:g} ago"]
        if x:
            reasons.append(f"bought every {max(t, 1e-9) / x:.3g} before")
        risks.append(_risk(one, number, 1 - float(chance), reasons, purchases=float(soon)))
    model = PurchaseModel(r=fit.r, alpha=fit.alpha, a=fit.a, b=fit.b, log_likelihood=fit.log_likelihood)
    fields = ["frequency", "recency", "age"]
    return _result(parameters, risks, notes, "purchases", fields, len(told), model=model)


def _by_signals(parameters: ChurnRisk, asked: Sequence[ChurnCustomer], notes: list[str]) -> ChurnRisks:
    notes.append("by plain signals, not measured on customers of yours: send some with `churned` to learn from")
    risks, used = [], set[str]()
    for number, one in enumerate(asked, 1):
        against, reasons, seen = 0.0, list[str](), False
        for field, value in _fields(one).items():
            said = number_of(value)
            if said is None:
                continue
            for words, half, weight in _SIGNALS:
                if any(word in field.lower() for word in words) and said >= 0:
                    part = weight * (1 - 0.5 ** (said / half))
                    seen, against = True, 1 - (1 - against) * (1 - part)
                    used.add(field)
                    if part >= 0.3:
                        reasons.append(f"{field} {said:g}")
            for word, whole in _IN_FAVOUR:
                if word in field.lower():
                    part = 0.6 * (1 - min(max(said / whole, 0.0), 1.0))
                    seen, against = True, 1 - (1 - against) * (1 - part)
                    used.add(field)
                    if part >= 0.3:
                        reasons.append(f"{field} {said:g} of {whole:g}")
        risks.append(
            _risk(one, number, against if seen else 0.5, reasons or ["nothing is known" if not seen else "no sign"])
        )
    return _result(parameters, risks, notes, "signals", sorted(used), len(asked))


def _result(
    parameters: ChurnRisk,
    risks: list[CustomerRisk],
    notes: list[str],
    method: Literal["learned", "purchases", "signals"],
    fields: list[str],
    rows: int,
    *,
    auc: float | None = None,
    lift: float | None = None,
    importance: dict[str, float] | None = None,
    model: PurchaseModel | None = None,
) -> ChurnRisks:
    risks.sort(key=lambda one: -one.risk)
    losses = sum(one.risk for one in risks)
    high = sum(one.level == "high" for one in risks)
    missing = []
    if method != "learned":
        missing.append(f"customers with `churned`, at least {MIN_OF_EACH} who left and {MIN_OF_EACH} who stayed")
    if method == "signals":
        missing.append("frequency, recency and age of purchases")
    said = {
        "learned": f"learned from past customers (AUC {auc or 0:.3f})",
        "purchases": "from their purchases",
        "signals": "by plain signals",
    }
    return ChurnRisks(
        summary=f"{high} of {len(risks)} customers are at high risk, {said[method]}; {losses:.0f} losses are expected.",
        data_used=DataUsed(rows=rows, fields=fields),
        missing=missing,
        notes=notes,
        method=method,
        auc=auc,
        lift_at_10=lift,
        importance=importance or {},
        purchase_model=model,
        customers=risks[: parameters.top],
        expected_losses=losses,
    )


def _risk(
    one: ChurnCustomer,
    number: int,
    risk: float,
    reasons: list[str],
    *,
    base: float = 0.25,
    purchases: float | None = None,
) -> CustomerRisk:
    risk = min(max(risk, 0.0), 1.0)
    level: Literal["low", "medium", "high"] = (
        "high" if risk >= max(0.5, min(2 * base, 0.8)) else "medium" if risk >= base else "low"
    )
    name = str(one.customer_id) if one.customer_id is not None else f"customer {number}"
    return CustomerRisk(customer=name, risk=risk, level=level, expected_purchases=purchases, reasons=reasons)


def _fields(one: ChurnCustomer) -> dict[str, Any]:
    row = one.model_dump(exclude={"customer_id", "churned"})
    return {name: value for name, value in row.items() if value is not None}
