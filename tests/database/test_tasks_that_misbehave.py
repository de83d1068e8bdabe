"""What task functions do wrong, and what goes wrong around them, on a real database: none of it holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.tasks.controls import Gate
from opsteward.tasks.registry import TaskRegistry
from opsteward.tasks.runner import Runner
from opsteward.tasks.submission import Submission
from support.instance import Instance, Tenant
from support.misbehaving_tasks import job
from support.task_harness import WORK, Job, TaskHarness


@pytest.fixture
async def harness(instance: Instance) -> AsyncIterator[TaskHarness]:
    one = TaskHarness(instance)
    yield one
    instance.sql("delete from opsteward.processes where kind = 'test' and version = '0'")
    instance.sql(
        "update opsteward.tasks set status = 'cancelled', ready = false where status in ('pending', 'in_progress')"
    )


def does(harness: TaskHarness, function: Callable[[TaskContext, Job], Any]) -> None:
    """From now on this is what the office's work is."""
    kind = TaskType(slug=WORK, purpose="Misbehaves", params=Job, run=function)
    harness.task_registry = TaskRegistry([kind], max_params_bytes=65_536)
    harness.submission = Submission(harness.task_registry, harness.services.settings.tasks)


async def test_a_share_of_a_percent_is_a_progress_too(harness: TaskHarness, tenant: Tenant) -> None:
    async def thirds(ctx: TaskContext, _: Job) -> None:
        ctx.progress(100 / 3, "a third")  # type: ignore[arg-type]
        harness.begun.append("told")
        harness.changed.set()
        await harness.go.wait()

    does(harness, thirds)
    told = await harness.submit(tenant, job())
    async with harness.runners():
        async with asyncio.timeout(20):
            while (row := await harness.task(tenant, told[0].id)).progress == 0:
                await asyncio.sleep(0.02)
        assert (row.progress, row.progress_message) == (33, "a third")
        harness.go.set()
        await harness.until(tenant, told, "completed")


async def test_a_result_that_is_too_large_fails_its_own_task(harness: TaskHarness, tenant: Tenant) -> None:
    async def tells(ctx: TaskContext, work: Job) -> dict[str, str]:
        return {"told": "x" * (1_100_000 if work.label == "long" else 10)}

    does(harness, tells)
    long, short = await harness.submit(tenant, job("long"), job("short"))
    async with harness.runners():
        await harness.until(tenant, [long], "failed")
        await harness.until(tenant, [short], "completed")
    row = await harness.task(tenant, long.id)
    assert "1048576" in (row.error or "")
    assert (row.retry_count, row.result_data) == (0, None)


async def test_a_progress_that_is_none_fails_its_own_task(harness: TaskHarness, tenant: Tenant) -> None:
    async def nonsense(ctx: TaskContext, work: Job) -> None:
        ctx.progress(float("nan") if work.label == "bad" else 10, "\udcff half a character")  # type: ignore[arg-type]

    does(harness, nonsense)
    told = await harness.submit(tenant, job("bad", max_retries=0), job("good", max_retries=0))
    async with harness.runners():
        bad, good = await harness.until(tenant, told, "completed", "dead_letter")
    assert (bad.status, good.status) == ("dead_letter", "completed")
    assert "NaN" in (bad.error or "")


async def test_an_error_about_an_unreadable_name_is_kept(harness: TaskHarness, tenant: Tenant) -> None:
    async def read(_: TaskContext, __: Job) -> None:
        raise FileNotFoundError("no file report-\udcff.csv")

    does(harness, read)
    told = await harness.submit(tenant, job(max_retries=0))
    async with harness.runners():
        (dead,) = await harness.until(tenant, told, "dead_letter")
    assert dead.error == "FileNotFoundError: no file report-?.csv"


async def test_a_process_that_can_write_nothing_down_any_more_says_so(harness: TaskHarness, tenant: Tenant) -> None:
    gate, process_id = Gate(harness.services.app), await harness.process()
    runner = Runner(harness.services.app, harness.task_registry, gate, process_id=process_id, slots=2, spare=0)
    runner._outcome_writer._progress[tenant.id, process_id] = (1, object())  # type: ignore[assignment]
    runner._outcome_writer._work.set()
    with pytest.raises(TypeError, match="JSON"):
        async with asyncio.timeout(20):
            await runner.run()


async def _is_cancelled_from_within() -> None:
    inner = asyncio.get_running_loop().create_future()
    inner.cancel()
    await inner


async def _exits() -> None:
    raise SystemExit(3)


async def _waits_too_long_for_another() -> None:
    raise TimeoutError("the other was silent")


async def _reads_nonsense() -> None:
    Job.model_validate({"nonsense": 1})


def _stops() -> None:
    next(iter(()))


def _exits_at_once() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda _, __: _stops(), "StopIteration"),
        (lambda _, __: _exits_at_once(), "SystemExit"),
    ],
    ids=["stop iteration", "exit"],
)
async def test_what_a_plain_function_raises_is_its_own_failure(
    harness: TaskHarness, tenant: Tenant, function: Any, error: str
) -> None:
    does(harness, function)
    told = await harness.submit(tenant, job(max_retries=0))
    async with harness.runners():
        (dead,) = await harness.until(tenant, told, "dead_letter")
    assert error in (dead.error or "")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (_is_cancelled_from_within, "CancelledError"),
        (_exits, "SystemExit"),
        (_waits_too_long_for_another, "TimeoutError: the other was silent"),
        (_reads_nonsense, "ValidationError"),
    ],
    ids=["cancel", "exit", "timeout", "validation"],
)
async def test_what_an_async_function_raises_is_its_own_failure(
    harness: TaskHarness, tenant: Tenant, body: Any, error: str
) -> None:
    async def run(_: TaskContext, __: Job) -> None:
        harness.begun.append("begun")
        await body()

    does(harness, run)
    told = await harness.submit(tenant, job(max_retries=0))
    async with harness.runners():
        (dead,) = await harness.until(tenant, told, "dead_letter")
    assert error in (dead.error or "")
    assert harness.begun == ["begun"]
