"""What the API takes and answers about crew, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json

Complexity = Literal["simple", "moderate", "complex", "expert"]
Level = Literal["master", "supervisor", "specialist", "worker"]
Strategy = Literal["direct", "single_agent", "multi_agent", "crew"]


class AcceptedOut(TypedDict):
    """Work that was taken: look at it under its `task_id`."""

    strategy: Strategy
    reasons: list[str]
    not_taken: list[NotTaken]
    estimate: Estimate
    complexity: Complexity
    matrix_version: int
    matrix_row: str
    propensity: float
    explored: bool
    task_id: str
    status: str


class Agent(TypedDict):
    """One agent. `engines` are task types that it does by rules, or the one word `plan`; `model` None: the
    installation's; "none": it works by rules alone. `file` is where it stands, for people."""

    name: str
    level: Level
    domain: str
    role: str
    goal: str
    tools: list[str]
    engines: list[str]
    model: str | None
    limits: Limits
    may_delegate_to: list[str]
    file: str
    shipped: bool


class AgentFileProblem(TypedDict):
    """What is wrong in an agent's file, where, and how to mend it."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str


class AgentOut(TypedDict):
    """An agent as its file says it, and what it has under way."""

    agent: Agent
    busy: int
    figures: GroupFigures | None


class Alert(TypedDict):
    """A figure beyond its threshold, and what may be done."""

    level: Literal["info", "warning", "critical"]
    message: str
    metric_type: str
    current_value: float
    threshold: float
    suggested_actions: list[str]


class AnswerOut(TypedDict):
    """Work that was done at once: the fields of the engine's result, and these."""

    task_id: str
    engine: str
    strategy: Strategy
    cached: bool
    execution_seconds: float


class CallFigures(TypedDict):
    """The calls of one agent or one model, or all. `seconds`: of a call, on average; `cost` in US dollars."""

    name: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float | None


class CampaignIn(TypedDict):
    """Segments of leads, the aim, how long and how often."""

    lead_segments: list[Json] | dict[str, Json]
    campaign_objective: str
    duration_days: NotRequired[int | None]
    touchpoint_frequency: NotRequired[str | float | None]


class CeilingUse(TypedDict):
    """What today's calls of the tenant (`agent` null) or of one agent have spent, and may yet spend by what is
    reserved for calls under way, beside the most of a day. US dollars."""

    agent: str | None
    spent: float
    reserved: float
    most: float


class DayFigures(TypedDict):
    """The calls of one day (UTC). `cost` in US dollars."""

    day: str
    calls: int
    failed: int
    tokens: int
    cost: float


class DecisionOut(TypedDict):
    """Who does a piece of work, why, and what it is expected to take. Seconds, US dollars."""

    strategy: Strategy
    reasons: list[str]
    not_taken: list[NotTaken]
    estimate: Estimate
    complexity: Complexity
    matrix_version: int
    matrix_row: str
    propensity: float
    explored: bool


class ErasedOut(TypedDict):
    """How many notes there were."""

    erased: int


class Estimate(TypedDict):
    """What a piece of work is expected to take: the median, and the bounds of the interval that nine of ten outcomes
    fall into. Seconds, and US dollars. `outcomes`: so many it rests on; 0: on the numbers that ship."""

    seconds: float
    seconds_low: float
    seconds_high: float
    cost: float
    cost_low: float
    cost_high: float
    outcomes: int
    basis: str


class FigureCourse(TypedDict):
    """A figure over time."""

    metric_type: str
    unit: str
    hours: float
    current_value: float | None
    points: list[FigurePoint]


class FigurePoint(TypedDict):
    """One figure in one stretch of time."""

    at: str
    value: float


class GatewayOut(TypedDict):
    """How the gateway before the crew stands; `problems` is empty where it is `valid`."""

    valid: bool
    configured: bool
    reachable: NotRequired[bool]
    registered: NotRequired[bool]
    missing_routes: NotRequired[list[str]]
    leads_here: NotRequired[bool]
    problems: list[str]


