"""Lines that wait to be stored: bounded in bytes, and fair, so that a sender that floods loses its own lines."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

#: What a line costs beyond its bytes.
_OVERHEAD = 300


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it came: of which tenant, from which address, when."""

    tenant: UUID
    sender: str
    received_at: datetime
    content: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(self.content) + _OVERHEAD


class LineBuffer:
    """Of one event loop. `limit`: bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._waiting: dict[str, deque[Line]] = {}  # by sender, in the order in which they are served next
        self._bytes_of: dict[str, int] = {}
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, line: Line) -> list[Line]:
        """Keep the line. Where there is no room, the newest lines of whoever has most waiting give way; given are those
        that are lost, which may be this one."""
        lost: list[Line] = []
        while self._bytes + line.size > self._limit:
            most = max(self._bytes_of, key=self._bytes_of.__getitem__, default=None)
            if most is None or self._bytes_of[most] <= self._bytes_of.get(line.sender, 0) + line.size:
                return [*lost, line]
            lost.append(self._waiting[most].pop())
            self._forget(most, lost[-1])
        self._waiting.setdefault(line.sender, deque()).append(line)
        self._bytes_of[line.sender] = self._bytes_of.get(line.sender, 0) + line.size
        self._bytes += line.size
        self._filled.set()
        return lost

    def has_room(self, sender: str) -> bool:
        """Whether a sender that can wait should send on: it has less than an eighth waiting, and half is free."""
        return self._bytes_of.get(sender, 0) * 8 < self._limit and self._bytes * 2 < self._limit

    async def room(self, sender: str) -> None:
        """Wait until the sender should send on."""
        while not self.has_room(sender):
            self._taken.clear()
            await self._taken.wait()

    async def filled(self) -> None:
        """Wait until there is a line."""
        await self._filled.wait()

    def take(self, lines: int, size: int) -> list[Line]:
        """Up to so many lines and about so many bytes, one of each sender in turn."""
        taken: list[Line] = []
        while self._waiting and len(taken) < lines and size > 0:
            sender = next(iter(self._waiting))
            queue = self._waiting.pop(sender)
            line = queue.popleft()
            taken.append(line)
            size -= line.size
            if queue:
                self._waiting[sender] = queue  # behind the others
            self._forget(sender, line)
        if not self._waiting:
            self._filled.clear()
        self._taken.set()
        return taken

    def _forget(self, sender: str, line: Line) -> None:
        self._bytes -= line.size
        self._bytes_of[sender] -= line.size
        if not self._bytes_of[sender]:
            del self._bytes_of[sender]
            self._waiting.pop(sender, None)
