"""A process that is told to end while a task runs says what it waits for; a second signal ends it and loses nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.app.stop_signals import ENDED_AT_ONCE
from opsteward.core.blocking_calls import in_thread
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import NewTask, TaskStatus
from support.instance import run_sql
from support.preloaded import clean_environment, started_command_line
from support.survival import DURABLE, INTEGRATION, effects

UNTIL_SAID_AGAIN = 5.0  # seconds


class Running:
    """`opsteward up` or `worker` with the test's task types; what it writes to standard error is kept by its lines."""

    def __init__(self, home: Path, name: str, *command: str) -> None:
        environment = clean_environment(
            OPSTEWARD_HOME=str(home),
            OPSTEWARD_PLUGINS='["support.survival:INTEGRATION"]',
            OPSTEWARD_DRAIN_SECONDS="60",
            OPSTEWARD_PROCESS_LOST_AFTER="2",
            LOG_FORMAT="json",
            WORKER_NAME=name,
        )
        self.process = started_command_line(list(command), environment)

    def told(self) -> list[dict[str, object]]:
        """What it said that it waits for, each time."""
        lines = self.process.told()[1].splitlines(keepends=True)
        found = [json.loads(line) for line in lines if "app.process.stopping" in line and line.endswith("\n")]
        return [one for one in found if one["event"] == "app.process.stopping"]


async def _until(holds: Callable[[], object], within: float = 30.0) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.slow(reason="two processes are started, and what is said every 5 seconds is said twice")
@pytest.mark.parametrize("command", [("up", "--port", "0"), ("worker",)], ids=["up", "worker"])
async def test_a_second_signal_ends_at_once_and_the_task_goes_on_elsewhere(
    fresh_home: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    services = build_services(load_settings(home=fresh_home), [INTEGRATION])
    tenant = (await create_tenant(services.web, name=f"t-{uuid4().hex}", operator="ada", actor="system:test")).id
    trace, until = tmp_path / "trace", tmp_path / "until"
    params = {"file": str(trace), "label": "long", "steps": ["first", "held"], "held": "held", "until": str(until)}
    async with services.web.unit_of_work(tenant) as session:
        task = NewTask(task_type=DURABLE, params=params, timeout=600)
        (submitted,) = await services.submission.submit(session, tasks=[task], actor="system:test")

    async def status() -> str:
        async with services.web.unit_of_work(tenant) as session:
            return (await task_queries.get(session, task_id=submitted.id)).status

    one, other = Running(fresh_home, "one", *command), None
    try:
        await _until(lambda: any(effect.step == "held" for effect in effects(trace)))
        one.process.send(signal.SIGTERM)
        assert await _until(lambda: len(one.told()) == 1) < UNTIL_SAID_AGAIN, "it is said at once"
        named = str(one.told()[0]["waits_for"])
        assert DURABLE in named
        assert str(submitted.id) in named
        await _until(lambda: len(one.told()) == 2)
        first, second = (int(str(told["waits_for"]).split("may last ")[1].split(" s more")[0]) for told in one.told())
        assert 500 < second < first <= 600
        assert not one.process.ended()
        one.process.send(signal.SIGTERM)
        assert one.process.wait(5) == ENDED_AT_ONCE
        assert await status() == TaskStatus.IN_PROGRESS, "nobody has taken it over yet"

        until.touch()
        other = Running(fresh_home, "other", "worker")
        async with asyncio.timeout(40):
            while await status() != TaskStatus.COMPLETED:
                await asyncio.sleep(0.1)
        steps = [(effect.worker, effect.step) for effect in effects(trace)]
        assert steps == [("one", "first"), ("one", "held"), ("other", "held")]
    finally:
        one.process.kill()
        if other is not None:
            other.process.kill()
        await services.web.close()
        await services.app.close()


@pytest.mark.slow(reason="a worker is started on a fresh home, and ended in order")
async def test_two_signals_at_one_moment_are_one_wish(fresh_home: Path) -> None:
    services = build_services(load_settings(home=fresh_home), [INTEGRATION])
    await services.web.close()
    await services.app.close()
    worker = Running(fresh_home, "one", "worker")
    try:
        await _until(lambda: run_sql(fresh_home, "select 1 from opsteward.processes"))
        worker.process.send(signal.SIGINT)
        worker.process.send(signal.SIGTERM)
        assert await in_thread(worker.process.wait, 30) == 0, "as by a Ctrl-C in a terminal and by its parent"
        assert worker.told() == [], "nothing is waited for, so nothing is said"
    finally:
        worker.process.kill()
        EmbeddedPostgres(fresh_home).stop_if_last()
