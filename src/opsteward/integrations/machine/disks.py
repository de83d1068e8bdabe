"""How full a file system is. One that hangs (a file server that is gone) costs one thread, not one at each look."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Timeout, Unreachable

_RDONLY = os.ST_RDONLY
_hanging: set[str] = set()


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
    if path in _hanging:
        raise Timeout(f"{path} still does not answer")
    _hanging.add(path)
    look = asyncio.ensure_future(in_thread(_measured, path))
    look.add_done_callback(partial(_answered, path))
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.shield(look)
    except TimeoutError:
        raise Timeout(f"{path} did not answer within {timeout:g} s") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable path"
        raise Unreachable(f"{path} can't be looked at: {reason}") from None


def _answered(path: str, look: asyncio.Future[Disk]) -> None:
    _hanging.discard(path)
    if not look.cancelled():
        look.exception()  # nobody may wait for it any more


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
