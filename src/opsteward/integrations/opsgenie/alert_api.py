"""Requests of Opsgenie's Alert API: checked as Opsgenie checks them, and ready for the mapping of its source. Pure.

See https://docs.opsgenie.com/docs/alert-api. An alert goes by its alias; one without gets a new one, which then is also
its id, so that what a client does by either finds it.
"""

from __future__ import annotations

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.json_types import JsonObject

KEY_LIMIT = 512  # characters
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")


def alert_of(request: JsonObject, *, new_key: str) -> JsonObject:
    """The alert that a request creates, with an `alias`. Raises Invalid naming each field."""
    alias, message, priority = request.get("alias"), request.get("message"), request.get("priority")
    problems = []
    if alias in (None, ""):
        alias = new_key
    if not isinstance(alias, str) or len(alias) > KEY_LIMIT:
        problems.append(_problem("alias", f"is no text of at most {KEY_LIMIT} characters"))
    if not isinstance(message, str) or not message.strip():
        problems.append(_problem("message", "Message can not be empty."))
    if priority not in (None, *PRIORITIES):
        problems.append(_problem("priority", f"is none of {', '.join(PRIORITIES)}"))
    if problems:
        raise Invalid(problems=problems)
    return _said(request) | {"alias": alias, "action": "Create"}


def done_to(identifier: str, action: str, request: JsonObject) -> JsonObject:
    """The alert of an alias or id, as the mapping reads what is done to it ("Close"). Raises Invalid."""
    if not identifier.strip() or len(identifier) > KEY_LIMIT:
        raise Invalid(problems=[_problem("identifier", f"is no text of 1 to {KEY_LIMIT} characters")])
    note = request.get("note")
    said = _said(request) | {"alias": identifier, "action": action, "message": f"{action}d: {identifier}"}
    return said | ({"description": note} if isinstance(note, str) and note.strip() else {})


def changed(identifier: str, request: JsonObject) -> JsonObject:
    """The alert of an alias or id with its new message or description; nothing else of it changes. Raises Invalid."""
    new = {name: request[name] for name in ("message", "description") if request.get(name)}
    return done_to(identifier, "Update", {}) | new


def _said(request: JsonObject) -> JsonObject:
    """Without what the mapping would read as a webhook's alert, which has an alias of its own."""
    return {name: value for name, value in request.items() if name != "alert"}


def _problem(field: str, problem: str) -> FieldProblem:
    return FieldProblem(field=field, problem=problem, remedy="send it as the Alert API has it")
