"""A TCP proxy before a real server that breaks connections in the ways networks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class FaultProxy:
    """`mode`: pass, silent (accepts, and nothing comes), half_open (takes what is sent and never answers), truncate
    (closes in the middle of an answer), drip (a byte every tenth of a second), refuse (closes at once), cut (closes
    after `bytes_left` more bytes of answers). `passed`: bytes of answers so far."""

    target: int
    port: int = 0
    mode: str = "pass"
    bytes_left: int = 0
    passed: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def break_connections(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            writer.transport.abort()
            return
        self.writers.add(writer)
        with suppress(OSError, asyncio.CancelledError):
            if self.mode == "silent":
                await asyncio.sleep(3600)
            upstream, down = await asyncio.open_connection("127.0.0.1", self.target)
            self.writers.add(down)
            up = asyncio.create_task(self._copy(reader, down, faulty=False))
            try:
                await self._copy(upstream, writer, faulty=True)
            finally:
                up.cancel()
                down.transport.abort()
                writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, faulty: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if faulty and self.mode == "truncate" and len(data) > 1:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    writer.close()
                    return
                if faulty and self.mode == "cut":
                    data, self.bytes_left = data[: self.bytes_left], max(0, self.bytes_left - len(data))
                    writer.write(data)
                    await writer.drain()
                    if not self.bytes_left:
                        writer.close()
                        return
                    continue
                self.passed += len(data) if faulty else 0
                if faulty and self.mode == "drip":
                    for byte in data:
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(0.1)
                    continue
                if faulty and self.mode == "half_open":
                    await asyncio.sleep(3600)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def fault_proxy(target: int) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(target)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        proxy.tasks.add(task)
        await proxy.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
