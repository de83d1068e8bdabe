"""What the API takes and answers about incidents, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor


class AssignIn(TypedDict):
    """`to`: an operator by name or id, `me`, or null for nobody."""

    to: str | None
    reason: NotRequired[str]


class BulkDone(TypedDict):
    """What became of many incidents."""

    changed: list[str]
    unchanged: list[NotChanged]


class BulkIn(TypedDict):
    """The same for many incidents; `to` only to assign them."""

    verb: Literal["acknowledge", "resolve", "reopen", "assign"]
    incident_ids: list[str]
    reason: NotRequired[str]
    to: NotRequired[str | None]


class CommentIn(TypedDict):
    text: str


class Helped(TypedDict):
    """An action that was done and proven then."""

    action: str
    system: str | None
    proof: str
    at: str | None


class NotChanged(TypedDict):
    """An incident of a bulk that stayed as it was, and why."""

    id: str
    reason: str


class RelatedIncident(TypedDict):
    """One of the past. `same`: by its events (`group`), or only by its system and category (`system`)."""

    id: str
    number: int
    title: str
    same: str
    opened_at: str
    resolved_at: str
    resolution: str | None
    resolved_by: Actor | None
    repair_seconds: float
    helped: list[Helped]
    comments: list[str]


class ReopenIn(TypedDict):
    reason: NotRequired[str]
