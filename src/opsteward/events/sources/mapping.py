"""Reads a body by a source's mapping. What the mapping does not find, the names of common fields tell. Never raises for
what a body holds; expressions that do not parse raise Invalid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from opsteward.contracts.source import Shape, SourceMapping
from opsteward.core.crypto import digest
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json, JsonObject
from opsteward.events.sources.field_finding import Found, find
from opsteward.events.sources.log_lines import event_of_line
from opsteward.events.sources.unwrapping import CarriedTexts, unwrapped
from opsteward.events.sources.values import (
    LINE_LIMIT,
    TEXT_LIMIT,
    instant_of,
    is_resolved,
    line_of,
    severity_word,
    text_of,
)
from opsteward.events.types import NewEvent

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

DEFAULT_SEVERITY = "medium"
PREVIEW_LIMIT = 20  # events
_LABEL_LIMIT = 100


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The events of a body; `shape` is the number of the form that it has, None where no form of the mapping fits. (Of
    lines of a log, which need no form: 0.)"""

    events: list[NewEvent]
    shape: int | None
    left_out: int


@lru_cache(maxsize=2000)
def compiled(expression: str) -> ParsedResult:
    """The parsed JMESPath expression. Raises Invalid that names what is wrong with it."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.compile(expression)
    except (JMESPathError, RecursionError):
        raise Invalid.field("mapping", f"{expression[:100]!r} is no JMESPath", "see docs/guides/sources.md") from None


def check(mapping: SourceMapping) -> None:
    """Raises Invalid for an expression that does not parse."""
    for shape in mapping.shapes:
        for name in Shape.model_fields:
            value = getattr(shape, name)
            if isinstance(value, str) and name != "severity_default":
                compiled(value)


def preview(mapping: SourceMapping, body: Json, headers: Mapping[str, str]) -> Reading:
    """How a sample would be read. The expressions are anybody's, and a short one can ask for more than any machine has:
    only for a process of its own (see core.computing). Raises Invalid for an expression that does not parse."""
    check(mapping)
    return read(mapping, body, headers, limit=PREVIEW_LIMIT)


def _value(expression: str | None, item: Json) -> Any:
    if expression is None:
        return None
    from jmespath.exceptions import JMESPathError

    try:
        return compiled(expression).search(item)
    except (JMESPathError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return None  # a field of another type than documented: as if it were not there


def read_each(
    mapping: SourceMapping,
    bodies: Sequence[Json],
    headers: Mapping[str, str],
    *,
    limit: int,
    carried: CarriedTexts | None = None,
) -> list[Reading]:
    """What each of the bodies of a request says, in order; `limit` events at most of all together. What there is no
    room for is not read: it counts as one event that is left out."""
    carried, readings = carried or CarriedTexts(), []
    for body in bodies:
        if limit > 0:
            readings.append(read(mapping, body, headers, limit=limit, carried=carried))
            limit -= len(readings[-1].events)
        else:
            readings.append(Reading(events=[], shape=None, left_out=1))
    return readings


def read(
    mapping: SourceMapping,
    body: Json,
    headers: Mapping[str, str],
    *,
    limit: int,
    carried: CarriedTexts | None = None,
) -> Reading:
    """The events of the body, `limit` at most; a body always gives one at least. `carried`: of its request."""
    body = unwrapped(body, carried or CarriedTexts())
    document: Json = (
        body if isinstance(body, dict) else {"items": body} if isinstance(body, list) else {"message": body}
    )
    assert isinstance(document, dict)
    seen: JsonObject = {**document, "_headers": cast(JsonObject, dict(headers))}
    for number, shape in enumerate(mapping.shapes):
        if shape.when is None or _value(shape.when, seen):
            items = _items(shape, document)
            if items:
                events = [_event(mapping.slug, shape, item, seen) for item in items[:limit]]
                return Reading(events=events, shape=number, left_out=max(0, len(items) - limit))
    if mapping.reads == "log":
        whole = body if isinstance(body, list) and body else [document]
        lines = [event_of_line(mapping.slug, item) for item in whole[:limit]]
        return Reading(events=lines, shape=0, left_out=max(0, len(whole) - limit))
    items = [i for i in body if isinstance(i, dict)] if isinstance(body, list) else []
    events = [_event(mapping.slug, Shape(), item, seen) for item in (items or [document])[:limit]]
    return Reading(events=events, shape=None, left_out=max(0, len(items) - limit))


def _items(shape: Shape, document: JsonObject) -> Sequence[Json]:
    if shape.each is None:
        return [document]
    found = _value(shape.each, document)
    if isinstance(found, dict):
        return [found]
    return [item for item in found if item is not None] if isinstance(found, list) else []


def _event(source: str, shape: Shape, item: Json, seen: JsonObject) -> NewEvent:
    view: Json = {**item, "_body": seen, "_headers": seen["_headers"]} if isinstance(item, dict) else {"value": item}
    found = find(item)
    title = line_of(_value(shape.title, view)) or found.title
    description = text_of(_value(shape.description, view)) or found.description
    labels = _labels(_value(shape.labels, view))
    state = _value(shape.resolved, view)
    resolved = is_resolved(state) if state is not None else found.resolved and shape.resolved is None
    error_type = line_of(_value(shape.error_type, view), 200) or None
    stack_trace = text_of(_value(shape.stack_trace, view)) or None
    context: JsonObject = {"payload": item}
    if labels:
        context["labels"] = cast(JsonObject, labels)
    if link := line_of(_value(shape.link, view), 2000):
        context["link"] = link
    message = title if not description or description == title else f"{title}\n{description}"
    return NewEvent(
        message=message[:TEXT_LIMIT],
        source=source,
        error_type=error_type or found.error_type,
        stack_trace=stack_trace or found.stack_trace,
        context=context,
        severity=_severity(shape, view, found),
        occurred_at=_time(shape, view, found),
        resolved=resolved,
        routine=_value(shape.routine, view) is True,
        group_key=_group_key(source, _value(shape.identity, view), title, found, trace=bool(stack_trace or error_type)),
    )


def _severity(shape: Shape, view: Json, found: Found) -> str:
    own = severity_word(_value(shape.severity, view), shape.severity_map)
    return (
        own
        or (None if shape.severity else found.severity)
        or shape.severity_default
        or found.severity
        or DEFAULT_SEVERITY
    )


def _time(shape: Shape, view: Json, found: Found) -> datetime | None:
    given = _value(shape.time, view)
    for value in given if isinstance(given, list) else [given]:
        if (instant := instant_of(value)) is not None:
            return instant
    return found.time


def _labels(value: Json) -> dict[str, str]:
    """Labels of an object, of a list of `key:value` or `{key, value}`, or of a text of those."""
    pairs: list[tuple[str, Json]] = []
    if isinstance(value, dict):
        pairs = list(islice(value.items(), _LABEL_LIMIT))
    elif isinstance(value, (list, str)):
        parts = value[:TEXT_LIMIT].split(",", _LABEL_LIMIT) if isinstance(value, str) else value
        for part in parts[:_LABEL_LIMIT]:
            if isinstance(part, str) and part.strip():
                name, _, rest = part.strip().partition(":" if ":" in part else "=")
                pairs.append((name, rest or "true"))
            elif isinstance(part, dict):
                named = part.get("key") or part.get("name") or part.get("tag") or part.get("Name")
                pairs += [(text_of(named, 200), part.get("value", part.get("Value")))] if named else []
            elif isinstance(part, list) and len(part) == 2:
                pairs.append((text_of(part[0], 200), part[1]))
    return {str(k)[:200]: text_of(v, LINE_LIMIT) for k, v in pairs[:_LABEL_LIMIT]}


def _group_key(source: str, identity: Json, title: str, found: Found, *, trace: bool) -> str | None:
    """By what the sender says that it is the same; else by its title and object. Errors group by their own text."""
    parts = [p for p in identity if p not in (None, "", [], {})] if isinstance(identity, list) else [identity]
    named = [text_of(part, 2000) for part in parts if part not in (None, "", [], {})]
    if named:
        return digest({"source": source, "identity": named})[:32]
    if trace or found.stack_trace:
        return None
    return digest(
        {
            "source": source,
            "identity": [found.identity or (found.about if title == found.title else title), found.object],
        }
    )[:32]
