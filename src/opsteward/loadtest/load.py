"""`opsteward bench load`: simulated users, all at once, against a running instance; every task followed to its end."""

from __future__ import annotations

import asyncio
from time import perf_counter
from uuid import uuid4

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from opsteward.client.connection import Address
from opsteward.core.backoff import growing_pauses
from opsteward.loadtest.simulated_users import ENDED, Recorder, User, seconds_between, spread
from opsteward.loadtest.types import Report, TaskState

_READS = (("list incidents", "/api/v1/incidents"), ("list systems", "/api/v1/systems"), ("list tasks", "/api/v1/tasks"))
_FIRST_LOOK, _MAX_PAUSE = 0.25, 2.0  # seconds between looks at a task


class _Load:
    """One run: what is shared by its users."""

    def __init__(self, at: Address, *, users: int, tasks: int, patience: float, bar: Progress) -> None:
        self._at = at
        self._tasks_of_users = [tasks // users + (number < tasks % users) for number in range(users)]
        self._patience = patience
        self._run = uuid4().hex[:12]
        self.recorder = Recorder()
        self.ends: dict[str, TaskState | None] = {}  # None: accepted, and its end not seen
        self._bar = bar
        self._submitted = bar.add_task("submitted", total=tasks)
        self._ended = bar.add_task("ended", total=tasks)

    async def run(self, *, ramp: float) -> None:
        """All users at once, but for their arrival, which is spread over `ramp` seconds."""
        async with asyncio.TaskGroup() as group:
            for number, tasks in enumerate(self._tasks_of_users):
                group.create_task(self._user(number, tasks, arrives=ramp * number / len(self._tasks_of_users)))

    async def _user(self, number: int, tasks: int, *, arrives: float) -> None:
        await asyncio.sleep(arrives)
        user = User(self._at, self.recorder)
        try:
            await user.call("sign in", "GET", "/api/v1/me")
            for operation, path in _READS:
                await user.call(operation, "GET", path, params={"limit": 20} if path != "/api/v1/systems" else None)
            mine = [await self._submit(user, f"{self._run}-{number}-{one}") for one in range(tasks)]
            await self._follow(user, [task_id for task_id in mine if task_id])
        finally:
            await user.close()

    async def _submit(self, user: User, name: str) -> str | None:
        body = {"task_type": "opsteward.echo", "name": name, "parameters": {"message": name}}
        made = await user.call("submit task", "POST", "/api/v1/tasks", json=body, headers={"Idempotency-Key": name})
        if made is None:
            return None
        self.ends[made["id"]] = None
        self._bar.advance(self._submitted)
        return str(made["id"])

    async def _follow(self, user: User, waiting: list[str]) -> None:
        deadline = perf_counter() + self._patience
        for seconds in growing_pauses(_FIRST_LOOK, limit=_MAX_PAUSE):
            left = []
            for task_id in waiting:
                task = await user.call("follow task", "GET", f"/api/v1/tasks/{task_id}")
                if task is not None and task["status"] in ENDED:
                    self.ends[task_id] = task
                    self._bar.advance(self._ended)
                else:
                    left.append(task_id)
            waiting = left
            if not waiting or perf_counter() >= deadline:
                return
            await asyncio.sleep(seconds)


def run_load(at: Address, *, users: int, tasks: int, ramp: float, patience: float) -> Report:
    """Load the instance; the report says `ok` where nothing was lost, failed or answered with an error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = perf_counter()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        load = _Load(at, users=users, tasks=tasks, patience=patience, bar=bar)
        asyncio.run(load.run(ramp=ramp))
    return _report(load, users=users, asked=tasks, seconds=perf_counter() - began)


def _report(load: _Load, *, users: int, asked: int, seconds: float) -> Report:
    ended = [task for task in load.ends.values() if task is not None]
    completed = [task for task in ended if task["status"] == "completed"]
    lost = len(load.ends) - len(ended)
    whole = [seconds_between(task["created_at"], task["ended_at"]) for task in completed]
    recorder = load.recorder
    return {
        "ok": lost == 0 and recorder.failed == 0 and len(completed) == len(load.ends) == asked,
        "users": users,
        "seconds": round(seconds, 1),
        "requests": recorder.requests,
        "requests_per_second": round(recorder.requests / seconds, 1),
        "errors": recorder.failed,
        "errors_by_kind": recorder.told_errors(),
        "tasks": {
            "asked_for": asked,
            "submitted": len(load.ends),
            "completed": len(completed),
            "ended_otherwise": len(ended) - len(completed),
            "lost": lost,
            "end_to_end_ms": spread(whole),
        },
        "operations": recorder.rows(),
    }
