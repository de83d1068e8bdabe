"""What a peer may send to the server and how slowly, and how many connections there may be: over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect

from opsteward.app import connection_limits, request_limits
from opsteward.app.connection_limits import ConnectionLimits, connections_within
from opsteward.app.request_limits import HttpConnection
from opsteward.app.websocket_closing import WebSocketClosing

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Application:
    """Reads each body and answers with its length, below /large with so many bytes, at /slow when `go` is set; a
    WebSocket is accepted and kept until it goes."""

    def __init__(self) -> None:
        self.taken: list[int | None] = []
        self.unread = False
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        size, more = 0, not self.unread
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.taken.append(None)
                return
            size, more = size + len(message["body"]), message["more_body"]
        self.taken.append(size)
        body = str(size).encode()
        if scope["path"].startswith("/large/"):
            body = bytes(int(scope["path"].rpartition("/")[2]))
        elif scope["path"] == "/slow":
            await self.go.wait()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Served:
    """A running server."""

    def __init__(self, port: int, limits: ConnectionLimits, application: Application) -> None:
        self.port, self.limits, self.application = port, limits, application

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def status_of(self, request: bytes) -> tuple[int, dict[str, Any]]:
        """The status of the first answer, and its problem document if it is one; 0 for none."""
        reader, writer = await self.open()
        try:
            writer.write(request)
            return await answer_on(reader)
        finally:
            writer.close()


async def answer_on(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    async with asyncio.timeout(20):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return 0, {}
        status = int(head.split()[1])
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
    return status, json.loads(body) if status != 200 else {}


@asynccontextmanager
async def served(total: int = 100, per_address: int = 100, trusted: tuple[str, ...] = ()) -> AsyncIterator[Served]:
    limits = ConnectionLimits(total=total, per_address=per_address, trusted=[ip_network(one) for one in trusted])
    application = Application()
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=cast(Any, partial(HttpConnection, limits=limits)),
        ws=WebSocketClosing,  # type: ignore[arg-type]
        lifespan="off",
        log_config=None,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield Served(listener.getsockname()[1], limits, application)
    finally:
        await server.shutdown(sockets=[listener])


def with_headers(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", b""])


async def test_headers_are_limited_in_bytes_and_number() -> None:
    host = b"Host: x"
    async with served() as server:
        assert (await server.status_of(with_headers(host, b"A: " + b"a" * 30_000, b"Content-Length: 0")))[0] == 200
        for request in (
            with_headers(host, b"A: " + b"a" * 40_000),
            with_headers(host, *[b"A: " + b"a" * 400] * 90),
            with_headers(host, *[b"A: b"] * 101),
            with_headers(host, b"A: " + b"a" * 5_000_000),
            b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000,  # and no end of it
            b"GET / HTTP/1.0\r\nA: " + b"a" * 40_000 + b"\r\n\r\n",
            with_headers(host, b"Upgrade: websocket", b"Connection: upgrade", b"A: " + b"a" * 40_000),
        ):
            status, problem = await server.status_of(request)
            assert (status, problem["code"]) == (431, "headers_too_large"), request[:80]
            assert problem["remedy"]
        assert server.application.taken == [0]


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([b"Host: a", b"Host: b"], "host"),
        ([b"Host: a", b"Host: a"], "host"),
        ([], "host"),
        ([b"Host: x", b"Authorization: Bearer a", b"Authorization: Bearer b"], "authorization"),
        ([b"Host: x", b"Content-Type: text/plain", b"Content-Type: application/json"], "content-type"),
        ([b"Host: x", b"Content-Length: 1", b"Content-Length: 1"], ""),
        ([b"Host: x", b"Content-Length: 1", b"Transfer-Encoding: chunked"], ""),
        ([b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], ""),
        ([b"Host: x", b"Content-Length: -1"], ""),
        ([b"Host : x"], ""),
        ([b"Host: a", b"Host: b", b"Upgrade: websocket", b"Connection: upgrade"], "host"),
    ],
)
async def test_what_two_readers_would_take_differently_is_refused(lines: list[bytes], field: str) -> None:
    async with served() as server:
        status, problem = await server.status_of(with_headers(*lines) + b"x")
        assert (status, problem["code"]) == (400, "malformed")
        assert field in {error["field"] for error in problem["errors"]} or not field
        assert server.application.taken == []


async def test_half_sent_headers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "HEADER_SECONDS", 0.2)
    async with served() as server:
        assert (await server.status_of(b"GET / HTTP/1.1\r\nHost: x\r\nA: "))[0] == 408
        assert (await server.status_of(b""))[0] == 0, "it never asked, and is closed"
        reader, writer = await server.open()
        writer.write(GET)
        assert (await answer_on(reader))[0] == 200
        writer.write(b"GET / HTTP/1.1\r\n")  # the second request of a connection as well
        assert (await answer_on(reader))[0] == 408
        writer.close()


async def test_a_body_must_bring_something_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(request_limits, "BODY_BYTES", 100)
    async with served() as server:
        status, problem = await server.status_of(with_headers(b"Host: x", b"Content-Length: 10000") + b"x" * 10)
        assert (status, problem["code"]) == (408, "request_timeout")
        assert server.application.taken == [None], "who reads it hears that it has ended"
        reader, writer = await server.open()
        writer.write(with_headers(b"Host: x", b"Content-Length: 1000"))
        for _ in range(10):
            writer.write(b"x" * 100)
            await asyncio.sleep(0.08)
        assert (await answer_on(reader))[0] == 200
        writer.close()


async def test_an_early_answer_is_heard_and_the_rest_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "REST_SECONDS", 0.2)
    async with served() as server:
        server.application.unread = True
        reader, writer = await server.open()
        writer.write(with_headers(b"Host: x", b"Content-Length: 100000") + b"x" * 1000)
        assert (await answer_on(reader))[0] == 200
        async with asyncio.timeout(5):
            assert await reader.read() == b"", "and is closed"
        writer.close()


async def test_framing_without_content_is_refused() -> None:
    head = with_headers(b"Host: x", b"Transfer-Encoding: chunked")
    async with served() as server:
        assert (await server.status_of(head + b"1;" + b"e" * 2_000_000))[0] == 400
        assert (await server.status_of(head + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"))[0] == 200
        status, _ = await server.status_of(head + b"2\r\n[]\r\n0\r\nX: " + b"a" * 2_000_000)
        assert status in (0, 400)


async def test_few_requests_may_be_sent_ahead() -> None:
    async with served() as server:
        reader, writer = await server.open()
        writer.write(GET * 10)
        for _ in range(10):
            assert (await answer_on(reader))[0] == 200
        writer.close()
        await server.status_of(GET * 10_000)
        assert len(server.application.taken) < 100


async def test_who_waits_is_let_go_for_who_comes() -> None:
    async with served(total=20, per_address=10) as server:
        waiting = [await server.open() for _ in range(40)]
        for _ in range(5):
            assert (await server.status_of(GET))[0] == 200
        assert server.limits.open <= 10
        for _, writer in waiting:
            writer.close()


async def test_when_all_are_at_work_a_newcomer_is_told() -> None:
    async with served(total=20, per_address=4) as server:
        begun = [await server.open() for _ in range(4)]
        for _, writer in begun:
            writer.write(GET.replace(b"/ ", b"/slow "))
        async with asyncio.timeout(10):
            while server.limits._addresses["127.0.0.1"].waiting:
                await asyncio.sleep(0.01)
        status, problem = await server.status_of(GET)
        assert (status, problem["code"]) == (503, "too_many_connections")
        server.application.go.set()
        assert (await answer_on(begun[0][0]))[0] == 200
        assert (await server.status_of(GET))[0] == 200
        for _, writer in begun:
            writer.close()


async def test_whose_body_is_awaited_longest_is_let_go_for_who_comes() -> None:
    async with served(total=20, per_address=4) as server:
        half = with_headers(b"Host: x", b"Content-Length: 3") + b"x"
        begun = [await server.open() for _ in range(4)]
        for _, writer in begun:
            writer.write(half)
        async with asyncio.timeout(10):
            while server.limits.open < 4 or len(server.limits._addresses["127.0.0.1"].waiting) < 4:
                await asyncio.sleep(0.01)
        assert (await server.status_of(GET))[0] == 200
        left = [await reader.read() for reader, _ in begun[:1]]
        assert left == [b""]
        begun[3][1].write(b"xx")
        assert (await answer_on(begun[3][0]))[0] == 200
        for _, writer in begun:
            writer.close()


async def test_answers_that_nobody_reads_take_up_so_much_memory_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "UNREAD_BYTES_LIMIT", 40_000_000)
    async with served() as server:
        asked = []
        for number in range(4):
            one = socket.create_connection(("127.0.0.1", server.port))
            one.setblocking(False)
            one.sendall(GET.replace(b"/ ", b"/large/20000000 "))
            asked.append(one)
            async with asyncio.timeout(10):
                while len(server.application.taken) <= number or not server.limits.unread:
                    await asyncio.sleep(0.01)
        assert server.limits.unread <= 40_000_000
        assert server.limits.open < 4
        assert (await server.status_of(GET))[0] == 200
        for one in asked:
            one.close()
        async with asyncio.timeout(10):
            while server.limits.open:
                await asyncio.sleep(0.01)
        assert server.limits.unread == 0


async def test_a_large_answer_is_read_whole_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "UNREAD_BYTES_LIMIT", 1_000_000)
    async with served() as server:
        reader, writer = await server.open()
        writer.write(GET.replace(b"/ ", b"/large/20000000 "))
        await reader.readuntil(b"\r\n\r\n")
        assert len(await reader.readexactly(20_000_000)) == 20_000_000
        writer.close()


async def test_a_trusted_proxy_has_the_total_alone() -> None:
    async with served(total=20, per_address=4, trusted=("127.0.0.0/8",)) as server:
        waiting = [await server.open() for _ in range(15)]
        assert (await server.status_of(GET))[0] == 200
        assert server.limits.open >= 15
        for _, writer in waiting:
            writer.close()


async def test_a_websocket_keeps_its_place_until_it_is_gone() -> None:
    async with served(total=20, per_address=4) as server:
        async with connect(f"ws://127.0.0.1:{server.port}/") as one:
            for _ in range(10):
                assert (await server.status_of(GET))[0] == 200
            await (await one.ping())
            assert server.limits.open >= 1
        async with asyncio.timeout(10):
            while server.limits.open:
                await asyncio.sleep(0.01)


def test_connections_leave_descriptors_to_the_rest() -> None:
    assert connections_within(1024, 4096) == 768
    assert connections_within(20_000, 4096) == 4096
    assert connections_within(300, 4096) == 44
