"""What a job that runs by a schedule leaves behind: a file that is written anew each time."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Timeout, Unreachable


@dataclass(frozen=True, kw_only=True)
class JobTrace:
    """How long ago the job wrote its file, and how large that is."""

    age_seconds: float
    size_bytes: int


async def look_at_trace(path: str, timeout: float) -> JobTrace | None:
    """None where there is no file. Raises Unreachable where we may not look, Timeout."""
    try:
        async with asyncio.timeout(timeout):
            seen = await in_thread(os.stat, path)
    except FileNotFoundError:
        return None
    except TimeoutError:
        raise Timeout(f"{path} did not answer within {timeout:g} s") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable path"
        raise Unreachable(f"{path} can't be looked at: {reason}", extra={"kind": "local"}) from None
    return JobTrace(age_seconds=round(time.time() - seen.st_mtime, 3), size_bytes=seen.st_size)
