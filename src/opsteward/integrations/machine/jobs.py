"""What a job that runs by a schedule leaves behind: a file that is written anew each time."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from opsteward.integrations.machine.paths import look_at_path


@dataclass(frozen=True, kw_only=True)
class JobTrace:
    """How long ago the job wrote its file, and how large that is."""

    age_seconds: float
    size_bytes: int


async def look_at_trace(path: str, timeout: float) -> JobTrace | None:
    """None where there is no file. Raises Unreachable where we may not look, Timeout."""
    try:
        seen = await look_at_path(os.stat, path, timeout)
    except FileNotFoundError:
        return None
    return JobTrace(age_seconds=round(time.time() - seen.st_mtime, 3), size_bytes=seen.st_size)
