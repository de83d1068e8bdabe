"""What the rooms above see of background agents."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from opsteward.contracts.agent import Report
from opsteward.core.json_types import JsonObject

#: Notices of the feed: something of an agent changed (for who looks at it); what is wanted of agents or where they
#: may run has changed (for the runtimes); a message waits (the notice's id is the agent's).
CHANGED, ORDERS, MESSAGE = "agent", "agent_orders", "agent_message"


class AgentStatus(StrEnum):
    """`degraded`: it works in part, or failed and is about to be started anew; `failed`: it failed again and again,
    and is tried at the longest pause."""

    REGISTERED = "registered"
    STARTING = "starting"
    RUNNING = "running"
    DEGRADED = "degraded"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


class Desired(StrEnum):
    """What the operators want of it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class NewAgent:
    """An agent to register. `interval` in seconds; None: its kind's."""

    kind: str
    name: str
    interval: float | None = None
    params: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AgentInfo:
    """An agent as it stands. `failures` are in a row; `run_seconds` is how long the last run took."""

    id: UUID
    name: str
    kind: str
    purpose: str
    params: JsonObject
    interval: float | None
    desired: str
    status: str
    reason: str
    process_id: UUID | None
    beat_at: datetime | None
    last_run_at: datetime | None
    run_seconds: float | None
    runs: int
    failures: int
    restarts: int
    next_start_at: datetime | None
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class KindInfo:
    """A kind of agent that this process can run."""

    kind: str
    purpose: str
    interval: float | None
    wakes_on: list[str]
    essential: bool
    params: JsonObject  # the JSON schema


@dataclass(frozen=True, kw_only=True)
class MessageInfo:
    """A message between agents."""

    id: UUID
    sender: str
    body: JsonObject
    sent_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class MetricPoint:
    """One stretch of a history: the mean and the highest value in it."""

    at: datetime
    average: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class MetricHistory:
    """A figure over a window; `p50` to `p99` are over all values in it, of all processes."""

    name: str
    count: int
    latest: float
    lowest: float
    average: float
    highest: float
    p50: float
    p95: float
    p99: float
    points: list[MetricPoint] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ProcessInfo:
    """A process of the installation."""

    id: UUID
    host: str
    pid: int
    kind: str
    version: str
    started_at: datetime
    beat_at: datetime
    alive: bool
    leader: bool
    agents: int  # of the tenant that asks


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A figure of Opsteward itself beyond its threshold."""

    level: str  # warning, critical
    message: str
    metric_type: str
    current_value: float
    threshold: float
    suggested_actions: list[str]

    def as_context(self) -> JsonObject:
        """As an event carries it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class AgentReported:
    """Published in a transaction of the agent's tenant: something that takes the way of every event."""

    agent: str
    report: Report
