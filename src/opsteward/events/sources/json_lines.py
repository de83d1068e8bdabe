"""A log line that is a JSON object, as most logging libraries write it (Elastic's ECS, pino, bunyan, winston, zap,
structlog, Serilog, Logback, ...): its message, level, error and stack trace by the names that they have there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opsteward.core.json_types import Json, JsonObject
from opsteward.core.plain_json import NotPlain, parse_plain, values_at_most
from opsteward.core.word_list import words
from opsteward.events.sources.unwrapping import storable

_VALUES_LIMIT = 5_000
_NAME_LIMIT = 200  # characters
#: What lumberjack's senders put before it.
_COOKIE = re.compile(r"@cee:\s*", re.IGNORECASE)
_MESSAGES = words("message msg @message @m short_message event log text body @mt messagetemplate renderedmessage")
_LEVELS = words("level severity lvl levelname loglevel log_level log.level @l severity_text severitytext level_name")
_ERRORS = words("err error exception exc exc_info thrown throwable cause error_info")
_TYPES = words("type name class kind exception_class class_name")
_TYPES_BESIDE = words("error.type error_type errortype exception_class exception.class exception.type error_class")
_TRACES = words("stack stack_trace stacktrace backtrace traceback trace")
_TRACES_BESIDE = words(
    "error.stack_trace error.stack exception.stacktrace exception stack stack_trace stacktrace exc_info traceback"
    " backtrace @x stacktrace_str errorverbose"
)
_PROGRAMS = words("service.name service app app_name appname application program name logger logger_name")
_DEGREES = {
    **dict.fromkeys(words("fatal panic dpanic emerg emergency alert crit critical f"), "fatal"),
    **dict.fromkeys(words("error err e severe failure"), "error"),
    **dict.fromkeys(words("warning warn w"), "warning"),
    **dict.fromkeys(words("info information informational notice i n ok"), "info"),
    **dict.fromkeys(words("debug trace verbose d t v silly http fine finer finest"), "debug"),
}


@dataclass(frozen=True, kw_only=True)
class JsonLine:
    """What such a line says. `severity` is a word of our scale; what it does not say is empty or None."""

    message: str
    fields: JsonObject
    severity: str | None = None
    error_type: str | None = None
    stack_trace: str | None = None
    program: str = ""


def opened(text: str) -> JsonLine | None:
    """None for what is no such line: it stays the text that it is."""
    begun = text.strip()
    if found := _COOKIE.match(begun):
        begun = begun[found.end() :]
    if not (begun.startswith("{") and begun.endswith("}")):
        return None
    content = begun.encode("utf-8", "replace")
    if values_at_most(content) > _VALUES_LIMIT:
        return None
    try:
        value = parse_plain(content)
    except NotPlain:
        return None
    return opened_object(value) if isinstance(value, dict) else None


def opened_object(value: JsonObject) -> JsonLine | None:
    """The same of an object; None where nothing in it is a message."""
    fields = storable(value)
    assert isinstance(fields, dict)
    seen: dict[str, Json] = {}
    for name, one in _leaves(fields):
        seen.setdefault(name, one)
    error = next((one for name in _ERRORS if isinstance(one := seen.get(name), dict) and one), {})
    error = {name.casefold(): one for name, one in error.items()}
    message = _first(seen, _MESSAGES) or _first(error, ("message", "msg")) or _first(seen, ("error", "err"))
    if not message:
        return None
    return JsonLine(
        message=message,
        fields=fields,
        severity=_severity(seen),
        error_type=(_first(error, _TYPES) or _first(seen, _TYPES_BESIDE))[:_NAME_LIMIT] or None,
        stack_trace=_trace(error, _TRACES) or _trace(seen, _TRACES_BESIDE),
        program=_first(seen, _PROGRAMS)[:_NAME_LIMIT],
    )


def _leaves(fields: JsonObject) -> Iterator[tuple[str, Json]]:
    """The fields by their names in lower case, and those of objects by both names with a dot between."""
    for name, one in fields.items():
        yield name.casefold(), one
    for name, one in fields.items():
        if isinstance(one, dict):
            for inner, value in one.items():
                yield f"{name}.{inner}".casefold(), value


def _first(fields: Mapping[str, Json], names: Sequence[str]) -> str:
    return next((one for name in names if isinstance(one := fields.get(name), str) and one.strip()), "")


def _trace(fields: Mapping[str, Json], names: Sequence[str]) -> str | None:
    for name in names:
        one = fields.get(name)
        if isinstance(one, list) and one and all(isinstance(line, str) for line in one):
            one = "\n".join(str(line) for line in one)
        if isinstance(one, str) and "\n" in one.strip():
            return one
    return None


def _severity(fields: Mapping[str, Json]) -> str | None:
    for name in _LEVELS:
        level = fields.get(name)
        if isinstance(level, dict):  # as some have it: {"name": "ERROR", "value": 40}
            level = level.get("name")
        if isinstance(level, bool):
            continue
        if isinstance(level, int | float):
            return _of_number(level)
        if isinstance(level, str) and (found := _DEGREES.get(level.strip().casefold())):
            return found
    return None


def _of_number(level: float) -> str:
    """Up to 7 syslog's numbers, where less is worse; else those of bunyan, pino and Python."""
    if level <= 7:
        return "fatal" if level <= 2 else "error" if level == 3 else "warning" if level == 4 else "info"
    return "fatal" if level >= 60 else "error" if level >= 50 else "warning" if level >= 40 else "info"
