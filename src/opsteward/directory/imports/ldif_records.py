"""Users as LDIF (RFC 2849): entries of a directory, not changes of one."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from opsteward.directory.imports.columns import LDIF_ALIASES, Columns
from opsteward.directory.imports.records import MAX_RECORD, Blocks, Reading, Record
from opsteward.directory.imports.text import lines

#: Fields that may have several values; of the others the first is taken.
_SEVERAL = ("tags", "profile_data")
_RDN = re.compile(r"\s*(uid|samaccountname|userid)\s*=\s*((?:\\.|[^,\\+])+)", re.IGNORECASE)
_ESCAPED = re.compile(r"((?:\\[0-9a-fA-F]{2})+)|\\(.)")


def ldif_records(blocks: Blocks, reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """One record for each entry; its row counts entries."""
    fields = _Fields(reading, note)
    for row, (line, entry) in enumerate(_entries(lines(blocks, reading.encoding)), start=1):
        if isinstance(entry, str):
            yield Record(row, line, None, entry)
        elif problem := _no_entry(entry):
            yield Record(row, line, None, problem)
        else:
            yield Record(row, line, fields.named(entry))


def _no_entry(entry: dict[str, list[str]]) -> str:
    if "dn" not in entry:
        return "has no dn: before its attributes"
    change = entry.get("changetype", ["add"])[0].strip().lower()
    return "" if change == "add" else f"is a change ({change[:40]}), and only entries are taken"


def _entries(text: Iterator[str]) -> Iterator[tuple[int, dict[str, list[str]] | str]]:
    """(its first line, its values by lower-case attribute, or what is wrong with it)."""
    entry: dict[str, list[str]] = {}
    problem, begun, size = "", 0, 0
    for line, logical in _logical(text):
        if logical == "":
            if (entry and set(entry) != {"version"}) or problem:
                yield begun, problem or entry
            entry, problem, begun, size = {}, "", 0, 0
            continue
        if logical.startswith("#"):
            continue
        begun = begun or line
        size += len(logical)
        if size > MAX_RECORD:
            problem = f"is longer than {MAX_RECORD} characters"
        if not problem:
            problem = _add(entry, logical)
    if (entry and set(entry) != {"version"}) or problem:
        yield begun, problem or entry


def _add(entry: dict[str, list[str]], logical: str) -> str:
    name, colon, value = logical.partition(":")
    name = name.strip().lower()
    if not colon or not name:
        return f"has a line that is no attribute: {logical[:60]!r}"
    if value.startswith("<"):
        return f"names a place outside of the file for {name[:60]}, which is not followed"
    if value.startswith(":"):
        try:
            value = base64.b64decode(value[1:].strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return f"has no UTF-8 text in the base64 of {name[:60]}"
    elif value.startswith(" "):
        value = value[1:]
    entry.setdefault(name, []).append(value)
    return ""


def _logical(text: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Lines with those folded onto them; a blank one ends an entry."""
    held: list[str] | None = None
    at = kept = 0
    for number, raw in enumerate(text, start=1):
        line = raw.rstrip("\r\n")
        if line.startswith(" ") and held is not None:
            kept += len(line)
            if kept <= MAX_RECORD + 1:
                held.append(line[1:])
            continue
        if held is not None:
            yield at, "".join(held)
        held, at, kept = ([line], number, len(line)) if line else (None, number, 0)
        if not line:
            yield number, ""
    if held is not None:
        yield at, "".join(held)


class _Fields:
    """The attributes of entries by our fields; each combination of attributes is looked at once."""

    def __init__(self, reading: Reading, note: Callable[[str], None]) -> None:
        self._mapping = reading.mapping
        self._note = note
        self._noted: set[str] = set()
        self._known: dict[tuple[str, ...], Columns] = {}

    def named(self, entry: dict[str, list[str]]) -> dict[str, object]:
        """Raises Unreadable where two attributes mean one field."""
        names = tuple(entry)
        columns = self._known.get(names)
        if columns is None:
            columns = Columns(list(names), self._mapping, self._once, aliases=LDIF_ALIASES)
            if len(self._known) < 1000:
                self._known[names] = columns
        found = columns.named([values if len(values) > 1 else values[0] for values in entry.values()])
        for field, values in found.items():
            if isinstance(values, list) and field not in _SEVERAL:
                found[field] = values[0]
                self._once(f"{field} has several values in some entries: the first of each is taken")
        if isinstance(tags := found.get("tags"), str):
            found["tags"] = [tags]
        if isinstance(manager := found.get("manager"), str) and "=" in manager:
            found["manager"] = _named_by(manager)
        return found

    def _once(self, text: str) -> None:
        if text not in self._noted and len(self._noted) < 200:
            self._noted.add(text)
            self._note(text)


def _named_by(dn: str) -> str:
    """The username in a distinguished name that begins with one; else the whole of it, which names nobody."""
    found = _RDN.match(dn)
    if found is None:
        return dn
    return _ESCAPED.sub(_unescaped, found[2]).strip()


def _unescaped(found: re.Match[str]) -> str:
    """Escaped bytes are those of UTF-8, one after the other."""
    return bytes.fromhex(found[1].replace("\\", "")).decode(errors="replace") if found[1] else found[2]
