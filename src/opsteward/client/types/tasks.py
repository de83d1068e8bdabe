"""What the API takes and answers about tasks, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor
from opsteward.core.json_types import Json

TaskStatus = Literal["pending", "in_progress", "completed", "failed", "cancelled", "dead_letter"]


class CancelIn(TypedDict):
    reason: NotRequired[str]


class FiringTimes(TypedDict):
    """The next times of a cron expression."""

    times: list[str]


class LimitIn(TypedDict):
    """The most tasks that run at once; of all types together when none is named. null lifts the limit."""

    task_type: NotRequired[str]
    max_running: int | None


class RedriveIn(TypedDict):
    """Which ended tasks to run anew."""

    status: NotRequired[Literal["dead_letter", "failed", "cancelled"]]
    task_type: NotRequired[str | None]


class Redriven(TypedDict):
    """How many tasks were driven again."""

    count: int
    ids: list[str]


class ScheduleInfo(TypedDict):
    """A schedule and when it fires next; `task` is what it submits."""

    id: str
    name: str
    cron: str
    timezone: str
    task: dict[str, Json]
    paused: bool
    next_at: str
    last_at: str | None
    last_error: str | None
    created_by: str
    created_at: str
    creator: NotRequired[Actor | None]


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
    tries: list[dict[str, Json]]
    dependencies: list[str]
    waiting_on: int
    parameters: dict[str, Json]
    result_data: dict[str, Json] | None
    error: str | None
    metadata: dict[str, Json]
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
    requester: NotRequired[Actor | None]
    deduplicated: bool


class SubmittedTasks(TypedDict):
    """How many were new, how many were there already, and their ids in the order sent."""

    submitted: int
    deduplicated: int
    ids: list[str]


class TaskBase(TypedDict):
    """What a task and a schedule have in common. Times are seconds."""

    task_type: str
    name: NotRequired[str]
    description: NotRequired[str]
    parameters: NotRequired[dict[str, Json]]
    metadata: NotRequired[dict[str, Json]]
    priority: NotRequired[Literal["critical", "high", "normal", "low", "background"]]
    dedup_key: NotRequired[str | None]
    max_retries: NotRequired[int | None]
    backoff_factor: NotRequired[float | None]
    max_backoff: NotRequired[float | None]
    timeout: NotRequired[float | None]


class TaskIn(TypedDict):
    """A task. `dependencies`: tasks that must complete first, by id or by the `ref` of another in the same
    request."""

    task_type: str
    name: NotRequired[str]
    description: NotRequired[str]
    parameters: NotRequired[dict[str, Json]]
    metadata: NotRequired[dict[str, Json]]
    priority: NotRequired[Literal["critical", "high", "normal", "low", "background"]]
    dedup_key: NotRequired[str | None]
    max_retries: NotRequired[int | None]
    backoff_factor: NotRequired[float | None]
    max_backoff: NotRequired[float | None]
    timeout: NotRequired[float | None]
    dependencies: NotRequired[list[str]]
    ref: NotRequired[str | None]
    delay: NotRequired[float | None]
    run_at: NotRequired[str | None]


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
    tries: list[dict[str, Json]]
    dependencies: list[str]
    waiting_on: int
    parameters: dict[str, Json]
    result_data: dict[str, Json] | None
    error: str | None
    metadata: dict[str, Json]
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
    requester: NotRequired[Actor | None]


class TaskRef(TypedDict):
    """A task in short."""

    id: str
    name: str
    task_type: str
    status: TaskStatus


class TaskTypeInfo(TypedDict):
    """A task type with the JSON Schema of its parameters; `timeout` in seconds."""

    task_type: str
    purpose: str
    durable: bool
    concurrency: int | None
    timeout: float | None
    parameters: dict[str, Json]


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
    tries: list[dict[str, Json]]
    dependencies: list[str]
    waiting_on: int
    parameters: dict[str, Json]
    result_data: dict[str, Json] | None
    error: str | None
    metadata: dict[str, Json]
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
    requester: NotRequired[Actor | None]
    depends_on: list[TaskRef]
    dependents: list[TaskRef]


class TasksIn(TypedDict):
    """Many tasks, submitted together or not at all."""

    tasks: list[TaskIn]


class TasksPreviewIn(TypedDict):
    """A cron expression, and from when on its times are wanted (now, if left out)."""

    cron: str
    timezone: NotRequired[str]
    after: NotRequired[str | None]


class TasksScheduleIn(TypedDict):
    """A task to be submitted at the times of a cron expression (minute hour day month weekday)."""

    name: str
    cron: str
    timezone: NotRequired[str]
    task: TaskBase
