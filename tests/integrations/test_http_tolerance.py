"""Servers that every browser gets along with are healthy for us too: real sockets that send the bytes as they stand."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from real_parts import connector_for, system, tcp_server

from opsteward.contracts.check import CheckStatus
from opsteward.core.errors import BadReply
from opsteward.core.http_client import HttpClient, HttpReply, NetworkPolicy
from opsteward.core.http_client.reply_head import first_head
from opsteward.integrations.web import INTEGRATION

LOOPBACK = NetworkPolicy(allow_private=True)
OK = b"HTTP/1.1 200 OK\r\n"
HI = b"Content-Length: 2\r\n\r\nhi"

Answer = Callable[[str, dict[str, str]], bytes]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server that answers each request, by its target and headers, with these bytes; then it hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        writer.write(answer(first.split(" ")[1], headers))
        await writer.drain()

    async with tcp_server(serve) as port:
        yield f"http://127.0.0.1:{port}"


async def fetched(raw: bytes, *, method: str = "GET") -> HttpReply:
    async with answering(lambda target, headers: raw) as site:
        return await HttpClient(LOOPBACK, timeout=5).fetch(f"{site}/", method=method)


def big_headers(size: int, count: int) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (number, b"y" * size) for number in range(count))


@pytest.mark.parametrize(
    "raw",
    [
        OK + big_headers(10_000, 1) + HI,
        OK + big_headers(65_000, 1) + HI,
        OK + big_headers(6_000, 40) + HI,
        OK + big_headers(10, 1_500) + HI,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" * 3 + OK + HI,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + HI,
        b"HTTP/1.0 200 OK\r\n\r\nhi",
        b"HTTP/1.1 200\r\n" + HI,
        b"http/1.1 200 d\xe9j\xe0\r\n" + HI,
        b"\r\n" + OK + HI,
        b"HTTP/1.1 200 OK\nContent-Length: 2\nX-A: b\n\nhi",
        OK + b"X-A: one\r\n two\r\n\tthree\r\n" + HI,
        OK + b"X-A : one\r\nno header at all\r\nX\xe9: two\r\n" + HI,
        OK + b"X-A: a\x00b\r\nX-B: a\x01b\r\n" + HI,
        OK + b"Content-Length: 2\r\n" + HI,
        OK + b"Content-Length: 2, 2\r\n\r\nhi",
        OK + b"Content-Length: -1\r\n\r\nhi",
        OK + b"Content-Length: two\r\n\r\nhi",
        OK + b"Content-Length: 2\r\n\r\nhi there",
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2;x=1\r\nhi\r\n0\r\nX-A: b\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n" + HI,
        OK + b"Set-Cookie: =\r\nSet-Cookie: a=b;Expires=never;Max-Age=x;Domain=..\r\n" + HI,
        OK + b"Set-Cookie: " + b"a=b;" * 16_000 + b"\r\n" + HI,
    ],
    ids=lambda raw: repr(raw[:60]),
)  # fmt: skip
async def test_odd_heads_are_read(raw: bytes) -> None:
    reply = await fetched(raw)
    assert (reply.status, reply.text(), reply.incomplete) == (200, "hi", False)


async def test_heads_are_read_alike_however_they_are_cut() -> None:
    raw = b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OK + b"X-A: b\r\n" + HI

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in raw:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with tcp_server(drip) as port:
        reply = await HttpClient(LOOPBACK, timeout=5).fetch(f"http://127.0.0.1:{port}/")
    assert (reply.status, reply.text(), reply.headers["x-a"]) == (200, "hi", "b")
    assert [first_head(raw[:end], method="GET") is None for end in (1, 10, 20, 27, 28)] == [
        True,
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "piece",
    [b"X: " + b"y" * 1_000 + b"\r\n", b"z" * 10_000, b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" * 50],
    ids=["headers", "one header", "early hints"],
)
async def test_headers_without_end_are_bounded(piece: bytes) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"" if piece.startswith(b"HTTP") else OK + b"A: ")
        while True:
            writer.write(piece)
            await writer.drain()

    async with tcp_server(flood) as port:
        with pytest.raises(BadReply, match="more than 256 KB of headers"):
            await HttpClient(LOOPBACK, timeout=20).fetch(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-OpenSSH_9\r\n", b"<html>", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"]
)
async def test_what_no_browser_takes_is_no_http(raw: bytes) -> None:
    with pytest.raises(BadReply, match="did not answer in valid HTTP"):
        await fetched(raw)


async def test_bodies_that_break_off() -> None:
    for raw in (
        OK + b"Content-Length: 100\r\n\r\nhi",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n20\r\nhi",
    ):
        reply = await fetched(raw)
        assert (reply.status, reply.text(), reply.incomplete) == (200, "hi", True)
    for raw in (OK + b"Content-Length: 100\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhi"):
        with pytest.raises(BadReply, match="broke its answer off"):  # at once, not after the timeout
            await fetched(raw)


async def test_replies_without_a_body() -> None:
    assert (await fetched(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")).body == b""
    assert (await fetched(OK + b"Content-Length: 500\r\n\r\n", method="HEAD")).status == 200


async def test_a_stream_of_events_is_judged_by_its_head() -> None:
    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Type: text/event-stream; charset=utf-8\r\n\r\ndata: x\n\n")
        await reader.read()  # until the other end hangs up

    async with tcp_server(stream) as port:
        reply = await HttpClient(LOOPBACK, timeout=5).fetch(f"http://127.0.0.1:{port}/")
    assert (reply.status, reply.truncated) == (200, True)


async def test_compressed_bodies_are_read_within_bounds() -> None:
    page = b"<title>Out of order</title>"
    raw_deflate = zlib.compressobj(wbits=-15)
    for coding, body, text in (
        (b"gzip", gzip.compress(page), page.decode()),
        (b"X-GZIP", gzip.compress(page[:9]) + gzip.compress(page[9:]), page.decode()),
        (b"deflate", zlib.compress(page), page.decode()),
        (b"deflate", raw_deflate.compress(page) + raw_deflate.flush(), page.decode()),
        (b"gzip, identity", gzip.compress(page), page.decode()),
        (b"gzip", b"not gzip", ""),
        (b"br", b"\x0b\x02", ""),
        (b"zstd", b"\x28\xb5\x2f\xfd", ""),
    ):
        reply = await fetched(OK + b"Content-Encoding: %s\r\n\r\n" % coding + body)
        assert (reply.status, reply.text()) == (200, text)
    bomb = await fetched(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(50_000_000)))
    assert len(bomb.plain_body() or b"") == 1_000_000
    assert "\x00" not in bomb.text(100)  # what no database takes as text


# redirects


def redirect(location: bytes, *, status: int = 302, cookies: tuple[bytes, ...] = ()) -> bytes:
    set_cookies = b"".join(b"Set-Cookie: %s\r\n" % cookie for cookie in cookies)
    return b"HTTP/1.1 %d Moved\r\nLocation: %s\r\n%sContent-Length: 0\r\n\r\n" % (status, location, set_cookies)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"c", "/a/c"),
        (b"?q=%2C%7e", "/a/b?q=%2C%7e"),  # as written: a signed address must not change
        (b"/a%2Cb%2F?s=a%2Bb+c%3D%26", "/a%2Cb%2F?s=a%2Bb+c%3D%26"),
        (b"/c#part", "/c"),
        (b" /two words ", "/two%20words"),
        (b"/sp\tlit", "/split"),
        (b"../../z", "/z"),
        (b"\\back\\slash", "/back/slash"),
        ("/é?ü".encode(), "/%C3%A9?%C3%BC"),
        (b"/caf\xe9", "/caf%E9"),
        (b"HTTP://127.0.0.1:{port}/UP", "/UP"),
        (b"//127.0.0.1:{port}/s", "/s"),
        (b"http:/a/x", "/a/x"),
        (b"http://2130706433:{port}/number", "/number"),
        (b"/%zz", "/%zz"),
    ],
)
@pytest.mark.parametrize("status", [301, 308])
async def test_locations_are_read_as_browsers_read_them(location: bytes, target: str, status: int) -> None:
    asked: list[str] = []

    def answer(path: str, headers: dict[str, str]) -> bytes:
        asked.append(path)
        port = headers["host"].rpartition(":")[2].encode()
        return redirect(location.replace(b"{port}", port), status=status) if path == "/a/b" else OK + HI

    async with answering(answer) as site:
        reply = await HttpClient(LOOPBACK, timeout=5).fetch(f"{site}/a/b")
    assert (reply.status, asked) == (200, ["/a/b", target])


@pytest.mark.parametrize(
    "location", [b"http://", b"http://a b/", b"http://x:99999/", b"mailto:a@b", b"file:///etc/passwd"]
)
async def test_redirects_to_nowhere_are_told(location: bytes) -> None:
    with pytest.raises(BadReply, match=r"is no URL|not an http"):
        await fetched(redirect(location))


async def test_a_redirect_without_location_is_an_answer_and_its_body_is_not_waited_for() -> None:
    assert (await fetched(b"HTTP/1.1 302 Found\r\n" + HI)).status == 302

    async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/there" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK + HI)
        else:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 100\r\n\r\nMoved")
            await reader.read()

    async with tcp_server(never_ends) as port:
        assert (await HttpClient(LOOPBACK, timeout=5).fetch(f"http://127.0.0.1:{port}/")).status == 200


async def test_a_circle_is_told_with_its_way() -> None:
    def answer(path: str, headers: dict[str, str]) -> bytes:
        return redirect({"/a": b"/b?token=s3cret", "/b?token=s3cret": b"/a"}[path])

    async with answering(answer) as site:
        with pytest.raises(BadReply, match=r"in a circle: \S+/a -> \S+/b -> \S+/a$") as caught:
            await HttpClient(LOOPBACK).fetch(f"{site}/a")
    assert "s3cret" not in str(caught.value)


# cookies


async def cookies_seen(site_of: Callable[[str, dict[str, str]], bytes], start: str) -> HttpReply:
    async with answering(site_of) as site:
        return await HttpClient(LOOPBACK, timeout=5).fetch(f"{site}{start}")


@pytest.mark.parametrize(
    ("set_cookies", "path", "sent"),
    [
        ((b"s=1; Path=/",), "/a/x", "s=1"),
        ((b"s=1",), "/a/x", "s=1"),  # the path of who set it
        ((b"s=1",), "/b", ""),
        ((b"s=1; Path=/b",), "/a/x", ""),
        ((b"s=1; Path=/a",), "/ab", ""),
        ((b"s=1; Path=/; Secure",), "/b", ""),
        ((b"s=1; Path=/; Domain=example.com",), "/b", ""),
        ((b"s=1; Path=/; Max-Age=0",), "/b", ""),
        ((b"s=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",), "/b", ""),
        ((b"s=1; Path=/; Expires=Fri, 31 Dec 2100 00:00:00 GMT; HttpOnly; SameSite=Lax",), "/b", "s=1"),
        ((b"s=1; Path=/", b"s=2; Path=/", b"t=3; Path=/"), "/b", "s=2; t=3"),
        ((b's={"a":1}; Path=/', b"t=a b/c=; Path=/"), "/b", 's={"a":1}; t=a b/c='),
    ],
)
async def test_cookies_go_along_where_they_are_for(set_cookies: tuple[bytes, ...], path: str, sent: str) -> None:
    told: list[str] = []

    def answer(target: str, headers: dict[str, str]) -> bytes:
        if target == "/a/set":
            return redirect(path.encode(), cookies=set_cookies)
        told.append(headers.get("cookie", ""))
        return OK + HI

    await cookies_seen(answer, "/a/set")
    assert told == [sent]


async def test_cookies_never_reach_another_host_nor_the_next_look() -> None:
    told: list[str] = []

    def answer(target: str, headers: dict[str, str]) -> bytes:
        told.append(headers.get("cookie", ""))
        port = headers["host"].rpartition(":")[2].encode()
        return redirect(b"http://localhost:%s/end" % port, cookies=(b"s=1; Path=/",)) if target == "/" else OK + HI

    async with answering(answer) as site:
        client = HttpClient(LOOPBACK, timeout=5)
        await client.fetch(f"{site}/")
        await client.fetch(f"{site}/")
    assert told == ["", "", "", ""]


async def test_the_web_check_of_a_site_that_asks_for_its_cookie_back() -> None:
    def answer(path: str, headers: dict[str, str]) -> bytes:
        if headers.get("cookie") != "session=1":
            return redirect(path.encode(), cookies=(b"session=1; Path=/",))
        return OK + b"Content-Security-Policy: default-src " + b"x" * 60_000 + b"\r\n" + HI

    async with answering(answer) as site:
        target = system(f"{site}/cookie")
        result = await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, {}), target)
    assert (result.status, result.evidence["redirects"]) == (CheckStatus.PASS, [f"{site}/cookie"])
