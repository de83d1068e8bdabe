"""Odd invoices: doubles, sums that do not add up, unusual amounts, changed accounts, gaps in numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal

from opsteward.crew.catalogue.billing import InvoiceAnomalies, OddInvoice, OddInvoiceRow, OddInvoices
from opsteward.crew.catalogue.declaring import DataUsed
from opsteward.crew.engines.arrays import np
from opsteward.crew.engines.findings import Findings
from opsteward.crew.engines.usual import distances_from_others

_MIN_TO_COMPARE = 6
_MIN_FOR_DIGITS = 300
_FAR = 4.0
_CENT = Decimal("0.011")
_BELOW = 0.03  # of an approval limit
_NUMBER = re.compile(r"^(.*?)(\d{1,15})$")
_MAX_GAP = 20


def run(parameters: InvoiceAnomalies) -> OddInvoices:
    """The oddest first."""
    rows = parameters.invoices
    odd = Findings(len(rows))
    _sums(rows, odd)
    _dates(rows, odd)
    by_party: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_party[str(row.party).strip().lower()].append(place)
    gaps: list[str] = []
    for places in by_party.values():
        _doubles(rows, places, parameters.double_within_days, odd)
        _amounts(rows, places, odd)
        _tax_rates(rows, places, odd)
        _accounts(rows, places, odd)
        gaps += _gaps(rows, places)
    _below_limits(rows, by_party, parameters.approval_limits, odd)
    found = [
        OddInvoice(invoice=str(rows[place].invoice_id), party=str(rows[place].party), score=round(odd.score(place), 4),
                   kinds=sorted(set(odd.kinds[place])), reasons=odd.reasons[place])
        for place in range(len(rows))
        if odd.reasons[place]
    ]  # fmt: skip
    found.sort(key=lambda one: (-one.score, one.invoice))
    by_kind = Counter(kind for one in found for kind in one.kinds)
    digits = _benford([row.amount for row in rows])
    notes = []
    if digits is None:
        notes.append(f"first digits are compared from {_MIN_FOR_DIGITS} amounts of over two magnitudes on")
    if len(found) > parameters.top:
        notes.append(f"the {parameters.top} oddest are listed")
    said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in by_kind.most_common())
    missing = [name for name in ("issued", "net", "account") if all(getattr(row, name) is None for row in rows)]
    return OddInvoices(
        summary=f"{len(found)} of {len(rows)} invoices are odd" + (f": {said}." if said else "."),
        data_used=DataUsed(rows=len(rows), fields=["invoice_id", "party", "amount", "issued", "net", "tax", "lines"]),
        missing=missing,
        notes=notes,
        invoices=found[: parameters.top],
        by_kind=dict(by_kind),
        benford_p_value=digits,
        missing_numbers=gaps[:200],
        verdict="look at these" if found or gaps else "nothing odd",
    )


def _sums(rows: Sequence[OddInvoiceRow], odd: Findings) -> None:
    for place, row in enumerate(rows):
        if row.net is not None and row.tax is not None and abs(row.net + row.tax - row.amount) > _CENT:
            odd.add(place, "sum", 0.8, f"net {row.net:f} and tax {row.tax:f} are not {row.amount:f}")
        if row.lines:
            whole, wanted = sum(row.lines, Decimal(0)), row.net if row.net is not None else row.amount
            # Each line may have been rounded by itself.
            if abs(whole - wanted) > max(_CENT, Decimal("0.005") * len(row.lines)):
                odd.add(place, "sum", 0.8, f"the lines make {whole:f}, not {wanted:f}")
        if row.amount == 0:
            odd.add(place, "empty", 0.3, "the amount is 0")


def _dates(rows: Sequence[OddInvoiceRow], odd: Findings) -> None:
    for place, row in enumerate(rows):
        if row.issued is not None and row.due is not None and row.due < row.issued:
            odd.add(place, "date", 0.6, f"due on {row.due}, before it was issued on {row.issued}")


def _doubles(rows: Sequence[OddInvoiceRow], places: Sequence[int], days: int, odd: Findings) -> None:
    """The same number written otherwise, or the same amount again soon; a monthly fee is no double."""
    by_number: dict[tuple[str, str], int] = {}
    by_amount: defaultdict[tuple[Decimal, str], list[int]] = defaultdict(list)
    for place in places:
        row = rows[place]
        number = (_plain(str(row.invoice_id)), row.currency.upper())
        if number in by_number and row.amount > 0:
            other = rows[by_number[number]]
            odd.add(place, "double", 0.9, f"number {row.invoice_id} is there already as {other.invoice_id}")
        else:
            by_number.setdefault(number, place)
            if row.amount > 0 and row.issued is not None:
                by_amount[row.amount, row.currency.upper()].append(place)
    for (amount, _), same in by_amount.items():
        same.sort(key=lambda place: (rows[place].issued, place))
        apart = [_days_between(rows, one, other) for one, other in itertools.pairwise(same)]
        if len(same) > 2 and max(apart) <= 1.5 * max(1, min(apart)):
            continue  # at even distances: a fee
        for (before, place), distance in zip(itertools.pairwise(same), apart, strict=True):
            if distance <= days:
                sure = 0.85 if distance <= 7 else 0.6
                odd.add(place, "double", sure, f"{amount:f} as {rows[before].invoice_id}, {distance} days before")


def _days_between(rows: Sequence[OddInvoiceRow], one: int, other: int) -> int:
    first, last = rows[one].issued, rows[other].issued
    assert first is not None
    assert last is not None
    return (last - first).days


def _amounts(rows: Sequence[OddInvoiceRow], places: Sequence[int], odd: Findings) -> None:
    by_currency: defaultdict[str, list[int]] = defaultdict(list)
    for place in places:
        if rows[place].amount > 0:
            by_currency[rows[place].currency.upper()].append(place)
    for same in by_currency.values():
        if len(same) < _MIN_TO_COMPARE:
            continue
        logs = np.log([float(rows[place].amount) for place in same])
        for place, (middle, far) in zip(same, distances_from_others(logs, 0.12), strict=True):
            if abs(far) > _FAR:
                reason = f"{rows[place].amount:,.2f}, usually {math.exp(middle):,.2f} of this party"
                odd.add(place, "amount", min(0.9, 0.3 + 0.1 * (abs(far) - _FAR)), reason)


def _tax_rates(rows: Sequence[OddInvoiceRow], places: Sequence[int], odd: Findings) -> None:
    rates: dict[int, float] = {}
    for place in places:
        net, tax = rows[place].net, rows[place].tax
        if net and tax is not None:
            rates[place] = round(float(tax / net), 3)
    usual = Counter(rates.values())
    for place, rate in rates.items():
        if usual[rate] == 1 and usual.most_common(1)[0][1] >= _MIN_TO_COMPARE:
            odd.add(place, "tax", 0.5, f"tax of {rate:.1%}, usually {usual.most_common(1)[0][0]:.1%}")


def _accounts(rows: Sequence[OddInvoiceRow], places: Sequence[int], odd: Findings) -> None:
    """A party that wants its money elsewhere now: the usual sign of a forged invoice."""
    told = [place for place in places if rows[place].account]
    told.sort(key=lambda place: (rows[place].issued is not None, rows[place].issued or 0, place))
    before = Counter[str]()
    for place in told:
        account = _plain(rows[place].account or "")
        if before and account not in before:
            odd.add(place, "account", 0.8, f"to another account than the {before.total()} before it")
        before[account] += 1


def _gaps(rows: Sequence[OddInvoiceRow], places: Sequence[int]) -> list[str]:
    """Numbers that are missing between others, where a party's numbers run on."""
    runs: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for place in places:
        match = _NUMBER.match(str(rows[place].invoice_id).strip())
        if match:
            width = len(match[2]) if match[2].startswith("0") else 0
            runs[match[1], width].add(int(match[2]))
    found = []
    for (before, width), numbers in runs.items():
        ordered = sorted(numbers)
        whole = ordered[-1] - ordered[0] + 1
        if len(ordered) < 5 or len(ordered) < 0.8 * whole:
            continue  # not one sequence, or not all of it was sent
        for low, high in itertools.pairwise(ordered):
            if 1 < high - low <= _MAX_GAP:
                found += [f"{before}{number:0{width}d}" for number in range(low + 1, high)]
    return found


