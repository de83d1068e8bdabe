"""The way from the customers to the shop: ends TLS and passes bytes on, as `network/gateway.json` says.

    {"delay": 0.0, "reset_after": null, "plain": false}

`delay` in seconds before the first byte goes through, `reset_after` bytes of an answer after which the connection is
broken off, `plain` answers without TLS. Certificate and configuration are read anew for each connection.
Run by the lab's supervisor as `python -m opsteward.lab.gateway HOME`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from opsteward.lab.folder import LabFacts, LabFolder, write_private
from opsteward.lab.pidfiles import write_pidfile

_PATIENCE = 10.0  # seconds for one connection, both ways


class Way(TypedDict):
    """How connections are treated."""

    delay: float
    reset_after: int | None
    plain: bool


USUAL: Way = {"delay": 0.0, "reset_after": None, "plain": False}


def set_way(folder: LabFolder, way: Way = USUAL) -> None:
    """How connections are treated from the next one on."""
    folder.network.mkdir(exist_ok=True, mode=0o700)
    write_private(folder.network / "gateway.json", json.dumps(way))


class Gateway:
    """One connection at a time is nothing special: each has a task of its own."""

    def __init__(self, folder: LabFolder, facts: LabFacts) -> None:
        self._folder = folder
        self._facts = facts

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", self._facts.gateway_port)
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way: Way = json.loads((self._folder.network / "gateway.json").read_text())
        try:
            async with asyncio.timeout(_PATIENCE):
                if not way["plain"]:
                    await writer.start_tls(self._context())
                await asyncio.sleep(way["delay"])
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._facts.shop_port)
                try:
                    there = asyncio.create_task(_copy(reader, inner_writer))
                    if await _copy(inner_reader, writer, limit=way["reset_after"]):
                        _reset(writer)
                    there.cancel()
                finally:
                    inner_writer.close()
        except (OSError, TimeoutError, ssl.SSLError):
            pass
        finally:
            with suppress(OSError):
                writer.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder.tls / "server.pem", self._folder.tls / "server.key")
        return context


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: int | None = None) -> bool:
    """Whether the limit was reached before the end."""
    passed = 0
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data if limit is None else data[: limit - passed])
            await writer.drain()
            passed += len(data)
            if limit is not None and passed >= limit:
                return True
    return False


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off as a firewall does."""
    number = writer.get_extra_info("socket")
    with suppress(OSError):
        number.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def main() -> None:
    folder = LabFolder(Path(sys.argv[1]).resolve())
    write_pidfile(folder.run / "gateway.json")
    with suppress(KeyboardInterrupt):
        asyncio.run(Gateway(folder, LabFacts.load(folder)).serve())


if __name__ == "__main__":
    main()
