"""What changed between two periods, and where: the slices that moved unlike the rest, and each dimension's part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.analytics import (
    Cause,
    DimensionValue,
    PeriodComparison,
    PeriodReport,
    PeriodRow,
    Span,
)
from opsteward.crew.catalogue.declaring import Cell, DataUsed
from opsteward.crew.engines.analytics.causes import Slice, find_causes
from opsteward.crew.engines.arrays import Floats, Ints, np

_MAX_CELLS = 50_000
_MAX_VALUES = 300  # of a dimension
_LISTED = 20
_LEFT_OUT = "other"


@dataclass(frozen=True)
class _Cells:
    """Sums of each cell before and after, with the place of its value in each dimension."""

    dimensions: list[str]
    values: list[list[Cell]]
    places: Ints
    before: Floats
    after: Floats
    per_before: Floats
    per_after: Floats
    is_ratio: bool


def run(parameters: PeriodComparison) -> PeriodReport:
    """Raises Invalid when one period has no rows, or the values of a ratio are without what they are divided by."""
    notes: list[str] = []
    cells = _cells(parameters, notes)
    before, after = _whole(cells)
    expected, observed = _expected(cells)
    found = find_causes(expected, observed, cells.places, parameters.max_causes)
    causes = [_told(one, cells, expected, observed, found, after - before) for one in found]
    causes.sort(key=lambda cause: -abs(cause.excess))
    covered = np.zeros(len(expected), dtype=bool)
    for one in found:
        covered[one.members] = True
    rest_was, rest_is = float(expected[~covered].sum()), float(observed[~covered].sum())
    change = after - before
    first = causes[0] if causes else None
    said = f"From {before:,.4g} to {after:,.4g} ({_percent(before, after)}). "
    if first is not None:
        said += f"Moved unlike the rest: {', '.join(f'{k} {v}' for k, v in first.where.items())} "
        said += f"({_percent(first.before, first.after)})" + (f", and {len(causes) - 1} more." if causes[1:] else ".")
    else:
        said += "No slice moved unlike the rest." if cells.dimensions else "There are no dimensions to explain it by."
    return PeriodReport(
        summary=said,
        data_used=DataUsed(rows=len(parameters.rows), fields=["value", *cells.dimensions]),
        missing=[] if cells.dimensions else ["dimensions: text fields of the rows, such as country or channel"],
        notes=notes,
        before=before,
        after=after,
        change=change,
        change_percent=100 * change / abs(before) if before else None,
        causes=causes,
        rest_change_percent=100 * (rest_is / rest_was - 1) if rest_was > 0 else None,
        dimensions={name: _dimension(cells, place) for place, name in enumerate(cells.dimensions)},
    )


def _cells(parameters: PeriodComparison, notes: list[str]) -> _Cells:
    rows = [(row, side) for row in parameters.rows if (side := _side(row, parameters)) is not None]
    if len(rows) < len(parameters.rows):
        notes.append(f"{len(parameters.rows) - len(rows)} rows are in neither period")
    for side, field in ((0, "before"), (1, "after")):
        if not any(of == side for _, of in rows):
            raise Invalid.field(field, "no row is in this period", f"rows are of {_periods(parameters.rows)}")
    is_ratio = any(row.per is not None for row, _ in rows)
    if is_ratio and any(row.per is None for row, _ in rows):
        raise Invalid.field("rows", "some have `per` and some have not", "send it with every row, or with none")
    names = _dimensions([row for row, _ in rows], parameters, notes)
    known: list[dict[str, int]] = [{} for _ in names]
    values: list[list[Cell]] = [[] for _ in names]
    sums: dict[tuple[int, ...], list[float]] = {}
    for row, side in rows:
        others = row.others
        key = tuple(_place(others.get(name), known[number], values[number]) for number, name in enumerate(names))
        cell = sums.setdefault(key, [0.0] * 4)
        cell[side] += row.value
        cell[2 + side] += row.per or 0.0
        if len(sums) > _MAX_CELLS:
            raise Invalid.field("dimensions", f"more than {_MAX_CELLS} combinations", "name fewer dimensions")
    table = np.array(list(sums.values()))
    places = np.array(list(sums), dtype=np.int64).reshape(len(sums), len(names))
    return _Cells(names, values, places, table[:, 0], table[:, 1], table[:, 2], table[:, 3], is_ratio)


def _side(row: PeriodRow, parameters: PeriodComparison) -> int | None:
    for side, period in enumerate((parameters.before, parameters.after)):
        if isinstance(period, Span):
            if row.date is not None and period.first <= row.date <= period.last:
                return side
        elif row.period == period:
            return side
    return None


def _periods(rows: Sequence[PeriodRow]) -> str:
    days = [row.date for row in rows if row.date is not None]
    named = sorted({row.period for row in rows if row.period is not None})
    return f"{min(days)} to {max(days)}" if days and not named else ", ".join(named[:10]) or "no period and no date"


def _dimensions(rows: Sequence[PeriodRow], parameters: PeriodComparison, notes: list[str]) -> list[str]:
    others = [row.others for row in rows]
    there = list(dict.fromkeys(name for one in others for name in one))
    if parameters.dimensions:
        if unknown := [name for name in parameters.dimensions if name not in there]:
            raise Invalid.field("dimensions", f"no row has {unknown[0]!r}", f"rows have {', '.join(there[:20])}")
        return list(dict.fromkeys(parameters.dimensions))
    kept = []
    for name in there:
        found = {str(one.get(name)) for one in others}
        numeric = all(isinstance(one.get(name), float) for one in others)
        if numeric or len(found) > max(_MAX_VALUES, 2) or (len(found) > 20 and len(found) > 0.9 * len(rows)):
            notes.append(f"{name} is no dimension: {len(found)} values")
        elif len(found) > 1:
            kept.append(name)
    if len(kept) > 8:
        notes.append(f"only the first 8 dimensions count, not {', '.join(kept[8:])}")
    return kept[:8]


def _place(value: Cell, known: dict[str, int], values: list[Cell]) -> int:
    """The place of a value among those of its dimension; beyond _MAX_VALUES all are one."""
    if str(value) not in known and len(known) >= _MAX_VALUES:
        value = _LEFT_OUT
    key = str(value)
    if key not in known:
        known[key] = len(values)
        values.append(value)
    return known[key]


def _whole(cells: _Cells) -> tuple[float, float]:
    before, after = float(cells.before.sum()), float(cells.after.sum())
    if not cells.is_ratio:
        return before, after
    per_before, per_after = float(cells.per_before.sum()), float(cells.per_after.sum())
    return before / per_before if per_before else 0.0, after / per_after if per_after else 0.0


def _expected(cells: _Cells) -> tuple[Floats, Floats]:
    """What each cell would have had, and what it had. Of a ratio: at the rate of before, on what it was divided by."""
    if not cells.is_ratio:
        return cells.before, cells.after
    overall = _whole(cells)[0]
    rate = np.where(cells.per_before > 0, cells.before / np.maximum(cells.per_before, 1e-12), overall)
    return np.asarray(rate * cells.per_after), cells.after


def _told(
    one: Slice,
    cells: _Cells,
    expected: Floats,
    observed: Floats,
    found: Sequence[Slice],
    change: float,
) -> Cause:
    covered = np.zeros(len(expected), dtype=bool)
    for other in found:
        covered[other.members] = True
    rest_was, rest_now = float(expected[~covered].sum()), float(observed[~covered].sum())
    factor = rest_now / rest_was if rest_was > 0 else 1.0
    was, now = float(expected[one.members].sum()), float(observed[one.members].sum())
    excess = now - factor * was
    if cells.is_ratio:
        per_was, per_now = float(cells.per_before[one.members].sum()), float(cells.per_after[one.members].sum())
        before = float(cells.before[one.members].sum()) / per_was if per_was else 0.0
        after = now / per_now if per_now else 0.0
        whole = float(cells.per_after.sum())
        moved = (now - was) / whole if whole else 0.0
        excess = excess / whole if whole else 0.0
    else:
        before, after, moved = was, now, now - was
    return Cause(
        where={cells.dimensions[d]: cells.values[d][v] for d, v in one.at},
        before=before, after=after, change=after - before,
        change_percent=100 * (after - before) / abs(before) if before else None,
        excess=excess, share_of_change=moved / change if change else None,
    )  # fmt: skip


def _dimension(cells: _Cells, place: int) -> list[DimensionValue]:
    size, at = len(cells.values[place]), cells.places[:, place]
    before, after = np.bincount(at, cells.before, size), np.bincount(at, cells.after, size)
    found = []
    if cells.is_ratio:
        per_before, per_after = np.bincount(at, cells.per_before, size), np.bincount(at, cells.per_after, size)
        whole_before, whole_after = _whole(cells)
        middle = (whole_before + whole_after) / 2
        all_before, all_after = float(per_before.sum()) or 1.0, float(per_after.sum()) or 1.0
        for value in range(size):
            weight, weight_now = per_before[value] / all_before, per_after[value] / all_after
            rate = before[value] / per_before[value] if per_before[value] else None
            rate_now = after[value] / per_after[value] if per_after[value] else None
            was = rate if rate is not None else rate_now or 0.0
            now = rate_now if rate_now is not None else was
            by_rate = float((weight + weight_now) / 2 * (now - was))
            by_mix = float((weight_now - weight) * ((was + now) / 2 - middle))
            found.append(
                DimensionValue(
                    value=cells.values[place][value], before=float(rate or 0.0), after=float(rate_now or 0.0),
                    contribution=by_rate + by_mix, by_rate=by_rate, by_mix=by_mix,
                )
            )  # fmt: skip
    else:
        for value in range(size):
            was, now = float(before[value]), float(after[value])
            found.append(
                DimensionValue(value=cells.values[place][value], before=was, after=now, contribution=now - was)
            )
    found.sort(key=lambda one: -abs(one.contribution))
    return found[:_LISTED]


def _percent(before: float, after: float) -> str:
    return f"{100 * (after - before) / abs(before):+.1f} %" if before else "from nothing"