def _below_limits(
    rows: Sequence[OddInvoiceRow], by_party: dict[str, list[int]], limits: Sequence[float], odd: Findings
) -> None:
    """More than one of a party just below what somebody would have to approve."""
    for limit in limits:
        for places in by_party.values():
            below = [place for place in places if limit * (1 - _BELOW) <= float(rows[place].amount) < limit]
            if len(below) >= 2:
                for place in below:
                    odd.add(
                        place, "below_limit", 0.5, f"{rows[place].amount:,.2f} is just below {limit:,.2f}, like others"
                    )


def _benford(amounts: Sequence[Decimal]) -> float | None:
    """How likely first digits as these are by chance; amounts of one magnitude follow no such law."""
    told = [abs(float(amount)) for amount in amounts if amount]
    if len(told) < _MIN_FOR_DIGITS or max(told) < 100 * min(told):
        return None
    counts = Counter(int(f"{amount:e}"[0]) for amount in told)
    chi = 0.0
    for digit in range(1, 10):
        expected = len(told) * math.log10(1 + 1 / digit)
        chi += (counts[digit] - expected) ** 2 / expected
    # Chi squared with 8 degrees of freedom, in closed form.
    half = chi / 2
    return math.exp(-half) * (1 + half + half**2 / 2 + half**3 / 6)


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower()).lstrip("0") or text
