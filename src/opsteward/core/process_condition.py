"""What the kernel knows of a local process beside its state: does it take what comes in, is it full.

A server that lives and does nothing looks well to whoever started it. Its listening sockets tell: connections that
nobody accepts stay in their queue. With the processor's time beside it, a process that waits for ever is told from one
that runs in a circle, and both from one that is only slow, which accepts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from opsteward.core.json_types import JsonObject

if TYPE_CHECKING:
    import psutil

HANG_SECONDS = 4.0  # for which connections wait and none is accepted
_BETWEEN = 0.3  # seconds between looks at what waits
_REMEMBERED = 30.0  # seconds
#: Of one processor. What waits for ever takes nothing; what runs in a circle takes what a busy machine leaves it.
_SPINS_FROM = 0.08
_LISTENING = "0A"
_FULL_FROM = 0.9  # of the files that it may open

How = Literal["", "deadlocked", "spinning"]


@dataclass(frozen=True, kw_only=True)
class _Hanging:
    waiting: int
    seen_at: float


#: By pid and start of a process.
_hanging: dict[tuple[int, float], _Hanging] = {}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`hung`: how it hangs. `unaccepted`: connections that nobody took; `open_files` of `open_files_limit`; CPU as
    share of one processor; memory in bytes."""

    hung: How = ""
    unaccepted: int = 0
    open_files: int | None = None
    open_files_limit: int | None = None
    memory_bytes: int = 0
    cpu_share: float | None = None

    @property
    def files_full(self) -> bool:
        """Whether it can hardly open another file or connection."""
        return bool(self.open_files and self.open_files_limit and self.open_files >= _FULL_FROM * self.open_files_limit)

    def as_evidence(self) -> JsonObject:
        """All of it, for a finding."""
        return {
            "how": self.hung,
            "unaccepted_connections": self.unaccepted,
            "open_files": self.open_files,
            "open_files_limit": self.open_files_limit,
            "memory_bytes": self.memory_bytes,
            "cpu_share": self.cpu_share,
        }


def condition_of(pid: int, *, hang_seconds: float = HANG_SECONDS) -> Condition | None:
    """Blocking, for `hang_seconds` where connections wait and none is accepted, else at once; None for a process that
    is gone or not ours to see. What serves one request after the other accepts nothing meanwhile: only who does so for
    that long hangs."""
    import psutil

    try:
        process = psutil.Process(pid)
        memory = process.memory_info().rss
        open_files: int | None = None
        limit: int | None = None
        try:
            open_files = process.num_fds()
            soft = process.rlimit(psutil.RLIMIT_NOFILE)[0]
            limit = soft if soft > 0 else None
        except (psutil.Error, OSError):  # another user's process tells no more
            pass
        waiting, how, share = _accepting(process, hang_seconds)
    except (psutil.Error, OSError):
        return None
    return Condition(
        hung=how,
        unaccepted=waiting,
        open_files=open_files,
        open_files_limit=limit,
        memory_bytes=memory,
        cpu_share=share,
    )


def _accepting(process: psutil.Process, hang_seconds: float) -> tuple[int, How, float | None]:
    """The connections that wait, how it hangs, and its share of a processor meanwhile."""
    import psutil

    key = (process.pid, process.create_time())
    waiting = _unaccepted(process.pid)
    began, before = time.monotonic(), _cpu(process)
    known = _hanging.pop(key, None)
    if known and waiting >= known.waiting and began - known.seen_at < _REMEMBERED:
        # it was found hanging a moment ago, and has not accepted one since
        hang_seconds = _BETWEEN
    looks = busy = 0
    while waiting:
        time.sleep(_BETWEEN)
        looks += 1
        busy += process.status() == psutil.STATUS_RUNNING  # it may wait for a processor, too
        now, elapsed = _unaccepted(process.pid), time.monotonic() - began
        if now < waiting:
            return now, "", None
        waiting = now
        if elapsed >= hang_seconds:
            share = round((_cpu(process) - before) / elapsed, 2)
            _hanging[key] = _Hanging(waiting=waiting, seen_at=time.monotonic())
            return waiting, "spinning" if share >= _SPINS_FROM or busy > looks / 2 else "deadlocked", share
    return 0, "", None


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _unaccepted(pid: int) -> int:
    """Connections in the queues of the process's listening sockets."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:  # it was closed meanwhile
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    waiting = 0
    for table in ("tcp", "tcp6"):
        try:
            with Path(f"/proc/{pid}/net/{table}").open(encoding="ascii") as lines:
                for line in lines:
                    fields = line.split()
                    if len(fields) > 9 and fields[3] == _LISTENING and fields[9] in sockets:
                        waiting += int(fields[4].partition(":")[2], 16)
        except OSError:
            continue
    return waiting
