"""Looks at paths, of which one may hang (a file server that is gone): that costs one thread, not one at each look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from opsteward.core.blocking_calls import in_waiting_thread
from opsteward.core.errors import Timeout, Unreachable

T = TypeVar("T")
#: Those that have not ended; who looks meanwhile waits for the same.
_looks: dict[tuple[Callable[[str], Any], str], asyncio.Future[Any]] = {}


async def look_at_path(function: Callable[[str], T], path: str, timeout: float) -> T:
    """What the blocking function gives for the path. Raises Unreachable, Timeout, FileNotFoundError."""
    key = (function, path)
    if key not in _looks:
        _looks[key] = asyncio.ensure_future(in_waiting_thread(function, path))
        _looks[key].add_done_callback(lambda look: _ended(key, look))
    look: asyncio.Future[T] = _looks[key]
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.shield(look)
    except TimeoutError:
        raise Timeout(f"{path} did not answer within {timeout:g} s") from None
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable path"
        raise Unreachable(f"{path} can't be looked at: {reason}", extra={"kind": "local"}) from None


def _ended(key: tuple[Callable[[str], Any], str], look: asyncio.Future[Any]) -> None:
    del _looks[key]
    if not look.cancelled():
        look.exception()  # nobody may wait for it any more
