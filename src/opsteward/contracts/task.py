"""What a task type is: a registered function with typed parameters, run durably by the tasks room.

    class Greeting(BaseModel):
        name: str

    async def greet(ctx: TaskContext, params: Greeting) -> dict[str, str]:
        ctx.progress(50, "half way")
        return {"said": f"hello {params.name}"}

    GREET = TaskType(slug="example.greet", purpose="Says hello", params=Greeting, run=greet)

A task runs at least once: when its process dies, another runs it again. What it does to the outside world it does
with `ctx.key(...)` as idempotency key. A `durable` type may split its work into steps: a finished one is not run again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")
_SLUG = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


class NoParams(BaseModel):
    """The parameters of a task type that takes none."""

    model_config = ConfigDict(extra="forbid")


class RunStep(Protocol):
    """Runs one step under a name that is unique in the task, and gives its result (JSON values only)."""

    async def __call__(self, name: str, function: Callable[[], Awaitable[T]]) -> T: ...


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    """What a running task knows of itself. `attempt` counts from 0."""

    task_id: UUID
    tenant_id: UUID
    attempt: int
    #: `progress(percent, message)`; cheap, the latest is written down about twice a second.
    progress: Callable[[int, str], None]
    #: `await step(name, function)`: waits while the task is paused; recorded when the type is durable.
    step: RunStep

    def key(self, name: str = "") -> str:
        """The idempotency key of one effect: the same in every attempt and on every process."""
        return f"{self.task_id}:{name}" if name else str(self.task_id)


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """`run(ctx, params)` is an async function, or a plain one that runs on a thread; it gives a JSON object or None.

    `concurrency` is the most that run at once in the whole installation (None: no limit); `timeout` and `max_retries`
    are what a task has unless it says otherwise (seconds; None: the setting `max_retries`). An OpsError that is not
    retryable fails the task at once, any other exception is tried again.
    """

    slug: str
    purpose: str
    params: type[BaseModel]
    run: Callable[[TaskContext, Any], object]
    durable: bool = False
    concurrency: int | None = None
    timeout: float = 600.0
    max_retries: int | None = None

    def __post_init__(self) -> None:
        if not _SLUG.fullmatch(self.slug):
            raise ValueError(f"{self.slug!r} is no task type's name: use words like crm.send_letter")
