"""What the crew is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from opsteward.core.json_types import JsonObject
from opsteward.crew.delegation.types import Decision, Estimate, NotTaken
from opsteward.crew.types import Complexity, Strategy, TaskType


@dataclass(frozen=True, kw_only=True)
class WorkRequest:
    """A piece of work as it is asked for; None: to be found out. `priority` from 1 to 10, 10 the most urgent."""

    type: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    description: str = ""
    domain: str | None = None
    requires_ai: bool = False
    priority: int = 5
    data_volume: int | None = None
    multi_domain: bool | None = None
    complexity: Complexity | None = None
    user_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One engine's share of a piece of work, its parameters checked."""

    task_type: TaskType
    parameters: BaseModel


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Work that was taken, and who does it."""

    task_id: UUID
    status: str
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class PathStep:
    """A strategy that was tried, and how it ended."""

    strategy: Strategy
    outcome: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class StepView:
    """A step of the plan: planned, running, done, failed, or stopped before it was done. `delegated_by`: who handed it
    over."""

    name: str
    agent: str | None
    delegated_by: str | None
    purpose: str
    status: str
    error: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A piece of work as it stands. Seconds, US dollars."""

    task_id: UUID
    tenant_id: UUID
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
    result: JsonObject | None
    error: str | None
    cached: bool
    seconds: float | None
    cost: float
    tokens: int
    model_calls: int
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RunLine:
    """A piece of work in a list."""

    task_id: UUID
    type: str
    domain: str
    status: str
    strategy: str
    strategy_used: str | None
    engine: str | None
    seconds: float | None
    cost: float
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TriedModel:
    """How a model answered a smallest question. `said`: the beginning of its reply."""

    model: str
    ok: bool
    seconds: float
    problem: str
    said: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Work that was done at once. `result` is the engine's."""

    task_id: UUID
    strategy: str
    cached: bool
    seconds: float
    result: JsonObject
