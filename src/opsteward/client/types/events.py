"""What the API takes and answers about events, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json

Category = Literal["validation_error", "system_error", "security_issue", "ignorable"]
IncidentStatus = Literal["open", "acknowledged", "diagnosing", "remediating", "verifying", "resolved", "escalated"]


class ActionInFull(TypedDict):
    """A run with who asked for it, and how it was allowed: by a person (`approved`, `refused`, ...), or
    `automatic`."""

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
    system: SystemRef | None
    requester: Actor
    decision: Decision | None
    not_done_because: str | None


class Actor(TypedDict):
    """Who acted. `kind`: operator, standing_order, agent, schedule, rule, webhook, dsn or system; all but `operator`
    are `automatic`. `id` is an operator's id, else the name."""

    id: str
    name: str
    kind: str
    automatic: bool
    token: NotRequired[str | None]


class AnalysisMetadata(TypedDict):
    """`analysis` says in words which rule fitted, or what a model said."""

    user_facing: bool
    severity: str
    analysis: str
    confidence: float
    second_opinion: NotRequired[SecondOpinionOut | None]


class AnalyzeEvent(TypedDict):
    error_type: str
    message: str
    stack_trace: NotRequired[str | None]
    context: NotRequired[dict[str, Json]]


class AnalyzedEvent(TypedDict):
    """What kind of event it is, and what is usually done about it."""

    category: str
    severity: str
    action: str
    priority: int
    metadata: AnalysisMetadata
    engine: str


class Coincidence(TypedDict):
    """What the pattern's beginnings coincide with: a deployment, or the beginnings of another group."""

    what: Literal["deployment", "group"]
    title: str
    fingerprint: str | None
    times: int
    of: int
    expected: float
    median_seconds: float


class Correction(TypedDict):
    reason: NotRequired[str]
    category: Category


class DecideAction(TypedDict):
    event_type: str
    severity: str
    message: NotRequired[str]
    context: NotRequired[dict[str, Json]]


class DecidedAction(TypedDict):
    """What is to be done, and why."""

    action: str
    priority: int
    reason: str
    metadata: DecisionMetadata
    engine: str


class Decision(TypedDict):
    """Who said yes or no, when and why; `by` is null where time or another event decided."""

    status: str
    by: Actor | None
    at: str | None
    reason: str | None


class DecisionMetadata(TypedDict):
    """What was decided about."""

    event_type: str
    severity: str
    requires_immediate_action: bool


class EventIn(TypedDict):
    """One thing that happened."""

    message: str
    source: NotRequired[str]
    error_type: NotRequired[str | None]
    stack_trace: NotRequired[str | None]
    context: NotRequired[dict[str, Json]]
    severity: NotRequired[str | None]
    occurred_at: NotRequired[str | None]
    resolved: NotRequired[bool]


class EventInList(TypedDict):
    """An event in short: `message` is its beginning. `incident_number` is empty for one that is in no incident."""

    id: str
    received_at: str
    occurred_at: str
    source: str
    error_type: str | None
    message: str
    resolved: bool
    category: str
    severity: str
    action: str
    incident_id: str | None
    incident_number: int | None


class EventView(TypedDict):
    id: str
    received_at: str
    occurred_at: str
    source: str
    error_type: str | None
    message: str
    stack_trace: str | None
    context: dict[str, Json]
    resolved: bool
    category: str
    severity: str
    action: str
    priority: int
    confidence: float
    fingerprint: str
    incident_id: str | None


class ExecuteAction(TypedDict):
    action: str
    priority: int
    event_type: str
    severity: str
    message: str
    context: NotRequired[dict[str, Json]]


class FieldProblem(TypedDict):
    """One field of an input, what is wrong with its value and how to mend it."""

    field: str
    problem: str
    remedy: NotRequired[str]


class GroupExplained(TypedDict):
    """`basis`: labels, errors, template or finding; `why` the same in words; `parts`: what is equal in all its
    events; `version`: of the algorithm."""

    fingerprint: str
    basis: str
    why: str
    parts: list[str]
    version: int


class IncidentInFull(TypedDict):
    """An incident with its timeline, its newest events, its actions and its sessions, and where its time went."""

    id: str
    number: int
    title: str
    status: str
    category: str
    severity: str
    source: str
    system_id: str | None
    event_count: int
    opened_at: str
    last_event_at: str
    acknowledged_at: str | None
    resolved_at: str | None
    resolution: str | None
    acknowledged_by: NotRequired[Actor | None]
    resolved_by: NotRequired[Actor | None]
    assigned_to: NotRequired[Actor | None]
    muted: NotRequired[Muted | None]
    reopened: NotRequired[int]
    flapping: NotRequired[bool]
    labels: NotRequired[dict[str, str]]
    timeline: list[TimelineView]
    routine_lines_hidden: int
    events: list[EventView]
    actions: list[ActionInFull]
    not_done: list[NotDone]
    sessions: list[SessionView]
    times: IncidentTimes
    grouping: list[GroupExplained]


class IncidentTimes(TypedDict):
    """Where its time went, in seconds: from the fault to its detection; from then on waiting for a person, being
    worked on, and neither; and all of it, which is the time to repair once it is resolved."""

    detect_seconds: float | None
    waiting_seconds: float
    working_seconds: float
    watching_seconds: float
    total_seconds: float
    repair_seconds: float | None


