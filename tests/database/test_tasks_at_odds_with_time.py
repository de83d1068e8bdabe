"""Cancels, keys, timers and schedules that meet at the worst moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from opsteward.core.errors import Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.tasks import commands as task_commands
from opsteward.tasks import controls, submission
from opsteward.tasks import runner as running
from opsteward.tasks.controls import Gate
from opsteward.tasks.dependents import free_dependents
from opsteward.tasks.models import Task
from opsteward.tasks.runner import Runner
from opsteward.tasks.schedules import Schedules, next_time
from opsteward.tasks.types import CANCEL, NewTask
from support.instance import Instance, Tenant
from support.misbehaving_tasks import job
from support.task_harness import OTHER, WORK, TaskHarness

ACTOR = "system:test"


@pytest.fixture
async def harness(instance: Instance) -> AsyncIterator[TaskHarness]:
    one = TaskHarness(instance)
    yield one
    instance.sql("delete from opsteward.processes where kind = 'test' and version = '0'")
    instance.sql(
        "update opsteward.tasks set status = 'cancelled', ready = false where status in ('pending', 'in_progress')"
    )


async def test_a_cancel_is_obeyed_that_came_while_nobody_heard(harness: TaskHarness, tenant: Tenant) -> None:
    (told,) = await harness.submit(tenant, NewTask(task_type=WORK, params={"held": True}))
    runner = Runner(
        harness.services.app,
        harness.task_registry,
        Gate(harness.services.app),
        process_id=await harness.process(),
        slots=2,
        spare=0,
    )
    work = asyncio.create_task(runner.run())
    try:
        await harness.until_begun(1)
        async with harness.services.web.unit_of_work(tenant.id) as session:
            await task_commands.cancel(session, task_id=told.id, actor=ACTOR)
        assert (await harness.task(tenant, told.id)).status == "in_progress"
        runner.hear(Notice(None, RECONNECTED, ""))
        await harness.until(tenant, [told], "cancelled")
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await runner.drain(grace=0.1)


async def test_what_waits_for_a_task_ends_with_it_when_its_process_dies_while_it_is_cancelled(
    harness: TaskHarness, tenant: Tenant
) -> None:
    (parent,) = await harness.submit(tenant, job("parent"))
    (child,) = await harness.submit(tenant, job("child", dependencies=(str(parent.id),)))
    dying = await harness.process()
    assert [row.id for row in await harness.claim(dying, 1)] == [parent.id]
    async with harness.services.web.unit_of_work(tenant.id) as session:
        await task_commands.cancel(session, task_id=parent.id, actor=ACTOR)
    harness.instance.sql("update opsteward.processes set lost_at = now() where id = %s", dying)
    async with harness.runners():
        await harness.until(tenant, [parent, child], "cancelled")


async def test_a_cancel_is_obeyed_that_comes_before_the_claim_is_known(
    harness: TaskHarness, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told,) = await harness.submit(tenant, NewTask(task_type=WORK, params={"held": True}))
    async with harness.runners() as (runner,):
        await harness.until_begun(1)
        (late,) = await harness.submit(tenant, NewTask(task_type=OTHER, params={"held": True}, delay=300))

        class Between:
            """Counts a claim that is committed, of which the runner has not heard yet."""

            def inc(self) -> None:
                for one in (told, late):
                    runner.hear(Notice(tenant.id, CANCEL, str(one.id)))

        monkeypatch.setattr(running, "TASK_CLAIMS", Between())
        await harness.make_due(tenant)
        await harness.until(tenant, [told, late], "cancelled")


async def test_while_everything_is_paused_no_timer_asks_for_what_is_due(harness: TaskHarness, tenant: Tenant) -> None:
    await harness.submit(tenant, job(delay=300))
    harness.instance.sql("update opsteward.tasks set run_at = now() where tenant_id = %s", tenant.id)
    async with harness.services.web.unit_of_work(controls.EVERYBODY) as session:
        await controls.pause(session, scope="everything", actor=ACTOR)
    try:
        gate = Gate(harness.services.app)
        await gate.refresh()
        process_id = await harness.process()
        runner = Runner(harness.services.app, harness.task_registry, gate, process_id=process_id, slots=2, spare=0)
        await runner._claim()
        assert runner._due is None
    finally:
        async with harness.services.web.unit_of_work(controls.EVERYBODY) as session:
            await controls.resume(session, scope="everything", actor=ACTOR)


async def test_a_key_that_is_freed_during_the_submission_is_taken(
    harness: TaskHarness, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = await harness.submit(tenant, job(dedup_key="k"))
    insert = submission._insert

    async def insert_and_let_the_first_end(*args: Any, **more: Any) -> Any:
        added = await insert(*args, **more)
        harness.instance.sql("update opsteward.tasks set status = 'cancelled', ready = false where id = %s", first.id)
        return added

    monkeypatch.setattr(submission, "_insert", insert_and_let_the_first_end)
    second, again, other = await harness.submit(tenant, job(dedup_key="k"), job(dedup_key="k"), job())
    assert (second.id != first.id, second.deduplicated) == (True, False)
    assert (again.id, again.deduplicated, other.deduplicated) == (second.id, True, False)
    assert tenant.count("tasks") == 3


async def test_of_equal_dead_letters_one_is_driven_again(harness: TaskHarness, tenant: Tenant) -> None:
    told = []
    for _ in range(2):
        told += await harness.submit(tenant, job(dedup_key="k"))
        harness.instance.sql(
            "update opsteward.tasks set status = 'dead_letter', ready = false where id = %s", told[-1].id
        )
    told += await harness.submit(tenant, job())
    harness.instance.sql("update opsteward.tasks set status = 'dead_letter', ready = false where id = %s", told[-1].id)
    async with harness.services.web.unit_of_work(tenant.id) as session:
        again = await task_commands.redrive_all(session, actor=ACTOR)
    assert again.ids == [told[0].id, told[2].id]
    assert await harness.statuses(tenant, told) == ["pending", "dead_letter", "pending"]


async def test_what_is_driven_again_while_its_parent_completes_is_not_forgotten(
    harness: TaskHarness, tenant: Tenant
) -> None:
    (parent,) = await harness.submit(tenant, job("parent"))
    (child,) = await harness.submit(tenant, job("child", dependencies=(str(parent.id),)))
    async with harness.services.web.unit_of_work(tenant.id) as session:
        await task_commands.cancel(session, task_id=child.id, actor=ACTOR)

    async def redrive() -> None:
        async with harness.services.web.unit_of_work(tenant.id) as session:
            await task_commands.redrive(session, task_id=child.id, actor=ACTOR)

    async with harness.services.app.unit_of_work(tenant.id) as session:
        await session.execute(
            sa.update(Task).where(Task.id == parent.id).values(status="completed", ready=False, ended_at=sa.func.now())
        )
        await free_dependents(session, [parent.id])
        redriving = asyncio.create_task(redrive())
        async with asyncio.timeout(20):
            while not redriving.done() and not harness.instance.sql(_WAITS_FOR_A_ROW):
                await asyncio.sleep(0.02)
    await redriving
    assert (await harness.task(tenant, child.id)).waiting_on == 0


_WAITS_FOR_A_ROW = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%for share%'"


async def test_a_firing_during_which_the_database_goes_away_is_made_up(
    harness: TaskHarness, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedules = Schedules(harness.submission)
    async with harness.services.web.unit_of_work(tenant.id) as session:
        made = await schedules.create(
            session, name="yearly", cron="0 0 1 1 *", timezone="UTC", task={"task_type": WORK}, actor=ACTOR
        )
    harness.instance.sql(
        "update opsteward.task_schedules set next_at = now() - interval '1 minute' where id = %s", made.id
    )
    submit, away = harness.submission.submit, [True]

    async def failing(*args: Any, **more: Any) -> Any:
        if away.pop() if away else False:
            raise Unavailable
        return await submit(*args, **more)

    monkeypatch.setattr(harness.submission, "submit", failing)
    leading = asyncio.create_task(schedules.run(harness.services.app))
    try:
        async with asyncio.timeout(20):
            while not tenant.count("tasks"):
                await asyncio.sleep(0.02)
    finally:
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)


async def test_a_schedule_without_a_next_time_is_paused_and_the_others_fire(
    harness: TaskHarness, tenant: Tenant
) -> None:
    schedules = Schedules(harness.submission)
    made = []
    async with harness.services.web.unit_of_work(tenant.id) as session:
        for name in ("lost", "kept"):
            made.append(
                await schedules.create(
                    session, name=name, cron="0 0 1 1 *", timezone="UTC", task={"task_type": WORK}, actor=ACTOR
                )
            )
    harness.instance.sql(
        "update opsteward.task_schedules set next_at = now() - interval '1 minute' where tenant_id = %s", tenant.id
    )
    harness.instance.sql("update opsteward.task_schedules set timezone = 'Mars/Olympus' where id = %s", made[0].id)
    leading = asyncio.create_task(schedules.run(harness.services.app))
    try:
        async with asyncio.timeout(20):
            while not leading.done():
                async with harness.services.web.unit_of_work(tenant.id) as session:
                    lost, kept = [await schedules.get(session, schedule_id=one.id) for one in made]
                if lost.paused and kept.last_at:
                    break
                await asyncio.sleep(0.02)
        assert "Mars/Olympus" in (lost.last_error or "")
        assert (tenant.count("tasks"), leading.done()) == (1, False)
    finally:
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)


def test_what_is_set_for_an_hour_of_the_clock_fires_once_when_the_clock_is_set_back() -> None:
    def times(cron: str) -> list[str]:
        found = [datetime(2026, 10, 24, 22, tzinfo=UTC)]
        for _ in range(4):
            found.append(next_time(cron, "Europe/Vienna", after=found[-1]))
        return [f"{one:%d %H:%M}" for one in found[1:]]

    assert times("30 2 * * *") == ["25 00:30", "26 01:30", "27 01:30", "28 01:30"]
    assert times("30 2,3 * * *") == ["25 00:30", "25 02:30", "26 01:30", "26 02:30"]
    assert times("0 * * * *") == ["24 23:00", "25 00:00", "25 01:00", "25 02:00"], "what is set for every hour, each"
    assert times("*/30 2 * * *") == ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]
