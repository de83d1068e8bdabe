"""Tasks on a real database: their order, shares, limits, dependencies, tries, ends, and schedules."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from opsteward.core.errors import Conflict, Invalid
from opsteward.tasks import commands as task_commands
from opsteward.tasks.schedules import Schedules
from opsteward.tasks.types import NewTask
from support.instance import Instance, Tenant
from support.task_harness import LIMIT, LIMITED, OTHER, WORK, TaskHarness


@pytest.fixture
async def harness(instance: Instance) -> AsyncIterator[TaskHarness]:
    one = TaskHarness(instance)
    yield one
    instance.sql("delete from opsteward.processes where kind = 'test' and version = '0'")
    instance.sql(
        "update opsteward.tasks set status = 'cancelled', ready = false where status in ('pending', 'in_progress')"
    )


def job(label: str = "", *, task_type: str = WORK, params: dict[str, Any] | None = None, **more: Any) -> NewTask:
    return NewTask(task_type=task_type, name=label, params={"label": label, **(params or {})}, **more)


# ---------------------------------------------------------------- order and shares


async def test_priorities_rule_and_equals_keep_their_order(harness: TaskHarness, tenant: Tenant) -> None:
    names = ["background", "low", "normal", "high", "critical"]
    told = await harness.submit(tenant, *(job(f"{name}-{n}", priority=name) for n in (1, 2) for name in names))
    async with harness.runners(slots=1):
        await harness.until(tenant, told, "completed")
    assert harness.begun == [f"{name}-{n}" for name in reversed(names) for n in (1, 2)]


async def test_slots_are_kept_free_for_what_is_urgent(harness: TaskHarness, tenant: Tenant) -> None:
    held = {"held": True}
    told = await harness.submit(tenant, *(job(f"calm-{n}", params=held, priority="background") for n in range(5)))
    async with harness.runners(slots=3, spare=1):
        await harness.until_begun(2)
        told += await harness.submit(tenant, job("urgent", params=held, priority="critical"))
        await harness.until_begun(3)
        assert harness.begun[2] == "urgent"
        harness.go.set()
        await harness.until(tenant, told, "completed")


async def test_tenants_get_equal_shares(harness: TaskHarness, tenant: Tenant, other_tenant: Tenant) -> None:
    await harness.submit(tenant, *(job(priority="high") for _ in range(50)))
    await harness.submit(other_tenant, *(job(priority="background") for _ in range(20)))
    process = await harness.process()
    shares = [Counter(row.tenant_id for row in await harness.claim(process, 2)) for _ in range(5)]
    assert shares == [Counter({tenant.id: 1, other_tenant.id: 1})] * 5, "they alternate, whoever came first"

    rows = await harness.claim(process, 40)
    assert Counter(row.tenant_id for row in rows) == {tenant.id: 25, other_tenant.id: 15}, "and leave no slot empty"


async def test_who_has_less_running_goes_first(harness: TaskHarness, tenant: Tenant, other_tenant: Tenant) -> None:
    process = await harness.process()
    await harness.submit(tenant, *(job() for _ in range(30)))
    assert len(await harness.claim(process, 10)) == 10
    await harness.submit(other_tenant, *(job() for _ in range(30)))
    rows = await harness.claim(process, 12)
    assert Counter(row.tenant_id for row in rows) == {other_tenant.id: 11, tenant.id: 1}


async def test_a_lost_process_gets_nothing(harness: TaskHarness, tenant: Tenant) -> None:
    process = await harness.process()
    await harness.submit(tenant, job())
    harness.instance.sql("update opsteward.processes set lost_at = now() where id = %s", process)
    assert await harness.claim(process, 5) == []


# ---------------------------------------------------------------- limits


async def test_the_limit_of_a_type_is_exact_over_two_processes(
    harness: TaskHarness, tenant: Tenant, other_tenant: Tenant
) -> None:
    told = await harness.submit(tenant, *(job(task_type=LIMITED) for _ in range(30)))
    others = await harness.submit(other_tenant, *(job(task_type=LIMITED) for _ in range(10)))
    async with harness.runners(2, slots=10):
        await harness.until(tenant, told, "completed")
        await harness.until(other_tenant, others, "completed")
    assert harness.most[LIMITED] == LIMIT


@pytest.mark.parametrize("task_type", ["", WORK], ids=["all types", "one type"])
async def test_the_limit_of_a_tenant_is_exact_over_two_processes(
    harness: TaskHarness, tenant: Tenant, other_tenant: Tenant, task_type: str
) -> None:
    async with harness.services.web.unit_of_work(tenant.id) as session:
        assert await task_commands.set_limit(session, task_type=task_type, max_running=2, actor="system:test") == {
            task_type: 2
        }
    told = await harness.submit(tenant, *(job() for _ in range(20)))
    free = await harness.submit(other_tenant, *(job(params={"held": True}) for _ in range(6)))
    async with harness.runners(2, slots=10):
        await harness.until(tenant, told, "completed")
        assert harness.most[tenant.id] == 2
        assert harness.most[other_tenant.id] == 6
        harness.go.set()
        await harness.until(other_tenant, free, "completed")


async def test_a_limit_of_nothing_holds_until_it_is_lifted(harness: TaskHarness, tenant: Tenant) -> None:
    async with harness.services.web.unit_of_work(tenant.id) as session:
        await task_commands.set_limit(session, task_type=WORK, max_running=0, actor="system:test")
    held = await harness.submit(tenant, job("held"))
    free = await harness.submit(tenant, job("free", task_type=OTHER))
    async with harness.runners():
        await harness.until(tenant, free, "completed")
        assert await harness.statuses(tenant, held) == ["pending"]
        async with harness.services.web.unit_of_work(tenant.id) as session:
            assert await task_commands.set_limit(session, task_type=WORK, max_running=None, actor="system:test") == {}
        await harness.until(tenant, held, "completed")


# ---------------------------------------------------------------- dependencies


def diamond(**top: Any) -> list[NewTask]:
    return [
        job("bottom", ref="bottom", dependencies=("left", "right")),
        job("left", ref="left", dependencies=("top",)),
        job("right", ref="right", dependencies=("top",)),
        job("top", ref="top", **top),
    ]


async def test_a_diamond_runs_from_its_top(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, *diamond())
    async with harness.runners(2):
        await harness.until(tenant, told, "completed")
    assert (harness.begun[0], harness.begun[-1], sorted(harness.begun[1:3])) == ("top", "bottom", ["left", "right"])


async def test_what_depends_on_a_failure_waits_until_it_is_driven_again(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, *diamond(params={"fails": 1}, max_retries=0))
    bottom, *_, top = told
    async with harness.runners():
        await harness.until(tenant, [top], "dead_letter")
        assert await harness.statuses(tenant, told[:3]) == ["pending"] * 3
        late = await harness.submit(tenant, job("late", dependencies=(str(top.id), str(bottom.id))))
        async with harness.services.web.unit_of_work(tenant.id) as session:
            await task_commands.redrive(session, task_id=top.id, actor="system:test")
        await harness.until(tenant, [*told, *late], "completed")
    assert harness.begun[-1] == "late"


async def test_cancelling_takes_along_what_waits(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, *diamond(delay=60))
    async with harness.services.web.unit_of_work(tenant.id) as session:
        await task_commands.cancel(session, task_id=told[3].id, actor="system:test")
    assert await harness.statuses(tenant, told) == ["cancelled"] * 4
    with pytest.raises(Invalid, match="cancelled"):
        await harness.submit(tenant, job(dependencies=(str(told[3].id),)))


# ---------------------------------------------------------------- one of a kind, all or none


async def test_a_dedup_key_stands_for_one_task_while_it_lives(harness: TaskHarness, tenant: Tenant) -> None:
    first, again = [(await harness.submit(tenant, job("one", dedup_key="k")))[0] for _ in range(2)]
    assert (again.id, again.deduplicated) == (first.id, True)
    async with harness.runners():
        await harness.until(tenant, [first], "completed")
    (new,) = await harness.submit(tenant, job("two", dedup_key="k"))
    assert (new.id != first.id, new.deduplicated) == (True, False)


async def test_equal_submissions_at_once_make_one_task(harness: TaskHarness, tenant: Tenant) -> None:
    told = await asyncio.gather(*(harness.submit(tenant, job(dedup_key="k")) for _ in range(8)))
    assert len({one.id for (one,) in told}) == 1


@pytest.mark.parametrize(
    "bad",
    [job(task_type="office.unknown"), job(params={"nonsense": 1}), job(delay=-1.0), job(dependencies=("nobody",))],
)
async def test_one_bad_task_refuses_all(harness: TaskHarness, tenant: Tenant, bad: NewTask) -> None:
    before = tenant.count("audit_entries")
    with pytest.raises(Invalid, match=r"tasks\.2\."):
        await harness.submit(tenant, job(), job(), bad)
    assert tenant.count("tasks") == 0
    assert tenant.count("audit_entries") == before


# ---------------------------------------------------------------- tries and ends


async def test_tries_come_later_each_time_and_end_with_the_dead_letters(harness: TaskHarness, tenant: Tenant) -> None:
    task = job(params={"fails": 9}, max_retries=2, backoff_factor=100.0, max_backoff=40.0)
    told = await harness.submit(tenant, task)
    async with harness.runners():
        for tries, (shortest, longest) in ((1, (0.5, 1.0)), (2, (20.0, 40.0))):
            async with asyncio.timeout(20):
                while (row := await harness.task(tenant, told[0].id)).retry_count < tries:
                    await asyncio.sleep(0.02)
            wait = (row.run_at - datetime.now(UTC)).total_seconds()
            assert row.status == "pending"
            assert shortest - 1.0 < wait <= longest
            assert row.error == f"RuntimeError: try {tries - 1}"
            await harness.make_due(tenant)
        (dead,) = await harness.until(tenant, told, "dead_letter")
    assert (dead.retry_count, len(harness.begun)) == (2, 3)
    entries = harness.instance.sql(
        "select count(*) from opsteward.audit_entries where tenant_id = %s and verb = 'tasks.task.dead_letter'",
        tenant.id,
    )
    assert entries == [(1,)]


async def test_a_refusal_is_not_tried_again(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, job(params={"refused": True}))
    async with harness.runners():
        (failed,) = await harness.until(tenant, told, "failed")
    assert (failed.error, failed.retry_count) == ("not like this", 0)


async def test_a_task_that_takes_too_long_is_ended(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, job(params={"held": True}, timeout=0.1, max_retries=0))
    async with harness.runners():
        (dead,) = await harness.until(tenant, told, "dead_letter")
    assert dead.error == "did not finish within 0.1 s"


async def test_progress_is_seen_while_it_runs(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, job("here", params={"held": True}), job("beyond", params={"held": True}))
    async with harness.runners():
        async with asyncio.timeout(20):
            while not all([(await harness.task(tenant, one.id)).progress for one in told]):
                await asyncio.sleep(0.02)
        here, beyond = [await harness.task(tenant, one.id) for one in told]
        assert (here.progress, here.progress_message) == (40, "at here")
        assert beyond.progress == 100
        harness.go.set()
        assert [one.progress for one in await harness.until(tenant, told, "completed")] == [100, 100]


@pytest.mark.parametrize(("gives", "stored"), [({"a": [1]}, {"a": [1]}), (7, {"value": 7}), (None, None)])
async def test_results_are_kept(harness: TaskHarness, tenant: Tenant, gives: Any, stored: Any) -> None:
    told = await harness.submit(tenant, job(params={"gives": gives}))
    async with harness.runners():
        assert (await harness.until(tenant, told, "completed"))[0].result_data == stored


async def test_a_result_that_can_not_be_stored_fails_its_task_alone(
    harness: TaskHarness, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await harness.submit(tenant, job("bad", params={"held": True}), job("good", params={"held": True}))

    async def nul(ctx: Any, params: Any) -> dict[str, str]:
        await harness.go.wait()
        return {"text": "\x00" if params.label == "bad" else "fine"}

    monkeypatch.setattr(harness, "_do", nul)
    async with harness.runners():
        harness.go.set()
        bad, good = await harness.until(tenant, told, "completed", "failed")
    assert (bad.status, good.status, good.result_data) == ("failed", "completed", {"text": "fine"})
    assert "could not be stored" in (bad.error or "")


async def test_cancel_and_drive_again(harness: TaskHarness, tenant: Tenant) -> None:
    running, waiting = await harness.submit(tenant, job("a", params={"held": True}), job("b", delay=300))

    async def cancel(task_id: Any) -> None:
        async with harness.services.web.unit_of_work(tenant.id) as session:
            await task_commands.cancel(session, task_id=task_id, actor="system:test")

    async with harness.runners():
        await harness.until_begun(1)
        await cancel(running.id)
        await cancel(waiting.id)
        await harness.until(tenant, [running, waiting], "cancelled")
        with pytest.raises(Conflict):
            await cancel(running.id)

        harness.go.set()
        async with harness.services.web.unit_of_work(tenant.id) as session:
            again = await task_commands.redrive_all(session, status="cancelled", actor="system:test")
        assert again.count == 2
        await harness.until(tenant, [running, waiting], "completed")
        with pytest.raises(Conflict):
            async with harness.services.web.unit_of_work(tenant.id) as session:
                await task_commands.redrive(session, task_id=running.id, actor="system:test")


async def test_what_is_delayed_waits_for_its_time(harness: TaskHarness, tenant: Tenant) -> None:
    told = await harness.submit(tenant, job("soon", delay=0.3), job("now"))
    async with harness.runners():
        soon, _ = await harness.until(tenant, told, "completed")
    assert harness.begun == ["now", "soon"]
    assert soon.started_at is not None
    assert soon.started_at >= soon.run_at


# ---------------------------------------------------------------- schedules


async def test_a_schedule_fires_once_under_two_leaders(harness: TaskHarness, tenant: Tenant) -> None:
    schedules = [Schedules(harness.submission) for _ in range(2)]
    async with harness.services.web.unit_of_work(tenant.id) as session:
        made = await schedules[0].create(
            session,
            name="each hour",
            cron="0 * * * *",
            timezone="Europe/Vienna",
            task={"task_type": WORK, "params": {"label": "x"}},
            actor="system:test",
        )
    for fired in (1, 2, 3):
        harness.instance.sql(
            "update opsteward.task_schedules set next_at = date_trunc('second', now()) - interval '1 hour' * %s"
            " where id = %s",
            4 - fired,
            made.id,
        )
        leaders = [asyncio.create_task(one.run(harness.services.app)) for one in schedules]
        async with asyncio.timeout(20):
            while True:
                async with harness.services.web.unit_of_work(tenant.id) as session:
                    now = await schedules[0].get(session, schedule_id=made.id)
                if now.next_at > datetime.now(UTC):
                    break
                await asyncio.sleep(0.02)
        for leader in leaders:
            leader.cancel()
        await asyncio.gather(*leaders, return_exceptions=True)
        assert tenant.count("tasks") == fired, "what was missed is made up by one"
        assert (now.last_error, now.last_at is not None) == (None, True)
