"""How well the shop served its customers, read from the traffic log and nothing else.

An order that should have been sent and is not in the log counts as failed: silence is no success. Read a
window only once its last orders had time to be answered (`SETTLED_AFTER` seconds past its end).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opsteward.core.errors import Invalid

SETTLED_AFTER = 2.5  # seconds: the customers' patience, and a little
WINDOW = 20.0  # seconds over which a repair is proven
TOLERANCE = 0.99  # of the level before the fault
_MARGIN = 0.5  # seconds before a fault that are left out: orders then on their way already met it


@dataclass(frozen=True, kw_only=True)
class OrderSuccess:
    """Orders of one window: those due (at least those seen), those that succeeded, and their share."""

    orders: int
    ok: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Order success before a fault and after its repair; `recovered`: back to 99 % of that level."""

    before: OrderSuccess
    after: OrderSuccess
    recovered: bool


def first_order(traffic: Path) -> float:
    """When the first order was sent, epoch seconds; infinite when there is none."""
    return min((at for at, _ in _lines(traffic)), default=math.inf)


def order_success(traffic: Path, start: float, end: float, *, rate: float = 0.0) -> OrderSuccess:
    """Success of the orders sent in [start, end), epoch seconds.

    With `rate` (orders a second) fewer lines than were due count as failures. Without a single order the
    share is 0.
    """
    seen = ok = 0
    for at, success in _lines(traffic):
        if start <= at < end:
            seen += 1
            ok += success
    # one order may fall on either side of each edge
    due = max(seen, math.floor(rate * (end - start)) - 1)
    return OrderSuccess(orders=due, ok=ok, share=ok / due if due > 0 else 0.0)


def recovered(traffic: Path, *, rate: float, fault_at: float, repaired_at: float, window: float = WINDOW) -> Recovery:
    """Compare `window` seconds after a repair with as many before the fault (fewer where the log is younger).

    `rate` is the usual rate in orders a second, instants are epoch seconds. Raises Invalid when no order was
    logged before the fault: without a level before there is nothing to be back to.
    """
    end = fault_at - _MARGIN
    start = max(first_order(traffic), end - window)
    if start >= end:
        raise Invalid.field("fault_at", "no orders were logged before the fault")
    before = order_success(traffic, start, end, rate=rate)
    after = order_success(traffic, repaired_at, repaired_at + window, rate=rate)
    return Recovery(before=before, after=after, recovered=after.share >= TOLERANCE * before.share > 0)


def _lines(traffic: Path) -> Iterator[tuple[float, bool]]:
    """(sent at, succeeded) of each order. A last line that is still being written is left out."""
    try:
        file = traffic.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if line.endswith(b"\n"):
                order = json.loads(line)
                yield order["at"], order["ok"] is True
