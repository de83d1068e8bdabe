"""How a WebSocket ends whose peer reads nothing, and what that rests on in uvicorn, over a real socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from opsteward.app import websocket_closing
from opsteward.app.websocket_closing import WebSocketClosing

PIECE = "x" * 1000
WITHIN = 20.0  # seconds; far more than anything here takes


class Talker:
    """Sends until nothing is taken any more, and says goodbye."""

    def __init__(self) -> None:
        self.sent = 0
        self.parted = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.3):
                    await send({"type": "websocket.send", "text": PIECE})
                self.sent += 1
        async with asyncio.timeout(WITHIN):
            await send({"type": "websocket.close", "code": 1013, "reason": f"after {self.sent}"})
        self.parted.set()


@asynccontextmanager
async def served(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, ws=WebSocketClosing, lifespan="off", log_config=None))  # type: ignore[arg-type]
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    try:
        yield server, listener.getsockname()[1]
    finally:
        await server.shutdown(sockets=[listener])


@asynccontextmanager
async def stalled(port: int) -> AsyncIterator[ClientConnection]:
    """A client that takes a few messages in, and then reads no more until it is asked to."""
    taking = socket.socket()
    taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taking.setblocking(False)
    await asyncio.get_running_loop().sock_connect(taking, ("127.0.0.1", port))
    url = f"ws://127.0.0.1:{port}/"
    async with connect(url, sock=taking, max_queue=1, compression=None, ping_interval=None, close_timeout=1) as one:
        yield one


async def test_one_that_reads_late_is_told_why_behind_all_that_waited() -> None:
    talker = Talker()
    async with served(talker) as (_, port), stalled(port) as client:
        async with asyncio.timeout(WITHIN):
            await talker.parted.wait()
            assert 10 < talker.sent < 1000  # little waits for who reads nothing
            for _ in range(talker.sent):
                assert await client.recv() == PIECE
            with pytest.raises(ConnectionClosed) as closed:
                while True:  # the piece in which it was given up may or may not have gone out
                    await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, f"after {talker.sent}")


async def test_one_that_never_reads_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_closing, "_FAREWELL", 0.2)
    talker = Talker()
    async with served(talker) as (server, port), stalled(port) as client:
        async with asyncio.timeout(WITHIN):
            await talker.parted.wait()
            while server.server_state.connections:
                await asyncio.sleep(0.02)
        assert client.state is State.OPEN  # it has not read a thing since, not even that it is over


async def test_the_server_goes_down_in_spite_of_one_that_never_reads() -> None:
    talker = Talker()
    async with served(talker) as (server, port), stalled(port):
        async with asyncio.timeout(WITHIN):
            await talker.parted.wait()
            (held,) = server.server_state.connections
            held.shutdown()  # what the server does to each when it ends
            while server.server_state.connections:
                await asyncio.sleep(0.02)
