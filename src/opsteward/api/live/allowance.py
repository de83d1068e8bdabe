"""How many commands an operator may send over all of their connections: some at once, then so many a second."""

from __future__ import annotations

import asyncio

#: Commands that one operator may send at once, and how many more they may each second.
BURST, RATE = 100, 20.0


class Allowance:
    """One operator's, shared by their connections; for one event loop."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._seen = asyncio.get_running_loop().time()
        self._refusing = asyncio.Lock()

    def take(self) -> bool:
        """Whether there is something left for one more command, which it takes."""
        at = asyncio.get_running_loop().time()
        self._left = min(float(BURST), self._left + (at - self._seen) * RATE)
        self._seen = at
        if self._left < 1:
            return False
        self._left -= 1
        return True

    async def slow_down(self) -> None:
        """Wait before a further command is read: one connection after the other, so that many are refused no faster
        than one."""
        async with self._refusing:
            await asyncio.sleep(1 / RATE)
