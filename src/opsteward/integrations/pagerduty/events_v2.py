"""Events of PagerDuty's Events API v2: checked as PagerDuty checks them, and ready for the mapping of its source.

See https://developer.pagerduty.com/docs/send-alert-event. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.json_types import Json, JsonObject

ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
KEY_LIMIT = 255  # characters
#: What may hold the key to us, of either version: no part of an event.
KEY_FIELDS = ("routing_key", "service_key")


@dataclass(frozen=True, slots=True)
class Alert:
    """`body`: the event without its key to us, and with the `key` that names the alert."""

    action: str
    key: str
    body: JsonObject


def alert_of(event: JsonObject, *, new_key: str) -> Alert:
    """The alert that an event is of; one without a `dedup_key` gets the new one. Raises Invalid naming each field."""
    action, payload = event.get("event_action"), event.get("payload")
    problems = []
    if action not in ACTIONS:
        problems.append(_problem("event_action", f"is none of {', '.join(ACTIONS)}"))
    key = event.get("dedup_key")
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if key in (None, "") and action == "trigger":
        key = new_key
    if not isinstance(key, str) or not key or len(key) > KEY_LIMIT:
        problems.append(_problem("dedup_key", f"is no text of 1 to {KEY_LIMIT} characters"))
    if action == "trigger":
        problems += _payload_problems(payload)
    if problems:
        raise Invalid(problems=problems)
    body = without_key(event) | {"dedup_key": str(key)}
    if not isinstance(payload, dict) or not payload.get("summary"):
        told = payload if isinstance(payload, dict) else {}
        body["payload"] = {**told, "summary": f"{str(action).capitalize()}d: {key}"}
    return Alert(str(action), str(key), body)


def change_of(event: JsonObject) -> JsonObject:
    """A change, as the mapping reads it. Raises Invalid."""
    payload = event.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("summary"), str) or not payload["summary"]:
        raise Invalid(problems=[_problem("payload.summary", "is missing or blank")])
    return without_key(event) | {"event_action": "change", "payload": {**payload, "severity": "info"}}


def without_key(event: JsonObject) -> JsonObject:
    """The event without its key to us."""
    return {name: value for name, value in event.items() if name not in KEY_FIELDS}


def _payload_problems(payload: Json) -> list[FieldProblem]:
    if not isinstance(payload, dict):
        return [_problem("payload", "is missing or blank")]
    problems = [
        _problem(f"payload.{name}", "is missing or blank")
        for name in ("summary", "source")
        if not isinstance(payload.get(name), str) or not str(payload[name]).strip()
    ]
    if payload.get("severity") not in SEVERITIES:
        problems.append(_problem("payload.severity", f"is none of {', '.join(SEVERITIES)}"))
    return problems


def _problem(field: str, problem: str) -> FieldProblem:
    return FieldProblem(field=field, problem=problem, remedy="send it as the Events API v2 has it")
