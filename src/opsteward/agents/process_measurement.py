"""Every process measures itself: CPU, memory, event-loop lag, and the machine it runs on.

The figures go into the history of the first tenant, whose operators look after the installation: one statement for
all figures of a process, every `measure_seconds`.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from opsteward.agents import metric_history
from opsteward.agents.lost_process_events import first_tenant
from opsteward.agents.settings import AgentSettings
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Unavailable
from opsteward.core.log import get_logger

log = get_logger(__name__)

_LAG_EVERY = 1.0  # seconds between two looks at how late the event loop is
_CGROUP = Path("/sys/fs/cgroup")

HOST_MEMORY = "host.memory"


class ProcessMeasurement:
    """One per process; `run()` until cancelled."""

    def __init__(self, db: Database, settings: AgentSettings, *, home: Path, process_id: UUID) -> None:
        self._db = db
        self._settings = settings
        self._home = home
        self._me = process_id
        self._own = psutil.Process(os.getpid())
        self._tenant: UUID | None = None
        self._lags: list[float] = []

    async def run(self) -> None:
        """Measure and write down, until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._watch_loop())
            parts.create_task(self._write_down())

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._lags.append(max(0.0, loop.time() - due))

    async def _write_down(self) -> None:
        loop = asyncio.get_running_loop()
        spent, at = self._spent(), loop.time()
        while True:
            await asyncio.sleep(self._settings.measure_seconds)
            now_spent, now_at = self._spent(), loop.time()
            share = (now_spent - spent) / max(now_at - at, 0.001)
            spent, at = now_spent, now_at
            lags, self._lags = self._lags or [0.0], []
            figures = [("process.cpu", share), ("process.loop_lag", max(lags))]
            try:
                figures += await in_thread(self._machine)
            except (OSError, psutil.Error) as error:
                log.warning("agents.measuring.machine_unseen", error=type(error).__name__)
            with suppress(Unavailable):  # the next figures come
                await self._keep(figures)

    async def _keep(self, figures: list[tuple[str, float]]) -> None:
        if self._tenant is None:
            async with self._db.unit_of_work(None) as session:
                self._tenant = await first_tenant(session)
        if self._tenant is not None:
            await metric_history.record(self._db, self._tenant, process_id=self._me, at=now(), figures=figures)

    def _spent(self) -> float:
        times = self._own.cpu_times()
        return float(times.user + times.system)

    def _machine(self) -> list[tuple[str, float]]:
        """CPU of the machine since the last look, memory and disk in use as shares from 0 to 1."""
        disk: Any = psutil.disk_usage(str(self._home))
        return [
            ("process.memory_bytes", float(self._own.memory_info().rss)),
            ("host.cpu", psutil.cpu_percent(interval=None) / 100),
            (HOST_MEMORY, memory_in_use()),
            ("host.disk", disk.percent / 100),
        ]


def memory_in_use(cgroup: Path = _CGROUP) -> float:
    """The share of memory in use: of the container where it has a limit of its own, else of the machine."""
    share = float(psutil.virtual_memory().percent) / 100
    with suppress(OSError, ValueError):
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text()) - _reclaimable(cgroup)
        if limit > 0:
            share = max(share, used / limit)
    return share


def _reclaimable(cgroup: Path) -> int:
    """Cached files, which are given back when memory gets short."""
    for line in (cgroup / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0
