"""Users as CSV, with the habits of HR systems and of Excel: said in the report, never quietly mended."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from opsteward.core.format_words import CSV_PROBLEM
from opsteward.core.json_types import Json
from opsteward.directory.imports.columns import ALIASES, Columns, known_columns, plain_name
from opsteward.directory.imports.csv_dialect import Dialect, dialect_of
from opsteward.directory.imports.person_classes import no_person
from opsteward.directory.imports.records import MAX_RECORD, Blocks, Reading, Record, Unreadable
from opsteward.directory.imports.text_encoding import lines

#: An export of ours has this column: its cells that could be formulas begin with an apostrophe, which is taken off.
EXPORT_MARK = "opsteward_export"
#: With these a cell may be run by a spreadsheet; with an apostrophe before them it is text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_records(blocks: Blocks, reading: Reading, note: Callable[[str], None]) -> Iterator[Record]:
    """One record for each row that is not blank; a row names the columns. Raises Unreadable for bad columns."""
    text = lines(blocks, reading.encoding)
    dialect = dialect_of(text, delimiter=reading.delimiter, mapping=reading.mapping)
    for one in dialect.notes:
        note(one)
    rows = _Rows(chain(dialect.begun, text), dialect)
    try:
        header = next(rows.read)
    except StopIteration:
        raise Unreadable("has no first row with the names of its columns", row=0, line=dialect.before + 1) from None
    except csv.Error:
        raise Unreadable(f"its first row {CSV_PROBLEM}", line=dialect.before + 1) from None
    classes = next((name for name in header if plain_name(name) == "objectclass" and name not in reading.mapping), "")
    ignored = frozenset({EXPORT_MARK, classes.strip()})
    mapping = _with_names(header, dialect, reading.mapping, note)
    if not known_columns(header, mapping):
        raise Unreadable(_unknown(header), line=dialect.before + 1)
    columns = Columns(header, mapping, note, ignored=ignored, address_as_username=True)
    classes_at = header.index(classes) if classes else None
    yield from _records(rows, columns, note, marked=EXPORT_MARK in header, classes_at=classes_at)


_NAMES_OF_PEOPLE = ("full_name", "first_name", "last_name", "last_name_first")
_TOTAL = re.compile(
    r"\(?\d+ (?:rows?|records?|users?|entries|zeilen)\)?$|(?:(?:grand |sub)?totals?|(?:gesamt|zwischen)?summe"
    r"|gesamt(?:zahl)?|anzahl|count|somme|suma|razem|rows?|records?"
    r"|end of (?:report|file)|ende des berichts)(?!\w)|合計",
    re.IGNORECASE,
)
_OF_SQL = re.compile(r"(?:-- (?:MySQL|MariaDB|PostgreSQL|Dump)|/\*!|INSERT INTO |CREATE TABLE |SET )", re.IGNORECASE)
#: What stands between rows where a table is drawn.
_FRAME = re.compile(r"[-+=|\s]{3,}")
#: Files of accounts by how many parts their lines have.
#: How many characters may be given back and read again, for each that there is.
_READ_AGAIN = 50
_OF_ACCOUNTS = {7: "/etc/passwd", 9: "/etc/shadow", 4: "/etc/group"}


class _Rows:
    """The rows of a file with the lines that each is made of, which can be given back."""

    def __init__(self, text: Iterator[str], dialect: Dialect) -> None:
        self._text = text
        self._back: list[str] = []
        self._new = self._again = 0
        self._row = 0
        self.lines: list[str] = []
        self.begins = dialect.before
        self.format = {"delimiter": dialect.delimiter, "quotechar": dialect.quote, "skipinitialspace": dialect.spaced}
        self.begin_anew()

    def begin_anew(self) -> None:
        """Read on as from a first line: what was open before is closed."""
        self.read = csv.reader(self._next_line(), strict=True, **self.format)  # type: ignore[arg-type]

    def _next_line(self) -> Iterator[str]:
        while self._row <= MAX_RECORD:  # else the row ends here, whatever is open
            if self._back:
                line = self._back.pop()
            elif (found := next(self._text, None)) is not None:
                line = found
                self._new += len(line)
            else:
                return
            self.lines.append(line)
            self._row += len(line)
            yield line

    def begin(self) -> int:
        """Forget the lines of the row before; the number of the line that comes next."""
        self.begins += len(self.lines)
        self.lines.clear()
        self._row = 0
        return self.begins + 1

    def give_back(self) -> None:
        """All lines but the first come again. Raises Unreadable where that happens over and over."""
        self._again += self._row
        if self._again > _READ_AGAIN * self._new + MAX_RECORD:
            raise Unreadable("has quotes that do not end: mend them, or export the file again", line=self.begins + 1)
        self._back += reversed(self.lines[1:])
        del self.lines[1:]

    def fits(self, line: str, width: int) -> bool:
        """Whether a line of this row is a row by itself."""
        try:
            return len(next(csv.reader([line], strict=True, **self.format), [])) == width  # type: ignore[arg-type]
        except csv.Error:
            return False


def _records(
    rows: _Rows, columns: Columns, note: Callable[[str], None], *, marked: bool, classes_at: int | None
) -> Iterator[Record]:
    number = blank = 0
    width, least = columns.width, columns.least_width
    while True:
        line = rows.begin()
        try:
            cells = next(rows.read)
            problem = ""
        except StopIteration:
            break
        except csv.Error:
            cells, problem = [], CSV_PROBLEM
            rows.begin_anew()
        if len(rows.lines[-1]) > MAX_RECORD:
            problem = f"is longer than {MAX_RECORD} characters"
        if not problem and (not any(cells) or (len(cells) < width and _FRAME.fullmatch("".join(cells)))):
            blank += 1
            continue
        number += 1
        if not problem and len(cells) != width:
            cells, problem = _fitted(cells, width, least)
        if problem:
            if len(rows.lines) > 1 and (not cells or any(rows.fits(one, width) for one in rows.lines[1:])):
                problem = "has a quote that does not end: the rows after it are read on their own"
                rows.give_back()
                rows.begin_anew()
            yield Record(number, line, None, problem)
            continue
        if marked:
            cells = [cell[1:] if cell[:1] == "'" else cell for cell in cells]
        values: Mapping[str, Json] = columns.named(cells)
        if skipped := _no_user(cells, values, classes_at):
            yield Record(number, line, None, skipped=skipped)
            continue
        yield Record(number, line, values, said=columns.said(cells))
    if blank:
        note(f"{blank} rows without any content are passed over")


def _with_names(
    header: list[str], dialect: Dialect, mapping: Mapping[str, str], note: Callable[[str], None]
) -> Mapping[str, str]:
    """The mapping, and where a column of usernames has names of people, beside one of addresses: that it does."""
    known = sorted((alias.rank, alias.field, name) for name in header if (alias := ALIASES.get(plain_name(name))))
    found = {field: name for _, field, name in reversed(known)}
    name = found.get("username")
    if name is None or "email" not in found or mapping or not found.keys().isdisjoint(_NAMES_OF_PEOPLE):
        return mapping
    rows = csv.reader(dialect.begun[1:], delimiter=dialect.delimiter, quotechar=dialect.quote)
    at = header.index(name)
    try:
        cells = [cells[at].strip() for cells in rows if len(cells) > at]
    except csv.Error:
        return mapping
    if sum(" " in cell for cell in cells) * 2 <= len(cells):
        return mapping
    note(f"the column {name!r} has names of people, not of accounts")
    ids = {other.strip(): "number" for other in header if plain_name(other) == "userid"}
    return {**ids, name.strip(): "full_name"}


def _unknown(header: list[str]) -> str:
    """What is wrong with a file whose first row names nothing that is known."""
    row = " ".join(header).lstrip("\ufeff ")
    if _OF_SQL.match(row):
        return "holds SQL statements, which are not run: export the table of users as CSV"
    if len(header) == 1 and len(parts := row.split(":")) in _OF_ACCOUNTS:
        return (f"looks like {_OF_ACCOUNTS[len(parts)]}, which has no addresses of people: write a CSV file with a"
                " first row of names, such as username,full_name,email")  # fmt: skip
    return ("has no row with the names of its columns, or none of them is known: add a first row such as"
            " username,email,full_name, or map the columns")  # fmt: skip


def _no_user(cells: list[str], values: Mapping[str, Json], classes_at: int | None) -> str:
    """Why a row is none of a user; empty for one that is."""
    if _is_total(cells, values):
        return "is a line of totals"
    if classes_at is None:
        return ""
    classes = set(cells[classes_at].lower().split(";"))
    return no_person(classes - {""}, named=bool(values.get("username")))


def _is_total(cells: list[str], values: Mapping[str, Json]) -> bool:
    """Whether a row sums up those above it: it names nobody, and begins with a word that says so."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    email, username = str(values.get("email") or ""), values.get("username")
    if not filled or "@" in email or not _TOTAL.match(filled[0]):
        return False
    # a user of this name has more than figures beside it
    return not username or (username == cells[0] and not any(map(str.isalpha, "".join(filled[1:]))))


def _fitted(cells: list[str], width: int, least: int) -> tuple[list[str], str]:
    """(the cells that the first row names, why there are none such)."""
    if len(cells) > width and not any(cells[width:]):
        return cells[:width], ""  # a spreadsheet's empty columns to the right
    totals = len(cells) < width and cells and _TOTAL.match(cells[0].strip()) and "@" not in "".join(cells)
    if least <= len(cells) < width or totals:
        return [*cells, *[""] * (width - len(cells))], ""
    return cells, f"has {len(cells)} cells, the first row has {width}"


def inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. Taking one leading apostrophe off gives what it was."""
    return f"'{cell}" if cell.startswith((*FORMULA, "'")) else cell
