"""Processes of this machine by name or pid file: how many there are, what they take, whether one hangs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Timeout

_BETWEEN_LOOKS = 0.2  # seconds; a process that sleeps uninterruptibly in both hangs
_PIDS_SHOWN = 20
_DETAILED_LIMIT = 200
_HANGS = {psutil.STATUS_STOPPED: "stopped", psutil.STATUS_TRACING_STOP: "stopped by a debugger"}


@dataclass(kw_only=True)
class Processes:
    """Sums over all of them; `hung`: pid and why."""

    count: int = 0
    pids: list[int] = field(default_factory=list)
    hung: dict[int, str] = field(default_factory=dict)
    zombies: int = 0
    memory_bytes: int = 0
    cpu_percent: float = 0.0
    threads: int = 0
    open_files: int = 0
    open_files_limit: int | None = None
    age_seconds: float = 0.0
    problem: str = ""


async def look_at_processes(name: str, timeout: float) -> Processes:
    """Raises Timeout."""
    try:
        async with asyncio.timeout(timeout):
            return await in_thread(_look, name)
    except TimeoutError:
        raise Timeout(f"the processes of this machine could not be read within {timeout:g} s") from None


def _look(name: str) -> Processes:
    found = Processes()
    members: list[psutil.Process] = []
    asleep: list[psutil.Process] = []
    for process in _by_pid_file(name, found) if name.startswith("/") else _by_name(name):
        try:
            status = process.status()
            if status == psutil.STATUS_ZOMBIE:
                found.zombies += 1
                continue
            members.append(process)
            if status in _HANGS:
                found.hung[process.pid] = _HANGS[status]
            elif status == psutil.STATUS_DISK_SLEEP:
                asleep.append(process)
        except psutil.Error:  # it has ended meanwhile
            continue
    found.count = len(members)
    found.pids = sorted(process.pid for process in members)[:_PIDS_SHOWN]
    before = {process.pid: _cpu(process) for process in members[:_DETAILED_LIMIT]}
    if members:
        time.sleep(_BETWEEN_LOOKS)
    for process in members[:_DETAILED_LIMIT]:
        _add(process, before[process.pid], found)
    for process in asleep:
        try:
            if process.status() == psutil.STATUS_DISK_SLEEP and _cpu(process) == before.get(process.pid):
                found.hung[process.pid] = "waits for a device"
        except psutil.Error:
            continue
    return found


def _by_name(name: str) -> Iterator[psutil.Process]:
    """By the program's name, which the kernel cuts after 15 characters, or that of the file that was started."""
    for process in psutil.process_iter():
        try:
            if process.name() == name:
                yield process
        except psutil.Error:
            continue


def _by_pid_file(path: str, found: Processes) -> Iterator[psutil.Process]:
    try:
        # a pipe or device of that name must not hold us up
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            written_at = os.fstat(stream.fileno()).st_mtime
            text = (stream.read(32) or b"").split(b"\n", 1)[0].strip()
    except OSError as error:
        found.problem = f"its pid file can't be read: {error.strerror}"
        return
    if not text.isdigit() or len(text) > 9:
        found.problem = "its pid file holds no number"
        return
    try:
        process = psutil.Process(int(text))
        # the file of a process that has died names whoever got its number since
        if process.create_time() > written_at + 60:
            found.problem = "its pid file is older than the process of that number"
            return
        yield process
    except psutil.Error:
        found.problem = f"no process has the number of its pid file ({int(text)})"


def _cpu(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)


def _add(process: psutil.Process, before: float | None, found: Processes) -> None:
    try:
        after = _cpu(process)
        if before is not None and after is not None:
            found.cpu_percent = round(found.cpu_percent + 100 * (after - before) / _BETWEEN_LOOKS, 1)
        found.memory_bytes += process.memory_info().rss
        found.threads += process.num_threads()
        found.age_seconds = max(found.age_seconds, round(time.time() - process.create_time(), 1))
        found.open_files = max(found.open_files, process.num_fds())
        limit = process.rlimit(psutil.RLIMIT_NOFILE)[0]
        found.open_files_limit = limit if limit > 0 else None
    except (psutil.Error, OSError):  # another user's process tells no more
        return
