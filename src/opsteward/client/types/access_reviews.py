"""What the API takes and answers about access reviews, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class DecisionsIn(TypedDict):
    """What is to be kept or revoked, all or none; a decision that stands is changed by `instead_of`."""

    decisions: list[AccessReviewsDecisionIn]


class EarlierDecision(TypedDict):
    """A decision that another one took the place of; `decided_at` is ISO 8601."""

    decision: str
    decided_by: str
    decided_at: str
    reason: str | None


class ReviewIn(TypedDict):
    """A campaign over what active users have: all of them, or those of a role or department."""

    name: str
    role: NotRequired[str | None]
    department: NotRequired[str | None]
    due_at: NotRequired[str | None]


class ReviewInfo(TypedDict):
    """An access review as it is shown."""

    id: str
    name: str
    status: str
    created_by: str
    created_at: str
    due_at: str | None
    closed_at: str | None
    items: int
    undecided: int
    revoked: int


class ReviewItemInfo(TypedDict):
    """One permission or system of one user, to be kept or revoked; `earlier` are the decisions that were changed."""

    id: str
    user_id: str
    username: str
    full_name: str
    kind: str
    name: str
    decision: str | None
    decided_by: str | None
    decided_at: str | None
    reason: str | None
    earlier: list[EarlierDecision]


class AccessReviewsDecisionIn(TypedDict):
    item_id: str
    decision: Literal["keep", "revoke"]
    reason: NotRequired[str]
    instead_of: NotRequired[Literal["keep", "revoke"] | None]
