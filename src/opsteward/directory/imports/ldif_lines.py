"""The lines of LDIF as entries: folded lines, comments and blank ones, base64, and what other programs leave in it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from opsteward.directory.imports.records import MAX_RECORD

#: What ldapsearch writes around the entries.
SEARCH_LINES = frozenset({"search", "result", "ref", "version", "control", "matcheddn", "text"})
_HINTS = 5


class Value(NamedTuple):
    """One value of an attribute, or what keeps it from being read."""

    text: str
    problem: str = ""


@dataclass
class Entry:
    """The values that are needed, by attribute in lower case; `line` is the first one of it in the file."""

    line: int
    values: dict[str, list[Value]] = field(default_factory=dict)
    problem: str = ""
    hints: tuple[str, ...] = ()
    size: int = 0

    def first(self, name: str) -> str:
        """The first value of an attribute; empty where there is none."""
        return self.values[name][0].text.strip() if name in self.values else ""

    def hint(self, text: str) -> None:
        """Something is odd about it."""
        if len(self.hints) < _HINTS:
            self.hints = (*self.hints, text)


def entries(text: Iterator[str], needed: Callable[[str], bool]) -> Iterator[Entry]:
    """The entries of a file. `needed` says of an attribute in lower case whether its values are looked at."""
    entry = Entry(0)
    for line, logical in _logical(text, needed):
        if not logical:
            if entry.line:
                yield entry
            entry = Entry(0)
            continue
        name = logical.partition(":")[0].strip().lower()
        if name == "dn" and "dn" in entry.values:  # nobody put a blank line between
            yield entry
            entry = Entry(0)
        entry.line = entry.line or line
        _add(entry, logical, needed)
    if entry.line:
        yield entry


def _add(entry: Entry, logical: str, needed: Callable[[str], bool]) -> None:
    name, colon, value = logical.partition(":")
    name = name.strip().lower()
    if not colon or not name:
        if logical.strip() != "-":  # between the parts of a change
            entry.hint(f"a line that is no attribute was left out: {logical[:60]!r}")
        return
    if name == "version" and "dn" not in entry.values and not entry.values:
        if value.strip() not in ("", "1"):
            entry.hint(f"says it is LDIF of version {value.strip()[:20]}: read as version 1")
        entry.line = 0  # a line for the file, not for the entry that may follow at once
        return
    if not needed(name):
        return
    entry.size += len(logical)
    if entry.size > MAX_RECORD:
        entry.problem = f"is longer than {MAX_RECORD} characters"
    if not entry.problem:
        entry.values.setdefault(name, []).append(_value(value))


def _value(raw: str) -> Value:
    if raw.startswith("<"):
        return Value("", "names a place outside of the file, which is not followed,")
    if not raw.startswith(":"):
        return Value(raw.lstrip(" "))
    try:
        return Value(base64.b64decode("".join(raw[1:].split()), validate=True).decode())
    except (binascii.Error, ValueError):
        return Value("", "has no UTF-8 text in the base64")


def _logical(text: Iterator[str], needed: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
    """Lines with those folded onto them; a blank one ends an entry. Of what is not needed only the first is held."""
    held: list[str] | None = None
    at = kept = 0
    keep = True
    for number, raw in enumerate(text, start=1):
        line = raw.rstrip("\r\n")
        if line[:1] in (" ", "\t") and (line.strip() or held is not None):
            if held is not None and keep and kept <= MAX_RECORD + 1:
                kept += len(line)
                held.append(line[1:])
            continue
        if held is not None:
            yield at, "".join(held)
            held = None
        if not line.strip():
            yield number, ""
            continue
        keep = not line.startswith("#") and needed(line.partition(":")[0].strip().lower())
        if line.startswith("#"):
            held = None
            continue
        held, at, kept = [line], number, len(line)
    if held is not None:
        yield at, "".join(held)
