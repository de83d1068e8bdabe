"""Events of Sentry's SDKs in our terms: what went wrong, where, how bad, when. All else stays as it was sent.

See https://develop.sentry.dev/sdk/data-model/event-payloads/. Nothing raises: a field of another type than documented
is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opsteward.core.json_types import Json, JsonObject
from opsteward.integrations.sentry.trace_text import frames_of, trace_text

TEXT_LIMIT = 200_000
_TYPE_LIMIT = 200
_SEVERITIES = {
    "fatal": "fatal",
    "critical": "fatal",
    "error": "error",
    "warning": "warning",
    "warn": "warning",
    "log": "info",
    "info": "info",
    "debug": "debug",
    "trace": "debug",
    "sample": "info",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`grouping`: what the application itself groups by, if it says so; `time` is as it was sent."""

    message: str
    error_type: str | None
    stack_trace: str | None
    severity: str
    time: Json
    grouping: tuple[str, ...]
    context: JsonObject


def report_of(event: JsonObject) -> Report:
    """What an event says."""
    errors = [error for error in listed(event.get("exception")) if text(error.get("type")) or text(error.get("value"))]
    said = _message(event)
    last = errors[-1] if errors else {}
    error_type = text(last.get("type"), _TYPE_LIMIT) or None
    message = text(last.get("value")) or (error_type or "") if errors else said
    level = event.get("level")
    return Report(
        message=(message or said or _culprit(event) or "(no message)")[:TEXT_LIMIT],
        error_type=error_type,
        stack_trace=trace_text(errors or _without_error(event), _platform(event), message) or None,
        severity=_SEVERITIES.get(level.lower(), "error") if isinstance(level, str) else "error",
        time=event.get("timestamp"),
        grouping=tuple(text(part, 500) for part in grouping if not isinstance(part, (dict, list)))
        if isinstance(grouping := event.get("fingerprint"), list) and grouping != ["{{ default }}"]
        else (),
        context=_context(event),
    )


def feedback_of(event: JsonObject) -> Report:
    """What a user of the application wrote: in a feedback item, or in the older user report."""
    contexts = event.get("contexts")
    given = contexts.get("feedback") if isinstance(contexts, dict) else None
    said = given if isinstance(given, dict) else event
    words = text(said.get("message")) or text(said.get("comments")) or "(no words)"
    return Report(
        message=f"Feedback of a user: {words}"[:TEXT_LIMIT],
        error_type=None,
        stack_trace=None,
        severity="info",
        time=event.get("timestamp"),
        grouping=(),
        context=_context(event),
    )


def text(value: Json, limit: int = TEXT_LIMIT) -> str:
    """A text as it is, a number as text; empty for anything else."""
    if isinstance(value, str):
        return value[:limit]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def listed(value: Json) -> list[JsonObject]:
    """The objects of `{"values": [...]}` or of a bare list."""
    found = value.get("values", [value]) if isinstance(value, dict) else value
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _message(event: JsonObject) -> str:
    for said in (event.get("logentry"), event.get("message"), event.get("sentry.interfaces.Message")):
        parts = (said.get("formatted"), said.get("message")) if isinstance(said, dict) else (said,)
        found = next((words for part in parts if (words := text(part))), "")
        if found.strip():
            return found
    return ""


def _culprit(event: JsonObject) -> str:
    return text(event.get("culprit"), 500) or text(event.get("transaction"), 500)


def _platform(event: JsonObject) -> str:
    return text(event.get("platform"), 40)


def _without_error(event: JsonObject) -> list[JsonObject]:
    """The stack of a message: the event's own, or that of the thread that crashed or sent it."""
    if frames_of(event):
        return [{"stacktrace": event.get("stacktrace")}]
    threads = [thread for thread in listed(event.get("threads")) if frames_of(thread)]
    for mark in ("crashed", "current"):
        for thread in threads:
            if thread.get(mark) is True:
                return [{"stacktrace": thread["stacktrace"]}]
    return [{"stacktrace": threads[0]["stacktrace"]}] if len(threads) == 1 else []


def _context(event: JsonObject) -> JsonObject:
    """The event as it was sent; its tags as an object, its trace at hand."""
    context = dict(event)
    if tags := dict(_tags(event.get("tags"))):
        context["tags"] = tags
    contexts = event.get("contexts")
    trace = contexts.get("trace") if isinstance(contexts, dict) else None
    if isinstance(trace, dict):
        for name in ("trace_id", "span_id"):
            if isinstance(trace.get(name), str):
                context.setdefault(name, trace[name])
    return context


def _tags(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        for pair in value:
            if isinstance(pair, list) and len(pair) == 2:
                yield text(pair[0], 200), pair[1]
            elif isinstance(pair, dict) and "key" in pair:
                yield text(pair["key"], 200), pair.get("value")