class IncidentView(TypedDict):
    id: str
    number: int
    title: str
    status: str
    category: str
    severity: str
    source: str
    system_id: str | None
    event_count: int
    opened_at: str
    last_event_at: str
    acknowledged_at: str | None
    resolved_at: str | None
    resolution: str | None
    acknowledged_by: NotRequired[Actor | None]
    resolved_by: NotRequired[Actor | None]
    assigned_to: NotRequired[Actor | None]
    muted: NotRequired[Muted | None]
    reopened: NotRequired[int]
    flapping: NotRequired[bool]
    labels: NotRequired[dict[str, str]]


class Merge(TypedDict):
    reason: NotRequired[str]
    into: str


class Muted(TypedDict):
    """Why nothing is done about an incident and nobody told. `by`: silence or inhibition, `id` that one's; `until`:
    the end of a silence; `incident`: the number of the incident that inhibits."""

    by: str
    id: str
    reason: str
    until: NotRequired[str | None]
    incident: NotRequired[int | None]


class NoFields(TypedDict):
    """The body of a route that takes none: nothing at all, or `{}`."""


class NotDone(TypedDict):
    """An action that came to nothing: denied, frozen, cooling down, refused or expired, and why."""

    action_id: str
    action: str
    system: str | None
    status: str
    reason: str
    at: str | None


class OpenIncident(TypedDict):
    """The incident that takes the pattern's events now."""

    id: str
    number: int


class Pattern(TypedDict):
    """A group that recurs. `title`, `source` and `severity` are of its last event."""

    fingerprint: str
    title: str
    error_type: str | None
    source: str
    category: str
    severity: str
    events: int
    begun: int
    incidents: int
    open_incident: OpenIncident | None
    first_seen: str
    last_seen: str
    trend: Literal["new", "growing", "steady", "falling", "quiet"]
    earlier: int
    later: int
    counts: list[int]
    rhythm: Rhythm | None
    coincides: list[Coincidence]
    recommendations: list[TypesRecommendation]


class PatternReport(TypedDict):
    """The patterns of a span. `since` is later than was asked for where there are more events than are looked at;
    `deployments`: how many were told of."""

    since: str
    until: str
    stretch_seconds: float
    events: int
    deployments: int
    items: list[Pattern]


class PayloadReport(TypedDict):
    """`missing_fields` in the order they were asked for; `errors` holds at most `ERROR_LIMIT` entries."""

    is_valid: bool
    missing_fields: list[str]
    message: str
    errors: list[FieldProblem]


class Reason(TypedDict):
    reason: NotRequired[str]


class Rejected(TypedDict):
    """What was wrong with one field of a row, and how to mend it; rows count from 0, in the order sent."""

    row: int
    field: str
    reason: str
    remedy: NotRequired[str]


class Rhythm(TypedDict):
    """It begins at a time of the day (`at` is 03:10) or of the hour (`at` is :05), in UTC: `times` of `of`."""

    every: Literal["day", "hour"]
    at: str
    times: int
    of: int


class SecondOpinionOut(TypedDict):
    """What a model says where the rules are unsure. `taken`: it makes more of the event than they do, and is the
    answer. `task_id`: the crew's work under which it is kept."""

    model: str
    category: str
    confidence: float
    why: str
    taken: bool
    task_id: str


class SessionView(TypedDict):
    """A session as it is shown. `engine` says who reasoned."""

    id: str
    incident_id: str | None
    trigger: str
    complaint: str
    requested_by: str
    requester: NotRequired[Actor | None]
    status: str
    phase: str
    success: bool | None
    outcome: str | None
    summary: str
    health_score: int | None
    phases: list[dict[str, Json]]
    issues: list[dict[str, Json]]
    causes: list[dict[str, Json]]
    hypotheses: list[dict[str, Json]]
    changes: list[dict[str, Json]]
    diagnostics: list[dict[str, Json]]
    resolutions: list[dict[str, Json]]
    started_at: str
    ended_at: str | None
    engine: NotRequired[str]


class Split(TypedDict):
    reason: NotRequired[str]
    fingerprint: str


class SystemRef(TypedDict):
    id: str
    name: str


class TakenEvent(TypedDict):
    """What became of an event."""

    id: str
    fingerprint: str
    incident_id: str | None
    category: str
    severity: str
    action: str
    priority: int
    confidence: float


class TakenEvents(TypedDict):
    """How many events are committed, and what was wrong with the others. `events` in the order sent."""

    accepted: int
    rejected: list[Rejected]


class TakenEventsInFull(TypedDict):
    """With what became of each event."""

    accepted: int
    rejected: list[Rejected]
    events: list[TakenEvent]


class TimelineView(TypedDict):
    """A line. `actor` did what it tells (null: it happened), for this `reason`."""

    id: str
    at: str
    kind: str
    title: str
    detail: dict[str, Json]
    actor: NotRequired[Actor | None]
    reason: NotRequired[str | None]


class ValidatePayload(TypedDict):
    payload: dict[str, Json]
    required_fields: list[str]
    schema: NotRequired[dict[str, Json] | None]


class TypesRecommendation(TypedDict):
    """What to do and why, in words, and the figures that it rests on."""

    advice: Literal[
        "mend_the_other_first",
        "mend_it_first",
        "look_at_deployments",
        "look_at_schedules",
        "mend_the_cause",
        "write_an_order",
        "act_before_it_grows",
        "filter_at_the_source",
        "nothing_to_do",
        "troubleshoot_while_it_lasts",
    ]
    text: str
    figures: dict[str, int | float | str]
