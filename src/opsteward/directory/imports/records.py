"""What readers give and what is wrong with it: records, problems of rows, and what stops a whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opsteward.core.json_types import Json
from opsteward.directory.imports.account_status import Said

#: Most bytes of one record: beyond it the file is broken, or hostile.
MAX_RECORD = 1024 * 1024
_MAX_SHOWN = 100


class Problem(NamedTuple):
    """One thing about one row. An `error` keeps the row out; a `warning` says what was done to it."""

    row: int
    line: int | None
    kind: str
    field: str
    reason: str
    value: str


class Record(NamedTuple):
    """One row as it was read: `values` by field, or the problem because of which there are none.

    `skipped`: the row holds no user and was not meant to, and why. `hints`: what was odd in reading it. `said`: what
    its columns say of whether the account is in use.
    """

    row: int
    line: int | None
    values: Mapping[str, Json] | None
    problem: str = ""
    skipped: str = ""
    hints: tuple[str, ...] = ()
    said: Sequence[Said] = ()


class KnownRow(NamedTuple):
    """A row of this import that says what one of the earlier said, and the user whom that one meant."""

    row: int
    user_id: bytes


class Unreadable(Exception):
    """The file can't be read on from here; the message says why."""

    def __init__(self, reason: str, *, row: int = 0, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.row, self.line = reason, row, line


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file is to be read. `mapping`: field by the file's own name; `delimiter` is found where it is empty.

    `strict`: an unknown field of JSON is an error of its row, as in our own interface; else left out and noted.
    """

    format: str
    encoding: str = "utf-8"
    mapping: Mapping[str, str]
    delimiter: str = ""
    strict: bool = False


Blocks = Iterator[bytes]
#: Takes what concerns the whole file.
Note = Callable[[str], None]


def error(record: Record, field: str, reason: str, value: object = "") -> Problem:
    """What keeps this row out."""
    return Problem(record.row, record.line, "error", shown(field), reason, shown(value))


def warning(record: Record, field: str, reason: str, value: object = "") -> Problem:
    """What was done to this row, or is odd about it."""
    return Problem(record.row, record.line, "warning", shown(field), reason, shown(value))


def shown(value: object) -> str:
    """A value as the report shows it: short, and such that it can be stored."""
    text = value if isinstance(value, str) else "" if value is None else repr(value)[: 2 * _MAX_SHOWN]
    if len(text) > _MAX_SHOWN:
        text = f"{text[: _MAX_SHOWN - 1]}…"
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{SYMBOL FOR NULL}")
