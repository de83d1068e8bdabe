"""Blocking calls on threads of our own.

`asyncio.to_thread` would use the engine's small pool (it takes over the loop's default executor), where one hanging
outside system could hold up the recording of every workflow's steps.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="blocking")
_waiting = ThreadPoolExecutor(max_workers=128, thread_name_prefix="waiting")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function without holding up the event loop; cancelling stops the waiting, not the function."""
    return await _run(_threads, function, *args, **kwargs)


async def in_waiting_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `in_thread`, for what waits for others: many servers or disks that hang keep nothing else from a thread."""
    return await _run(_waiting, function, *args, **kwargs)


async def _run(pool: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    context = contextvars.copy_context()
    call = partial(context.run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, call)
