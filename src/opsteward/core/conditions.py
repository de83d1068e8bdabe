"""Short conditions over named values: `status == 200 and latency < 0.5 and json.status == "ok"`.

`and`, `or`, `not`, parentheses; `==`, `!=`, `<`, `<=`, `>`, `>=`, `contains`; numbers, "texts", true, false, null; a
name with fields and places (`json.items[0].state`). What is not there is null; an order between things that have none
is false. Nothing is called and nothing runs: a condition ends after as many steps as it has words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from opsteward.core.errors import Invalid

MAX_LENGTH = 500
_MAX_DEPTH = 20
_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d{1,15}(?:\.\d{1,15})?)(?![\w.])"
    r"|(?P<path>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d{1,6}\])*)"
    r"|(?P<sign>==|!=|<=|>=|<|>|\(|\)))",
    re.ASCII,
)
_CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}
_WORDS = ("and", "or", "not", "contains")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "contains")
Values = Mapping[str, object]
_Node = Callable[[Values], object]


@dataclass(frozen=True)
class Condition:
    """A condition that was understood. `names` are the values it begins its paths with."""

    text: str
    names: frozenset[str]
    _node: _Node

    def holds(self, values: Values) -> bool:
        """Whether it is true of these values; never raises."""
        return bool(self._node(values))


def parse_condition(text: str, *, known: Sequence[str] = (), field: str = "condition") -> Condition:
    """Raises Invalid naming `field` for what is no condition, or speaks of a value that is not `known` (if any are)."""
    if len(text) > MAX_LENGTH:
        raise Invalid.field(field, f"is longer than {MAX_LENGTH} characters", "split it into several checks")
    parser = _Parser(text, field)
    node = parser.whole()
    if known and (strange := sorted(parser.names - set(known))):
        raise Invalid.field(field, f"{strange[0][:40]!r} is no value here", f"use {', '.join(known)}")
    return Condition(text, frozenset(parser.names), node)


class _Parser:
    """By recursive descent; each level binds tighter than the one before."""

    def __init__(self, text: str, field: str) -> None:
        self.names: set[str] = set()
        self._field = field
        self._depth = 0
        self._tokens = self._split(text)

    def whole(self) -> _Node:
        node = self._either()
        if self._tokens:
            self._fail(f"{self._tokens[0][1][:40]!r} is unexpected")
        return node

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                self._fail(f"{text[at : at + 20].strip()!r} is not understood")
            kind, word = found.lastgroup, found[found.lastgroup]
            tokens.append(("sign" if kind == "path" and word in _WORDS else kind, word))
            at = found.end()
        return tokens

    def _fail(self, problem: str) -> NoReturn:
        raise Invalid.field(self._field, problem, 'for example: status == 200 and json.status == "ok"')

    def _take(self, *words: str) -> str | None:
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in words:
            return self._tokens.pop(0)[1]
        return None

    def _either(self) -> _Node:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda values: any(bool(part(values)) for part in parts)

    def _both(self) -> _Node:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda values: all(bool(part(values)) for part in parts)

    def _one(self) -> _Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"is nested more than {_MAX_DEPTH} deep")
        try:
            if self._take("not"):
                inner = self._one()
                return lambda values: not inner(values)
            left = self._operand()
            sign = self._take(*_COMPARISONS)
            if sign is None:
                return left
            right = self._operand()
            return lambda values: _compare(sign, left(values), right(values))
        finally:
            self._depth -= 1

    def _operand(self) -> _Node:
        if self._take("("):
            inner = self._either()
            if not self._take(")"):
                self._fail("a parenthesis is not closed")
            return inner
        if not self._tokens or self._tokens[0][0] == "sign":
            self._fail("a value is missing")
        kind, word = self._tokens.pop(0)
        if kind == "path" and word not in _CONSTANTS:
            steps = _steps(word)
            self.names.add(str(steps[0]))
            return lambda values: _at(values, steps)
        constant = self._constant(kind, word)
        return lambda _: constant

    def _constant(self, kind: str, word: str) -> object:
        if kind == "path":
            return _CONSTANTS[word]
        if kind == "number":
            return float(word)
        try:
            return str(json.loads(word))
        except ValueError:
            self._fail(f"{word[:40]} is no text")


def value_at(values: object, path: str) -> object:
    """What stands at a path as conditions have it (`items[0].state`); None where there is nothing."""
    return _at(values, _steps(path))


def _steps(path: str) -> list[str | int]:
    return [int(step[1:-1]) if step[0] == "[" else step for step in re.findall(r"[\w-]+|\[\d{1,6}\]", path)]


def _at(values: object, steps: Sequence[str | int]) -> object:
    for step in steps:
        if isinstance(step, str) and isinstance(values, Mapping):
            values = values.get(step)
        elif isinstance(step, int) and isinstance(values, list | tuple) and step < len(values):
            values = values[step]
        else:
            return None
    return values


def _compare(sign: str, left: object, right: object) -> bool:
    if sign == "contains":
        return (isinstance(left, str) and isinstance(right, str) and right in left) or _is_among(right, left)
    if sign in ("==", "!="):
        return _same(left, right) == (sign == "==")
    if (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str)):
        low, high = (left, right) if sign[0] == "<" else (right, left)
        return bool(low < high) or (sign.endswith("=") and low == high)  # type: ignore[operator]
    return False


def _same(left: object, right: object) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)  # true is not 1


def _is_among(one: object, many: object) -> bool:
    return isinstance(many, list | tuple) and any(_same(each, one) for each in many)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
