"""A registered supervisord."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.core.blocking_calls import in_waiting_thread
from opsteward.core.process_condition import Condition, condition_of
from opsteward.integrations.supervisor.client import ProcessInfo, SupervisorClient, is_halted
from opsteward.integrations.supervisor.config import SupervisorConfig, config_from


class SupervisorConnector(Connector[SupervisorConfig]):
    """Holds no connection: every call opens its own."""

    config_model: ClassVar[type[BaseModel]] = SupervisorConfig

    def __init__(self, config: SupervisorConfig) -> None:
        super().__init__(config)
        self.client = SupervisorClient(config)
        self._server_pid: int | None = None
        self._asking = asyncio.Lock()

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> SupervisorConfig:
        return config_from(target, credentials)

    async def halted(self, info: ProcessInfo) -> bool | None:
        """Whether the kernel holds a running process stopped; None where we can't see (other machine)."""
        if not self.config.local or info.pid <= 0:
            return None
        async with self._asking:  # once, for all processes that are looked at side by side
            if self._server_pid is None:
                self._server_pid = await self.client.server_pid()
        return await in_waiting_thread(is_halted, info, parent_pid=self._server_pid)

    async def condition(self, info: ProcessInfo) -> Condition | None:
        """What else the kernel knows of a running process; None where we can't see."""
        if await self.halted(info) is not False:
            return None
        return await in_waiting_thread(condition_of, info.pid, hang_seconds=self.config.settings.hang_seconds)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        version = await self.client.version()
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, version=version)

    async def close(self) -> None:
        return None
