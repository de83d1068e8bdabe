"""What the API answers, written from its OpenAPI document by `python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class AgentInfo(TypedDict):
    """An agent as it stands. `failures` are in a row; `run_seconds` is how long the last run took."""

    id: str
    name: str
    kind: str
    purpose: str
    params: dict[str, Any]
    interval: float | None
    desired: str
    status: str
    reason: str
    process_id: str | None
    beat_at: str | None
    last_run_at: str | None
    run_seconds: float | None
    runs: int
    failures: int
    restarts: int
    next_start_at: str | None
    created_by: str
    created_at: str
    updated_at: str


class AgentsStatus(TypedDict):
    """All agents, the processes that run them, and the queue of tasks, with counts by status."""

    summary: dict[str, int]
    agents: list[AgentInfo]
    processes: list[ProcessInfo]
    leader: str | None
    queue: dict[str, int]


class EnrollmentAnalytics(TypedDict):
    """How users were let in. The rate is 0-100; decisions are those of people, in seconds."""

    total: int
    auto_approval_rate: float
    pending: int
    approved: int
    rejected: int
    avg_decision_seconds: float | None


class EnrollmentInfo(TypedDict):
    """An enrolment as it is shown."""

    id: str
    user_id: str
    enrollment_type: str
    status: str
    automatic: bool
    stages: list[dict[str, Any]]
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


class GrowthPoint(TypedDict):
    """How many users came on a day (UTC)."""

    date: str
    new_users: int


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
    diff: dict[str, list[dict[str, Any]]]
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


class Match(TypedDict):
    """Whom a rule is for: all that is given must fit. Without `roles` the rule's own name is the role."""

    roles: NotRequired[list[str]]
    departments: NotRequired[list[str]]
    attributes: NotRequired[dict[str, str | int | float | bool]]


class ProcessInfo(TypedDict):
    """A process of the installation."""

    id: str
    host: str
    pid: int
    kind: str
    version: str
    started_at: str
    beat_at: str
    alive: bool
    leader: bool
    agents: int


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


class Stage(TypedDict):
    """One approval. `escalate_after`: seconds until it is escalated to people."""

    name: str
    escalate_after: NotRequired[float | None]


class SubmittedTask(TypedDict):
    """A task that was asked for; `deduplicated`: it was there already."""

    id: str
    name: str
    description: str
    task_type: str
    priority: str
    status: str
    progress: int
    progress_message: str
    retry_count: int
    max_retries: int
    tries: list[dict[str, Any]]
    dependencies: list[str]
    waiting_on: int
    parameters: dict[str, Any]
    result_data: dict[str, Any] | None
    error: str | None
    metadata: dict[str, Any]
    tenant_id: str
    schedule_id: str | None
    dedup_key: str | None
    requested_by: str
    process_id: str | None
    cancel_requested: bool
    created_at: str
    run_at: str
    started_at: str | None
    ended_at: str | None
    deduplicated: bool


class SubmittedTasks(TypedDict):
    """How many were new, how many were there already, and their ids in the order sent."""

    submitted: int
    deduplicated: int
    ids: list[str]


class SystemHealth(TypedDict):
    """The present health: unknown, healthy, degraded or down; `response_time` in seconds, `error_rate` from 0 to 1."""

    healthy: bool
    status: str
    response_time: float | None
    error_rate: float
    checked_at: str | None
    since: str
    evidence: list[dict[str, Any]]


class SystemInfo(TypedDict):
    """A registered system; credentials are never part of it."""

    id: str
    name: str
    type: str
    endpoint: str
    health_check_url: str | None
    sync_frequency: int | None
    criticality: str
    settings: dict[str, Any]
    depends_on: list[str]
    has_credentials: bool
    created_at: str
    updated_at: str
    health: SystemHealth


class TaskInfo(TypedDict):
    """A task as it stands. `tries` are those that failed, the latest 20: {try, at, error}."""

    id: str
    name: str
    description: str
    task_type: str
    priority: str
    status: str
    progress: int
    progress_message: str
    retry_count: int
    max_retries: int
    tries: list[dict[str, Any]]
    dependencies: list[str]
    waiting_on: int
    parameters: dict[str, Any]
    result_data: dict[str, Any] | None
    error: str | None
    metadata: dict[str, Any]
    tenant_id: str
    schedule_id: str | None
    dedup_key: str | None
    requested_by: str
    process_id: str | None
    cancel_requested: bool
    created_at: str
    run_at: str
    started_at: str | None
    ended_at: str | None


class TaskRef(TypedDict):
    """A task in short."""

    id: str
    name: str
    task_type: str
    status: TaskStatus


TaskStatus = Literal["pending", "in_progress", "completed", "failed", "cancelled", "dead_letter"]


class TaskWithNeighbours(TypedDict):
    """A task with those that it depends on and those that wait for it."""

    id: str
    name: str
    description: str
    task_type: str
    priority: str
    status: str
    progress: int
    progress_message: str
    retry_count: int
    max_retries: int
    tries: list[dict[str, Any]]
    dependencies: list[str]
    waiting_on: int
    parameters: dict[str, Any]
    result_data: dict[str, Any] | None
    error: str | None
    metadata: dict[str, Any]
    tenant_id: str
    schedule_id: str | None
    dedup_key: str | None
    requested_by: str
    process_id: str | None
    cancel_requested: bool
    created_at: str
    run_at: str
    started_at: str | None
    ended_at: str | None
    depends_on: list[TaskRef]
    dependents: list[TaskRef]


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
    fields: dict[str, list[Any]]
    correlation_id: str


class UserInfo(TypedDict):
    """A user as it is shown."""

    id: str
    username: str
    email: str | None
    full_name: str
    status: str
    role: str
    department: str | None
    manager_id: str | None
    external_id: str | None
    permissions: list[str]
    system_access: list[str]
    profile_data: dict[str, Any]
    tags: list[str]
    source: str
    version: int
    looks_like: str | None
    created_at: str
    updated_at: str
    deactivated_at: str | None
    expires_at: str | None
