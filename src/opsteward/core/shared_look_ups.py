"""Look-ups of many callers by one statement: who asks while one is under way is served by the next.

What is told was read after it was asked for, so that nobody gets what was true before.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Generic, TypeVar

RowT = TypeVar("RowT")
#: Gives the rows of these keys; a key that has none is left out.
Fetch = Callable[[Sequence[bytes]], Awaitable[Mapping[bytes, RowT]]]
_TOGETHER = 500


class SharedLookUps(Generic[RowT]):
    """Of one kind, in one event loop."""

    def __init__(self, fetch: Fetch[RowT]) -> None:
        self._fetch = fetch
        self._waiting: dict[bytes, list[asyncio.Future[RowT | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def find(self, key: bytes) -> RowT | None:
        """The row of this key, or None. Raises what fetching raises."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[RowT | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(found)
        if self._task is None:
            self._task = loop.create_task(self._run(), context=Context())
        return await found

    async def _run(self) -> None:
        asked: dict[bytes, list[asyncio.Future[RowT | None]]] = {}
        try:
            while self._waiting:
                keys = list(self._waiting)[:_TOGETHER]
                asked = {key: self._waiting.pop(key) for key in keys}
                try:
                    rows = await self._fetch(keys)
                except Exception as error:
                    _tell_all(asked, error)
                else:
                    for key, futures in asked.items():
                        for future in futures:
                            if not future.done():
                                future.set_result(rows.get(key))
        finally:
            self._task = None
            _tell_all(asked | self._waiting, asyncio.CancelledError())
            self._waiting = {}


def _tell_all(asked: Mapping[bytes, Sequence[asyncio.Future[RowT | None]]], error: BaseException) -> None:
    for futures in asked.values():
        for future in futures:
            if not future.done():
                if isinstance(error, asyncio.CancelledError):
                    future.cancel()
                else:
                    future.set_exception(copy.copy(error))
