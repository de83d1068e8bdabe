"""Calls whose arguments are not just the fields of the API's bodies. No sending here; the others are `operations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from opsteward.client.connection import Call, path_id

if TYPE_CHECKING:
    from opsteward.client.choices import Scope
    from opsteward.client.types import SubmittedTask, SubmittedTasks, SyncOperation, SystemInfo, UserInfo
    from opsteward.core.json_types import Json


def create_task(
    task_type: str,
    parameters: Mapping[str, Json] | None = None,
    *,
    priority: str = "normal",
    dependencies: Sequence[str | UUID] = (),
    delay: float | None = None,
    run_at: datetime | None = None,
    idempotency_key: str | None = None,
    **more: Json,
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
    return Call("POST", "/api/v1/tasks", body, headers={"Idempotency-Key": idempotency_key})


def create_tasks(tasks: Sequence[Mapping[str, Json]], *, idempotency_key: str | None = None) -> Call[SubmittedTasks]:
    body = {"tasks": [dict(one) for one in tasks]}
    return Call("POST", "/api/v1/tasks/bulk", body, headers={"Idempotency-Key": idempotency_key})


def register_system(name: str, system_type: str, endpoint: str, **more: Json) -> Call[SystemInfo]:
    """`more` are further fields of the API's system: health_check_url, criticality, credentials, depends_on, ..."""
    return Call("POST", "/api/v1/systems", {"name": name, "type": system_type, "endpoint": endpoint, **more})


def sync_user_data(
    source: str | UUID, target: str | UUID, *, sync_type: str = "incremental", **more: Json
) -> Call[SyncOperation]:
    """`more`: dry_run, max_deletions."""
    body = {"target_id": str(target), "sync_type": sync_type, **more}
    return Call("POST", f"/api/v1/systems/{path_id(source)}/sync", body)


def register_user(
    username: str, email: str, full_name: str, *, role: str = "standard_user", **more: Json
) -> Call[UserInfo]:
    """`more` are further fields of the API's user: department, manager_id, profile_data, tags, expires_at, ..."""
    body = {"username": username, "email": email, "full_name": full_name, "role": role, **more}
    return Call("POST", "/api/v1/users", body)


def pause(scope: Scope, target: str = "", *, reason: str = "") -> Call[object]:
    return _control("pause", scope, target, reason)


def resume(scope: Scope, target: str = "", *, reason: str = "") -> Call[object]:
    return _control("resume", scope, target, reason)


def _control(what: str, scope: Scope, target: str, reason: str) -> Call[object]:
    if scope == "everything":
        return Call("POST", f"/api/v1/controls/everything/{what}", {"reason": reason})
    return Call("POST", f"/api/v1/controls/{what}", {"scope": scope, "target": target, "reason": reason})
