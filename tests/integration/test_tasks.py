"""Tasks on a real database: their order, shares, limits, dependencies, tries, ends, and schedules."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from opsteward.core.errors import Conflict, Invalid
from opsteward.tasks.service import desk
from opsteward.tasks.service.schedules import Schedules
from opsteward.tasks.types import NewTask
from support.instance import Instance, Tenant
from support.office import LIMIT, LIMITED, OTHER, WORK, Office


@pytest.fixture
async def office(instance: Instance) -> AsyncIterator[Office]:
    one = Office(instance)
    yield one
    instance.sql("delete from opsteward.processes where kind = 'test' and version = '0'")
    instance.sql(
        "update opsteward.tasks set status = 'cancelled', ready = false where status in ('pending', 'in_progress')"
    )


def job(label: str = "", *, task_type: str = WORK, params: dict[str, Any] | None = None, **more: Any) -> NewTask:
    return NewTask(task_type=task_type, name=label, params={"label": label, **(params or {})}, **more)


# ---------------------------------------------------------------- order and shares


async def test_priorities_rule_and_equals_keep_their_order(office: Office, tenant: Tenant) -> None:
    names = ["background", "low", "normal", "high", "critical"]
    told = await office.submit(tenant, *(job(f"{name}-{n}", priority=name) for n in (1, 2) for name in names))
    async with office.runners(slots=1):
        await office.until(tenant, told, "completed")
    assert office.begun == [f"{name}-{n}" for name in reversed(names) for n in (1, 2)]


async def test_slots_are_kept_free_for_what_is_urgent(office: Office, tenant: Tenant) -> None:
    held = {"held": True}
    told = await office.submit(tenant, *(job(f"calm-{n}", params=held, priority="background") for n in range(5)))
    async with office.runners(slots=3, spare=1):
        await office.until_begun(2)
        told += await office.submit(tenant, job("urgent", params=held, priority="critical"))
        await office.until_begun(3)
        assert office.begun[2] == "urgent"
        office.go.set()
        await office.until(tenant, told, "completed")


async def test_tenants_get_equal_shares(office: Office, tenant: Tenant, other_tenant: Tenant) -> None:
    await office.submit(tenant, *(job(priority="high") for _ in range(50)))
    await office.submit(other_tenant, *(job(priority="background") for _ in range(20)))
    process = await office.process()
    shares = [Counter(row.tenant_id for row in await office.claim(process, 2)) for _ in range(5)]
    assert shares == [Counter({tenant.id: 1, other_tenant.id: 1})] * 5, "they alternate, whoever came first"

    rows = await office.claim(process, 40)
    assert Counter(row.tenant_id for row in rows) == {tenant.id: 25, other_tenant.id: 15}, "and leave no slot empty"


async def test_who_has_less_running_goes_first(office: Office, tenant: Tenant, other_tenant: Tenant) -> None:
    process = await office.process()
    await office.submit(tenant, *(job() for _ in range(30)))
    assert len(await office.claim(process, 10)) == 10
    await office.submit(other_tenant, *(job() for _ in range(30)))
    rows = await office.claim(process, 12)
    assert Counter(row.tenant_id for row in rows) == {other_tenant.id: 11, tenant.id: 1}


async def test_a_lost_process_gets_nothing(office: Office, tenant: Tenant) -> None:
    process = await office.process()
    await office.submit(tenant, job())
    office.instance.sql("update opsteward.processes set lost_at = now() where id = %s", process)
    assert await office.claim(process, 5) == []


# ---------------------------------------------------------------- limits


async def test_the_limit_of_a_type_is_exact_over_two_processes(
    office: Office, tenant: Tenant, other_tenant: Tenant
) -> None:
    told = await office.submit(tenant, *(job(task_type=LIMITED) for _ in range(30)))
    others = await office.submit(other_tenant, *(job(task_type=LIMITED) for _ in range(10)))
    async with office.runners(2, slots=10):
        await office.until(tenant, told, "completed")
        await office.until(other_tenant, others, "completed")
    assert office.most[LIMITED] == LIMIT


@pytest.mark.parametrize("task_type", ["", WORK], ids=["all types", "one type"])
async def test_the_limit_of_a_tenant_is_exact_over_two_processes(
    office: Office, tenant: Tenant, other_tenant: Tenant, task_type: str
) -> None:
    async with office.house.web.unit_of_work(tenant.id) as session:
        assert await desk.set_limit(session, task_type=task_type, max_running=2, actor="system:test") == {task_type: 2}
    told = await office.submit(tenant, *(job() for _ in range(20)))
    free = await office.submit(other_tenant, *(job(params={"held": True}) for _ in range(6)))
    async with office.runners(2, slots=10):
        await office.until(tenant, told, "completed")
        assert office.most[tenant.id] == 2
        assert office.most[other_tenant.id] == 6
        office.go.set()
        await office.until(other_tenant, free, "completed")


async def test_a_limit_of_nothing_holds_until_it_is_lifted(office: Office, tenant: Tenant) -> None:
    async with office.house.web.unit_of_work(tenant.id) as session:
        await desk.set_limit(session, task_type=WORK, max_running=0, actor="system:test")
    held = await office.submit(tenant, job("held"))
    free = await office.submit(tenant, job("free", task_type=OTHER))
    async with office.runners():
        await office.until(tenant, free, "completed")
        assert await office.statuses(tenant, held) == ["pending"]
        async with office.house.web.unit_of_work(tenant.id) as session:
            assert await desk.set_limit(session, task_type=WORK, max_running=None, actor="system:test") == {}
        await office.until(tenant, held, "completed")


# ---------------------------------------------------------------- dependencies


def diamond(**top: Any) -> list[NewTask]:
    return [
        job("bottom", ref="bottom", dependencies=("left", "right")),
        job("left", ref="left", dependencies=("top",)),
        job("right", ref="right", dependencies=("top",)),
        job("top", ref="top", **top),
    ]


async def test_a_diamond_runs_from_its_top(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, *diamond())
    async with office.runners(2):
        await office.until(tenant, told, "completed")
    assert (office.begun[0], office.begun[-1], sorted(office.begun[1:3])) == ("top", "bottom", ["left", "right"])


async def test_what_depends_on_a_failure_waits_until_it_is_driven_again(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, *diamond(params={"fails": 1}, max_retries=0))
    bottom, *_, top = told
    async with office.runners():
        await office.until(tenant, [top], "dead_letter")
        assert await office.statuses(tenant, told[:3]) == ["pending"] * 3
        late = await office.submit(tenant, job("late", dependencies=(str(top.id), str(bottom.id))))
        async with office.house.web.unit_of_work(tenant.id) as session:
            await desk.redrive(session, task_id=top.id, actor="system:test")
        await office.until(tenant, [*told, *late], "completed")
    assert office.begun[-1] == "late"


async def test_cancelling_takes_along_what_waits(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, *diamond(delay=60))
    async with office.house.web.unit_of_work(tenant.id) as session:
        await desk.cancel(session, task_id=told[3].id, actor="system:test")
    assert await office.statuses(tenant, told) == ["cancelled"] * 4
    with pytest.raises(Invalid, match="cancelled"):
        await office.submit(tenant, job(dependencies=(str(told[3].id),)))


# ---------------------------------------------------------------- one of a kind, all or none


async def test_a_dedup_key_stands_for_one_task_while_it_lives(office: Office, tenant: Tenant) -> None:
    first, again = [(await office.submit(tenant, job("one", dedup_key="k")))[0] for _ in range(2)]
    assert (again.id, again.deduplicated) == (first.id, True)
    async with office.runners():
        await office.until(tenant, [first], "completed")
    (new,) = await office.submit(tenant, job("two", dedup_key="k"))
    assert (new.id != first.id, new.deduplicated) == (True, False)


async def test_equal_submissions_at_once_make_one_task(office: Office, tenant: Tenant) -> None:
    told = await asyncio.gather(*(office.submit(tenant, job(dedup_key="k")) for _ in range(8)))
    assert len({one.id for (one,) in told}) == 1


@pytest.mark.parametrize(
    "bad",
    [job(task_type="office.unknown"), job(params={"nonsense": 1}), job(delay=-1.0), job(dependencies=("nobody",))],
)
async def test_one_bad_task_refuses_all(office: Office, tenant: Tenant, bad: NewTask) -> None:
    before = tenant.count("audit_entries")
    with pytest.raises(Invalid, match=r"tasks\.2\."):
        await office.submit(tenant, job(), job(), bad)
    assert tenant.count("tasks") == 0
    assert tenant.count("audit_entries") == before


# ---------------------------------------------------------------- tries and ends


async def test_tries_come_later_each_time_and_end_with_the_dead_letters(office: Office, tenant: Tenant) -> None:
    task = job(params={"fails": 9}, max_retries=2, backoff_factor=100.0, max_backoff=40.0)
    told = await office.submit(tenant, task)
    async with office.runners():
        for tries, (shortest, longest) in ((1, (0.5, 1.0)), (2, (20.0, 40.0))):
            async with asyncio.timeout(20):
                while (row := await office.task(tenant, told[0].id)).retry_count < tries:
                    await asyncio.sleep(0.02)
            wait = (row.run_at - datetime.now(UTC)).total_seconds()
            assert row.status == "pending"
            assert shortest - 1.0 < wait <= longest
            assert row.error == f"RuntimeError: try {tries - 1}"
            await office.make_due(tenant)
        (dead,) = await office.until(tenant, told, "dead_letter")
    assert (dead.retry_count, len(office.begun)) == (2, 3)
    entries = office.instance.sql(
        "select count(*) from opsteward.audit_entries where tenant_id = %s and verb = 'tasks.task.dead_letter'",
        tenant.id,
    )
    assert entries == [(1,)]


async def test_a_refusal_is_not_tried_again(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, job(params={"refused": True}))
    async with office.runners():
        (failed,) = await office.until(tenant, told, "failed")
    assert (failed.error, failed.retry_count) == ("not like this", 0)


async def test_a_task_that_takes_too_long_is_ended(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, job(params={"held": True}, timeout=0.1, max_retries=0))
    async with office.runners():
        (dead,) = await office.until(tenant, told, "dead_letter")
    assert dead.error == "did not finish within 0.1 s"


async def test_progress_is_seen_while_it_runs(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, job("here", params={"held": True}), job("beyond", params={"held": True}))
    async with office.runners():
        async with asyncio.timeout(20):
            while not all([(await office.task(tenant, one.id)).progress for one in told]):
                await asyncio.sleep(0.02)
        here, beyond = [await office.task(tenant, one.id) for one in told]
        assert (here.progress, here.progress_message) == (40, "at here")
        assert beyond.progress == 100
        office.go.set()
        assert [one.progress for one in await office.until(tenant, told, "completed")] == [100, 100]


@pytest.mark.parametrize(("gives", "stored"), [({"a": [1]}, {"a": [1]}), (7, {"value": 7}), (None, None)])
async def test_results_are_kept(office: Office, tenant: Tenant, gives: Any, stored: Any) -> None:
    told = await office.submit(tenant, job(params={"gives": gives}))
    async with office.runners():
        assert (await office.until(tenant, told, "completed"))[0].result_data == stored


async def test_a_result_that_can_not_be_stored_fails_its_task_alone(
    office: Office, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await office.submit(tenant, job("bad", params={"held": True}), job("good", params={"held": True}))

    async def nul(ctx: Any, params: Any) -> dict[str, str]:
        await office.go.wait()
        return {"text": "\x00" if params.label == "bad" else "fine"}

    monkeypatch.setattr(office, "_do", nul)
    async with office.runners():
        office.go.set()
        bad, good = await office.until(tenant, told, "completed", "failed")
    assert (bad.status, good.status, good.result_data) == ("failed", "completed", {"text": "fine"})
    assert "could not be stored" in (bad.error or "")


async def test_cancel_and_drive_again(office: Office, tenant: Tenant) -> None:
    running, waiting = await office.submit(tenant, job("a", params={"held": True}), job("b", delay=300))

    async def cancel(task_id: Any) -> None:
        async with office.house.web.unit_of_work(tenant.id) as session:
            await desk.cancel(session, task_id=task_id, actor="system:test")

    async with office.runners():
        await office.until_begun(1)
        await cancel(running.id)
        await cancel(waiting.id)
        await office.until(tenant, [running, waiting], "cancelled")
        with pytest.raises(Conflict):
            await cancel(running.id)

        office.go.set()
        async with office.house.web.unit_of_work(tenant.id) as session:
            again = await desk.redrive_all(session, status="cancelled", actor="system:test")
        assert again.count == 2
        await office.until(tenant, [running, waiting], "completed")
        with pytest.raises(Conflict):
            async with office.house.web.unit_of_work(tenant.id) as session:
                await desk.redrive(session, task_id=running.id, actor="system:test")


async def test_what_is_delayed_waits_for_its_time(office: Office, tenant: Tenant) -> None:
    told = await office.submit(tenant, job("soon", delay=0.3), job("now"))
    async with office.runners():
        soon, _ = await office.until(tenant, told, "completed")
    assert office.begun == ["now", "soon"]
    assert soon.started_at is not None
    assert soon.started_at >= soon.run_at


# ---------------------------------------------------------------- schedules


async def test_a_schedule_fires_once_under_two_leaders(office: Office, tenant: Tenant) -> None:
    schedules = [Schedules(office.submission) for _ in range(2)]
    async with office.house.web.unit_of_work(tenant.id) as session:
        made = await schedules[0].create(
            session,
            name="each hour",
            cron="0 * * * *",
            timezone="Europe/Vienna",
            task={"task_type": WORK, "params": {"label": "x"}},
            actor="system:test",
        )
    for fired in (1, 2, 3):
        office.instance.sql(
            "update opsteward.task_schedules set next_at = date_trunc('second', now()) - interval '1 hour' * %s"
            " where id = %s",
            4 - fired,
            made.id,
        )
        leaders = [asyncio.create_task(one.run(office.house.app)) for one in schedules]
        async with asyncio.timeout(20):
            while True:
                async with office.house.web.unit_of_work(tenant.id) as session:
                    now = await schedules[0].get(session, schedule_id=made.id)
                if now.next_at > datetime.now(UTC):
                    break
                await asyncio.sleep(0.02)
        for leader in leaders:
            leader.cancel()
        await asyncio.gather(*leaders, return_exceptions=True)
        assert tenant.count("tasks") == fired, "what was missed is made up by one"
        assert (now.last_error, now.last_at is not None) == (None, True)
