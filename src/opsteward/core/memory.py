"""Memory that this process does not need any more goes back to the system.

The C library keeps what threads have freed in a heap of each thread: after a few large bodies, each parsed on another
thread, a process holds hundreds of megabytes in which there is nothing. Where it is not glibc, nothing is done here.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from pathlib import Path

from opsteward.core.blocking_calls import in_thread

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # mallopt's names for them
_LARGE = 1024 * 1024  # bytes: what is larger goes back as soon as it is free
_HEAPS = 2
_EVERY = 5.0  # seconds between two looks
_GROWN = 32 * 1024 * 1024  # bytes more than after the last time that are worth looking through the heaps
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def keep_few_heaps() -> None:
    """To be called before there are threads: they share a few heaps, and what is large stands in none."""
    if (library := _library()) is not None:
        library.mallopt(_ARENA_MAX, _HEAPS)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)


async def give_back_memory() -> None:
    """Give back what is free whenever the process has grown, until cancelled."""
    library = _library()
    if library is None:
        return
    least = resident()
    while True:
        await asyncio.sleep(_EVERY)
        least = min(least, resident())
        if resident() > least + _GROWN:
            await in_thread(library.malloc_trim, 0)
            least = resident()


def resident() -> int:
    """Bytes of memory that this process takes up now; Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
