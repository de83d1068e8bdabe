"""How long to wait before the next try: longer each time, up to a limit, and never for all at the same moment."""

from __future__ import annotations

import random
from collections.abc import Iterator


def backoff(failures: int, *, factor: float, limit: float) -> float:
    """Seconds to wait after so many failures in a row: `factor` to that power, 1 second after none, at most `limit`."""
    try:
        return min(limit, factor**failures)
    except OverflowError:
        return limit


def with_jitter(seconds: float) -> float:
    """Between half of it and all of it at random, so that what failed together is not tried again together."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


def growing_pauses(first: float, *, limit: float, factor: float = 2.0) -> Iterator[float]:
    """Pauses in seconds, each `factor` times as long as the one before, up to `limit`; it never ends."""
    pause = first
    while True:
        yield pause
        pause = min(pause * factor, limit)
