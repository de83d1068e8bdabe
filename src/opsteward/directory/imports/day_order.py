"""In which order a file writes day and month, looked up when the first date needs it: in the whole file, before the row
is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from opsteward.directory.imports.columns import EXPIRES_ORDERS
from opsteward.directory.imports.dates import DayOrder, order_of
from opsteward.directory.imports.reading import records
from opsteward.directory.imports.records import Blocks, Reading, Unreadable


def day_order_of(again: Callable[[], Blocks], reading: Reading) -> Callable[[], DayOrder]:
    """What to ask for the order; `again` gives the file from its beginning, on the thread that asks."""

    @cache
    def order() -> DayOrder:
        for field in reading.mapping.values():
            if field in EXPIRES_ORDERS:
                return DayOrder(day_first=EXPIRES_ORDERS[field])
        return order_of(_dates(again(), reading))

    return order


def _dates(blocks: Blocks, reading: Reading) -> Iterator[str]:
    try:
        for record in records(blocks, reading, lambda _: None):
            if record.values and isinstance(value := record.values.get("expires_at"), str):
                yield value
    except (Unreadable, UnicodeError):  # what comes before counts; the rows tell of the rest
        return
