"""Which process is which: on its machine, and as the database sees its sessions."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path

import psutil


def host_key() -> str:
    """This machine, this boot, this process-id namespace: within it a pid can be asked for directly."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = ""
    with suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return f"{socket.gethostname()}|{boot.read_text().strip() if boot.exists() else ''}|{space}"


def started_mark(pid: int) -> float | None:
    """When a process of this machine began, for telling it from a later one with the same number; None: it is gone.

    Clock ticks since the boot, which no step of the clock moves; where there is no /proc, seconds since 1970.
    """
    if not Path("/proc/self/stat").exists():
        try:
            return float(psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None
    try:
        # The program's name, in parentheses, may hold anything: what counts comes behind it.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else float(ticks)


def session_mark(host: str | None = None, pid: int | None = None, started: float | None = None) -> str:
    """What the names of a process's database sessions end with, 12 characters; without arguments, this process's."""
    if host is None:
        host, pid = host_key(), os.getpid()
        started = started_mark(pid)
    return hashlib.blake2s(f"{host}|{pid}|{started}".encode(), digest_size=6).hexdigest()
