"""Values that are sent with a call, read as what the call's file says they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.crew.direct_calls.types import CallValue, DirectCall, ValueType

_TEXT_LIMIT = 10_000
_LIST_LIMIT = 10_000
_INTEGERS = (-(2**63), 2**63 - 1)


class WrongValue(ValueError):
    """A value that is not what it has to be."""


def typed_values(call: DirectCall, given: Mapping[str, object]) -> dict[str, object]:
    """Every value of the call, typed; defaults where none is given. Raises Invalid naming each that is wrong."""
    problems = [
        FieldProblem(field=f"values.{name}"[:200], problem="is no value of this call",
                     remedy=f"it takes {', '.join(call.values) or 'none'}")
        for name in given
        if name not in call.values
    ]  # fmt: skip
    made: dict[str, object] = {}
    for name, declared in call.values.items():
        if given.get(name) is None:
            if not declared.has_default:
                problems.append(FieldProblem(field=f"values.{name}", problem="is missing",
                                             remedy=f"send a {declared.type}"))  # fmt: skip
            made[name] = declared.default
            continue
        try:
            made[name] = read_value(declared, given[name])
        except WrongValue as error:
            problems.append(FieldProblem(field=f"values.{name}", problem=str(error), remedy=_remedy(declared)))
    if problems:
        raise Invalid(problems=problems)
    return made


def read_value(declared: CallValue, value: object) -> object:
    """The value as its type. Raises WrongValue."""
    made = _READERS[declared.type](value)
    size: Any = len(made) if isinstance(made, str | list) else made  # of the same type as its bounds
    if declared.low is not None and size < declared.low:
        raise WrongValue(f"is below {declared.low}")
    if declared.high is not None and size > declared.high:
        raise WrongValue(f"is above {declared.high}")
    if declared.choices and any(one not in declared.choices for one in (made if isinstance(made, list) else [made])):
        raise WrongValue("is none of the choices")
    return made


def read_bound(kind: ValueType, text: str) -> object:
    """A bound as the type of what it bounds; of texts and lists the length. Raises WrongValue."""
    if kind in (ValueType.TEXT, ValueType.TEXTS, ValueType.INTEGERS):
        kind = ValueType.INTEGER
    return _READERS[kind](text)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValue("is no text")
    if len(value) > _TEXT_LIMIT or "\x00" in value:
        raise WrongValue(f"is longer than {_TEXT_LIMIT} characters, or holds a zero byte")
    return value


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and len(value) < 25 and value.strip().removeprefix("-").isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongValue("is no whole number")
    if not _INTEGERS[0] <= value <= _INTEGERS[1]:
        raise WrongValue("is too large")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WrongValue("is no number")
    try:
        made = float(value)
    except (ValueError, OverflowError):
        raise WrongValue("is no number") from None
    if not math.isfinite(made):
        raise WrongValue("is no finite number")
    return made


def _boolean(value: object) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise WrongValue("is neither true nor false")
    return value


def _date(value: object) -> date:
    try:
        return date.fromisoformat(_text(value)[:10])
    except ValueError:
        raise WrongValue("is no day") from None


def _time(value: object) -> datetime:
    try:
        made = datetime.fromisoformat(_text(value))
    except ValueError:
        raise WrongValue("is no time") from None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def _texts(value: object) -> list[str]:
    return [_text(one) for one in _listed(value)]


def _integers(value: object) -> list[int]:
    return [_integer(one) for one in _listed(value)]


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise WrongValue("is no list")
    if len(value) > _LIST_LIMIT:
        raise WrongValue(f"has more than {_LIST_LIMIT} entries")
    return value


_READERS = {
    ValueType.TEXT: _text, ValueType.INTEGER: _integer, ValueType.NUMBER: _number, ValueType.BOOLEAN: _boolean,
    ValueType.DATE: _date, ValueType.TIME: _time, ValueType.TEXTS: _texts, ValueType.INTEGERS: _integers,
}  # fmt: skip


def _remedy(declared: CallValue) -> str:
    if declared.choices:
        return f"send one of {', '.join(declared.choices[:20])}"
    forms = {ValueType.DATE: "such as 2026-05-31", ValueType.TIME: "such as 2026-05-31T08:00:00Z"}
    return f"send {declared.type} {forms.get(declared.type, '')}".strip()
