"""Users and enrolments as other rooms see them. Operators of Opsteward itself are in `types`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from typing_extensions import TypedDict

from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.user_fields import PlainTexts


class UserStatus(StrEnum):
    """Joiner (pending), active, on hold (suspended), leaver (inactive), put away (archived)."""

    PENDING = "pending"
    ACTIVE = "active"
    INACTIVE = "inactive"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"


class EnrollmentStatus(StrEnum):
    """Where a request for enrolment stands."""

    PENDING = "pending_manual_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


#: In these a user has access; in the others, none.
HAS_ACCESS = frozenset({UserStatus.ACTIVE})
#: In these nobody else can take a user's address. A leaver's can be taken: by who is hired again, for one.
HAS_ADDRESS = frozenset({UserStatus.ACTIVE, UserStatus.PENDING, UserStatus.SUSPENDED})
ALL_SYSTEMS = "all_systems"


@dataclass(frozen=True, kw_only=True)
class NewUser(PlainTexts):
    """A user to register. `enrollment_type` is the role, if not given; `source` says where it came from. Who is not
    `active` is enrolled all the same, and has access once it is made so."""

    username: str
    email: str | None
    full_name: str
    role: str = "standard_user"
    manager_id: UUID | None = None
    profile_data: Mapping[str, Json] = field(default_factory=dict)
    tags: Sequence[str] = ()
    enrollment_type: str | None = None
    expires_at: datetime | None = None
    source: str = "api"
    scim: Mapping[str, Json] | None = None
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class UserInfo(PlainTexts):
    """A user as it is shown."""

    id: UUID
    username: str
    email: str | None
    full_name: str
    status: str
    role: str
    manager_id: UUID | None
    permissions: list[str]
    system_access: list[str]
    profile_data: JsonObject
    tags: list[str]
    source: str
    version: int
    looks_like: UUID | None
    created_at: datetime
    updated_at: datetime
    deactivated_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class UserChangeInfo:
    """One line of a user's history; `fields` has `[before, after]` by name."""

    id: UUID
    at: datetime
    actor: str
    what: str
    reason: str
    fields: dict[str, list[Json]]
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class GrantInfo:
    """A permission or a system that a user has beside its enrolment."""

    id: UUID
    kind: str
    name: str
    denied: bool
    granted_by: str
    reason: str
    granted_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class EnrollmentInfo:
    """An enrolment as it is shown."""

    id: UUID
    user_id: UUID
    enrollment_type: str
    status: str
    automatic: bool
    stages: list[JsonObject]
    stage: int
    requested_by: str
    requested_at: datetime
    decided_at: datetime | None
    approver: str | None
    reason: str | None
    due_at: datetime | None
    username: str = ""
    full_name: str = ""
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class UsersEnrolled:
    """Told on the bus, in the transaction that let them in: these users have access from now on."""

    user_ids: Sequence[UUID]
    enrollment_type: str
    welcome_template: str | None


@dataclass(frozen=True, kw_only=True)
class EnrollmentOverdue:
    """Told on the bus: a stage of an enrolment waits longer than its rule allows."""

    enrollment_id: UUID
    enrollment_type: str
    stage: str


@dataclass(frozen=True, kw_only=True)
class ReviewInfo:
    """An access review as it is shown."""

    id: UUID
    name: str
    status: str
    created_by: str
    created_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    items: int
    undecided: int
    revoked: int


class EarlierDecision(TypedDict):
    """A decision that another one took the place of; `decided_at` is ISO 8601."""

    decision: str
    decided_by: str
    decided_at: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class ReviewItemInfo:
    """One permission or system of one user, to be kept or revoked; `earlier` are the decisions that were changed."""

    id: UUID
    user_id: UUID
    username: str
    full_name: str
    kind: str
    name: str
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    earlier: list[EarlierDecision]


@dataclass(frozen=True, kw_only=True)
class GrowthPoint:
    """How many users came on a day (UTC)."""

    date: date
    new_users: int


@dataclass(frozen=True, kw_only=True)
class EnrollmentAnalytics:
    """How users were let in. The rate is 0-100; decisions are those of people, in seconds."""

    total: int
    auto_approval_rate: float
    pending: int
    approved: int
    rejected: int
    avg_decision_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class UserAnalytics:
    """Figures of the users, and of the last `days` days. Rates are 0-100."""

    days: int
    new_users_count: int
    total_users: int
    active_users: int
    activity_rate: float
    by_status: dict[str, int]
    by_role: dict[str, int]
    by_department: dict[str, int]
    growth: list[GrowthPoint]
    enrollment_analytics: EnrollmentAnalytics
