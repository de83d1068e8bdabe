"""Users as JSON: an object a line, arrays, pages of an interface one after the other; all read piece by piece."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import NoReturn

from pydantic_core import from_json

from opsteward.core.format_words import json_problem
from opsteward.core.json_types import Json, depth_of
from opsteward.directory.imports.people_lists import Ambiguous, people_in
from opsteward.directory.imports.records import MAX_RECORD, Blocks, Note, Record, Unreadable
from opsteward.directory.imports.text_encoding import codec_of, lines

#: White space, and the separator of RFC 7464.
_BETWEEN = re.compile(r"[ \t\r\n\ufeff\x1e]*")
#: Levels of objects and lists in a record.
_DEEPEST = 150


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def holds_several(text: str) -> bool:
    """Whether another value follows the first one, as in a file of lines that is called JSON.

    No more is read for it than one record may have.
    """
    begun = text[: MAX_RECORD + 1024].lstrip(" \t\r\n\ufeff\x1e")
    try:
        _, end = _DECODER.raw_decode(begun)
    except (ValueError, RecursionError):  # no value, or a longer one: that is no record
        return False
    return begun[end:].lstrip(" \t\r\n,\x1e")[:1] in ("{", "[")


def json_records(blocks: Blocks, encoding: str, note: Note) -> Iterator[Record]:
    """One record for each element of an array, or each object that stands one after the other.

    Raises Unreadable where it is broken: what follows can't be read.
    """
    text = _Growing(blocks, encoding)
    row = 0
    while begins := text.next_character():
        if begins == "[":
            for value in _elements(text, row):
                for one in _of_element(value, row + 1, note):
                    row += 1
                    yield _record(row, None, one)
        elif begins == "{" or row == 0:
            value = text.next_value(row + 1)
            try:
                listed = _users_in(value, note)
            except Ambiguous as problem:
                raise Unreadable(str(problem), row=row + 1) from None
            for one in listed:
                row += 1
                yield _record(row, None, one)
        else:
            raise Unreadable("has something after the users that is neither an object nor an array", row=row)
        if text.next_character() == ",":
            text.at += 1


def _of_element(value: Json, row: int, note: Note) -> list[Json]:
    """What an element of an array is: a user, or a page of them. Raises Unreadable."""
    if not isinstance(value, dict) or "username" in value or not any(map(_is_list_of_objects, value.values())):
        return [value]
    try:
        return _users_in(value, note)
    except Ambiguous as problem:
        raise Unreadable(str(problem), row=row) from None


def _is_list_of_objects(value: Json) -> bool:
    return isinstance(value, list) and len(value) > 0 and isinstance(value[0], dict)


def _elements(text: _Growing, row: int) -> Iterator[Json]:
    text.at += 1
    if text.next_character() == "]":
        text.at += 1
        return
    while True:
        row += 1
        yield text.next_value(row)
        mark = text.next_character()
        text.at += 1
        if mark == "]":
            return
        if mark != ",":
            raise Unreadable("the array is broken or cut off after this row", row=row)
        if text.next_character() == "]":  # a comma too many after the last
            text.at += 1
            return


def ndjson_records(blocks: Blocks, encoding: str, note: Note) -> Iterator[Record]:
    """One record for each line that is not blank; a bad line spoils no other. What goes over several lines is JSON."""
    first = next(blocks, b"")
    whole = chain([first], blocks)
    if _goes_over_lines(first, encoding):
        yield from json_records(whole, encoding, note)
        return
    row = 0
    for number, line in enumerate(lines(whole, encoding), start=1):
        text = line.strip(" \t\r\n\x1e")
        if not text:
            continue
        if len(text) <= MAX_RECORD:  # what nearly every line is takes a short way
            try:
                value = from_json(text, allow_inf_nan=False)
            except ValueError:
                pass
            else:
                if type(value) is dict and "username" in value and not _is_too_deep(value, text, 0, len(text)):
                    row += 1
                    yield Record(row, number, value)
                    continue
        values, problem = _of_line(text, note)
        for value in values:
            row += 1
            yield _record(row, number, value)
        if problem:
            row += 1
            yield Record(row, number, None, problem)


def _goes_over_lines(begun: bytes, encoding: str) -> bool:
    """Whether the first value does not end with its line."""
    codec, errors = codec_of(encoding)
    text = codecs.getincrementaldecoder(codec)(errors).decode(begun[: 4 * MAX_RECORD]).lstrip(" \t\r\n\ufeff\x1e")
    line, _, rest = text.partition("\n")
    if line[:1] not in ("[", "{") or not rest.strip() or _of_line(line.strip(), lambda _: None)[0]:
        return False
    if line[0] == "[":
        return line.strip() == "[" or line.rstrip().endswith(",")
    try:
        _, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return end > len(line)


def _of_line(text: str, note: Note) -> tuple[list[Json], str]:
    """(what the line holds, what is wrong with it)."""
    if len(text) > MAX_RECORD:
        return [], f"is longer than {MAX_RECORD} characters"
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return _with_reason(text, note)
    if _is_too_deep(value, text, 0, len(text)):
        return [], "is nested too deep"
    if type(value) is dict and "username" in value:
        return [value], ""
    try:
        return _users_in(value, note), ""
    except Ambiguous as problem:
        return [], str(problem)


def _with_reason(text: str, note: Note) -> tuple[list[Json], str]:
    """What the quick reader refuses: read by the other, which takes more and says what is wrong."""
    found: list[Json] = []
    at = 0
    try:
        while at < len(text):
            begins = at
            value, at = _DECODER.raw_decode(text, at)
            if _is_too_deep(value, text, begins, at):
                return [], "is nested too deep"
            found += _users_in(value, note)
            between = _BETWEEN.match(text, at)
            at = between.end() if between else at
            if text[at:] == ",":  # a line of an array
                break
            if text[at : at + 1] not in ("{", "["):
                return (found, "") if at == len(text) else ([], "has something after its end")
    except RecursionError:
        return [], "is nested too deep"
    except Ambiguous as problem:
        return [], str(problem)
    except ValueError as error:
        return [], json_problem(error)
    return found, ""


def _users_in(value: Json, note: Note) -> list[Json]:
    """Raises Ambiguous."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return value
    found = people_in(value)
    if found is None:
        return [value]
    for one in found.notes:
        note(one)
    return found.listed


