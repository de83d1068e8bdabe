"""What the API takes and answers about systems, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json


class AccessCheck(TypedDict):
    """Whether the system can be used, and each thing that can or can't be done there; `seconds` to reach it."""

    reachable: bool
    version: NotRequired[str]
    seconds: NotRequired[float | None]
    problem: NotRequired[str]
    remedy: NotRequired[str]
    capabilities: NotRequired[list[Capability]]


class ActionView(TypedDict):
    """A run as it is shown."""

    id: str
    action: str
    system_id: str | None
    params: dict[str, Json]
    reason: str
    requested_by: str
    incident_id: str | None
    standing_order: str | None
    approval: str
    status: str
    plan: dict[str, Json] | None
    plan_hash: str | None
    result: dict[str, Json] | None
    proof: dict[str, Json] | None
    error: str | None
    created_at: str
    executed_at: str | None
    ended_at: str | None


class Capability(TypedDict):
    """One thing that Opsteward may want to do there, and whether the account can. `remedy` is the statement that
    grants it, or what else a person has to do."""

    name: str
    works: bool
    problem: NotRequired[str]
    remedy: NotRequired[str]


class Circuit(TypedDict):
    """`closed`: in use. `open`: not asked until `open_until`, after failures. `half_open`: the next one tries it."""

    state: Literal["closed", "open", "half_open"]
    failures: int
    open_until: str | None
    reason: str | None


class Day(TypedDict):
    """A day (UTC) of a system; a day without any check is left out."""

    day: str
    checks: int
    failed: int
    availability_percent: float


class DeclaredSystems(TypedDict):
    """The inventory as a file declares it; `prune` removes the systems that it does not name."""

    systems: list[SystemIn]
    prune: NotRequired[bool]


class EarlyWarning(TypedDict):
    """What will have run out at `runs_out_at`, nine times of ten between `soonest_at` and `latest_at`."""

    id: str
    system_id: str
    name: str
    urgency: Literal["soon", "very_soon"]
    since: str
    judged_at: str
    runs_out_at: str
    soonest_at: str
    latest_at: str
    level: float
    limit: float
    per_day: float
    noise: float
    points: int
    span: float


class ExcessAccess(TypedDict):
    """Who has access that is not given here. `user_id` and `status`: of the user of that name, if there is one."""

    login: str
    user_id: str | None
    status: str | None


class ExcessAdoption(TypedDict):
    """Whose access is right as it is: the user of this name is given the system by a grant."""

    login: str
    reason: NotRequired[str]


class ExcessRemoval(TypedDict):
    """Whose access is to be taken, once that is approved."""

    logins: list[str]
    reason: NotRequired[str]


class FieldChange(TypedDict):
    """One field as it is and as it is declared; credentials without their values."""

    field: str
    now: Json
    declared: Json


class GrantInfo(TypedDict):
    """A permission or a system that a user has beside its enrolment."""

    id: str
    kind: str
    name: str
    denied: bool
    granted_by: str
    reason: str
    granted_at: str
    expires_at: str | None


class HealthHistory(TypedDict):
    """A period of a system's health, and all of it in one figure. A point without any check is left out."""

    system_id: str
    since: str
    until: str
    seconds_per_point: int
    checks: int
    failed: int
    availability_percent: float | None
    response_time: float | None
    response_time_max: float | None
    points: list[HealthPoint]


class HealthPoint(TypedDict):
    """From `at` on, for the seconds of a point. Response times in seconds, null where nothing answered; availability
    is the share of checks that did not fail, 0-100."""

    at: str
    checks: int
    failed: int
    availability_percent: float
    response_time: float | None
    response_time_max: float | None


class HeartbeatIn(TypedDict):
    """A heartbeat is due every `period` seconds, or at the times of `cron` in `timezone`; `grace` seconds later it is
    missed."""

    name: str
    period: NotRequired[int | None]
    cron: NotRequired[str | None]
    timezone: NotRequired[str]
    grace: NotRequired[int]
    criticality: NotRequired[str]


class HeartbeatInfo(TypedDict):
    """A heartbeat; `id` is that of its system. `late_at`: from then on it is missed. `last_signal`: success, start,
    fail, or exit <code>; `last_duration`: seconds from the last start to the end that followed it."""

    id: str
    name: str
    status: str
    period: int | None
    cron: str | None
    timezone: str
    grace: int
    late_at: str
    last_ping_at: str | None
    last_signal: str | None
    last_duration: float | None
    running_since: str | None
    created_at: str


