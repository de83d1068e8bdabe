"""Rows of mixed values as a matrix: numbers, days and categories, each column known by its field."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from opsteward.crew.catalogue.declaring import MAX_VALUE
from opsteward.crew.engines.arrays import Floats, np

MAX_LEVELS = 20
MAX_COLUMNS = 400
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")


def number_of(value: Any) -> float | None:
    """A value as a finite number, also from text; None where it is missing or none."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        text = value.strip()
        if _DAY.fullmatch(text):
            try:
                return float(date.fromisoformat(text[:10]).toordinal())
            except ValueError:
                return None
        value = text
    elif not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) <= MAX_VALUE else None  # beyond it nothing can be told; not a number is not within


def is_missing(value: Any) -> bool:
    """Whether a cell says nothing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return True
    return isinstance(value, str) and value.strip().lower() in _MISSING


@dataclass(frozen=True)
class Column:
    """One column of the matrix: a number of the field, whether it has the level, or whether it is missing."""

    field: str
    level: str | None = None
    marks_missing: bool = False
    fill: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    mean: float = 0.0
    spread: float = 1.0


class Table:
    """How rows become numbers, settled by the rows it is made of; later rows are read the same way."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
        self.columns: list[Column] = []
        self.left_out: dict[str, str] = {}
        for field in fields:
            values = [row.get(field) for row in rows]
            problem = self._add(field, values)
            if problem:
                self.left_out[field] = problem
        if len(self.columns) > MAX_COLUMNS:
            for column in self.columns[MAX_COLUMNS:]:
                self.left_out[column.field] = f"more than {MAX_COLUMNS} columns"
            del self.columns[MAX_COLUMNS:]

    @property
    def fields(self) -> list[str]:
        """The fields that count, in order."""
        return list(dict.fromkeys(column.field for column in self.columns))

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Standardised: each column has mean 0 and spread 1 over the rows the table was made of."""
        made = np.zeros((len(rows), len(self.columns)))
        for place, column in enumerate(self.columns):
            for number, row in enumerate(rows):
                made[number, place] = self._cell(column, row.get(column.field))
        return made

    @staticmethod
    def _cell(column: Column, value: Any) -> float:
        if column.marks_missing:
            raw = float(is_missing(value) or number_of(value) is None)
        elif column.level is not None:
            raw = float(_level(value) == column.level)
        else:
            found = number_of(value)
            raw = column.fill if found is None else min(max(found, column.low), column.high)
        return (raw - column.mean) / column.spread

    def _add(self, field: str, values: Sequence[Any]) -> str:
        told = [value for value in values if not is_missing(value)]
        if not told:
            return "always missing"
        numbers = [found for value in told if (found := number_of(value)) is not None]
        if len(numbers) >= 0.9 * len(told):
            return self._add_number(field, np.array(numbers), len(numbers) / len(values))
        levels = Counter(_level(value) for value in told)
        if len(levels) == 1 and len(told) == len(values):
            return "always the same"
        if len(levels) > max(MAX_LEVELS, len(told) // 2):
            return "hardly a value comes twice"
        least = max(3, len(values) // 200)
        for level, count in levels.most_common(MAX_LEVELS):
            if count >= least and count < len(values):
                share = count / len(values)
                spread = math.sqrt(share * (1 - share))
                self.columns.append(Column(field, level=level, mean=share, spread=spread))
        return ""

    def _add_number(self, field: str, numbers: Floats, told: float) -> str:
        low, high = (float(edge) for edge in np.percentile(numbers, (0.5, 99.5)))
        clipped = np.clip(numbers, low, high) if high > low else numbers
        spread = float(clipped.std())
        if spread > 0:
            bounds = (low, high) if high > low else (-math.inf, math.inf)
            mean = float(clipped.mean())
            self.columns.append(Column(field, None, False, float(np.median(numbers)), *bounds, mean, spread))
        elif told == 1:
            return "always the same"
        if 0.01 <= 1 - told < 1:
            self.columns.append(Column(field, marks_missing=True, mean=1 - told, spread=math.sqrt(told * (1 - told))))
        return ""


def _level(value: Any) -> str:
    return "" if is_missing(value) else str(value).strip().lower()[:100]
