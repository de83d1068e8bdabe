"""How full a file system is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from opsteward.core.errors import Unreachable
from opsteward.integrations.machine.paths import look_at_path

_RDONLY = os.ST_RDONLY


@dataclass(frozen=True, kw_only=True)
class Disk:
    """As `df` counts: percent of what ordinary processes may use. `inodes_used_percent` is None where the file system
    makes them as needed."""

    size_bytes: int
    free_bytes: int
    used_percent: float
    inodes_used_percent: float | None
    read_only: bool
    mounted: bool


async def look_at_disk(path: str, timeout: float) -> Disk:
    """Raises Unreachable for a path that is not there, Timeout."""
    try:
        return await look_at_path(_measured, path, timeout)
    except FileNotFoundError as error:
        raise Unreachable(f"{path} can't be looked at: {error.strerror}") from None


def _measured(path: str) -> Disk:
    seen = os.statvfs(path)
    used, free = seen.f_blocks - seen.f_bfree, seen.f_bavail
    inodes_used = seen.f_files - seen.f_ffree
    return Disk(
        size_bytes=(used + free) * seen.f_frsize,
        free_bytes=free * seen.f_frsize,
        used_percent=round(100 * used / (used + free), 4) if used + free else 0.0,
        inodes_used_percent=round(100 * inodes_used / seen.f_files, 4) if seen.f_files else None,
        read_only=bool(seen.f_flag & _RDONLY),
        mounted=os.path.ismount(path),
    )
