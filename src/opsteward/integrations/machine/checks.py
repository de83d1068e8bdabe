"""Processes, units, disks and commands of this machine, each against what is expected of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, cast

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Measure
from opsteward.contracts.connector import SystemRef
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import BadReply, ConnectorError, Timeout, Unreachable
from opsteward.core.json_types import JsonObject
from opsteward.integrations.machine.config import CommandSettings, DiskSettings, ProcessSettings
from opsteward.integrations.machine.connector import MachineConnector
from opsteward.integrations.machine.host_checks import look_at_job, look_at_whole
from opsteward.integrations.machine.judging import judged
from opsteward.integrations.machine.programs import Ran

_LOOKED_AT = 5  # processes of one name whose condition is looked at
_LOOP_FROM = 3  # restarts
_NO_SYSTEMD = ("not been booted with systemd", "Failed to connect to bus", "Host is down")


class MachineCheck(Check[MachineConnector]):
    """FAIL when the process is missing, hangs or is full, the unit is not active, the disk is full or hangs, the
    command fails or the job was missed; WARN on the way there; UNKNOWN where this machine can't be asked."""

    slug: ClassVar[str] = "machine.part"
    title: ClassVar[str] = "Part of this machine"
    domain: ClassVar[Domain] = "network"
    health: ClassVar[bool] = True
    measures: ClassVar[Sequence[Measure]] = (
        Measure("used_percent", limit=100.0),
        Measure("inodes_used_percent", limit=100.0),
    )

    async def run(self, via: MachineConnector, target: SystemRef) -> CheckResult:
        looks = {
            "process": _process,
            "systemd": _unit,
            "disk": _disk,
            "command": _command,
            "host": look_at_whole,
            "job": look_at_job,
        }
        return await looks[via.config.scheme](via)


async def _process(via: MachineConnector) -> CheckResult:
    settings = cast(ProcessSettings, via.config.settings)
    seen = await via.processes()
    evidence: JsonObject = {
        "count": seen.count,
        "pids": [*seen.pids],
        "hung": {str(pid): why for pid, why in seen.hung.items()},
        "zombies": seen.zombies,
        "memory_bytes": seen.memory_bytes,
        "cpu_percent": seen.cpu_percent,
        "threads": seen.threads,
        "open_files": seen.open_files,
        "age_seconds": seen.age_seconds,
    }
    problems = []
    if seen.count < settings.min_count:
        reason = f": {seen.problem}" if seen.problem else ""
        detail = f"{seen.count} of at least {settings.min_count} processes {via.config.name} run{reason}"
        problems.append((CheckStatus.FAIL, "process_missing", detail))
    if settings.max_count is not None and seen.count > settings.max_count:
        detail = f"{seen.count} processes {via.config.name} run, at most {settings.max_count} should"
        problems.append((CheckStatus.FAIL, "process_many", detail))
    if seen.hung:
        pid, why = next(iter(seen.hung.items()))
        status = CheckStatus.FAIL if len(seen.hung) >= seen.count else CheckStatus.WARN
        problems.append((status, "process_hangs", f"{len(seen.hung)} of {seen.count} hang: process {pid} is {why}"))
    if seen.count and not seen.hung:
        problems += await _conditions(via, seen.pids, settings, evidence)
    return judged(via, problems, f"{seen.count} processes {via.config.name} run", evidence)


async def _conditions(
    via: MachineConnector, pids: list[int], settings: ProcessSettings, evidence: JsonObject
) -> list[tuple[CheckStatus, str, str]]:
    """What is wrong with processes that run: one that takes no connection, has no file left, or takes too much."""
    for pid, seen in zip(pids, await asyncio.gather(*map(via.condition, pids[:_LOOKED_AT])), strict=False):
        if seen is None:
            continue
        found = ""
        if seen.files_full:
            found, words = "process_files", f"{seen.open_files} of {seen.open_files_limit} files are open"
        elif seen.hung:
            found, words = "process_hangs", f"{seen.unaccepted} connections wait, it is {seen.hung} and accepts none"
        elif settings.memory_limit_mb is not None and seen.memory_bytes > settings.memory_limit_mb * 1024**2:
            found, words = "process_memory", f"it takes {seen.memory_bytes / 1024**2:.0f} MB of memory"
        if found:
            evidence.update(seen.as_evidence() | {"pid": pid})
            return [(CheckStatus.FAIL, found, f"process {pid}: {words}")]
    return []


async def _unit(via: MachineConnector) -> CheckResult:
    result = unit_result(via, await via.unit())
    if result.status is not CheckStatus.FAIL or not (output := await via.last_output()):
        return result
    evidence = {**result.evidence, "last_output": output}
    findings = [replace(each, evidence={**each.evidence, "last_output": output}) for each in result.findings]
    return replace(result, evidence=evidence, findings=findings)


