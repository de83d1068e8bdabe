"""What the rooms above see of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from opsteward.accounts.types import Actor
from opsteward.core.json_types import JsonObject

PRIORITIES = {"critical": 1, "high": 2, "normal": 3, "low": 4, "background": 5}
PRIORITY_NAMES = {number: name for name, number in PRIORITIES.items()}
#: Up to this priority a task may use the slots that are kept free for what is urgent.
URGENT = PRIORITIES["high"]

#: Notices of the feed: something may be claimed now; something of tasks changed; a pause was set or lifted;
#: a running task is to be cancelled (the notice's id is the task's).
READY, CHANGED, CONTROLS, CANCEL, SCHEDULES = "task_ready", "task", "controls", "task_cancel", "schedule"


class TaskStatus(StrEnum):
    """`failed`: ended by an error that trying again can't mend; `dead_letter`: all tries were used up."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD_LETTER = "dead_letter"


#: A task that has ended so can be driven again.
REDRIVABLE = frozenset({TaskStatus.FAILED, TaskStatus.DEAD_LETTER, TaskStatus.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task to submit. `delay` in seconds; `run_at` is an instant, instead of it. None: the type's or the setting's.

    `ref` names it for other tasks of the same submission; `dependencies` are ids, or such names. While a task with
    the same `dedup_key` waits or runs, no second one is made.
    """

    task_type: str
    name: str = ""
    description: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    priority: str = "normal"
    dependencies: tuple[str, ...] = ()
    ref: str | None = None
    delay: float | None = None
    run_at: datetime | None = None
    dedup_key: str | None = None
    max_retries: int | None = None
    backoff_factor: float | None = None
    max_backoff: float | None = None
    timeout: float | None = None
    repeat_key: UUID | None = None  # one that is derived from what is submitted: there is never a second of it
    schedule_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """A task as it stands. `tries` are those that failed, the latest 20: {try, at, error}."""

    id: UUID
    name: str
    description: str
    task_type: str
    priority: str
    status: str
    progress: int
    progress_message: str
    retry_count: int
    max_retries: int
    tries: list[JsonObject]
    dependencies: list[UUID]
    waiting_on: int
    parameters: JsonObject
    result_data: JsonObject | None
    error: str | None
    metadata: JsonObject
    tenant_id: UUID
    schedule_id: UUID | None
    dedup_key: str | None
    requested_by: str
    process_id: UUID | None
    cancel_requested: bool
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    #: Who asked for it by name; only where a task or a list of them is read.
    requester: Actor | None = None


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """What became of one submitted task; `deduplicated`: an equal one stands for it."""

    id: UUID
    status: str
    deduplicated: bool = False


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A task that runs in this process; `seconds_left` is how long it may still take, None while it is paused.

    `durable`: its finished steps are not run again."""

    task_type: str
    task_id: UUID
    durable: bool
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Redriven:
    """How many tasks were driven again."""

    count: int
    ids: list[UUID]


@dataclass(frozen=True, kw_only=True)
class ScheduleInfo:
    """A schedule and when it fires next; `task` is what it submits."""

    id: UUID
    name: str
    cron: str
    timezone: str
    task: JsonObject
    paused: bool
    next_at: datetime
    last_at: datetime | None
    last_error: str | None
    created_by: str
    created_at: datetime
    #: Who made it by name; only where a schedule or a list of them is read.
    creator: Actor | None = None


@dataclass(frozen=True, kw_only=True)
class PauseInfo:
    """A pause in force. `scope`: everything, tenant, task_type or action; `target` is the type's or action's name."""

    scope: str
    target: str
    reason: str
    paused_by: str
    paused_at: datetime
    tenant_id: UUID
    #: Who paused it by name; only in the list.
    pauser: Actor | None = None


@dataclass(frozen=True, kw_only=True)
class TaskFigures:
    """The installation's tasks in one look; times in seconds, `finished` and what follows of the last window."""

    ready: int = 0
    delayed: int = 0
    running: int = 0
    oldest_seconds: float = 0.0
    finished: int = 0
    failed: int = 0
    average_seconds: float = 0.0
