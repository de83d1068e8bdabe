"""What libraries find wrong with an input, said in our words: field, problem, remedy. No library's sentence leaves.

Whoever catches a library's error asks here. It goes by the kind of the error, never by its text, which changes with the
library's version, names its classes and may repeat the value. What our own validators say is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import PydanticCustomError

from opsteward.core.errors import FieldProblem

_UNSET: Final = object()
_EXPECTED_SHOWN = 300  # characters of the values that a field may have
#: Where in a request a value stood: no part of its field's name.
_PLACES = frozenset({"body", "query", "path", "header", "cookie"})
_NO_TEXT = ("is no text", "send it as text")
_NO_NUMBER = ("is no number", "send a number")
_NO_WHOLE_NUMBER = ("is no whole number", "send a whole number")
_NO_LIST = ("is no list", "send a list")
_NO_OBJECT = ("is no object", "send an object with named fields")
_NO_DATE = ("is no date", "write it like 2026-01-31")
_NO_INSTANT = ("is no date and time", "write it like 2026-01-31T12:00:00Z")
_NO_TIME = ("is no time of day", "write it like 08:30:00")
_NO_LENGTH = ("is no length of time", "write it in seconds, or like PT5M")
_NO_ID = ("is no id", "give an id as lists and answers name it")
_NO_URL = ("is no URL", "write it like https://example.com/path")
_NO_JSON = ("is no JSON", "send valid JSON")
_NO_BYTES = ("is no data in the encoding that is needed", "send it as text, or encode it")
_NOT_TAKEN = ("has a value that can't be taken", "see the reference for what it may be")
_CORRECT_IT = "correct it"
#: By the library's name of an error. In braces stands what it tells of the limit.
_BY_TYPE: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", "add it"),
    "missing_argument": ("is missing", "add it"),
    "missing_keyword_only_argument": ("is missing", "add it"),
    "missing_positional_only_argument": ("is missing", "add it"),
    "extra_forbidden": ("is no field here", "leave it out"),
    "unexpected_keyword_argument": ("is no field here", "leave it out"),
    "unexpected_positional_argument": ("is no field here", "leave it out"),
    "multiple_argument_values": ("is given more than once", "give it once"),
    "invalid_key": ("has a name that is no text", "give each field a name in quotes"),
    "frozen_field": ("can't be changed", "leave it out"),
    "frozen_instance": ("can't be changed", "leave it out"),
    "none_required": ("can only be null", "send null, or leave it out"),
    "greater_than": ("is not more than {gt}", "send more than {gt}"),
    "greater_than_equal": ("is less than {ge}", "send {ge} or more"),
    "less_than": ("is not less than {lt}", "send less than {lt}"),
    "less_than_equal": ("is more than {le}", "send {le} or less"),
    "multiple_of": ("is no multiple of {multiple_of}", "send a multiple of {multiple_of}"),
    "finite_number": ("is no finite number", "send an ordinary number"),
    "too_short": ("has fewer than {min_length} entries", "give at least {min_length}"),
    "too_long": ("has more than {max_length} entries", "send at most {max_length} at once"),
    "string_too_short": ("is shorter than {min_length} characters", "give at least {min_length}"),
    "string_too_long": ("is longer than {max_length} characters", "shorten it"),
    "string_pattern_mismatch": ("does not have the form that is needed", "make it fit {pattern}"),
    "string_unicode": ("is no text in UTF-8", "encode it as UTF-8"),
    "string_not_ascii": ("has characters outside of ASCII", "write it without them"),
    "enum": ("is none of the values that it may have", "use {expected}"),
    "literal_error": ("is none of the values that it may have", "use {expected}"),
    "bool_type": ("is neither true nor false", "send true or false"),
    "bool_parsing": ("is neither true nor false", "send true or false"),
    "int_parsing_size": ("is too large a number", "send a smaller one"),
    "bytes_too_short": ("is shorter than {min_length} bytes", "give at least {min_length}"),
    "bytes_too_long": ("is longer than {max_length} bytes", "shorten it"),
    "set_item_not_hashable": ("has an entry that is a list or an object", "send plain values"),
    "date_from_datetime_inexact": ("is a time of a day, and no date", "write it like 2026-01-31"),
    "date_past": ("is not in the past", "give an earlier date"),
    "date_future": ("is not in the future", "give a later date"),
    "datetime_past": ("is not in the past", "give an earlier time"),
    "datetime_future": ("is not in the future", "give a later time"),
    "timezone_naive": ("has a time zone, and must have none", "leave the zone out"),
    "timezone_aware": ("has no time zone", "add one, as Z or +02:00"),
    "timezone_offset": ("has another time zone than is needed", "give it in the zone that is needed"),
    "url_scheme": ("begins otherwise than it may", "begin it with {expected_schemes}"),
    "url_too_long": ("is longer than {max_length} characters", "shorten it"),
    "decimal_max_digits": ("has more than {max_digits} digits", "shorten it"),
    "decimal_max_places": ("has more than {decimal_places} decimal places", "round it"),
    "decimal_whole_digits": ("has more than {whole_digits} digits before the point", "send a smaller one"),
    "union_tag_invalid": ("is of none of the kinds that there are", "use {expected_tags}"),
    "union_tag_not_found": ("does not say of which kind it is", "name its kind"),
    "recursion_loop": ("is nested in itself", "flatten it"),
    "recursion_depth_exceeded": ("is nested too deeply", "flatten it"),
}
#: By the beginning of the name, where all of a family are one to people.
_BY_FAMILY: Sequence[tuple[str, tuple[str, str]]] = (
    ("string_", _NO_TEXT),
    ("int_", _NO_WHOLE_NUMBER),
    ("float_", _NO_NUMBER),
    ("decimal_", _NO_NUMBER),
    ("complex_", _NO_NUMBER),
    ("fraction_", _NO_NUMBER),
    ("list_", _NO_LIST),
    ("tuple_", _NO_LIST),
    ("set_", _NO_LIST),
    ("frozen_set_", _NO_LIST),
    ("deque_", _NO_LIST),
    ("iterable_", _NO_LIST),
    ("iteration_", _NO_LIST),
    ("dict_", _NO_OBJECT),
    ("frozen_dict_", _NO_OBJECT),
    ("ordered_dict_", _NO_OBJECT),
    ("counter_", _NO_OBJECT),
    ("mapping_", _NO_OBJECT),
    ("model_", _NO_OBJECT),
    ("dataclass_", _NO_OBJECT),
    ("named_tuple_", _NO_OBJECT),
    ("arguments_", _NO_OBJECT),
    ("date_", _NO_DATE),
    ("datetime_", _NO_INSTANT),
    ("time_delta_", _NO_LENGTH),
    ("time_", _NO_TIME),
    ("uuid_", _NO_ID),
    ("url_", _NO_URL),
    ("json_", _NO_JSON),
    ("bytes_", _NO_BYTES),
)


def refusal(problem: str, remedy: str) -> PydanticCustomError:
    """For a validator of ours to raise: what is wrong with the value, and the way out."""
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "remedy": remedy})


def problems_of(
    errors: Iterable[Mapping[str, object]],
    *,
    prefix: str = "",
    given: object = _UNSET,
    limit: int = 100,
    remedy: str = "",
) -> list[FieldProblem]:
    """What a validation found (`ValidationError.errors()`), each problem once; the refused values are not repeated.

    `prefix` stands before the fields' names. `given` is the whole input, where it is at hand: then no name of a type
    stands in a field's path. `remedy` is used where there is none of our own.
    """
    found: dict[tuple[str, str], FieldProblem] = {}
    for error in errors:
        if len(found) >= limit:
            break
        path = ".".join(map(str, ([prefix] if prefix else []) + _path(error, given)))
        problem, way_out = said(error)
        if way_out in (_NOT_TAKEN[1], _CORRECT_IT) and remedy:
            way_out = remedy
        found.setdefault((path, problem), FieldProblem(field=path or "body", problem=problem, remedy=way_out))
    return list(found.values())


def said(error: Mapping[str, Any]) -> tuple[str, str]:
    """The problem and the remedy of one error of a validation, without its field."""
    kind, limits = str(error["type"]), error.get("ctx") or {}
    if "problem" in limits and "remedy" in limits:  # by a validator of ours
        return str(limits["problem"]), str(limits["remedy"])
    if kind in ("value_error", "assertion_error"):
        return _raised(limits.get("error"))
    if kind == "string_too_short" and limits.get("min_length") == 1:
        return "is empty", "give a value, or leave it out"
    if kind in ("too_short", "too_long"):
        key = "min_length" if kind == "too_short" else "max_length"
        if limits.get(key) == 1:
            return ("has no entry", "give at least one") if kind == "too_short" else ("has several", "give one")
    words = _BY_TYPE.get(kind) or next((each for start, each in _BY_FAMILY if kind.startswith(start)), _NOT_TAKEN)
    try:
        problem, remedy = (text.format_map(_shown(limits)) for text in words)
    except KeyError:  # the library tells less than it did
        return _NOT_TAKEN
    return problem, remedy


def _shown(limits: Mapping[str, object]) -> dict[str, str]:
    return {
        name: text if len(text := str(value)) <= _EXPECTED_SHOWN else f"{text[:_EXPECTED_SHOWN]} ..."
        for name, value in limits.items()
    }


def _raised(error: object) -> tuple[str, str]:
    """What a validator raised: its sentence if it is the validator's own, and no library's beneath it."""
    trace = getattr(error, "__traceback__", None)
    if not isinstance(error, ValueError | AssertionError) or type(error).__module__ != "builtins" or trace is None:
        return _NOT_TAKEN
    validator = _package(trace)
    while trace.tb_next is not None:
        trace = trace.tb_next
    return (str(error), _CORRECT_IT) if str(error) and _package(trace) == validator else _NOT_TAKEN


def _package(trace: Any) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _path(error: Mapping[str, Any], given: object) -> list[int | str]:
    """Where the value stands. Between the fields' names a validation also names the types that it tried."""
    parts = list(error["loc"])
    if parts and parts[0] in _PLACES:
        parts = parts[1:]
    if str(error["type"]) == "json_invalid":
        return []
    if given is _UNSET:
        return [part for part in parts if not isinstance(part, str) or not re.search(r"[\[(]|^constrained-", part)]
    path: list[int | str] = []
    here = given
    for place, part in enumerate(parts):
        if _holds(here, part):
            here = here[part]  # type: ignore[index]
        elif place < len(parts) - 1 or not isinstance(here, Mapping) or not error["type"].startswith("missing"):
            continue  # the name of a type, or of nothing that was given
        path.append(part)
    return path


def _holds(value: object, part: int | str) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and 0 <= part < len(value)
