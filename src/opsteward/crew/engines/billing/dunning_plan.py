"""Who is reminded of what and when: no step is skipped, none comes too soon, one message for each customer and day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from opsteward.crew.catalogue.billing import DunnedInvoice, Dunning, DunningAction, DunningPlan, LeftAlone
from opsteward.crew.catalogue.declaring import DataUsed

_MAX_ACTIONS = 20_000


def run(parameters: DunningPlan) -> Dunning:
    """The next days first, then the largest sums."""
    notes: list[str] = []
    left_alone: list[LeftAlone] = []
    turns: defaultdict[tuple[date, str, str], list[tuple[int, DunnedInvoice]]] = defaultdict(list)
    credit = _credits(parameters)
    for invoice in parameters.invoices:
        reason = _reason_to_leave(invoice, parameters)
        if reason:
            left_alone.append(
                LeftAlone(invoice=str(invoice.invoice_id), customer=str(invoice.customer),
                          open=float(invoice.amount - invoice.paid), reason=reason)
            )  # fmt: skip
            continue
        for day, step in _turns(invoice, parameters):
            turns[day, str(invoice.customer), invoice.currency.upper()].append((step, invoice))
    actions = [_action(key, due, parameters, credit) for key, due in turns.items()]
    small = [action for action in actions if action.amount < parameters.min_amount]
    if small:
        notes.append(f"{len(small)} messages about less than {parameters.min_amount:g} were dropped")
        actions = [action for action in actions if action.amount >= parameters.min_amount]
    actions.sort(key=lambda action: (action.day, -action.amount, action.customer))
    if len(actions) > _MAX_ACTIONS:
        notes.append(f"only the first {_MAX_ACTIONS} of {len(actions)} actions are listed")
    first = sum(action.day == actions[0].day for action in actions)
    now = sum(action.day <= parameters.as_of for action in actions)
    return Dunning(
        summary=f"{len(actions)} messages in {parameters.horizon_days} days"
        + (f", {first} of them on {actions[0].day}" if actions else "")
        + f"; {len(left_alone)} invoices are left alone.",
        data_used=DataUsed(rows=len(parameters.invoices), fields=["amount", "paid", "due", "last_step", "last_sent"]),
        notes=notes,
        actions=actions[:_MAX_ACTIONS],
        left_alone=left_alone,
        due_today=now,
    )


def _reason_to_leave(invoice: DunnedInvoice, parameters: DunningPlan) -> str:
    left = invoice.amount - invoice.paid
    if left <= 0:
        return "paid" if invoice.amount >= 0 else "a credit note"
    if invoice.hold is not None:
        return f"on hold: {invoice.hold}" if invoice.hold.strip() else "on hold"
    if invoice.last_step >= len(parameters.steps):
        return "every step was taken"
    first = parameters.steps[invoice.last_step].after_days
    if invoice.due + timedelta(days=first) > parameters.as_of + timedelta(days=parameters.horizon_days):
        return "not due within the plan"
    return ""


def _turns(invoice: DunnedInvoice, parameters: DunningPlan) -> Iterator[tuple[date, int]]:
    """The days of this invoice's next steps within the plan, on working days."""
    end = parameters.as_of + timedelta(days=parameters.horizon_days)
    before, holidays = invoice.last_sent, frozenset(parameters.holidays)
    for number in range(invoice.last_step, len(parameters.steps)):
        day = max(invoice.due + timedelta(days=parameters.steps[number].after_days), parameters.as_of)
        if before is not None:
            day = max(day, before + timedelta(days=parameters.min_gap_days))
        day = _working_day(day, holidays)
        if day > end:
            return
        yield day, number + 1
        before = day


def _working_day(day: date, holidays: frozenset[date]) -> date:
    for _ in range(400):
        if day.weekday() < 5 and day not in holidays:
            break
        day += timedelta(days=1)
    return day


def _credits(parameters: DunningPlan) -> dict[tuple[str, str], Decimal]:
    """What customers have to their credit: nobody is reminded of what we owe ourselves."""
    found: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for invoice in parameters.invoices:
        left = invoice.amount - invoice.paid
        if left < 0:
            found[str(invoice.customer), invoice.currency.upper()] -= left
    return found


def _action(
    key: tuple[date, str, str],
    due: list[tuple[int, DunnedInvoice]],
    parameters: DunningPlan,
    credit: dict[tuple[str, str], Decimal],
) -> DunningAction:
    day, customer, currency = key
    number = max(step for step, _ in due)
    step = parameters.steps[number - 1]
    whole = sum((invoice.amount - invoice.paid for _, invoice in due), Decimal(0))
    to_credit = min(whole, credit.get((customer, currency), Decimal(0)))
    oldest = max((day - invoice.due).days for _, invoice in due)
    reason = f"{len(due)} invoice{'s' if len(due) > 1 else ''}, the oldest {oldest} days overdue"
    if to_credit:
        reason += f"; {to_credit:,.2f} to their credit is taken off"
    return DunningAction(
        day=day, customer=customer, currency=currency, step=number, action=step.action, channel=step.channel,
        invoices=sorted(str(invoice.invoice_id) for _, invoice in due), amount=float(whole - to_credit),
        fee=float(step.fee), reason=reason,
    )  # fmt: skip