class GroupFigures(TypedDict):
    """Of all work, or of one strategy, domain or agent. `success_rate` from 0 to 1; `cost` in US dollars."""

    name: str
    runs: int
    succeeded: int
    failed: int
    success_rate: float | None
    execution_time: TimeFigures | None
    tokens: int
    cost: float
    model_calls: int


class HealthOut(TypedDict):
    """Whether the crew takes work. It tells nothing private."""

    status: Literal["healthy"]
    model_configured: bool


class LeadScoringIn(TypedDict):
    """A lead, and how much each kind of criterion counts."""

    lead_data: dict[str, Json] | list[Json]
    scoring_criteria: NotRequired[dict[str, Json] | None]


class Limits(TypedDict):
    """The most that one run of an agent may take, its delegates included. Seconds, tokens in and out, US dollars."""

    seconds: float
    tokens: int
    money: float
    calls_per_minute: int


class MatrixOut(TypedDict):
    """The delegation matrix in force; version 0 is the one that ships."""

    version: int
    rows: list[Row]


class MatrixVersion(TypedDict):
    """A version of the matrix, and why it came to be."""

    version: int
    reason: str
    action_id: str | None
    changed_by: str
    changed_at: str | None


class ModelUsage(TypedDict):
    """Of so many days, today the last. `by_fallbacks`: calls that a fallback answered, for the first model failed."""

    days: int
    model: str | None
    fallbacks: list[str]
    total: CallFigures
    by_fallbacks: int
    by_day: list[DayFigures]
    by_agent: list[CallFigures]
    by_model: list[CallFigures]
    ceilings: list[CeilingUse]
    call_ceiling: float


class NotTaken(TypedDict):
    """A strategy that was not chosen, and why."""

    strategy: Strategy
    why: str


class OpinionFigures(TypedDict):
    """Of so many hours: opinions asked for, failed, and those that changed the answer; US dollars and tokens."""

    asked: int
    failed: int
    changed: int
    cost: float
    tokens: int
    model_calls: int


class OptimizedOut(TypedDict):
    """What the outcomes speak for. Nothing has changed: `proposed` waits for approval."""

    outcomes: int
    recommendations: list[AlertsRecommendation]
    proposed: list[ProposedOut]


class PathStep(TypedDict):
    """A strategy that was tried, and how it ended."""

    strategy: Strategy
    outcome: str
    reason: NotRequired[str]


class PipelineIn(TypedDict):
    """Stages, conversion rates, deal size and cycle of a sales pipeline."""

    pipeline_data: dict[str, Json]


class ProposedOut(TypedDict):
    """A change of the matrix that was put before a person; `action_id` is what they approve."""

    summary: str
    action_id: str


class RestoreIn(TypedDict):
    """The version of the matrix that is to decide again."""

    version: int


class Row(TypedDict):
    """What it does not name may be anything. `volume_from` counts, `volume_below` does not."""

    name: str
    strategy: Strategy
    complexity: NotRequired[list[Complexity]]
    requires_ai: NotRequired[bool | None]
    multi_domain: NotRequired[bool | None]
    volume_from: NotRequired[int | None]
    volume_below: NotRequired[int | None]
    task_types: NotRequired[list[str]]


class RunLine(TypedDict):
    """A piece of work in a list."""

    task_id: str
    type: str
    domain: str
    status: str
    strategy: str
    strategy_used: str | None
    engine: str | None
    seconds: float | None
    cost: float
    created_at: str
    ended_at: str | None


