"""The verbs: what each asks of the API. No sending here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from opsteward.client.connection import Call, Page
from opsteward.client.types import SubmittedTask, SubmittedTasks, TaskInfo, TaskWithNeighbours

TASKS = "/api/v1/tasks"
CONTROLS = "/api/v1/controls"
#: Statuses in which a task has ended.
ENDED = frozenset({"completed", "failed", "cancelled", "dead_letter"})
Scope = Literal["everything", "tenant", "task_type", "action"]


class Priority(StrEnum):
    """How urgent a task is."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    BACKGROUND = "background"


def create_task(
    task_type: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    priority: str = Priority.NORMAL,
    dependencies: Sequence[str | UUID] = (),
    delay: float | None = None,
    run_at: datetime | None = None,
    idempotency_key: str | None = None,
    **more: Any,
) -> Call[SubmittedTask]:
    """`more` are further fields of the API's task: name, description, metadata, dedup_key, max_retries, timeout, ..."""
    body = {
        "task_type": task_type,
        "parameters": dict(parameters or {}),
        "priority": priority,
        "dependencies": [str(one) for one in dependencies],
        "delay": delay,
        "run_at": run_at.isoformat() if run_at else None,
        **more,
    }
    return Call("POST", TASKS, body, headers=_key(idempotency_key))


def create_tasks(tasks: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Call[SubmittedTasks]:
    return Call("POST", f"{TASKS}/bulk", {"tasks": [dict(one) for one in tasks]}, headers=_key(idempotency_key))


def get_task(task_id: str | UUID) -> Call[TaskWithNeighbours]:
    return Call("GET", f"{TASKS}/{UUID(str(task_id))}")


def list_tasks(
    *, status: str | None = None, task_type: str | None = None, limit: int = 50, before: str | None = None
) -> Call[Page[TaskInfo]]:
    params = {"status": status, "task_type": task_type, "limit": limit, "before": before}
    return Call("GET", TASKS, params=params)


def cancel_task(task_id: str | UUID, *, reason: str = "") -> Call[TaskInfo]:
    return Call("PUT", f"{TASKS}/{UUID(str(task_id))}/cancel", {"reason": reason})


def redrive_task(task_id: str | UUID) -> Call[TaskInfo]:
    return Call("POST", f"{TASKS}/{UUID(str(task_id))}/redrive")


def pause(scope: Scope, target: str = "", *, reason: str = "") -> Call[object]:
    return _control("pause", scope, target, reason)


def resume(scope: Scope, target: str = "", *, reason: str = "") -> Call[object]:
    return _control("resume", scope, target, reason)


def _control(what: str, scope: str, target: str, reason: str) -> Call[object]:
    if scope == "everything":
        return Call("POST", f"{CONTROLS}/everything/{what}", {"reason": reason})
    return Call("POST", f"{CONTROLS}/{what}", {"scope": scope, "target": target, "reason": reason})


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}
