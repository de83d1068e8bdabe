"""A part of the machine that Opsteward runs on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef
from opsteward.core.blocking_calls import in_waiting_thread
from opsteward.core.errors import ConnectorError
from opsteward.core.process_condition import Condition, condition_of
from opsteward.integrations.machine.config import SCHEMES, HostSettings, MachineConfig, ProcessSettings, config_from
from opsteward.integrations.machine.disks import Disk, look_at_disk
from opsteward.integrations.machine.host import Host, look_at_host
from opsteward.integrations.machine.jobs import JobTrace, look_at_trace
from opsteward.integrations.machine.processes import Processes, look_at_processes
from opsteward.integrations.machine.programs import Ran, run_program


class MachineConnector(Connector[MachineConfig]):
    """Keeps nothing open. `allowed` schemes and `commands` are the operator's choice, by settings."""

    config_model: ClassVar[type[BaseModel]] = MachineConfig
    allowed: ClassVar[Sequence[str]] = SCHEMES
    commands: ClassVar[Mapping[str, Sequence[str]]] = {}

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> MachineConfig:
        return config_from(target, allowed=cls.allowed, commands=cls.commands)

    async def processes(self) -> Processes:
        """Those of this name, or the one of this pid file. Raises Timeout."""
        return await look_at_processes(self.config.name, self.config.settings.timeout_seconds)

    async def disk(self) -> Disk:
        """The file system at the path. Raises Unreachable, or Timeout where it hangs."""
        return await look_at_disk(self.config.name, self.config.settings.timeout_seconds)

    async def unit(self) -> Ran:
        """What systemd says of the unit. Raises Unreachable where there is no systemd."""
        wanted = "LoadState,ActiveState,SubState,Result,NRestarts,StatusText"
        words = ["systemctl", "show", f"--property={wanted}", "--", self.config.name]
        return await run_program(words, self.config.settings.timeout_seconds)

    async def last_output(self) -> str:
        """The last lines that the unit wrote to the journal; empty where it can't be read."""
        words = ["journalctl", "--unit", self.config.name, "--lines=20", "--no-pager", "--output=cat"]
        try:
            ran = await run_program(words, min(2.0, self.config.settings.timeout_seconds))
        except ConnectorError:
            return ""
        return ran.output[-2000:] if ran.exit_code == 0 else ""

    async def condition(self, pid: int) -> Condition | None:
        """What the kernel knows of a process beside its state; None where we can't see."""
        settings = cast(ProcessSettings, self.config.settings)
        return await in_waiting_thread(condition_of, pid, hang_seconds=settings.hang_seconds)

    async def host(self) -> Host:
        """The machine as a whole. Raises Timeout."""
        settings = cast(HostSettings, self.config.settings)
        return await look_at_host(settings.time_server, settings.timeout_seconds)

    async def job(self) -> JobTrace | None:
        """The file that a job leaves; None where there is none. Raises Unreachable, Timeout."""
        return await look_at_trace(self.config.name, self.config.settings.timeout_seconds)

    async def run_command(self) -> Ran:
        """The command's exit and output. Raises Unreachable, Timeout."""
        return await run_program(self.config.command, self.config.settings.timeout_seconds)

    async def probe(self) -> ProbeReport:
        began = time.monotonic()
        detail = ""
        match self.config.scheme:
            case "process":
                detail = f"{(await self.processes()).count} processes"
            case "disk":
                detail = f"{(await self.disk()).used_percent:.1f} % used"
            case "host":
                detail = f"load {(await self.host()).load_per_cpu:.2f} for each processor"
            case "job":
                trace = await self.job()
                detail = f"done {trace.age_seconds:.0f} s ago" if trace else "never done"
            case "systemd":
                detail = (await self.unit()).output[:200]
            case _:  # a command is run as a check, not to try it
                detail = "may be run"
        return ProbeReport(reachable=True, seconds=time.monotonic() - began, detail=detail)

    async def close(self) -> None:
        return None
