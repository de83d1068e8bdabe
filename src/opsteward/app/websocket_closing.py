"""How the server's WebSockets part from a peer that reads nothing: it is told why, and then cut off.

uvicorn's own waits, before a farewell and after it, until the peer reads: one that never does would neither be told
nor ever let go of its place. What this rests on in uvicorn is held by tests/database/test_parting.py.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: What may wait for one peer, in the kernel and here: enough for a page of changes, and soon full when nobody reads.
_KERNEL_BYTES, _OUR_BYTES = 65_536, 32_768
_FAREWELL = 30.0  # seconds that a peer has to read what still waits for it


class WebSocketClosing(WebSocketsSansIOProtocol):
    """One WebSocket of the server. `on_lost` is called when it is gone."""

    on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """The HTTP connection has become ours."""
        super().connection_made(transport)
        taken = transport.get_extra_info("socket")
        if taken is not None:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=_OUR_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self.on_lost is not None:
            self.on_lost()
        super().connection_lost(exc)

    async def send(self, message: ASGISendEvent) -> None:
        """A close goes out behind whatever waits, instead of waiting with us until all of that is read."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.close":
            self._cut_off_in(_FAREWELL)

    def keepalive_timeout(self) -> None:
        """It has not answered a ping in time."""
        super().keepalive_timeout()
        self._cut_off_in(_FAREWELL)

    def shutdown(self) -> None:
        """The server goes down."""
        super().shutdown()
        self._cut_off_in(1.0)

    def _cut_off_in(self, seconds: float) -> None:
        self.loop.call_later(seconds, self.transport.abort)
