"""What each route about tasks is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def submit_task(*, idempotency_key: str | None = None, **fields: Unpack[types.TaskIn]) -> Call[types.SubmittedTask]:
    """Submit a task; sent again with the same `Idempotency-Key`, it is the same task."""
    return Call("POST", "/api/v1/tasks", fields, headers={"idempotency-key": idempotency_key})


def list_tasks(
    *,
    status: types.TaskStatus | None = None,
    task_type: str | None = None,
    priority: Literal["critical", "high", "normal", "low", "background"] | None = None,
    schedule_id: str | None = None,
    before: str | None = None,
    ref: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.TaskInfo]]:
    """Newest first."""
    return Call(
        "GET",
        "/api/v1/tasks",
        params={
            "status": status,
            "task_type": task_type,
            "priority": priority,
            "schedule_id": schedule_id,
            "before": before,
            "ref": ref,
            "limit": limit,
        },
    )


def submit_tasks(*, idempotency_key: str | None = None, **fields: Unpack[types.TasksIn]) -> Call[types.SubmittedTasks]:
    """Submit many tasks in one transaction, all or none; they may depend on each other by `ref`."""
    return Call("POST", "/api/v1/tasks/bulk", fields, headers={"idempotency-key": idempotency_key})


def list_task_types() -> Call[Page[types.TaskTypeInfo]]:
    """Every task type there is, with the JSON Schema of its parameters."""
    return Call("GET", "/api/v1/tasks/types")


def count_tasks() -> Call[dict[str, int]]:
    """How many tasks of this tenant stand in each status."""
    return Call("GET", "/api/v1/tasks/counts")


def list_limits() -> Call[dict[str, int]]:
    """The tenant's limits by task type; the empty name is that of all together."""
    return Call("GET", "/api/v1/tasks/limits")


def set_limit(**fields: Unpack[types.LimitIn]) -> Call[dict[str, int]]:
    """Set or lift a limit; returns all of them."""
    return Call("PUT", "/api/v1/tasks/limits", fields)


def redrive_tasks(**fields: Unpack[types.RedriveIn]) -> Call[types.Redriven]:
    """Run the dead letters (or other ended tasks) anew, up to 10,000 at once."""
    return Call("POST", "/api/v1/tasks/redrive", fields)


def get_task(task_id: str | UUID) -> Call[types.TaskWithNeighbours]:
    """One task, with those that it depends on and those that wait for it."""
    return Call("GET", f"/api/v1/tasks/{path_id(task_id)}")


def cancel_task(task_id: str | UUID, **fields: Unpack[types.CancelIn]) -> Call[types.TaskInfo]:
    """Cancel a waiting task at once, a running one as soon as its process hears of it."""
    return Call("PUT", f"/api/v1/tasks/{path_id(task_id)}/cancel", fields)


def redrive_task(task_id: str | UUID) -> Call[types.TaskInfo]:
    """Run a failed, dead or cancelled task anew, with all its tries."""
    return Call("POST", f"/api/v1/tasks/{path_id(task_id)}/redrive")


def create_schedule(**fields: Unpack[types.TasksScheduleIn]) -> Call[types.ScheduleInfo]:
    """Submit a task again and again."""
    return Call("POST", "/api/v1/schedules", fields)


def list_schedules(
    *, ref: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.ScheduleInfo]]:
    """By name; `after`: `next` of the page before."""
    return Call("GET", "/api/v1/schedules", params={"ref": ref, "after": after, "limit": limit})


def preview_schedule(**fields: Unpack[types.TasksPreviewIn]) -> Call[types.FiringTimes]:
    """The next five times of a cron expression."""
    return Call("POST", "/api/v1/schedules/preview", fields)


def get_schedule(schedule_id: str | UUID) -> Call[types.ScheduleInfo]:
    """One schedule and when it fires next."""
    return Call("GET", f"/api/v1/schedules/{path_id(schedule_id)}")


def remove_schedule(schedule_id: str | UUID) -> Call[None]:
    """Remove a schedule; the tasks that it submitted stay."""
    return Call("DELETE", f"/api/v1/schedules/{path_id(schedule_id)}")


def pause_schedule(schedule_id: str | UUID) -> Call[types.ScheduleInfo]:
    """It fires no more until it is resumed."""
    return Call("PUT", f"/api/v1/schedules/{path_id(schedule_id)}/pause")


def resume_schedule(schedule_id: str | UUID) -> Call[types.ScheduleInfo]:
    """It fires at its next time; what was missed stays missed."""
    return Call("PUT", f"/api/v1/schedules/{path_id(schedule_id)}/resume")
