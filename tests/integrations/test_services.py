"""Services in their own protocol: a real Redis, a real TLS server, and servers that answer oddly or not at all."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from real_parts import connector_for, system

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.errors import AuthFailed
from opsteward.integrations.services import INTEGRATION

REDIS = shutil.which("redis-server")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def check(url: str, credentials: dict[str, str] | None = None, **settings: Any) -> CheckResult:
    target = system(url, **settings)
    return await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, credentials or {}), target)


@asynccontextmanager
async def server(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


def says(*answers: bytes) -> Talk:
    """Says the first by itself, each other one after something was said to it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for place, answer in enumerate(answers):
            if place:
                await reader.read(1000)
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return talk


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if REDIS is None:
        assert not os.environ.get("CI"), "redis-server is missing"
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen(
        [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "s3cret", "--dir", folder],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert any("eady to accept connections" in line for line in process.stdout)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def test_a_redis_answers_and_refuses_wrong_credentials(redis: int) -> None:
    right = await check(f"redis://127.0.0.1:{redis}", {"password": "s3cret"}, expect='answer == "PONG" and latency < 5')
    assert (right.status, right.evidence["answer"]) == (CheckStatus.PASS, "PONG")
    assert right.seconds is not None
    named = await check(f"redis://127.0.0.1:{redis}", {"username": "default", "password": "s3cret"})
    assert named.status is CheckStatus.PASS
    for credentials in ({}, {"password": "wrong\r\nPING"}):
        with pytest.raises(AuthFailed):
            await check(f"redis://127.0.0.1:{redis}", credentials)


async def test_nobody_there_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for scheme in ("tcp", "tls", "redis", "smtp", "imap", "amqp"):
        result = await check(f"{scheme}://127.0.0.1:{port}")
        assert (result.status, result.findings[0].type) == (CheckStatus.FAIL, "service_unreachable"), scheme


ANSWERS: dict[str, tuple[str, tuple[bytes, ...], bool]] = {
    "smtp": ("smtp", (b"220-mail\r\n220 ready\r\n", b"250-mail\r\n250 SIZE\r\n"), True),
    "smtp busy": ("smtp", (b"421 too busy\r\n",), False),
    "smtp refuses": ("smtp", (b"220 ready\r\n", b"502 no\r\n"), False),
    "smtp without end": ("smtp", (b"220-more\r\n" * 200,), False),
    "imap": ("imap", (b"* OK hello\r\n", b"* 1 EXISTS\r\na1 OK done\r\n"), True),
    "imap leaves": ("imap", (b"* BYE overloaded\r\n",), False),
    "imap refuses": ("imap", (b"* OK hello\r\n", b"a1 BAD no\r\n"), False),
    "amqp": ("amqp", (b"", b"\x01\x00\x00\x00\x00\x00\x10\x00\x0a\x00\x0a" + b"x" * 12), True),
    "amqp of another version": ("amqp", (b"", b"AMQP\x00\x01\x00\x00...."), False),
    "redis loads": ("redis", (b"", b"-LOADING Redis is loading\r\n"), False),
    "redis is no redis": ("redis", (b"HTTP/1.1 400 Bad Request\r\n\r\n",), False),
    "a line without end": ("smtp", (b"220 " + b"x" * 200_000,), False),
    "no text": ("imap", (b"\xff\x00\xfe\r\n",), False),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_what_a_service_says_is_judged(case: str) -> None:
    scheme, answers, fine = ANSWERS[case]
    async with server(says(*answers)) as port:
        result = await check(f"{scheme}://127.0.0.1:{port}")
    assert (result.status is CheckStatus.PASS) == fine
    assert result.status in (CheckStatus.PASS, CheckStatus.FAIL)
    assert "\x00" not in result.summary


async def test_a_mail_server_that_has_strangers_wait_answers() -> None:
    async def screens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-mail.example.org waits\r\n")
        assert await reader.read() == b"", "who speaks before the greeting is over is taken for a spammer"

    async with server(screens) as port:
        result = await check(f"smtp://127.0.0.1:{port}")
    assert (result.status, result.evidence["answer"]) == (CheckStatus.PASS, "220-mail.example.org waits")


async def test_a_mail_server_is_greeted_by_an_address_since_it_may_look_names_up() -> None:
    async def strict(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        said = await reader.readline()
        writer.write(b"250 mail\r\n" if said == b"EHLO [127.0.0.1]\r\n" else b"450 4.7.1 Host not found\r\n")
        await reader.read()

    async with server(strict) as port:
        assert (await check(f"smtp://127.0.0.1:{port}")).status is CheckStatus.PASS


async def test_one_that_accepts_and_then_is_silent_is_late_not_stuck() -> None:
    async with server(says(b"")) as port:
        result = await check(f"smtp://127.0.0.1:{port}", timeout_seconds=0.2)
    assert (result.status, "within 0.2 s" in result.summary) == (CheckStatus.FAIL, True)


async def test_one_that_drips_is_late_as_a_whole() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(drip) as port:
        assert (await check(f"smtp://127.0.0.1:{port}", timeout_seconds=0.3)).status is CheckStatus.FAIL


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "10",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


async def test_a_certificate_is_verified_and_its_end_is_foreseen(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    async with server(says(b""), context) as port:
        unknown = await check(f"tls://localhost:{port}")
        assert (unknown.status, "not valid" in unknown.summary) == (CheckStatus.FAIL, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        soon = await check(f"tls://localhost:{port}")
        assert (soon.status, soon.findings[0].type) == (CheckStatus.WARN, "certificate_ends")
        assert (await check(f"tls://localhost:{port}", certificate_warn_days=5)).status is CheckStatus.PASS
        short = await check(f"tls://localhost:{port}", certificate_warn_days=5, expect="certificate_days > 30")
        assert (short.status, short.findings[0].type) == (CheckStatus.FAIL, "service_unexpected")
        elsewhere = await check(f"tls://127.0.0.1:{port}")
        assert elsewhere.status is CheckStatus.FAIL, "the certificate is not this host's"


async def test_no_tls_where_tls_is_wanted_is_a_failure() -> None:
    async with server(says(b"220 plain\r\n")) as port:
        assert (await check(f"smtps://127.0.0.1:{port}")).status is CheckStatus.FAIL
