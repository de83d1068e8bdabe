"""The order of a table as the heads of its columns ask for it: `sort` in the address, `-` before it for downwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from opsteward.console.page import Visit

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class Head:
    """Of a column: the address that sorts by it, and how it is sorted now (`ascending`, `descending` or empty)."""

    to: str
    sorted: str


@dataclass(frozen=True)
class Sorting:
    """By which column, which way, and the heads of all columns that can be sorted by."""

    column: str
    descending: bool
    heads: Mapping[str, Head]
    #: For the form that filters: its name in the address, and what is asked for there; empty for the usual order.
    of: str
    asked: str

    def rows(self, rows: Iterable[_Row], keys: Mapping[str, Callable[[_Row], Any]]) -> list[_Row]:
        """All rows of a table that is read whole, in this order; those without a value come last both ways."""
        key = keys[self.column]
        has: list[_Row] = []
        lacks: list[_Row] = []
        for row in rows:
            (lacks if key(row) is None else has).append(row)
        return [*sorted(has, key=key, reverse=self.descending), *lacks]


def sorting(visit: Visit, columns: Mapping[str, bool], *, of: str = "sort") -> Sorting:
    """What the address asks for. `columns`: by name, whether it is sorted downwards at first; the first is that of an
    address that asks for none. `of`: its name in the address, for a page of several tables. Raises Invalid for a
    column that there is not."""
    allowed = {way: "" for name in columns for way in (name, f"-{name}")}
    given = visit.choice(of, allowed)
    usual = next(iter(columns))
    asked = given or (f"-{usual}" if columns[usual] else usual)
    column, descending = asked.removeprefix("-"), asked.startswith("-")

    def head(name: str) -> Head:
        here = name == column
        down = not descending if here else columns[name]
        to = visit.address(**{of: f"-{name}" if down else name})
        return Head(to, ("descending" if descending else "ascending") if here else "")

    return Sorting(column, descending, {name: head(name) for name in columns}, of, given)
