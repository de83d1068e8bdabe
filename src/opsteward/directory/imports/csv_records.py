"""Users as CSV, with the habits of HR systems and of Excel: said in the report, never quietly mended."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from itertools import chain

from opsteward.directory.imports.columns import Columns
from opsteward.directory.imports.records import Blocks, Reading, Record, Unreadable
from opsteward.directory.imports.text import lines

#: An export of ours has this column: its cells that could be formulas begin with an apostrophe, which is taken off.
EXPORT_MARK = "opsteward_export"
#: With these a cell may be run by a spreadsheet; with an apostrophe before them it is text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SEP = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_DELIMITERS = (",", ";", "\t", "|")


def csv_records(blocks: Blocks, reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """One record for each row that is not blank; the first row names the columns. Raises Unreadable for bad columns."""
    text = lines(blocks, reading.encoding)
    first = next(text, "")
    before = 0
    delimiter = reading.delimiter
    if told := _SEP.fullmatch(first):
        delimiter = delimiter or told[1]
        first = next(text, "")
        before = 1
    if not first.strip():
        raise Unreadable("has no first row with the names of its columns", row=0, line=before + 1)
    delimiter = delimiter or _likely_delimiter(first)
    if delimiter != ",":
        note(f"columns are set apart by {delimiter!r}")
    rows = csv.reader(chain([first], text), delimiter=delimiter, strict=True)
    try:
        header = next(rows)
    except csv.Error as error:
        raise Unreadable(f"its first row is no CSV: {error}", line=before + 1) from None
    marked = EXPORT_MARK in header
    columns = Columns(header, reading.mapping, note, ignored=frozenset({EXPORT_MARK}))
    yield from _records(rows, columns, before, marked=marked)


def _records(rows: Iterator[list[str]], columns: Columns, before: int, *, marked: bool) -> Iterator[Record]:
    number = 0
    width = columns.width
    while True:
        line = before + rows.line_num + 1  # type: ignore[attr-defined]
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Record(number, line, None, f"is no CSV row: {error}")
            continue
        if not any(cells):
            continue
        number += 1
        if len(cells) != width:
            if len(cells) > width and not any(cells[width:]):
                cells = cells[:width]  # a spreadsheet's empty columns to the right
            else:
                yield Record(number, line, None, f"has {len(cells)} cells, the first row has {width}")
                continue
        if marked:
            cells = [cell[1:] if cell[:1] == "'" else cell for cell in cells]
        yield Record(number, line, columns.named(cells))


def _likely_delimiter(header: str) -> str:
    bare = _QUOTED.sub("", header)
    return max(_DELIMITERS, key=bare.count)


def inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. Taking one leading apostrophe off gives what it was."""
    return f"'{cell}" if cell.startswith((*FORMULA, "'")) else cell
