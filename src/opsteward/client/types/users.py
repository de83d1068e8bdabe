"""What the API takes and answers about users, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json

UserStatus = Literal["pending", "active", "inactive", "suspended", "archived"]


class EnrollmentAnalytics(TypedDict):
    """How users were let in. The rate is 0-100; decisions are those of people, in seconds."""

    total: int
    auto_approval_rate: float
    pending: int
    approved: int
    rejected: int
    avg_decision_seconds: float | None


class GrantIn(TypedDict):
    """A permission or a system for one user; `expires_at`: when it ends by itself."""

    kind: Literal["permission", "system"]
    name: str
    reason: NotRequired[str]
    expires_at: NotRequired[str | None]


class GrowthPoint(TypedDict):
    """How many users came on a day (UTC)."""

    date: str
    new_users: int


class ImportInfo(TypedDict):
    """A job as it stands, with the beginning of its report. Named as the callers of old scripts know it."""

    job_id: str
    status: str
    mode: str
    dry_run: bool
    format: str
    progress: int
    rows: int
    successful_imports: int
    failed_imports: int
    skipped: int
    created: int
    changed: int
    unchanged: int
    left: int
    error_count: int
    warning_count: int
    notes: list[str]
    diff: dict[str, list[dict[str, Json]]]
    error: str | None
    task_id: str | None
    requested_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None


class ImportProblemInfo(TypedDict):
    """What was wrong with one row, or was done to it. Row 0 is the file as a whole."""

    row: int
    line: int | None
    field: str
    reason: str
    value: str


class ImportReport(TypedDict):
    """A job with the first of what went wrong, and of whom it met."""

    job_id: str
    status: str
    mode: str
    dry_run: bool
    format: str
    progress: int
    rows: int
    successful_imports: int
    failed_imports: int
    skipped: int
    created: int
    changed: int
    unchanged: int
    left: int
    error_count: int
    warning_count: int
    notes: list[str]
    diff: dict[str, list[dict[str, Json]]]
    error: str | None
    task_id: str | None
    requested_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    errors: list[ImportProblemInfo]
    warnings: list[ImportProblemInfo]
    user_ids: list[str]


class ImportedUser(TypedDict):
    """A user whom an import added, changed, or found as the file has it."""

    id: str


class UserAnalytics(TypedDict):
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


class UserChangeInfo(TypedDict):
    """One line of a user's history; `fields` has `[before, after]` by name."""

    id: str
    at: str
    actor: str
    what: str
    reason: str
    fields: dict[str, list[Json]]
    correlation_id: str


class UserChanges(TypedDict):
    """What to change; a field that is left out stays as it is."""

    department: NotRequired[str | None]
    external_id: NotRequired[str | None]
    username: NotRequired[str | None]
    email: NotRequired[str | None]
    full_name: NotRequired[str | None]
    role: NotRequired[str | None]
    manager_id: NotRequired[str | None]
    profile_data: NotRequired[dict[str, Json] | None]
    tags: NotRequired[list[str] | None]
    enrollment_type: NotRequired[str | None]
    expires_at: NotRequired[str | None]
    status: NotRequired[Literal["active", "suspended", "inactive", "archived"] | None]
    reason: NotRequired[str]
    version: NotRequired[int | None]


class UserIn(TypedDict):
    """A user to register; the role decides how it is enrolled, if `enrollment_type` does not."""

    department: NotRequired[str | None]
    external_id: NotRequired[str | None]
    username: str
    email: str
    full_name: str
    role: NotRequired[str]
    manager_id: NotRequired[str | None]
    profile_data: NotRequired[dict[str, Json]]
    tags: NotRequired[list[str]]
    enrollment_type: NotRequired[str | None]
    expires_at: NotRequired[str | None]


class UserInfo(TypedDict):
    """A user as it is shown."""

    department: NotRequired[str | None]
    external_id: NotRequired[str | None]
    id: str
    username: str
    email: str | None
    full_name: str
    status: str
    role: str
    manager_id: str | None
    permissions: list[str]
    system_access: list[str]
    profile_data: dict[str, Json]
    tags: list[str]
    source: str
    version: int
    looks_like: str | None
    created_at: str
    updated_at: str
    deactivated_at: str | None
    expires_at: str | None
