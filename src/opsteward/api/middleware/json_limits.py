"""What of a JSON body can be stored in PostgreSQL, and how much of it is read: valid UTF-8, no NUL, no lone surrogate,
no NaN, bounded depth, digits and number of values. What is not is a 4xx that names the field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Never

from opsteward.core.errors import FieldProblem, Invalid, Malformed
from opsteward.core.format_words import json_problem
from opsteward.core.json_types import Json
from opsteward.core.plain_json import DEPTH_LIMIT, VALUES_LIMIT, NotPlain, parse_plain, values_at_most

#: A string, or what begins a container or sets off a value. It never goes back over a byte that it has passed.
_STRING_OR_VALUE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|([\[{,])', re.DOTALL)
_SUSPICIOUS = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|[0-9][eE]\+?[0-9]{3}")
#: Whole numbers of more digits are refused: they fit no float, and what computes with one would fail on them.
_MAX_DIGITS = 200
_MANY_DIGITS = re.compile(rb"(?<![0-9])[0-9]{%d}" % _MAX_DIGITS)
#: Most problems of one body that are told, and most of a field's path that is.
_MAX_PROBLEMS = 20
_MAX_PATH = 200


def check_rows(body: bytes, *, max_depth: int) -> Sequence[object]:
    """The rows of a JSON array; in the place of a row that can't be stored, the Invalid that names its fields.

    Raises Malformed for what is no JSON array. Blocks as `check_json` does.
    """
    rows, suspicious = _parsed(body, max_depth=max_depth + 1)
    if not isinstance(rows, list):
        raise Malformed(problems=[_body_problem("is no JSON array", "send one")])
    if not suspicious:
        return rows
    found = ((row, list(islice(_unstorable(row, max_depth), _MAX_PROBLEMS))) for row in rows)
    return [Invalid(problems=problems) if problems else row for row, problems in found]


def check_json(body: bytes, *, max_depth: int) -> Json:
    """The parsed body. Raises Malformed for what is no JSON, Invalid naming the field for what can't be stored.

    Its time and memory are bounded by `VALUES_LIMIT` and the body's length; it blocks, so give it a thread when large.
    """
    value, suspicious = _parsed(body, max_depth=max_depth)
    if suspicious and (found := list(islice(_unstorable(value, max_depth), _MAX_PROBLEMS))):
        raise Invalid(problems=found)
    return value


def _parsed(body: bytes, *, max_depth: int) -> tuple[Json, bool]:
    """The value, and whether there may be something in it that can't be stored. Raises Malformed."""
    try:
        return parse_plain(body, depth=min(max_depth, DEPTH_LIMIT)), False
    except NotPlain:
        return _parsed_slowly(body, max_depth=max_depth)


def _parsed_slowly(body: bytes, *, max_depth: int) -> tuple[Json, bool]:
    check_values(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(problems=[_body_problem(f"is not UTF-8 at byte {error.start}", "encode it as UTF-8")]) from None
    if "\x00" in text:
        raise Malformed(problems=[_body_problem("holds a NUL byte", "remove it")])
    many_digits = _MANY_DIGITS.search(body) is not None
    try:
        value: Json = json.loads(
            text, parse_constant=_refuse_constant, parse_int=_bounded_integer if many_digits else None
        )
    except RecursionError:
        raise Malformed(problems=[_body_problem(f"is nested deeper than {max_depth}", "flatten it")]) from None
    except ValueError as error:
        raise Malformed(problems=[_body_problem(json_problem(error), "send valid JSON")]) from None
    deep = body.count(b"[") + body.count(b"{") > max_depth
    return value, bool(many_digits or deep or _SUSPICIOUS.search(body))


def check_values(body: bytes) -> None:
    """Raises Invalid for more than `VALUES_LIMIT`, of all lines together where a body is lines.

    Before anything is made of it: few commas and brackets are few values; of many, those within strings are none."""
    if values_at_most(body) <= VALUES_LIMIT:
        return
    values = 0
    for number, found in enumerate(_STRING_OR_VALUE.finditer(body)):
        values += found.lastindex is not None
        # JSON has at most a key and a text to each value; what has more strings is none, and ends here too.
        if values > VALUES_LIMIT or number > 4 * VALUES_LIMIT:
            raise Invalid.field("body", f"holds more than {VALUES_LIMIT} values", "send less at once")


def _body_problem(problem: str, remedy: str) -> FieldProblem:
    return FieldProblem(field="body", problem=problem, remedy=remedy)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _bounded_integer(text: str) -> int:
    if len(text.removeprefix("-")) > _MAX_DIGITS:
        raise Malformed(problems=[_body_problem(f"holds a number of over {_MAX_DIGITS} digits", "send it as a string")])
    return int(text)


#: Where a value stands: its container's own link, and the key or the index in it. A path is built only to be told.
_Link = tuple["_Link", str | int] | None


def _unstorable(root: Json, max_depth: int) -> Iterator[FieldProblem]:
    """What PostgreSQL could not store, wherever it stands; without recursion, the depth being the caller's."""
    stack: list[tuple[_Link, int, object]] = [(None, 1, root)]
    while stack:
        link, depth, value = stack.pop()
        if isinstance(value, str):
            if why := _bad_text(value):
                yield FieldProblem(field=_path(link), problem=why, remedy="remove it")
        elif isinstance(value, float):
            if not math.isfinite(value):
                yield FieldProblem(field=_path(link), problem="is no finite number", remedy="send it as a string")
        elif isinstance(value, dict | list):
            if depth > max_depth:
                yield FieldProblem(field=_path(link), problem=f"is nested deeper than {max_depth}", remedy="flatten it")
                return
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in items:
                if isinstance(key, str) and (why := _bad_text(key)):
                    yield FieldProblem(field=_path(link), problem=f"has a key that {why}", remedy="rename it")
                elif isinstance(inner, str | float | dict | list):
                    stack.append(((link, key), depth + 1, inner))


def _path(link: _Link) -> str:
    """The dotted name of a place, cut where it is too long to tell."""
    keys: list[str] = []
    while link is not None:
        link, key = link
        keys.append(str(key)[:_MAX_PATH])
    return ".".join(reversed(keys))[:_MAX_PATH] or "body"


def _bad_text(text: str) -> str:
    if "\x00" in text:
        return "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair"
    return ""
