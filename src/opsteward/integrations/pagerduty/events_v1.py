"""Events of PagerDuty's Events API v1, which many older monitors speak: checked as PagerDuty checks them. Pure.

See https://developer.pagerduty.com/docs/events-api-v1-overview.
"""

from __future__ import annotations

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.json_types import JsonObject
from opsteward.integrations.pagerduty.events_v2 import ACTIONS, KEY_LIMIT, Alert, without_key


def alert_of(event: JsonObject, *, new_key: str) -> Alert:
    """The alert that an event is of; a trigger without an `incident_key` gets the new one. Raises Invalid naming each
    field."""
    action, key, said = event.get("event_type"), event.get("incident_key"), event.get("description")
    problems = []
    if action not in ACTIONS:
        problems.append(_problem("event_type", f"is none of {', '.join(ACTIONS)}"))
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if key in (None, "") and action == "trigger":
        key = new_key
    if not isinstance(key, str) or not key or len(key) > KEY_LIMIT:
        problems.append(_problem("incident_key", f"is no text of 1 to {KEY_LIMIT} characters"))
    if action == "trigger" and not (isinstance(said, str) and said.strip()):
        problems.append(_problem("description", "is missing or blank"))
    if problems:
        raise Invalid(problems=problems)
    kept = without_key(event) | {"incident_key": key}
    if not isinstance(said, str) or not said.strip():
        kept["description"] = f"{str(action).capitalize()}d: {key}"
    return Alert(str(action), str(key), kept)


def _problem(field: str, problem: str) -> FieldProblem:
    return FieldProblem(field=field, problem=problem, remedy="send it as the Events API v1 has it")
