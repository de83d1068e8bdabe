"""What the API takes and answers about silences, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor


class InhibitionIn(TypedDict):
    """While an incident that matches `source` is open, those that match `target` are kept quiet."""

    name: str
    source: list[str]
    target: list[str]
    equal: NotRequired[list[str]]
    dependents: NotRequired[bool]
    reason: NotRequired[str]


class InhibitionView(TypedDict):
    """While an incident that matches `source` is open, those that match `target` are kept quiet: with `dependents`
    only those of systems that need its system, with `equal` only those with the same values of these labels."""

    id: str
    name: str
    source: list[str]
    target: list[str]
    equal: list[str]
    dependents: bool
    reason: str
    created_by: Actor
    created_at: str
    removed_at: str | None
    removed_by: Actor | None


class MatchedIncident(TypedDict):
    """An open incident that a silence would keep quiet."""

    id: str
    number: int
    title: str
    severity: str
    source: str


class SilenceIn(TypedDict):
    """`starts_at` is now if it is left out."""

    matchers: list[str]
    reason: str
    starts_at: NotRequired[str | None]
    ends_at: str


class SilencePreview(TypedDict):
    """How many open incidents match, and the newest of them. `examined`: of how many."""

    matching: int
    examined: int
    incidents: list[MatchedIncident]


class SilenceView(TypedDict):
    """A silence, with how many open incidents it keeps quiet now."""

    id: str
    matchers: list[str]
    reason: str
    starts_at: str
    ends_at: str
    status: Literal["pending", "active", "expired"]
    created_by: Actor
    created_at: str
    ended_at: str | None
    ended_by: Actor | None
    muted_incidents: int


class SilencesPreviewIn(TypedDict):
    matchers: list[str]
