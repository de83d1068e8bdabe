"""The machine as a whole and its scheduled jobs, held against what is expected of them."""

from __future__ import annotations

from typing import cast

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.json_types import JsonObject
from opsteward.integrations.machine.config import HostSettings, JobSettings
from opsteward.integrations.machine.connector import MachineConnector
from opsteward.integrations.machine.judging import judged


async def look_at_whole(via: MachineConnector) -> CheckResult:
    """WARN when the machine is short of something; FAIL when its clock is wrong."""
    settings, seen = cast(HostSettings, via.config.settings), await via.host()
    evidence: JsonObject = {
        "load_per_cpu": seen.load_per_cpu,
        "cpu_percent": seen.cpu_percent,
        "memory_available_percent": seen.memory_available_percent,
        "swap_used_percent": seen.swap_used_percent,
        "open_files_percent": seen.open_files_percent,
        "oom_kills": seen.oom_kills,
        "clock_offset_seconds": seen.clock_offset_seconds,
        "pressure": {**seen.pressure},
    }
    problems: list[tuple[CheckStatus, str, str]] = []
    if seen.clock_offset_seconds is not None and abs(seen.clock_offset_seconds) > settings.clock_offset_seconds:
        side = "behind" if seen.clock_offset_seconds > 0 else "ahead"
        detail = f"the clock is {abs(seen.clock_offset_seconds):.1f} s {side}"
        problems.append((CheckStatus.FAIL, "host_skew", detail))
    if seen.oom_kills:
        detail = f"the kernel ended {seen.oom_kills} process(es) for lack of memory since the last look"
        problems.append((CheckStatus.WARN, "host_kill", detail))
    if seen.memory_available_percent < settings.memory_available_percent:
        detail = f"{seen.memory_available_percent:.1f} % of the memory is available"
        problems.append((CheckStatus.WARN, "host_memory_low", detail))
    if seen.open_files_percent > settings.open_files_percent:
        detail = f"{seen.open_files_percent:.0f} % of the files that the machine can open are open"
        problems.append((CheckStatus.WARN, "host_files", detail))
    if seen.load_per_cpu > settings.load_per_cpu:
        detail = f"{seen.load_per_cpu:.1f} processes want each processor"
        problems.append((CheckStatus.WARN, "host_busy", detail))
    summary = f"load {seen.load_per_cpu:.2f} for each processor, {seen.memory_available_percent:.0f} % memory available"
    return judged(via, problems, summary, evidence)


async def look_at_job(via: MachineConnector) -> CheckResult:
    """FAIL when the file that the job leaves is too old, or not there."""
    settings, seen = cast(JobSettings, via.config.settings), await via.job()
    path = via.config.name
    if seen is None:
        detail = f"the job has never run: {path} is not there"
        return judged(via, [(CheckStatus.FAIL, "job_missed", detail)], "", {"path": path, "age_seconds": None})
    evidence: JsonObject = {"path": path, "age_seconds": seen.age_seconds, "size_bytes": seen.size_bytes}
    problems = []
    if seen.age_seconds > settings.max_age_seconds:
        limit = f"{settings.max_age_seconds:g} s"
        detail = f"the job last ran {seen.age_seconds:.1f} s ago, and should have within {limit}"
        problems.append((CheckStatus.FAIL, "job_missed", detail))
    return judged(via, problems, f"the job ran {seen.age_seconds:.1f} s ago", evidence)
