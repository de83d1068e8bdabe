"""What the API takes and answers about enrollments, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor
from opsteward.core.json_types import Json

EnrollmentOutcome = Literal["approved", "rejected", "changed", "already_decided", "denied", "conflict", "not_found"]
EnrollmentStatus = Literal["pending_manual_review", "approved", "rejected", "expired"]


class DecideEnrollmentIn(TypedDict):
    """One enrolment, and the digest of what it would grant as you have read it."""

    id: str
    grants_digest: str


class DecideEnrollmentsIn(TypedDict):
    """A decision on several enrolments, each named and bound to what it would grant."""

    verdict: Literal["approve", "reject"]
    items: list[DecideEnrollmentIn]
    reason: NotRequired[str]


class DecidedEnrollment(TypedDict):
    """What became of one; `detail` says why nothing did. `status` is where it stands now."""

    id: str
    outcome: EnrollmentOutcome
    detail: str | None
    user: str | None
    enrollment_type: str | None
    status: str | None


class DecidedEnrollments(TypedDict):
    """Each that was named, in that order."""

    verdict: Literal["approve", "reject"]
    decided: int
    not_decided: int
    items: list[DecidedEnrollment]


class DutiesIn(TypedDict):
    """Pairs of permissions that nobody may have together; they take the place of those there were."""

    pairs: list[list[str]]


class DutyPairs(TypedDict):
    """Pairs of permissions that nobody may have together."""

    pairs: list[list[str]]


class EnrollmentInFull(TypedDict):
    """An enrolment with what it would grant (null once it is decided), and who asked and decided."""

    id: str
    user_id: str
    enrollment_type: str
    status: str
    automatic: bool
    stages: list[dict[str, Json]]
    stage: int
    requested_by: str
    requested_at: str
    decided_at: str | None
    approver: str | None
    reason: str | None
    due_at: str | None
    username: NotRequired[str]
    full_name: NotRequired[str]
    email: NotRequired[str | None]
    will_grant: WillGrant | None
    grants_digest: str | None
    requester: Actor
    decider: Actor | None


class EnrollmentInfo(TypedDict):
    """An enrolment as it is shown."""

    id: str
    user_id: str
    enrollment_type: str
    status: str
    automatic: bool
    stages: list[dict[str, Json]]
    stage: int
    requested_by: str
    requested_at: str
    decided_at: str | None
    approver: str | None
    reason: str | None
    due_at: str | None
    username: NotRequired[str]
    full_name: NotRequired[str]
    email: NotRequired[str | None]


class Match(TypedDict):
    """Whom a rule is for: all that is given must fit. Without `roles` the rule's own name is the role."""

    roles: NotRequired[list[str]]
    departments: NotRequired[list[str]]
    attributes: NotRequired[dict[str, str | int | float | bool]]


class Rule(TypedDict):
    """What an enrolment of this type needs and gives. `access_days`: how long the account lasts, if not for ever."""

    auto_approve: NotRequired[bool]
    permissions: NotRequired[list[str]]
    systems: NotRequired[list[str]]
    all_systems: NotRequired[bool]
    welcome_template: NotRequired[str | None]
    background_check_required: NotRequired[bool]
    match: NotRequired[Match]
    stages: NotRequired[list[Stage]]
    access_days: NotRequired[int | None]


class RulesIn(TypedDict):
    """Rules by name; null for one that is to go."""

    rules: dict[str, Rule | None]


class Stage(TypedDict):
    """One approval. `escalate_after`: seconds until it is escalated to people."""

    name: str
    escalate_after: NotRequired[float | None]


class WillGrant(TypedDict):
    """What the user gets by the approval of the last stage, beyond what they have. `all_systems`: every system there
    is and will be."""

    permissions: list[str]
    systems: list[str]
    all_systems: bool
    access_days: int | None
    stages_left: list[str]
    refused_for: list[str] | None


class EnrollmentsDecisionIn(TypedDict):
    """Why. `approver` is the bearer of the token, by name or id; anybody else is refused. `grants_digest` is that of
    the enrolment you have read: once it would grant something else it is not decided."""

    approver: NotRequired[str | None]
    reason: NotRequired[str]
    grants_digest: NotRequired[str | None]
