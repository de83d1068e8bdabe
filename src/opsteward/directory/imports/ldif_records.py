"""Users as LDIF (RFC 2849): entries of a directory, not changes of one. What no field needs is not even decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import NamedTuple

from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.imports.account_status import less_active, standing_kind
from opsteward.directory.imports.columns import LDIF_ALIASES, ColumnsByShape, plain_name
from opsteward.directory.imports.ldif_lines import SEARCH_LINES, Entry, Value, entries
from opsteward.directory.imports.person_classes import no_person
from opsteward.directory.imports.records import Blocks, Reading, Record
from opsteward.directory.imports.text_encoding import lines
from opsteward.directory.user_fields import NOTHING

#: Fields that may have several values; of the others the first is taken.
_SEVERAL = ("tags", "profile_data")
#: Attributes that decide whether an entry is a user at all.
_OF_ENTRIES = frozenset({"dn", "objectclass", "changetype", *SEARCH_LINES})


class _Change(NamedTuple):
    problem: str = ""
    skipped: str = ""


def ldif_records(blocks: Blocks, reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """One record for each entry; its row counts entries."""
    fields = _Fields(reading, note)
    row = 0
    for entry in entries(lines(blocks, reading.encoding), fields.is_needed):
        found = _what(entry)
        if found is None:  # lines of the search that wrote the file
            fields.columns.note(f"lines of the search ({', '.join(sorted(entry.values))}) are left out")
            continue
        row += 1
        if found.problem or found.skipped:
            yield Record(row, entry.line, None, found.problem, found.skipped)
        else:
            yield fields.record(row, entry)


def _what(entry: Entry) -> _Change | None:
    """Why this is no user to take; empty for one that is, None for what is no entry and needs no word."""
    if "dn" not in entry.values:
        if entry.values and entry.values.keys() <= SEARCH_LINES:
            code = entry.first("result").split(" ")[0]
            if code not in ("", "0"):
                return _Change(problem=f"is the end of a search that broke off (result: {entry.first('result')[:80]}):"
                               " the file does not hold all entries")  # fmt: skip
            return None if "ref" not in entry.values else _Change(skipped="is a reference to another directory")
        return _Change(problem=entry.problem or "has no dn: before its attributes")
    change = entry.first("changetype").lower() or "add"
    if change != "add":
        return _Change(problem=f"is a change ({change[:40]}), and only entries are taken")
    if entry.problem:
        return _Change(problem=entry.problem)
    classes = {value.text.strip().lower() for value in entry.values.get("objectclass", ())}
    return _Change(skipped=no_person(classes, named=not entry.values.keys().isdisjoint(("uid", "samaccountname"))))


class _Fields:
    """The attributes of entries by our fields."""

    def __init__(self, reading: Reading, note: Callable[[str], None]) -> None:
        self._mapping = {name.strip().lower(): field for name, field in reading.mapping.items()}
        self.columns = ColumnsByShape(self._mapping, note, LDIF_ALIASES)
        self._needed: dict[str, bool] = {}

    def is_needed(self, name: str) -> bool:
        """Whether the values of this attribute are needed; else it is noted once, and left out."""
        known = self._needed.get(name)
        if known is None:
            base, _, option = name.partition(";")
            plain = plain_name(base)
            alias = LDIF_ALIASES.get(plain)
            known = name in self._mapping or base in self._mapping or base in _OF_ENTRIES
            known = known or standing_kind(plain) is not None or (alias is not None and alias.field != NOTHING)
            known = known and "binary" not in option.split(";")
            if not known and alias is None:
                self.columns.of((name,))  # which tells of it
            if len(self._needed) < 10_000:
                self._needed[name] = known
        return known

    def record(self, row: int, entry: Entry) -> Record:
        """Raises Unreadable where the sender mapped two attributes to one field."""
        values = self._without_options(entry.values)
        columns = self.columns.of(tuple(values))
        cells = [listed if len(listed) > 1 else listed[0] for listed in values.values()]
        found: JsonObject = {}
        for field, value in columns.named(cells).items():
            several = value if isinstance(value, list) else [value]
            kept = several if field in (*_SEVERAL, "status") else several[:1]
            if len(kept) < len(several):
                self.columns.note(f"{field} has several values in some entries: the first of each is taken")
            if bad := next((one.problem for one in kept if isinstance(one, Value) and one.problem), ""):
                return Record(row, entry.line, None, f"{bad} for {field}")
            if field == "status" and len(several) > 1:
                found[field] = _least_active("word", several)
            elif isinstance(value, dict):
                found[field] = {name: _texts(more) for name, more in value.items()}
            else:
                found[field] = _texts(kept) if field == "tags" else _first(value)
        found["dn"] = entry.first("dn")
        said = [one._replace(value=_least_active(one.kind, one.value)) for one in columns.said(cells)]
        return Record(row, entry.line, found, hints=entry.hints, said=said)

    def _without_options(self, values: Mapping[str, list[Value]]) -> dict[str, list[Value]]:
        """`cn;lang-de` counts where there is no plain `cn`; what belongs to the entry itself is no field."""
        plain = {
            name: listed
            for name, listed in values.items()
            if ";" not in name and (name not in _OF_ENTRIES or name in self._mapping)
        }
        for name, listed in values.items():
            base = name.partition(";")[0]
            if ";" not in name or base in _OF_ENTRIES:
                continue
            if name in self._mapping:
                plain[name] = listed
            elif base not in plain:
                plain[base] = listed
            elif plain[base] is not listed:
                self.columns.note(f"the attribute {name[:80]!r} is left out: {base} is there")
        return plain


def _first(value: object) -> str:
    one = value[0] if isinstance(value, list) else value
    return one.text if isinstance(one, Value) else ""


def _least_active(kind: str, value: object) -> str:
    """Of several values of a state the one that takes most, or the one that can't be read."""
    texts = [_first(one) for one in value] if isinstance(value, list) else [_first(value)]
    return reduce(lambda one, other: less_active(kind, one, other), texts)


def _texts(value: object) -> Json:
    return [_first(one) for one in value] if isinstance(value, list) else _first(value)