def _is_too_deep(value: Json, text: str, begins: int, ends: int) -> bool:
    """Whether a value that stands there in the text is nested so deep that some step after this one can't follow."""
    if not isinstance(value, dict | list) or text.count("{", begins, ends) + text.count("[", begins, ends) <= _DEEPEST:
        return False
    return depth_of(value) > _DEEPEST


def _record(row: int, line: int | None, value: Json) -> Record:
    return Record(row, line, value) if isinstance(value, dict) else Record(row, line, None, "is no object")


class _Growing:
    """The text read so far and not yet used."""

    def __init__(self, blocks: Blocks, encoding: str) -> None:
        self._blocks = blocks
        codec, errors = codec_of(encoding)
        self._decoder = codecs.getincrementaldecoder(codec)(errors)
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

    def next_value(self, row: int) -> Json:
        """The JSON value that begins here. Raises Unreadable for what is none, or longer than a record may be."""
        self.next_character()
        while True:
            try:
                value: Json
                value, end = _DECODER.raw_decode(self._text, self.at)
                if end < len(self._text) or self._over:  # a number at the very end may go on
                    if _is_too_deep(value, self._text, self.at, end):
                        raise Unreadable("is nested too deep", row=row)
                    self.at = end
                    return value
            except RecursionError:
                raise Unreadable("is nested too deep", row=row) from None
            except ValueError as error:
                if len(self._text) - self.at > MAX_RECORD or self._over:
                    reason = json_problem(error) if self._over else f"is no JSON, or longer than {MAX_RECORD} bytes"
                    raise Unreadable(reason[:300], row=row) from None
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
