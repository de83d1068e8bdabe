"""A line of a log as shippers send it over HTTP, and GELF: read as a line of syslog that is JSON, and grouped by its
text or stack trace. Pure; whatever it holds, there is an event."""

from __future__ import annotations

from dataclasses import replace

from opsteward.core.json_types import Json, JsonObject
from opsteward.core.word_list import words
from opsteward.events.sources.json_lines import JsonLine, opened, opened_object
from opsteward.events.sources.unwrapping import storable
from opsteward.events.sources.values import TEXT_LIMIT, instant_of, line_of, text_of
from opsteward.events.types import NewEvent

_NAME_LIMIT = 200  # characters
#: What holds the line itself, in the forms of winston, Splunk's collector and others.
_HOLDERS = words("params event record data fields log")
_TIMES = words("timestamp @timestamp time ts date datetime eventtime timemillis @t asctime")
_HOSTS = words("host hostname host_name pod_name container_id")
_PROGRAMS = words("container_name tag facility sourcetype filename")


def event_of_line(source: str, item: Json) -> NewEvent:
    """The event of a line; its source is the program that wrote it, failing that the one that it was sent to."""
    fields: JsonObject = _plain_names(item) if isinstance(item, dict) else {"message": text_of(item)}
    line = _line_of(fields)
    near = _near(fields)
    host = next((found for name in _HOSTS if (found := line_of(_named(near.get(name)), _NAME_LIMIT))), "")
    program = line.program or next((found for name in _PROGRAMS if (found := line_of(near.get(name), _NAME_LIMIT))), "")
    context: JsonObject = {"body": item if isinstance(item, dict) else fields}
    return NewEvent(
        message=line.message.strip()[:TEXT_LIMIT] or "(empty message)",
        source=program or source,
        error_type=line.error_type,
        stack_trace=line.stack_trace,
        context=context | ({"host": host} if host else {}),
        severity=line.severity,
        occurred_at=next((at for name in _TIMES if (at := instant_of(near.get(name))) is not None), None),
    )


def _line_of(fields: JsonObject) -> JsonLine:
    line = opened_object(fields)
    if line is None:
        inner = next((one for name in _HOLDERS if isinstance(one := fields.get(name), dict)), None)
        line = opened_object(_plain_names(inner)) if inner else None
    if line is None:
        return JsonLine(message=line_of(fields), fields=fields)
    within = opened(line.message)  # as a container's log driver sends what its program wrote
    if within is None:
        return line
    return replace(
        within,
        severity=within.severity or line.severity,
        stack_trace=within.stack_trace or line.stack_trace,
        program=within.program or line.program,
    )


def _plain_names(fields: JsonObject) -> JsonObject:
    """GELF's further fields begin with an underscore; its own come first, `full_message` as what it mostly is."""
    plain: JsonObject = {}
    if isinstance(fields.get("short_message"), str):
        plain = {"message": fields["short_message"]}
        if isinstance(fields.get("full_message"), str):
            plain["stack_trace"] = fields["full_message"]
    for name, value in fields.items():
        plain.setdefault(name.removeprefix("_"), value)
    found = storable(plain)
    assert isinstance(found, dict)
    return found


def _near(fields: JsonObject) -> JsonObject:
    """The fields by their names in small letters, those of what holds the line and of Kubernetes behind them."""
    near: JsonObject = {}
    inner = [one for name in (*_HOLDERS, "kubernetes") if isinstance(one := fields.get(name), dict)]
    for part in (fields, *inner):
        for name, value in part.items():
            near.setdefault(name.casefold(), value)
    return near


def _named(value: Json) -> Json:
    """{"name": "web1"} as "web1"."""
    return value.get("name") or value.get("hostname") if isinstance(value, dict) else value
