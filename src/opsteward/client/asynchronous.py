"""The async form."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self
from uuid import UUID

import httpx

from opsteward.client import calls
from opsteward.client.connection import Address, Call, answer_of

Task = dict[str, Any]
_LOOK_EVERY = 0.1  # seconds, while a task is waited for; longer and longer up to a second


class AsyncOpsteward:
    """A running instance: `AsyncOpsteward(url=..., token=...)`, or where `OPSTEWARD_URL` and `OPSTEWARD_TOKEN` say.

    Use it in an `async with` block. Every method raises CallFailed where the instance refuses, and
    httpx.HTTPError where it can't be reached.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0) -> None:
        """`timeout`: seconds to wait for an answer."""
        address = Address.of(url, token)
        self._http = httpx.AsyncClient(base_url=address.url, headers=address.headers, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections."""
        await self._http.aclose()

    async def create_task(
        self, task_type: str, parameters: Mapping[str, Any] | None = None, *, priority: str = "normal", **more: Any
    ) -> Task:
        """Submit a task. Further: dependencies, delay, run_at, idempotency_key, name, dedup_key, max_retries, ..."""
        call = calls.create_task(task_type, parameters, priority=priority, **more)
        return dict(await self._send(call))

    async def create_tasks(
        self, tasks: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[str]:
        """Submit many, all or none; gives their ids in the order given."""
        return list((await self._send(calls.create_tasks(tasks, idempotency_key=idempotency_key)))["ids"])

    async def get_task(self, task_id: str | UUID) -> Task:
        """One task with its state, progress and result."""
        return dict(await self._send(calls.get_task(task_id)))

    async def tasks(
        self, *, status: str | None = None, task_type: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[Task]:
        """The newest first; `before` is the last id of the page before."""
        call = calls.list_tasks(status=status, task_type=task_type, limit=limit, before=before)
        return list((await self._send(call))["items"])

    async def cancel_task(self, task_id: str | UUID, *, reason: str = "") -> Task:
        """A waiting task ends at once, a running one within a moment."""
        return dict(await self._send(calls.cancel_task(task_id, reason=reason)))

    async def redrive_task(self, task_id: str | UUID) -> Task:
        """Run a failed, dead or cancelled task anew."""
        return dict(await self._send(calls.redrive_task(task_id)))

    async def wait_for_task(self, task_id: str | UUID, *, timeout: float = 60.0) -> Task:
        """The task once it has ended, however that was. Raises TimeoutError."""
        until, pause = time.monotonic() + timeout, _LOOK_EVERY
        while (task := await self.get_task(task_id))["status"] not in calls.ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f"task {task_id} is {task['status']} after {timeout:g} s")
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 1.5)
        return task

    async def pause(self, scope: calls.Scope, target: str = "", *, reason: str = "") -> None:
        """Begin nothing new: everything, the tenant, one task_type or one action."""
        await self._send(calls.pause(scope, target, reason=reason))

    async def resume(self, scope: calls.Scope, target: str = "", *, reason: str = "") -> None:
        """Go on."""
        await self._send(calls.resume(scope, target, reason=reason))

    async def _send(self, call: Call) -> Any:
        return answer_of(await self._http.request(call.method, call.path, **call.options()))
