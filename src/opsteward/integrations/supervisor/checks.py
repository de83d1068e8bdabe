"""Do the processes run, and do they move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import ClassVar

from opsteward.contracts.check import (
    Check,
    CheckResult,
    CheckStatus,
    Domain,
    Finding,
    ProposedFix,
    Severity,
)
from opsteward.contracts.connector import SystemRef
from opsteward.core.json_types import JsonObject
from opsteward.integrations.supervisor.client import ProcessInfo
from opsteward.integrations.supervisor.connector import SupervisorConnector

RESTART = "supervisor.restart_process"
_MOVING = frozenset({"STARTING", "STOPPING"})
_SOON = 15  # seconds; what ends so soon after its start does so at the next one too
_AT_ONCE = 16  # processes; the look at one that hangs holds a thread for seconds
_SECOND_LOOK = 0.2  # seconds; a debugger or a shell may hold a process for an instant


class ProcessesCheck(Check[SupervisorConnector]):
    """FAIL for a process that is down, ends at each start, hangs or is full; WARN for one that somebody stopped."""

    slug: ClassVar[str] = "supervisor.processes"
    title: ClassVar[str] = "Processes"
    domain: ClassVar[Domain] = "web"
    health: ClassVar[bool] = True

    async def run(self, via: SupervisorConnector, target: SystemRef) -> CheckResult:
        known = await via.client.all_processes()
        wanted = via.config.settings.processes
        watched = [p for p in known if wanted is None or p.name in wanted or _short(p.name) in wanted]
        names = {p.name for p in watched} | {_short(p.name) for p in watched}
        missing = [name for name in wanted or [] if name not in names]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def judge(info: ProcessInfo) -> Finding | None:
            async with gate:
                return await _judge(via, info)

        judged = await asyncio.gather(*map(judge, watched))
        findings = [finding for finding in judged if finding is not None]
        findings += [_missing(name) for name in missing]
        evidence = {"processes": {p.name: p.statename for p in watched[:200]}, "missing": missing[:200]}
        if not findings:
            moving = [p.name for p in watched if p.statename in _MOVING]
            summary = f"{len(watched)} process(es) run"
            if moving:
                summary += f", of these starting or stopping: {', '.join(moving[:5])}"
            return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence)
        findings.sort(key=lambda f: -f.confidence)
        failed = any(f.severity is Severity.HIGH for f in findings)
        return CheckResult(
            status=CheckStatus.FAIL if failed else CheckStatus.WARN,
            summary="; ".join(f.description for f in findings[:5]),
            evidence=evidence,
            findings=findings,
        )


def _short(name: str) -> str:
    return name.rpartition(":")[2]


async def _judge(via: SupervisorConnector, info: ProcessInfo) -> Finding | None:
    if info.statename in _MOVING:
        return None
    if info.statename == "RUNNING":
        return await _judge_running(via, info)
    if info.statename == "STOPPED":
        # A person stopped it, or it was never started: to start it is theirs to decide.
        words = f"{info.name} was stopped on purpose or never started"
        return await _finding(via, info, "process_down", words, confidence=0.4, deliberate=True)
    finished = info.statename == "EXITED" and info.exitstatus == 0
    if finished and via.config.settings.processes is None:
        # Nobody said that it must run: a job that ended well looks just like this.
        words = f"{info.name} ended with exit status 0"
        return await _finding(via, info, "process_down", words, confidence=0.4, deliberate=True)
    if info.statename in ("FATAL", "BACKOFF"):
        words = f"{info.name} ends as soon as it is started ({info.spawnerr or f'exit status {info.exitstatus}'})"
        # In BACKOFF supervisord is still trying by itself.
        sure = 0.7 if info.statename == "BACKOFF" else 0.95
        return await _finding(via, info, "process_crash_loop", words, confidence=sure)
    lived = info.stop - info.start
    if info.exitstatus > 0 and 0 <= lived <= _SOON:
        words = f"{info.name} ended {lived} s after its start with exit status {info.exitstatus}"
        return await _finding(via, info, "process_crash_loop", words, confidence=0.9)
    words = f"{info.name} is down ({info.statename}, {info.spawnerr or f'exit status {info.exitstatus}'})"
    return await _finding(via, info, "process_down", words, confidence=0.95)


async def _judge_running(via: SupervisorConnector, info: ProcessInfo) -> Finding | None:
    if await via.halted(info):
        await asyncio.sleep(_SECOND_LOOK)
        if not await via.halted(info):
            return None
        words = f"{info.name} (pid {info.pid}) is held stopped: it exists but does nothing"
        return await _finding(via, info, "process_hung", words, confidence=0.95, seen={"how": "stopped"})
    seen = await via.condition(info)
    if seen is None:
        return None
    evidence = seen.as_evidence()
    run = f"{info.name} (pid {info.pid})"
    if seen.files_full:
        words = f"{run} has {seen.open_files} of {seen.open_files_limit} files open, and can hardly take a connection"
        return await _finding(via, info, "process_files", words, confidence=0.95, seen=evidence)
    if seen.hung:
        why = "runs in a circle" if seen.hung == "spinning" else "waits for something that does not come"
        words = f"{run} {why}: {seen.unaccepted} connections wait, and it accepts none"
        return await _finding(via, info, "process_hung", words, confidence=0.9, seen=evidence)
    limit = via.config.settings.memory_limit_mb
    if limit is not None and seen.memory_bytes > limit * 1024 * 1024:
        words = f"{run} takes {seen.memory_bytes / 1024**2:.0f} MB of memory, more than its limit of {limit:g} MB"
        return await _finding(via, info, "process_memory", words, confidence=0.95, seen=evidence)
    return None


_TITLES = {
    "process_down": "A process does not run",
    "process_crash_loop": "A process ends as soon as it is started",
    "process_hung": "A process hangs",
    "process_files": "A process has opened all files that it may",
    "process_memory": "A process takes more memory than it may",
}


async def _finding(
    via: SupervisorConnector,
    info: ProcessInfo,
    kind: str,
    description: str,
    *,
    confidence: float,
    deliberate: bool = False,
    seen: JsonObject | None = None,
) -> Finding:
    stopped = (seen or {}).get("how") == "stopped"
    evidence: JsonObject = {
        "name": info.name,
        "statename": info.statename,
        "pid": info.pid,
        "started_at": _instant(info.start),
        "stopped_at": _instant(info.stop),
        "exit_status": info.exitstatus,
        "spawn_error": info.spawnerr,
        "kernel_state": "stopped" if stopped else None,
        "last_output": (await via.client.last_output(info.name))[-2000:],
        **(seen or {}),
    }
    fix = ProposedFix(
        action=RESTART,
        params={
            "name": info.name,
            "expect_pid": info.pid if info.statename == "RUNNING" else None,
            "expect_start": info.start,
            "expect": "hung" if stopped else "any",
            "reason": description,
        },
        reason=description,
    )
    return Finding(
        type=kind,
        severity=Severity.LOW if deliberate else Severity.HIGH,
        title=_TITLES[kind],
        description=description,
        component=info.name,
        evidence=evidence,
        confidence=confidence,
        cause_rank=1,
        fixes=[] if deliberate else [fix],
    )


def _missing(name: str) -> Finding:
    description = f"supervisord knows no process {name}, though settings.processes names it"
    return Finding(
        type="process_unknown",
        severity=Severity.MEDIUM,
        title="A process is not configured",
        description=description,
        component=name,
        evidence={"name": name},
        confidence=0.9,
        cause_rank=1,
    )


def _instant(epoch_seconds: int) -> str | None:
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat() if epoch_seconds else None
