"""Changes carried out on the records of one file in memory; what the file can't hold is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from opsteward.contracts.record_values import same_values
from opsteward.contracts.records import Change, ChangeResult, Operation, Outcome, Record
from opsteward.core.json_types import Json
from opsteward.integrations.files.config import FileResource
from opsteward.integrations.files.formats import Values

_NO = frozenset({"", "0", "no", "false", "f", "n", "disabled", "inactive"})


def split_lists(row: Values, declared: FileResource) -> dict[str, Json]:
    """The values with the declared lists split."""
    return {
        name: [part for part in value.split(declared.lists[name]) if part]
        if name in declared.lists and isinstance(value, str)
        else value
        for name, value in row.items()
    }


def join_lists(values: Mapping[str, Json], declared: FileResource) -> Values:
    """The values as the file holds them."""
    return {
        name: declared.lists[name].join(str(each) for each in value)
        if name in declared.lists and isinstance(value, list)
        else value
        for name, value in values.items()
    }


def is_active(values: Mapping[str, Json], declared: FileResource) -> bool | None:
    """What the declared column says; None without one."""
    return None if declared.active is None else str(values.get(declared.active, "")).strip().lower() not in _NO


class Rows:
    """The records of a file in their order, by their ids. What is renamed stays where it is."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._order: list[Record | None] = []
        self._at: dict[str, int] = {}
        self._fill(records)

    def _fill(self, records: Iterable[Record]) -> None:
        for record in records:
            self.add(record)

    def __contains__(self, native_id: str) -> bool:
        return native_id in self._at

    def __iter__(self) -> Iterator[Record]:
        return (record for record in self._order if record is not None)

    def get(self, native_id: str) -> Record | None:
        return self._order[self._at[native_id]] if native_id in self._at else None

    def add(self, record: Record) -> None:
        """As the last one."""
        if record.native_id in self._at:
            self.put(record.native_id, record)
            return
        self._at[record.native_id] = len(self._order)
        self._order.append(record)

    def put(self, native_id: str, record: Record) -> None:
        """In the place of the one with this id."""
        at = self._at.pop(native_id)
        self._at[record.native_id], self._order[at] = at, record

    def remove(self, native_id: str) -> bool:
        """Whether it was there."""
        at = self._at.pop(native_id, None)
        if at is not None:
            self._order[at] = None
        return at is not None

    def bring_back(self, places: Mapping[str, int]) -> None:
        """Move these to where they were in the list, that now ends with them."""
        there = [native_id for native_id in places if native_id in self._at]
        if not there:
            return
        order = [record for record in self if record.native_id not in places]
        for native_id in sorted(there, key=lambda each: places[each]):
            record = self.get(native_id)
            if record is not None:
                order.insert(places[native_id], record)
        self._order, self._at = [], {}
        self._fill(order)


def apply_change(rows: Rows, change: Change, declared: FileResource, columns: frozenset[str] | None) -> ChangeResult:
    """Carry out one change on `rows`. `columns` are those of a CSV file, whose cells are text; else None."""
    cells = dict(change.values) if columns is None else _cells(change.values, declared, columns)
    native_id = change.native_id or ""
    if isinstance(cells, str):
        return ChangeResult(key=change.key, outcome=Outcome.REFUSED, native_id=change.native_id, problem=cells)
    if change.operation is Operation.CREATE:
        outcome, native_id, problem = _create(rows, cells, declared, is_text=columns is not None)
    elif change.operation is Operation.DELETE:
        outcome = Outcome.DONE if rows.remove(native_id) else Outcome.UNCHANGED
        problem = ""
    elif native_id not in rows:
        outcome, problem = Outcome.MISSING, "there is no such record"
    else:
        if change.operation is Operation.DISABLE:
            cells = {declared.active or "": "false" if columns is not None else False}
        outcome, native_id, problem = _update(rows, native_id, cells, declared, keep_empty=columns is not None)
    return ChangeResult(
        key=change.key, outcome=outcome, native_id=native_id or None, record=rows.get(native_id), problem=problem
    )


def _create(rows: Rows, values: Values, declared: FileResource, *, is_text: bool) -> tuple[Outcome, str, str]:
    key = values.get(declared.key)
    if key in (None, "") or isinstance(key, list | dict):
        return Outcome.REFUSED, "", f"the record has no {declared.key}"
    native_id = str(key)
    if (there := rows.get(native_id)) is not None:
        same = same_values(values, there.values)
        return (Outcome.UNCHANGED if same else Outcome.EXISTS), native_id, ""
    if declared.active is not None and values.get(declared.active) in (None, ""):
        values = {**values, declared.active: "true" if is_text else True}  # an empty one would be switched off
    rows.add(Record(native_id=native_id, values=values, active=is_active(values, declared)))
    return Outcome.DONE, native_id, ""


def _update(
    rows: Rows, native_id: str, values: Values, declared: FileResource, *, keep_empty: bool
) -> tuple[Outcome, str, str]:
    if "" in values:
        return Outcome.REFUSED, native_id, "settings.resources names no `active` column for this file"
    there = rows.get(native_id)
    if there is None or same_values(values, there.values):
        return Outcome.UNCHANGED, native_id, ""
    merged = {**there.values, **values}
    if not keep_empty:
        merged = {name: value for name, value in merged.items() if value is not None and value != []}
    renamed = str(merged.get(declared.key) or "")
    if not renamed:
        return Outcome.REFUSED, native_id, f"the key {declared.key} can't be removed"
    if renamed != native_id and renamed in rows:
        return Outcome.EXISTS, native_id, f"another record has the key {renamed!r:.80}"
    rows.put(native_id, Record(native_id=renamed, values=merged, active=is_active(merged, declared)))
    return Outcome.DONE, renamed, ""


def _cells(values: Mapping[str, Json], declared: FileResource, columns: frozenset[str]) -> dict[str, Json] | str:
    """The values as cells of CSV, or why they can't be."""
    if unknown := sorted(set(values) - columns):
        return f"the file has no column {unknown[0]!r:.80}"
    cells: dict[str, Json] = {}
    for name, value in values.items():
        separator = declared.lists.get(name)
        if isinstance(value, dict) or (isinstance(value, list) and separator is None):
            return f"{name} takes one plain value; name its separator in `lists`"
        if isinstance(value, list) and any(separator is not None and separator in str(each) for each in value):
            return f"a value of {name} holds the separator {separator!r}"
        cells[name] = value if isinstance(value, list | None) else _cell(value)
    return cells


def _cell(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
