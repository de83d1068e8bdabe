"""A process that is told to end while a task runs says what it waits for; a second signal ends it and loses nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
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
from support.survival import DURABLE, INTEGRATION, effects

TESTS = Path(__file__).parents[1]
UNTIL_SAID_AGAIN = 5.0  # seconds


class Running:
    """`opsteward up` or `worker` with the test's task types; what it writes to standard error is kept by its lines."""

    def __init__(self, home: Path, name: str, *command: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
        path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "opsteward", *command],
            env=inherited
            | {
                "OPSTEWARD_HOME": str(home),
                "OPSTEWARD_PLUGINS": '["support.survival:INTEGRATION"]',
                "OPSTEWARD_DRAIN_SECONDS": "60",
                "OPSTEWARD_PROCESS_LOST_AFTER": "2",
                "LOG_FORMAT": "json",
                "PYTHONPATH": path,
                "WORKER_NAME": name,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def told(self) -> list[dict[str, object]]:
        """What it said that it waits for, each time."""
        found = [json.loads(line) for line in list(self.lines) if "app.process.stopping" in line]
        return [one for one in found if one["event"] == "app.process.stopping"]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


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
        one.process.send_signal(signal.SIGTERM)
        assert await _until(lambda: len(one.told()) == 1) < UNTIL_SAID_AGAIN, "it is said at once"
        named = str(one.told()[0]["waits_for"])
        assert DURABLE in named
        assert str(submitted.id) in named
        await _until(lambda: len(one.told()) == 2)
        first, second = (int(str(told["waits_for"]).split("may last ")[1].split(" s more")[0]) for told in one.told())
        assert 500 < second < first <= 600
        assert one.process.poll() is None
        one.process.send_signal(signal.SIGTERM)
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
        one.kill()
        if other is not None:
            other.kill()
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
        worker.process.send_signal(signal.SIGINT)
        worker.process.send_signal(signal.SIGTERM)
        assert await in_thread(worker.process.wait, 30) == 0, "as by a Ctrl-C in a terminal and by its parent"
        assert worker.told() == [], "nothing is waited for, so nothing is said"
    finally:
        worker.kill()
        EmbeddedPostgres(fresh_home).stop_if_last()
