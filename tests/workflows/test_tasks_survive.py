"""Tasks under violence: who kills, drains or pauses their processes neither loses them nor repeats what is done."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.tasks import commands as task_commands
from opsteward.tasks import controls
from opsteward.tasks import queries as task_queries
from opsteward.tasks.release import MAX_TAKEOVERS
from opsteward.tasks.types import NewTask, TaskInfo
from support.forked_workers import ForkedWorkers
from support.homes import temporary_home
from support.instance import run_sql
from support.survival import DURABLE, INTEGRATION, PLAIN, POISON, THREAD, Effect, effects

LOST_AFTER = 2.0


@dataclass(kw_only=True)
class World:
    """A house without a worker, workers to be started beside it, and the file of effects of one test."""

    services: Services
    workers: ForkedWorkers
    folder: Path
    tenant: UUID

    @property
    def file(self) -> Path:
        return self.folder / "effects"

    def effects(self, label: str | None = None) -> list[Effect]:
        return [one for one in effects(self.file) if label in (None, one.task)]

    def steps(self, label: str) -> list[tuple[str, str]]:
        """(worker, step) in the order in which they began."""
        return [(one.worker, one.step) for one in self.effects(label)]

    def start(self, name: str, **settings: Any) -> int:
        fast = {"queue_poll_interval": 0.05, "process_lost_after": LOST_AFTER, "task_slots": 20}
        return self.workers.start(name, **(fast | settings))

    async def submit(
        self,
        task_type: str,
        label: str,
        *,
        tenant: UUID | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        **params: Any,
    ) -> UUID:
        params |= {"file": str(self.file), "label": label}
        task = NewTask(task_type=task_type, name=label, params=params, timeout=timeout, max_retries=max_retries)
        async with self.services.web.unit_of_work(tenant or self.tenant) as session:
            return (await self.services.submission.submit(session, tasks=[task], actor="system:test"))[0].id

    async def task(self, task_id: UUID, tenant: UUID | None = None) -> TaskInfo:
        async with self.services.web.unit_of_work(tenant or self.tenant) as session:
            return await task_queries.get(session, task_id=task_id)

    async def ended(self, *task_ids: UUID, tenant: UUID | None = None) -> list[TaskInfo]:
        """These tasks, once all of them have ended."""
        async with asyncio.timeout(30):
            while True:
                async with self.services.web.unit_of_work(tenant or self.tenant) as session:
                    found = await task_queries.several(session, ids=task_ids)
                if all(one.ended_at for one in found):
                    by_id = {one.id: one for one in found}
                    return [by_id[one] for one in task_ids]
                await asyncio.sleep(0.05)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module")
async def place() -> AsyncIterator[tuple[Services, ForkedWorkers]]:
    with temporary_home() as home:
        services = build_services(load_settings(home=home), [INTEGRATION])
        workers = ForkedWorkers(home)
        yield services, workers
        workers.close()
        await services.web.close()
        await services.app.close()


@pytest.fixture
async def world(place: tuple[Services, ForkedWorkers], tmp_path: Path) -> AsyncIterator[World]:
    services, workers = place
    tenant = await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")
    yield World(services=services, workers=workers, folder=tmp_path, tenant=tenant.id)
    workers.kill_all()


async def test_a_killed_process_loses_no_task_and_repeats_no_finished_step(world: World) -> None:
    go = world.folder / "go"
    first = world.start("first")
    in_steps = await world.submit(DURABLE, "in-steps", held="second", until=str(go))
    at_once = await world.submit(PLAIN, "at-once", held="second", until=str(go))
    await world.until(lambda: len([one for one in world.effects() if one.step == "second"]) == 2)
    world.workers.kill(first)
    go.touch()
    world.start("other")

    for task in await world.ended(in_steps, at_once):
        assert (task.status, task.retry_count) == ("completed", 0), "a death is no failed try"
        assert task.result_data == {"done": ["first", "second", "third"]}
    assert world.steps("in-steps") == [
        ("first", "first"),
        ("first", "second"),  # it was in flight: it runs again
        ("other", "second"),
        ("other", "third"),
    ]
    assert [step for worker, step in world.steps("at-once") if worker == "other"] == ["first", "second", "third"]


async def test_a_durable_task_that_fails_keeps_its_finished_steps(world: World) -> None:
    world.start("one")
    task = await world.submit(DURABLE, "again", fails_in="second", fails=2)
    (done,) = await world.ended(task)
    assert (done.status, done.retry_count) == ("completed", 2)
    assert [step for _, step in world.steps("again")] == ["first", "second", "second", "second", "third"]


@pytest.mark.parametrize(("by", "error"), [("exit", "SystemExit: try 0"), ("cancel", "CancelledError: try 0")])
@pytest.mark.parametrize("task_type", [DURABLE, PLAIN])
async def test_a_task_that_ends_itself_the_wrong_way_harms_nobody(
    world: World, task_type: str, by: str, error: str
) -> None:
    world.start("one")
    bad = await world.submit(task_type, "bad", fails_in="second", fails=9, by=by, max_retries=0)
    (dead,) = await world.ended(bad)
    assert (dead.status, dead.error) == ("dead_letter", error)
    (good,) = await world.ended(await world.submit(task_type, "good"))
    assert good.status == "completed"
    assert [step for _, step in world.steps("bad")] == ["first", "second"]


async def test_a_durable_task_that_is_ended_begins_no_further_step(world: World) -> None:
    go = world.folder / "go"
    world.start("one")
    slow = await world.submit(DURABLE, "slow", held="second", until=str(go), timeout=0.5, max_retries=0)
    unwanted = await world.submit(DURABLE, "unwanted", held="second", until=str(go))
    await world.until(lambda: ("one", "second") in world.steps("unwanted"))
    async with world.services.web.unit_of_work(world.tenant) as session:
        await task_commands.cancel(session, task_id=unwanted, actor="system:test")
    late, cancelled = await world.ended(slow, unwanted)
    assert (late.status, late.error) == ("dead_letter", "did not finish within 0.5 s")
    assert cancelled.status == "cancelled"

    go.touch()
    after = await world.submit(DURABLE, "after")
    assert (await world.ended(after))[0].status == "completed"
    for label in ("slow", "unwanted"):
        assert [step for _, step in world.steps(label)] == ["first", "second"]


async def test_a_task_that_kills_its_processes_is_put_aside(world: World) -> None:
    innocent = await world.submit(DURABLE, "innocent", held="second", until=str(world.folder / "go"))
    poison = await world.submit(POISON, "poison")
    home = world.services.settings.home
    run_sql(home, "update opsteward.tasks set takeovers = %s where id = %s", MAX_TAKEOVERS - 1, poison)
    for number in (1, 2):
        assert world.workers.wait(world.start(f"victim-{number}")) == -signal.SIGKILL
    (world.folder / "go").touch()
    world.start("survivor")

    dead, well = await world.ended(poison, innocent)
    assert dead.status == "dead_letter"
    assert f"died {MAX_TAKEOVERS + 1} times" in (dead.error or "")
    assert well.status == "completed"


async def test_the_database_dies_under_running_tasks(world: World) -> None:
    steps = [f"s{n}" for n in range(12)]
    workers = {world.start("one"), world.start("two")}
    tasks = [
        await world.submit(kind, f"{kind}-{n}", steps=steps, pace=0.1) for n in range(10) for kind in (DURABLE, PLAIN)
    ]
    home = world.services.settings.home
    server = EmbeddedPostgres(home)
    await world.until(lambda: len(world.effects()) >= 60)
    pid = server.pid()
    assert pid is not None
    with (home / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # nobody starts it meanwhile
        os.kill(pid, signal.SIGQUIT)
        await asyncio.sleep(LOST_AFTER + 0.5)  # so long that all have been silent for too long when it is back

    for task in await _patiently(world, tasks):
        assert (task.status, task.retry_count) == ("completed", 0), task.error
        assert task.result_data == {"done": steps}
    assert {one.step for one in world.effects(f"{DURABLE}-0")} == set(steps)
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
        assert world.workers.wait(pid) == 0, "nobody took the other for dead"


async def _patiently(world: World, tasks: list[UUID]) -> list[TaskInfo]:
    from opsteward.core.errors import Unavailable

    while True:
        try:
            return await world.ended(*tasks)
        except Unavailable:
            await asyncio.sleep(0.1)


async def test_sigterm_lets_short_tasks_end_and_gives_long_ones_back(world: World) -> None:
    soon, late = world.folder / "soon", world.folder / "late"
    leaving = world.start("leaving", drain_seconds=2.0)
    short = [await world.submit(kind, f"short-{kind}", held="second", until=str(soon)) for kind in (DURABLE, PLAIN)]
    short.append(await world.submit(THREAD, "short-thread", until=str(soon)))
    long = [await world.submit(kind, f"long-{kind}", held="second", until=str(late)) for kind in (DURABLE, PLAIN)]
    long.append(await world.submit(THREAD, "long-thread", until=str(late)))
    await world.until(lambda: len([one for one in world.effects() if one.step in ("second", "thread")]) == 6)

    os.kill(leaving, signal.SIGTERM)
    soon.touch()
    assert world.workers.wait(leaving) == 0
    assert [(await world.task(one)).status for one in short] == ["completed"] * 3
    assert [(await world.task(one)).status for one in long] == ["pending"] * 3
    assert [one.worker for one in world.effects()] == ["leaving"] * len(world.effects())

    late.touch()
    world.start("next")
    for task in await world.ended(*long):
        assert (task.status, task.retry_count) == ("completed", 0)
    assert world.steps(f"long-{DURABLE}")[2:] == [("next", "second"), ("next", "third")]


async def test_a_pause_under_load_stops_every_new_effect_and_loses_nothing(world: World) -> None:
    steps = [f"s{n}" for n in range(40)]
    other = (await create_tenant(world.services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")).id
    world.start("one")
    world.start("two")
    held = [await world.submit(DURABLE, f"held-{n}", steps=steps, pace=0.1) for n in range(10)]
    # nothing but the pause of everything stops this one, and it does not end by itself
    aside = await world.submit(PLAIN, "aside", tenant=other, steps=[f"s{n}" for n in range(2000)], pace=0.05)
    await world.until(lambda: {one.worker for one in world.effects() if one.task != "aside"} == {"one", "two"})

    late = []
    for scope, target in (("everything", ""), ("tenant", ""), ("task_type", DURABLE)):
        paused_tenant = controls.EVERYBODY if scope == "everything" else world.tenant
        async with world.services.web.unit_of_work(paused_tenant) as session:
            await controls.pause(session, scope=scope, target=target, actor="system:test")
        paused_at = time.monotonic()
        late.append(await world.submit(DURABLE, f"late-{scope}", steps=["only"]))
        await asyncio.sleep(1.8)  # the time in which nothing may happen
        resumed_at = time.monotonic()
        within = {one.task for one in world.effects() if paused_at + 1.0 < one.at < resumed_at}
        assert within == (set() if scope == "everything" else {"aside"}), scope
        assert (await world.task(held[0])).status == "in_progress", "what runs waits before its next step"
        assert (await world.task(late[-1])).status == "pending"

        async with world.services.web.unit_of_work(paused_tenant) as session:
            await controls.resume(session, scope=scope, target=target, actor="system:test")
        await world.until(
            lambda since=resumed_at: any(one.task == "held-0" and one.at > since for one in world.effects())
        )  # type: ignore[misc]

    async with world.services.web.unit_of_work(other) as session:
        await task_commands.cancel(session, task_id=aside, actor="system:test")
    assert (await world.ended(aside, tenant=other))[0].status == "cancelled"
    for task in await world.ended(*held, *late):
        assert (task.status, task.retry_count) == ("completed", 0)
    for number in range(10):
        assert [step for _, step in world.steps(f"held-{number}")] == steps, "no step ran twice, and all in order"
