"""What the API takes and answers about agents, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from opsteward.core.json_types import Json


class AgentIn(TypedDict):
    """An agent to run; `interval` in seconds, its kind's when none is given."""

    kind: str
    name: str
    interval: NotRequired[float | None]
    params: NotRequired[dict[str, Json]]


class AgentInfo(TypedDict):
    """An agent as it stands. `failures` are in a row; `run_seconds` is how long the last run took."""

    id: str
    name: str
    kind: str
    purpose: str
    params: dict[str, Json]
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


class AgentWithMessages(TypedDict):
    """An agent with the newest messages to it."""

    id: str
    name: str
    kind: str
    purpose: str
    params: dict[str, Json]
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
    messages: list[MessageInfo]


class AgentsStatus(TypedDict):
    """All agents, the processes that run them, and the queue of tasks, with counts by status."""

    summary: dict[str, int]
    agents: list[AgentInfo]
    processes: list[ProcessInfo]
    leader: str | None
    queue: dict[str, int]


class KindInfo(TypedDict):
    """A kind of agent that this process can run."""

    kind: str
    purpose: str
    interval: float | None
    wakes_on: list[str]
    essential: bool
    params: dict[str, Json]


class MessageInfo(TypedDict):
    """A message between agents."""

    id: str
    sender: str
    body: dict[str, Json]
    sent_at: str
    read_at: str | None


class MetricHistory(TypedDict):
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
    points: NotRequired[list[MetricPoint]]


class MetricPoint(TypedDict):
    """One stretch of a history: the mean and the highest value in it."""

    at: str
    average: float
    highest: float


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
