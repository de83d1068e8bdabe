"""Tasks in this process: types that a test holds and releases, and runners that work beside each other on one database.

There is no engine, so the types are plain ones; durable ones are tried in tests/workflows.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core import feed
from opsteward.core.errors import Conflict
from opsteward.core.feed import Feed
from opsteward.core.ids import uuid7
from opsteward.core.process_identity import host_key
from opsteward.core.process_takeover import Process
from opsteward.tasks import queries as task_queries
from opsteward.tasks.controls import Gate
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.runner import Runner
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import READY, NewTask, Submitted, TaskInfo
from support.instance import Instance, Tenant

WORK, OTHER, LIMITED = "office.work", "office.other", "office.limited"
LIMIT = 3


class Job(BaseModel):
    """`label` is written down at the begin; a held job waits for the office's `go`; `fails` so many times."""

    model_config = ConfigDict(extra="forbid")

    label: str = ""
    held: bool = False
    fails: int = 0
    refused: bool = False
    gives: Any = None


class TaskHarness:
    """What was begun, in order, and how many ran at once at most, by tenant and by type."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.services = instance.services
        self.begun: list[str] = []
        self.go = asyncio.Event()
        self.running: Counter[Any] = Counter()
        self.most: dict[Any, int] = defaultdict(int)
        self.changed = asyncio.Event()
        types = [
            TaskType(slug=WORK, purpose="Works", params=Job, run=self._run),
            TaskType(slug=OTHER, purpose="Works", params=Job, run=self._run),
            TaskType(
                slug=LIMITED, purpose="Works, a few at once", params=Job, run=self._run_limited, concurrency=LIMIT
            ),
        ]
        self.task_registry = TaskRegistry(types, max_params_bytes=65_536)
        self.submission = Submission(self.task_registry, self.services.settings.tasks)

    async def _run_limited(self, ctx: TaskContext, job: Job) -> Any:
        with self._counted(LIMITED, ctx.tenant_id):
            return await self._do(ctx, job)

    async def _run(self, ctx: TaskContext, job: Job) -> Any:
        with self._counted(WORK, ctx.tenant_id):
            return await self._do(ctx, job)

    def _counted(self, *keys: Any) -> Any:
        return _Counted(self, keys)

    async def _do(self, ctx: TaskContext, job: Job) -> Any:
        self.begun.append(job.label)
        self.changed.set()
        await asyncio.sleep(0.002)  # gives way, so that what may run beside it does
        ctx.progress(140 if job.label == "beyond" else 40, f"at {job.label}\x00")
        if job.held:
            await self.go.wait()
        if job.refused:
            raise Conflict("not like this")
        if ctx.attempt < job.fails:
            raise RuntimeError(f"try {ctx.attempt}")
        return job.gives

    # -- asking and looking ------------------------------------------------------------------------------------

    async def submit(self, tenant: Tenant, *tasks: NewTask) -> list[Submitted]:
        async with self.services.web.unit_of_work(tenant.id) as session:
            return await self.submission.submit(session, tasks=tasks, actor="system:test")

    async def task(self, tenant: Tenant, task_id: UUID) -> TaskInfo:
        async with self.services.web.unit_of_work(tenant.id) as session:
            return await task_queries.get(session, task_id=task_id)

    async def statuses(self, tenant: Tenant, told: Sequence[Submitted]) -> list[str]:
        return [(await self.task(tenant, one.id)).status for one in told]

    async def until(self, tenant: Tenant, told: Sequence[Submitted], *statuses: str) -> list[TaskInfo]:
        """These tasks, once each of them is in one of the statuses."""
        async with asyncio.timeout(20):
            while True:
                found = [await self.task(tenant, one.id) for one in told]
                if all(one.status in statuses for one in found):
                    return found
                await asyncio.sleep(0.02)

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.begun) < count:
                self.changed.clear()
                await self.changed.wait()

    async def make_due(self, tenant: Tenant) -> None:
        """What waits for its time need not wait longer."""
        self.instance.sql("update opsteward.tasks set run_at = now() where tenant_id = %s", tenant.id)
        async with self.services.web.unit_of_work(tenant.id) as session:
            await feed.announce(session, kind=READY, object_id="")

    @asynccontextmanager
    async def runners(self, count: int = 1, *, slots: int = 20, spare: int = 0) -> AsyncIterator[list[Runner]]:
        """So many processes' runners, until the end of the block."""
        made: list[Runner] = []
        stops = []
        listening = Feed(self.services.urls.web)
        for _ in range(count):
            process_id = await self.process()
            runner = Runner(
                self.services.app,
                self.task_registry,
                Gate(self.services.app),
                process_id=process_id,
                slots=slots,
                spare=spare,
            )
            stops.append(listening.listen(runner.hear))
            made.append(runner)
        tasks = [asyncio.create_task(runner.run()) for runner in made] + [asyncio.create_task(listening.run())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for runner in made:
                await runner.drain(grace=0.1)

    async def process(self) -> UUID:
        """A process that lives, by the books."""
        process_id = uuid7()
        async with self.services.app.unit_of_work(None) as session:
            row = {"id": process_id, "host": host_key(), "pid": 1, "pid_started": 0.0, "kind": "test", "version": "0"}
            session.add(Process(**row))
        return process_id

    async def claim(self, process_id: UUID, free: int, *, spare: int = 0) -> list[Any]:
        """What this process would get now, and has then."""
        async with self.services.app.unit_of_work(None) as session:
            return list(
                await session.execute(
                    sa.text("select * from opsteward.claim_tasks(:p, :free, :spare, cast(:types as jsonb))"),
                    {"p": process_id, "free": free, "spare": spare, "types": _TYPES},
                )
            )


_TYPES = f'{{"{WORK}": null, "{OTHER}": null, "{LIMITED}": {LIMIT}}}'


class _Counted:
    def __init__(self, harness: TaskHarness, keys: tuple[Any, ...]) -> None:
        self._office = harness
        self._keys = keys

    def __enter__(self) -> None:
        for key in self._keys:
            self._office.running[key] += 1
            self._office.most[key] = max(self._office.most[key], self._office.running[key])

    def __exit__(self, *_: object) -> None:
        for key in self._keys:
            self._office.running[key] -= 1
