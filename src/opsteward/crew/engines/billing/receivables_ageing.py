"""Open invoices by age, in each currency by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from opsteward.crew.catalogue.billing import Ageing, Bucket, CurrencyAgeing, CustomerDebt, Invoice, ReceivablesAgeing
from opsteward.crew.catalogue.declaring import DataUsed

_NOT_DUE = "not due"
_LISTED = 200
_DSO_DAYS = 90


def run(parameters: ReceivablesAgeing) -> Ageing:
    """Largest currency first; credits stand apart, for nobody's debt is smaller by another's credit."""
    notes: list[str] = []
    by_currency: defaultdict[str, list[Invoice]] = defaultdict(list)
    for invoice in parameters.invoices:
        by_currency[invoice.currency.upper()].append(invoice)
    later = sum(invoice.issued is not None and invoice.issued > parameters.as_of for invoice in parameters.invoices)
    if later:
        notes.append(f"{later} invoices are issued after {parameters.as_of}; they count as not due")
    ids = [str(invoice.invoice_id) for invoice in parameters.invoices]
    if doubles := len(ids) - len(set(ids)):
        notes.append(f"{doubles} invoice ids are there more than once; each row counts")
    if len(by_currency) > 1 and "" in by_currency:
        notes.append("some invoices have no currency: they are a table of their own")
    tables = [_table(currency, rows, parameters) for currency, rows in by_currency.items()]
    tables.sort(key=lambda table: -table.open)
    said = "; ".join(f"{one.open:,.2f} {one.currency}".strip() + f" open, {one.overdue:,.2f} overdue" for one in tables)
    missing = [] if parameters.loss_rates else ["loss_rates: for the expected loss"]
    if any(table.days_sales_outstanding is None for table in tables):
        missing.append(f"issued of invoices of the last {_DSO_DAYS} days, paid ones too: for days of sales outstanding")
    return Ageing(
        summary=f"On {parameters.as_of}: {said}.",
        data_used=DataUsed(rows=len(ids), fields=["amount", "paid", "due", "currency"]),
        missing=missing,
        notes=notes,
        as_of=parameters.as_of,
        currencies=tables,
    )


def _table(currency: str, rows: Sequence[Invoice], parameters: ReceivablesAgeing) -> CurrencyAgeing:
    names = _names(parameters.buckets)
    sums, counts = dict.fromkeys(names, Decimal(0)), dict.fromkeys(names, 0)
    customers: defaultdict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(names, Decimal(0)))
    oldest: defaultdict[str, int] = defaultdict(int)
    credit = Decimal(0)
    for invoice in rows:
        left = invoice.amount - invoice.paid
        if left < 0:
            credit += left
            continue
        if left == 0:
            continue
        days = (parameters.as_of - invoice.due).days
        name = _bucket(days, parameters.buckets, names)
        sums[name] += left
        counts[name] += 1
        customers[str(invoice.customer)][name] += left
        oldest[str(invoice.customer)] = max(oldest[str(invoice.customer)], days)
    whole = sum(sums.values(), Decimal(0))
    debts = [
        CustomerDebt(
            customer=customer, open=float(sum(ages.values())), overdue=float(sum(ages.values()) - ages[_NOT_DUE]),
            oldest_days=max(0, oldest[customer]), share=float(sum(ages.values()) / whole) if whole else 0.0,
            buckets={name: float(value) for name, value in ages.items()},
        )
        for customer, ages in customers.items()
    ]  # fmt: skip
    debts.sort(key=lambda debt: (-debt.overdue, -debt.open, debt.customer))
    rates = parameters.loss_rates
    loss = sum(float(sums[name]) * rate for name, rate in zip(names, rates, strict=True)) if rates else None
    return CurrencyAgeing(
        currency=currency, open=float(whole), overdue=float(whole - sums[_NOT_DUE]), credits=float(credit),
        buckets=[
            Bucket(name=name, amount=float(sums[name]), invoices=counts[name],
                   share=float(sums[name] / whole) if whole else 0.0)
            for name in names
        ],
        customers=debts[:_LISTED], days_sales_outstanding=_days_outstanding(rows, parameters.as_of, whole),
        expected_loss=loss, top5_share=sum(sorted((debt.share for debt in debts), reverse=True)[:5]),
    )  # fmt: skip


def _names(ends: Sequence[int]) -> list[str]:
    starts = [1, *(end + 1 for end in ends)]
    return [_NOT_DUE, *(f"{start}-{end}" for start, end in zip(starts, ends, strict=False)), f"over {ends[-1]}"]


def _bucket(days: int, ends: Sequence[int], names: Sequence[str]) -> str:
    if days <= 0:
        return names[0]
    return next((name for end, name in zip(ends, names[1:], strict=False) if days <= end), names[-1])


def _days_outstanding(rows: Sequence[Invoice], as_of: date, whole: Decimal) -> float | None:
    """Open sum over the sales a day of the last ninety days; only where these days are told."""
    since = as_of - timedelta(days=_DSO_DAYS)
    told = [row.issued for row in rows if row.issued is not None]
    if len(told) < len(rows) or not told or min(told) > since:
        return None
    sales = sum((row.amount for row in rows if row.issued is not None and since < row.issued <= as_of), Decimal(0))
    return float(whole / sales * _DSO_DAYS) if sales > 0 else None
