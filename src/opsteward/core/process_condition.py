"""What the kernel knows of a local process beside its state: does it take what comes in, is it full.

A server that lives and does nothing looks well to whoever started it. Its listening sockets tell: connections that
nobody accepts stay in their queue. With the processor's time beside it, a process that waits for ever is told from one
that runs in a circle, and both from one that is only slow, which accepts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opsteward.core.json_types import JsonObject

_LOOKS, _BETWEEN = 4, 0.3  # of connections that nobody accepts, in seconds
#: Of one processor. What waits for ever takes nothing; what runs in a circle takes what a busy machine leaves it.
_SPINS_FROM = 0.08
_LISTENING = "0A"
_FULL_FROM = 0.9  # of the files that it may open

How = Literal["", "deadlocked", "spinning"]


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


def condition_of(pid: int) -> Condition | None:
    """Blocking, a second at most; None for a process that is gone or not ours to see."""
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
        waiting = _unaccepted(pid)
        if not waiting:
            return Condition(open_files=open_files, open_files_limit=limit, memory_bytes=memory)
        began, before = time.monotonic(), _cpu(process)
        stuck = True
        for _ in range(_LOOKS - 1):
            time.sleep(_BETWEEN)
            now = _unaccepted(pid)
            stuck = stuck and now >= waiting
            waiting = now
        share = (_cpu(process) - before) / (time.monotonic() - began)
    except (psutil.Error, OSError):
        return None
    how: How = "" if not stuck or not waiting else "spinning" if share >= _SPINS_FROM else "deadlocked"
    return Condition(
        hung=how,
        unaccepted=waiting,
        open_files=open_files,
        open_files_limit=limit,
        memory_bytes=memory,
        cpu_share=round(share, 2),
    )


def _cpu(process: object) -> float:
    times = process.cpu_times()  # type: ignore[attr-defined]
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