class RunView(TypedDict):
    """A piece of work as it stands. Seconds, US dollars."""

    task_id: str
    tenant_id: str
    user_id: str | None
    session_id: str | None
    type: str
    domain: str
    description: str
    status: str
    progress: int
    complexity: str
    data_volume: int
    requires_ai: bool
    multi_domain: bool
    strategy: str
    reasons: list[str]
    not_taken: list[NotTaken]
    estimate: Estimate
    matrix_version: int
    matrix_row: str
    propensity: float
    strategy_used: str | None
    engine: str | None
    path: list[PathStep]
    plan: list[StepView]
    agents: list[str]
    result: dict[str, Json] | None
    error: str | None
    cached: bool
    seconds: float | None
    cost: float
    tokens: int
    model_calls: int
    requested_by: str
    created_at: str
    started_at: str | None
    ended_at: str | None


class SegmentationIn(TypedDict):
    """Customers, and into how many segments; found out where it is left out."""

    customer_data: list[Json]
    segmentation_type: NotRequired[str]
    segment_count: NotRequired[int | None]


class StatisticsOut(TypedDict):
    """What the crew did in so many hours."""

    hours: float
    total: GroupFigures
    by_strategy: list[GroupFigures]
    by_domain: list[GroupFigures]
    by_type: list[GroupFigures]
    by_agent: list[GroupFigures]
    cached: int
    fallbacks: int
    utilization: float
    running: int
    waiting: int
    event_opinions: OpinionFigures


class StatusOut(TypedDict):
    """How the crew stands now. `memory_mb` is this process's."""

    status: Literal["healthy", "degraded"]
    engine: str
    model: str | None
    agents: int
    agent_file_problems: int
    types: int
    running: int
    waiting: int
    concurrent_workflows: int
    requests_per_minute: int
    memory_mb: float
    memory_limit_mb: int
    cache: bool
    agent_memory: bool
    explored_types: list[str]
    matrix_version: int


class StepView(TypedDict):
    """A step of the plan: planned, running, done, failed, or stopped before it was done. `delegated_by`: who handed
    it over."""

    name: str
    agent: str | None
    delegated_by: str | None
    purpose: str
    status: str
    error: str | None
    started_at: str | None
    ended_at: str | None


class SummaryOut(TypedDict):
    """The figures of so many hours, what is amiss, and what would help."""

    hours: float
    total: GroupFigures
    utilization: float
    memory_mb: float
    alerts: list[Alert]
    recommendations: list[AlertsRecommendation]


class TimeFigures(TypedDict):
    """Seconds."""

    mean: float
    median: float
    p95: float


class TreeOut(TypedDict):
    """All agents; who delegates to whom is in each one's `may_delegate_to`."""

    master: str | None
    agents: list[AgentOut]
    problems: list[AgentFileProblem]


class TriedModel(TypedDict):
    """How a model answered a smallest question. `said`: the beginning of its reply."""

    model: str
    ok: bool
    seconds: float
    problem: str
    said: str


class WorkIn(TypedDict):
    """A piece of work. `tenant_id` must be the token's own; what is left out is found out."""

    type: str
    description: NotRequired[str]
    tenant_id: NotRequired[str | None]
    user_id: NotRequired[str | None]
    session_id: NotRequired[str | None]
    domain: NotRequired[str | None]
    parameters: NotRequired[dict[str, Json]]
    requires_ai: NotRequired[bool]
    priority: NotRequired[int]
    data_volume: NotRequired[int | None]
    multi_domain: NotRequired[bool | None]
    complexity: NotRequired[Complexity | None]


class WorkTypeOut(TypedDict):
    """A type of work; `parameters` is the JSON Schema of its parameters."""

    type: str
    domain: str
    summary: str
    complexity: Complexity
    strategies: list[Strategy]
    reads: list[str]
    agent: str | None
    parameters: dict[str, Json]


class AlertsRecommendation(TypedDict):
    """What to change, the figures it comes from, and what following it would have saved in the recorded past
    (seconds, US dollars)."""

    kind: Literal["strategy", "agent", "scaling", "cost"]
    message: str
    figures: dict[str, Json]
    saved_seconds: float
    saved_cost: float
