"""What the routes of the crew take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from opsteward.api.rest.schemas.base import Input
from opsteward.core.json_types import Json, JsonObject
from opsteward.crew.agents.types import Agent, AgentFileProblem
from opsteward.crew.delegation.matrix import Row
from opsteward.crew.delegation.types import Decision, Estimate, NotTaken
from opsteward.crew.event_analysis import OpinionFigures
from opsteward.crew.execution.types import Accepted, Answer, WorkRequest
from opsteward.crew.performance.alerts import Alert, Recommendation
from opsteward.crew.performance.figures import GroupFigures
from opsteward.crew.types import Complexity, Strategy, TaskType

_Ref = Annotated[str | None, Field(max_length=200)]


class WorkIn(Input):
    """A piece of work. `tenant_id` must be the token's own; what is left out is found out."""

    type: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=4000)] = ""
    tenant_id: _Ref = None
    user_id: _Ref = None
    session_id: _Ref = None
    domain: Annotated[str | None, Field(max_length=60)] = None
    parameters: JsonObject = {}
    requires_ai: Annotated[bool, Field(strict=True)] = False
    priority: Annotated[int, Field(strict=True, ge=1, le=10, description="10 is the most urgent")] = 5
    data_volume: Annotated[int | None, Field(strict=True, ge=0, le=10**12, description="records")] = None
    multi_domain: Annotated[bool | None, Field(strict=True)] = None
    complexity: Complexity | None = None

    def request(self) -> WorkRequest:
        """As the crew takes it."""
        return WorkRequest(**{name: value for name, value in self if name != "tenant_id"})


class DecisionOut(BaseModel):
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

    @classmethod
    def of(cls, decision: Decision) -> DecisionOut:
        return cls(**decided(decision))


def decided(decision: Decision) -> dict[str, Any]:
    """The fields of a decision as answers name them."""
    return {
        "strategy": decision.strategy,
        "reasons": list(decision.reasons),
        "not_taken": list(decision.not_taken),
        "estimate": decision.estimate,
        "complexity": decision.complexity,
        "matrix_version": decision.matrix_version,
        "matrix_row": decision.row,
        "propensity": decision.propensity,
        "explored": decision.explored,
    }


class AcceptedOut(DecisionOut):
    """Work that was taken: look at it under its `task_id`."""

    task_id: UUID
    status: str

    @classmethod
    def of_work(cls, accepted: Accepted) -> AcceptedOut:
        return cls(task_id=accepted.task_id, status=accepted.status, **decided(accepted.decision))


class AnswerOut(BaseModel):
    """Work that was done at once: the fields of the engine's result, and these."""

    model_config = ConfigDict(extra="allow")

    task_id: UUID
    engine: str
    strategy: Strategy
    cached: bool
    execution_seconds: float

    @classmethod
    def of(cls, answer: Answer) -> AnswerOut:
        """Our own fields stand above the engine's."""
        own = {
            "task_id": answer.task_id,
            "strategy": answer.strategy,
            "cached": answer.cached,
            "execution_seconds": answer.seconds,
        }
        return cls(**{"engine": "rules", **answer.result, **own})


class WorkTypeOut(BaseModel):
    """A type of work; `parameters` is the JSON Schema of its parameters."""

    type: str
    domain: str
    summary: str
    complexity: Complexity
    strategies: list[Strategy]
    reads: list[str]
    agent: str | None
    parameters: JsonObject

    @classmethod
    def of(cls, found: TaskType, agent: Agent | None) -> WorkTypeOut:
        """With the agent who does it."""
        return cls(
            type=found.name,
            domain=found.domain,
            summary=found.summary,
            complexity=found.complexity,
            strategies=list(found.strategies),
            reads=list(found.reads),
            agent=agent.name if agent else None,
            parameters=found.parameters.model_json_schema(),
        )


class AgentOut(BaseModel):
    """An agent as its file says it, and what it has under way."""

    agent: Agent
    busy: int
    figures: GroupFigures | None


class TreeOut(BaseModel):
    """All agents; who delegates to whom is in each one's `may_delegate_to`."""

    master: str | None
    agents: list[AgentOut]
    problems: list[AgentFileProblem]


class MatrixOut(BaseModel):
    """The delegation matrix in force; version 0 is the one that ships."""

    version: int
    rows: list[Row]


class ErasedOut(BaseModel):
    """How many notes there were."""

    erased: int


class RestoreIn(Input):
    """The version of the matrix that is to decide again."""

    version: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]


class GatewayOut(BaseModel):
    """How the gateway before the crew stands; `problems` is empty where it is `valid`."""

    valid: bool
    configured: bool
    reachable: bool = False
    registered: bool = False
    missing_routes: list[str] = []
    leads_here: bool = False
    problems: list[str]


class HealthOut(BaseModel):
    """Whether the crew takes work. It tells nothing private."""

    status: Literal["healthy"]
    model_configured: bool


class StatusOut(BaseModel):
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


class StatisticsOut(BaseModel):
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


class SummaryOut(BaseModel):
    """The figures of so many hours, what is amiss, and what would help."""

    hours: float
    total: GroupFigures
    utilization: float
    memory_mb: float
    alerts: list[Alert]
    recommendations: list[Recommendation]


class ProposedOut(BaseModel):
    """A change of the matrix that was put before a person; `action_id` is what they approve."""

    summary: str
    action_id: UUID


class OptimizedOut(BaseModel):
    """What the outcomes speak for. Nothing has changed: `proposed` waits for approval."""

    outcomes: int
    recommendations: list[Recommendation]
    proposed: list[ProposedOut]


class FreeBody(BaseModel):
    """The engine of the work says what it takes, and names what it does not."""

    model_config = ConfigDict(extra="allow")

    def parameters(self) -> JsonObject:
        """As the engine gets them: what was not sent is not there."""
        return {name: value for name, value in self if name in self.model_fields_set}


class LeadScoringIn(FreeBody):
    """A lead, and how much each kind of criterion counts."""

    lead_data: JsonObject | list[Json]
    scoring_criteria: JsonObject | None = None


class SegmentationIn(FreeBody):
    """Customers, and into how many segments; found out where it is left out."""

    customer_data: list[Json]
    segmentation_type: str = "behavioral"
    segment_count: Annotated[int | None, Field(strict=True)] = None


class CampaignIn(FreeBody):
    """Segments of leads, the aim, how long and how often."""

    lead_segments: list[Any] | JsonObject
    campaign_objective: str
    duration_days: Annotated[int | None, Field(strict=True)] = None
    touchpoint_frequency: str | Annotated[float, Field(strict=True)] | None = None


class PipelineIn(FreeBody):
    """Stages, conversion rates, deal size and cycle of a sales pipeline."""

    pipeline_data: JsonObject
