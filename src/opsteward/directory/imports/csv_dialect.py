"""How a CSV file is written: what stands between its cells, what around them, and which row names the columns.

Judged by the first records of the file, with their quoted line breaks: by how many columns mean something, then by how
well the rows fit the one that names them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opsteward.directory.imports.columns import known_columns
from opsteward.directory.imports.records import MAX_RECORD

csv.field_size_limit(MAX_RECORD)
_SEP = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_DELIMITERS = (",", ";", "\t", "|", "^")
#: Of the file, so much is looked at.
_SAMPLE_LINES = 200
_SAMPLE_CHARACTERS = 256 * 1024
#: Rows that may stand above the one with the names of the columns: titles of reports.
_TITLES = 10


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """`begun`: lines that were read already and belong to the records; `before` them so many were left out."""

    delimiter: str
    quote: str
    #: spaces after a delimiter are none of a cell, which may be quoted after them
    spaced: bool
    begun: list[str]
    before: int
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Guess:
    delimiter: str
    quote: str
    spaced: bool
    known: int
    fit: float
    width: int
    #: lines above the one that names the columns
    titles: int


def dialect_of(text: Iterator[str], *, delimiter: str, mapping: Mapping[str, str]) -> Dialect:
    """Reads the beginning of the text. `delimiter`: what the sender says, if anything."""
    notes: list[str] = []
    before = 0
    sample: list[str] = []
    held = 0
    for line in text:
        if not sample and not before and (named := _SEP.fullmatch(line)):
            delimiter, before = delimiter or named[1], 1
            continue
        if not sample and (not line.strip() or line.lower().startswith(("#type ", "\ufeff#type ", '"#type '))):
            before += 1  # PowerShell says what it exported; a blank line says nothing
            continue
        sample.append(line)
        held += len(line)
        if len(sample) >= _SAMPLE_LINES or held >= _SAMPLE_CHARACTERS:
            break
    quote = "'" if sample and sample[0].startswith("'") else '"'
    guesses = [
        _guess(sample, one, quote, mapping, spaced=spaced)
        for one in delimiter or _DELIMITERS
        for spaced in ((False, True) if any(f"{one} {quote}" in line for line in sample) else (False,))
    ]
    best = max(guesses, key=lambda one: (one.known, one.fit, one.width))
    if best.known == 0 and best.width <= 1:
        best = guesses[0]
    if best.delimiter != ",":
        notes.append(f"columns are set apart by {best.delimiter!r}")
    if best.quote != '"':
        notes.append(f"cells are quoted by {best.quote}")
    if best.spaced:
        notes.append("spaces after a delimiter are left out")
    if best.titles:
        notes.append(f"{best.titles} lines above the names of the columns are left out")
    return Dialect(
        delimiter=best.delimiter, quote=best.quote, spaced=best.spaced, begun=sample[best.titles :],
        before=before + best.titles, notes=notes,
    )  # fmt: skip


def _guess(sample: list[str], delimiter: str, quote: str, mapping: Mapping[str, str], *, spaced: bool) -> _Guess:
    rows = _rows(sample, delimiter, quote, spaced=spaced)
    header, titles = _header(rows, mapping)
    if header is None:
        return _Guess(delimiter=delimiter, quote=quote, spaced=spaced, known=0, fit=0.0, width=0, titles=0)
    names = rows[header][1]
    width = len(names)
    after = [cells for _, cells in rows[header + 1 :] if any(cells)]
    fitting = sum(len(cells) == width or (len(cells) > width and not any(cells[width:])) for cells in after)
    return _Guess(
        delimiter=delimiter, quote=quote, spaced=spaced, known=known_columns(names, mapping),
        fit=fitting / len(after) if after else 1.0, width=width, titles=titles,
    )  # fmt: skip


def _rows(sample: list[str], delimiter: str, quote: str, *, spaced: bool) -> list[tuple[int, list[str]]]:
    """(lines before it, its cells) of the rows; one that is no CSV has no cells."""
    found: list[tuple[int, list[str]]] = []
    reader = csv.reader(iter(sample), delimiter=delimiter, quotechar=quote, skipinitialspace=spaced, strict=True)
    while True:
        before = reader.line_num
        try:
            found.append((before, next(reader)))
        except StopIteration:
            return found
        except csv.Error:
            found.append((before, []))


def _header(rows: list[tuple[int, list[str]]], mapping: Mapping[str, str]) -> tuple[int | None, int]:
    """(which row names the columns, lines above it): the first, if a later one does not know far better."""
    if not rows:
        return None, 0
    best, known = 0, known_columns(rows[0][1], mapping)
    if known < 2:
        for number, (_, cells) in enumerate(rows[1:_TITLES], start=1):
            found = known_columns(cells, mapping)
            if found >= max(2, known + 1) and len(cells) > len([c for c in rows[0][1] if c]):
                best, known = number, found
                break
    return best, rows[best][0]