class HeartbeatKey(TypedDict):
    """The only time the key is seen. `ping_url` is what the work calls at its end; `/start`, `/fail` or its exit code
    may follow."""

    id: str
    key: str
    ping_url: str


class MaintenanceWindow(TypedDict):
    """`system_id` null: all systems. Either `starts_at` and `ends_at`, or `cron` in `timezone` with `duration`
    seconds; `next_at`: when it opens next, null when never."""

    id: str
    system_id: str | None
    reason: str
    starts_at: str | None
    ends_at: str | None
    cron: str | None
    timezone: str
    duration: int | None
    created_by: str
    created_at: str
    active: bool
    next_at: str | None


class PlannedSystem(TypedDict):
    """What the file means for one system. `not_declared`: it is registered, and the file does not name it."""

    name: str
    what: Literal["create", "change", "unchanged", "remove", "not_declared"]
    fields: NotRequired[list[FieldChange]]


class SystemAnalytics(TypedDict):
    """Figures of all systems. Rates are 0-100, times seconds; availability and response times are those of the last
    `days` days, null where nothing was measured. `silenced_systems` have trouble that raises no alert."""

    days: int
    system_health_percentage: float
    average_response_time: float | None
    availability_percent: float | None
    healthy_systems: int
    degraded_systems: int
    down_systems: int
    unknown_systems: int
    silenced_systems: int
    total_systems: int
    checks: int
    failed_checks: int
    by_type: dict[str, int]
    by_criticality: dict[str, int]


class SystemChangeIn(TypedDict):
    """What is to change; what is left out stays. `credentials` are replaced whole: {} removes them."""

    name: NotRequired[str | None]
    type: NotRequired[str | None]
    endpoint: NotRequired[str | None]
    health_check_url: NotRequired[str | None]
    sync_frequency: NotRequired[int | None]
    criticality: NotRequired[str | None]
    credentials: NotRequired[dict[str, str] | None]
    settings: NotRequired[dict[str, Json] | None]
    depends_on: NotRequired[list[str] | None]
    enabled: NotRequired[bool | None]
    owner: NotRequired[str | None]
    tags: NotRequired[list[str] | None]
    runbook_url: NotRequired[str | None]


class SystemHealth(TypedDict):
    """The present health: unknown, healthy, degraded or down; `response_time` in seconds, `error_rate` from 0 to 1.
    `silenced_by`: why its trouble raises no alert, null where it does."""

    healthy: bool
    status: str
    response_time: float | None
    error_rate: float
    checked_at: str | None
    since: str
    evidence: list[dict[str, Json]]
    silenced_by: NotRequired[str | None]


class SystemIn(TypedDict):
    """A system to register. `credentials` can be written, never read."""

    name: str
    type: str
    endpoint: str
    health_check_url: NotRequired[str | None]
    sync_frequency: NotRequired[int | None]
    criticality: NotRequired[str]
    credentials: NotRequired[dict[str, str]]
    settings: NotRequired[dict[str, Json]]
    depends_on: NotRequired[list[str]]
    enabled: NotRequired[bool]
    owner: NotRequired[str | None]
    tags: NotRequired[list[str]]
    runbook_url: NotRequired[str | None]


class SystemInfo(TypedDict):
    """A registered system; credentials are never part of it."""

    id: str
    name: str
    type: str
    endpoint: str
    health_check_url: str | None
    sync_frequency: int | None
    criticality: str
    settings: dict[str, Json]
    depends_on: list[str]
    enabled: bool
    owner: str | None
    tags: list[str]
    runbook_url: str | None
    has_credentials: bool
    circuit: Circuit
    created_at: str
    updated_at: str
    health: SystemHealth


class SystemsPlan(TypedDict):
    """All of it, by name; `changes` of them differ from the file."""

    changes: int
    systems: list[PlannedSystem]


class Uptime(TypedDict):
    """The last `days` days. `error_budget_left` is a fraction of the failures that the objective allows: 1 when none
    has failed, 0 when it is used up, below 0 beyond; null where nothing was checked."""

    system_id: str
    days: int
    objective_percent: float
    checks: int
    failed: int
    availability_percent: float | None
    error_budget_left: float | None
    by_day: list[Day]


class WindowIn(TypedDict):
    """A window that is open once (`ends_at`, and `starts_at` if not now) or recurs (`cron`, `timezone`, `duration`);
    without `system_id` for all systems."""

    reason: str
    system_id: NotRequired[str | None]
    starts_at: NotRequired[str | None]
    ends_at: NotRequired[str | None]
    cron: NotRequired[str | None]
    timezone: NotRequired[str]
    duration: NotRequired[int | None]
