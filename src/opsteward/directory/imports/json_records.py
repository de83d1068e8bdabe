"""Users as JSON: one object a line, or an array that is read piece by piece."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from opsteward.directory.imports.records import MAX_RECORD, Blocks, Record, Unreadable
from opsteward.directory.imports.text import lines

_BETWEEN = re.compile(r"[ \t\r\n]*")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def ndjson_records(blocks: Blocks, encoding: str) -> Iterator[Record]:
    """One record for each line that is not blank; a bad line spoils no other."""
    row = 0
    for number, line in enumerate(lines(blocks, encoding), start=1):
        text = line.strip(" \t\r\n")
        if not text:
            continue
        row += 1
        if len(text) > MAX_RECORD:
            yield Record(row, number, None, f"is longer than {MAX_RECORD} characters")
            continue
        try:
            value, end = _DECODER.raw_decode(text)
        except RecursionError:
            yield Record(row, number, None, "is nested too deep")
        except ValueError as error:
            yield Record(row, number, None, f"is no JSON: {error}"[:300])
        else:
            yield _record(row, number, value, extra=end != len(text))


def _record(row: int, line: int | None, value: Any, *, extra: bool = False) -> Record:
    if extra:
        return Record(row, line, None, "has something after its end")
    if not isinstance(value, dict):
        return Record(row, line, None, "is no object")
    return Record(row, line, value)


def array_records(blocks: Blocks, encoding: str) -> Iterator[Record]:
    """One record for each element. Raises Unreadable where the array itself is broken: what follows can't be told."""
    text = _Growing(blocks, encoding)
    if text.next_character() != "[":
        raise Unreadable("is no JSON array")
    text.at += 1
    row = 0
    if text.next_character() == "]":
        text.at += 1
    else:
        while True:
            row += 1
            yield _record(row, None, text.next_value(row))
            mark = text.next_character()
            text.at += 1
            if mark == "]":
                break
            if mark != ",":
                raise Unreadable("the array is broken or cut off after this row", row=row)
    if text.next_character():
        raise Unreadable("has something after the array", row=row)


class _Growing:
    """The text read so far and not yet used."""

    def __init__(self, blocks: Blocks, encoding: str) -> None:
        self._blocks = blocks
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text = ""
        self._over = False
        self.at = 0

    def next_character(self) -> str:
        """What comes next after white space; empty at the end."""
        while True:
            found = _BETWEEN.match(self._text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._grow():
                return ""

    def next_value(self, row: int) -> Any:
        self.next_character()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self.at)
                if end < len(self._text) or self._over:  # a number at the very end may go on
                    self.at = end
                    return value
            except RecursionError:
                raise Unreadable("is nested too deep", row=row) from None
            except ValueError as error:
                if len(self._text) - self.at > MAX_RECORD or self._over:
                    raise Unreadable(f"is no JSON: {error}"[:300], row=row) from None
            if not self._grow() and not self._over:
                raise Unreadable("the file ends within this row", row=row)

    def _grow(self) -> bool:
        if self._over:
            return False
        block = next(self._blocks, None)
        self._over = block is None
        more = self._decoder.decode(block or b"", final=self._over)
        self._text = self._text[self.at :] + more
        self.at = 0
        return True
