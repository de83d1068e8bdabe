"""The shop's connections: few, short-lived, and opened by the request that needs one.

psycopg's own pool opens connections in the background and waits seconds between attempts after a refusal; the
shop must serve again at once when connections can be had again, so this one has no background and no waiting.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from opsteward.lab.folder import ConnectArgs


class Pool:
    """At most `size` connections, each kept for at most `lifetime` seconds. Belongs to one event loop."""

    def __init__(self, connect_args: ConnectArgs, *, size: int, lifetime: float, wait: float) -> None:
        self._connect_args = connect_args
        self._slots = asyncio.Semaphore(size)
        self._lifetime = lifetime
        self._wait = wait
        self._idle: list[tuple[float, AsyncConnection]] = []  # (end of life, connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A working connection in autocommit.

        Raises TimeoutError when none is free or opened within the pool's `wait` seconds, and psycopg's
        OperationalError when the server refuses one.
        """
        async with asyncio.timeout(self._wait):
            await self._slots.acquire()
            try:
                expires_at, connection = await self._take()
            except BaseException:
                self._slots.release()
                raise
        try:
            yield connection
        finally:
            try:
                await self._give_back(expires_at, connection)
            finally:
                self._slots.release()

    async def close(self) -> None:
        """Close what is idle; connections in use are closed by their users' requests ending."""
        idle, self._idle = self._idle, []
        for _, connection in idle:
            await connection.close()

    async def _take(self) -> tuple[float, AsyncConnection]:
        now = time.monotonic()
        expired = [connection for expires_at, connection in self._idle if expires_at <= now]
        self._idle = [kept for kept in self._idle if kept[0] > now]
        for connection in expired:
            await connection.close()
        while self._idle:
            expires_at, connection = self._idle.pop()
            if not _ended_by_server(connection):
                return expires_at, connection
            await connection.close()
        connection = await AsyncConnection.connect(**self._connect_args, autocommit=True)
        return time.monotonic() + self._lifetime, connection

    async def _give_back(self, expires_at: float, connection: AsyncConnection) -> None:
        if connection.info.transaction_status is TransactionStatus.IDLE and time.monotonic() < expires_at:
            self._idle.append((expires_at, connection))
        else:
            await connection.close()


def _ended_by_server(connection: AsyncConnection) -> bool:
    """Whether the server hung up. An idle session has nothing to say: anything to read is its farewell."""
    if connection.closed:
        return True
    readable, _, _ = select.select([connection.pgconn.socket], [], [], 0)
    return bool(readable)