def unit_result(via: MachineConnector, ran: Ran) -> CheckResult:
    """What `systemctl show` wrote, judged. Raises Unreachable where there is no systemd, BadReply."""
    if any(words in ran.output for words in _NO_SYSTEMD):
        raise Unreachable("This machine runs without systemd", extra={"kind": "local"})
    said = dict(line.split("=", 1) for line in ran.output.splitlines() if "=" in line)
    if ran.exit_code or "ActiveState" not in said:
        raise BadReply(f"systemctl ended with {ran.exit_code}: {ran.output[:200]}")
    active, unit = said["ActiveState"], via.config.name
    evidence = {
        "active_state": active,
        "sub_state": said.get("SubState", ""),
        "result": said.get("Result", ""),
        "restarts": int(said.get("NRestarts") or 0),
        "status_text": said.get("StatusText", "")[:200],
    }
    problems = []
    if said.get("LoadState") == "not-found":
        problems.append((CheckStatus.FAIL, "systemd_missing", f"there is no unit {unit}"))
    elif evidence["sub_state"] == "auto-restart" and int(said.get("NRestarts") or 0) >= _LOOP_FROM:
        detail = f"{unit} ends as soon as it is started, {evidence['restarts']} times by now ({evidence['result']})"
        problems.append((CheckStatus.FAIL, "systemd_crash_loop", detail))
    elif active in ("activating", "reloading", "deactivating", "refreshing"):
        problems.append((CheckStatus.WARN, "systemd_changing", f"{unit} is {active} ({evidence['sub_state']})"))
    elif active != "active" and "active_state" not in _names(via):
        detail = f"{unit} is {active} ({evidence['sub_state']}): {evidence['result'] or 'no reason told'}"
        problems.append((CheckStatus.FAIL, "systemd_inactive", detail))
    return judged(via, problems, f"{unit} is {active} ({evidence['sub_state']})", evidence, ran.seconds)


def _names(via: MachineConnector) -> frozenset[str]:
    expect = via.config.settings.expect
    return parse_condition(expect).names if expect else frozenset()


async def _disk(via: MachineConnector) -> CheckResult:
    settings, path = cast(DiskSettings, via.config.settings), via.config.name
    try:
        seen = await via.disk()
    except ConnectorError as error:
        kind = "disk_hangs" if isinstance(error, Timeout) else "disk_missing"
        return judged(via, [(CheckStatus.FAIL, kind, error.detail)], "", {"detail": error.detail})
    evidence = {
        "used_percent": seen.used_percent,
        "inodes_used_percent": seen.inodes_used_percent,
        "free_bytes": seen.free_bytes,
        "size_bytes": seen.size_bytes,
        "read_only": seen.read_only,
    }
    problems = []
    if settings.mounted and not seen.mounted:
        problems.append((CheckStatus.FAIL, "disk_missing", f"nothing is mounted at {path}"))
    if seen.read_only and "read_only" not in _names(via):
        problems.append((CheckStatus.WARN, "disk_read_only", f"{path} can only be read"))
    for what, percent in (("space", seen.used_percent), ("inodes", seen.inodes_used_percent)):
        if percent is not None and percent >= min(settings.warn_percent, settings.fail_percent):
            status = CheckStatus.FAIL if percent >= settings.fail_percent else CheckStatus.WARN
            problems.append((status, "disk_full", f"{percent:.1f} % of the {what} of {path} is used"))
    free = seen.free_bytes / 1024**3
    return judged(via, problems, f"{path} is used to {seen.used_percent:.1f} %, {free:.1f} GiB are free", evidence)


async def _command(via: MachineConnector) -> CheckResult:
    settings, name = cast(CommandSettings, via.config.settings), via.config.name
    try:
        ran = await via.run_command()
    except Timeout as late:
        return judged(via, [(CheckStatus.FAIL, "command_hangs", late.detail)], "", {"detail": late.detail})
    first = ran.output.splitlines()[0][:300] if ran.output else ""
    evidence = {"exit_code": ran.exit_code, "output": ran.output[:2000], "latency": round(ran.seconds, 4)}
    said = f"{name} ended with {ran.exit_code}" + (f": {first}" if first else "")
    problems = []
    if settings.nagios and ran.exit_code not in (0, 1, 2):
        return CheckResult(status=CheckStatus.UNKNOWN, summary=said, evidence=evidence, seconds=ran.seconds)
    if settings.nagios and ran.exit_code == 1:
        problems.append((CheckStatus.WARN, "command_warns", said))
    elif ran.exit_code and "exit_code" not in _names(via):
        problems.append((CheckStatus.FAIL, "command_failed", said))
    if ran.seconds > settings.response_time_seconds:
        problems.append((CheckStatus.WARN, "command_slow", f"{name} took {ran.seconds:.2f} s"))
    return judged(via, problems, said, evidence, ran.seconds)
