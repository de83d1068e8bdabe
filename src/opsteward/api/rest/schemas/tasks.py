"""What the routes of tasks and schedules answer, beside what `tasks.types` holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from opsteward.core.json_types import JsonObject
from opsteward.tasks.types import TaskInfo, TaskStatus


@dataclass(frozen=True, kw_only=True)
class SubmittedTask(TaskInfo):
    """A task that was asked for; `deduplicated`: it was there already."""

    deduplicated: bool


@dataclass(frozen=True, kw_only=True)
class SubmittedTasks:
    """How many were new, how many were there already, and their ids in the order sent."""

    submitted: int
    deduplicated: int
    ids: list[UUID]


@dataclass(frozen=True, kw_only=True)
class TaskRef:
    """A task in short."""

    id: UUID
    name: str
    task_type: str
    status: TaskStatus

    @classmethod
    def of(cls, task: TaskInfo) -> TaskRef:
        return cls(id=task.id, name=task.name, task_type=task.task_type, status=TaskStatus(task.status))


@dataclass(frozen=True, kw_only=True)
class TaskWithNeighbours(TaskInfo):
    """A task with those that it depends on and those that wait for it."""

    depends_on: list[TaskRef]
    dependents: list[TaskRef]


@dataclass(frozen=True, kw_only=True)
class TaskTypeInfo:
    """A task type with the JSON Schema of its parameters; `timeout` in seconds."""

    task_type: str
    purpose: str
    durable: bool
    concurrency: int | None
    timeout: float | None
    parameters: JsonObject


@dataclass(frozen=True, kw_only=True)
class FiringTimes:
    """The next times of a cron expression."""

    times: list[datetime]
