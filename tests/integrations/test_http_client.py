"""core.http and the web check against real servers on loopback: bounds, redirects, the guard, TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from real_parts import connector_for, system, tcp_server

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.errors import BadReply, Timeout, Unreachable
from opsteward.core.http_client import HttpClient, NetworkPolicy, failure_kind, resolve_host, safe_url
from opsteward.integrations.web import INTEGRATION

LOOPBACK = NetworkPolicy(allow_private=True)
seen: list[tuple[str, dict[str, str]]] = []


async def _page(request: web.Request) -> web.StreamResponse:
    seen.append((request.path, dict(request.headers)))
    kind = request.match_info["kind"]
    if kind == "hop":
        left = int(request.query["n"])
        raise web.HTTPFound(f"/hop?n={left - 1}" if left else "/ok?token=s3cret")
    if kind == "to":
        raise web.HTTPFound(request.query["url"])
    if kind == "big":
        return web.Response(body=b"x" * 1_000_000)
    if kind == "slow":
        await asyncio.sleep(float(request.query.get("s", "30")))
    if kind == "error":
        page = "<html><title>Out of &lt;order&gt;\n</title><body>stack trace</body></html>"
        return web.Response(status=503, text=page, content_type="text/html")
    return web.Response(text="fine", status=int(request.query.get("status", "200")))


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{kind}", _page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def check(url: str, **settings: Any) -> CheckResult:
    target = system(url, **settings)
    return await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, {}), target)


async def test_a_reply_with_its_redirects(site: str) -> None:
    reply = await HttpClient(LOOPBACK).fetch(f"{site}/hop?n=2")
    assert (reply.status, reply.text()) == (200, "fine")
    assert reply.redirects == (f"{site}/hop", f"{site}/hop", f"{site}/ok")
    assert "s3cret" not in repr(reply)
    assert reply.seconds > 0


async def test_too_many_redirects_and_redirects_to_elsewhere(site: str) -> None:
    with pytest.raises(BadReply, match=r"redirects more than 20 times: .*/hop -> .* -> .*/hop"):
        await HttpClient(LOOPBACK).fetch(f"{site}/hop?n=30")
    for bad in ("file:///etc/passwd", "http://", "gopher://x/"):
        with pytest.raises(BadReply):
            await HttpClient(LOOPBACK).fetch(f"{site}/to?url={bad}")


async def test_a_redirect_to_a_forbidden_address_is_refused(site: str) -> None:
    for target in ("http://169.254.169.254/latest/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"):
        with pytest.raises(Unreachable) as caught:
            await HttpClient(LOOPBACK).fetch(f"{site}/to?url={target}")
        assert failure_kind(caught.value) == "policy"


async def test_headers_never_go_to_another_origin(site: str) -> None:
    port = site.rpartition(":")[2]
    seen.clear()
    await HttpClient(LOOPBACK).fetch(
        f"http://ops:s3cret@127.0.0.1:{port}/to?url=http://localhost:{port}/ok", headers={"X-Api-Key": "k"}
    )
    (first, sent), (second, resent) = seen
    assert (first, second) == ("/to", "/ok")
    assert sent["Authorization"].startswith("Basic ") and sent["X-Api-Key"] == "k"
    assert "Authorization" not in resent and "X-Api-Key" not in resent


async def test_the_body_is_bounded(site: str) -> None:
    reply = await HttpClient(LOOPBACK, max_bytes=1000).fetch(f"{site}/big")
    assert (len(reply.body), reply.truncated) == (1000, True)


async def test_the_time_is_bounded_over_all_hops(site: str) -> None:
    with pytest.raises(Timeout) as caught:
        await HttpClient(LOOPBACK, timeout=0.2).fetch(f"{site}/slow?token=s3cret")
    assert "s3cret" not in str(caught.value)


async def test_an_endless_body_does_not_outlive_the_timeout() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with tcp_server(drip) as port:
        with pytest.raises(Timeout):
            await HttpClient(LOOPBACK, timeout=0.3).fetch(f"http://127.0.0.1:{port}/")


def _write_self_signed(key_path: Path, cert_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))
    cert_path.write_bytes(cert.public_bytes(pem))


async def test_tls_trouble_is_named(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    _write_self_signed(key, cert)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(Unreachable, match="self-signed") as caught:
            await HttpClient(LOOPBACK).fetch(f"https://127.0.0.1:{port}/")
        assert failure_kind(caught.value) == "tls"
    finally:
        server.close()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with tcp_server(plain) as plain_port:
        result = await check(f"https://127.0.0.1:{plain_port}/")
    assert (result.status, result.evidence["kind"]) == (CheckStatus.FAIL, "tls")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
    ],
)
def test_private_addresses_need_the_policy(address: str) -> None:
    assert NetworkPolicy().refusal("shop", address)
    assert LOOPBACK.refusal("shop", address) is None
    assert NetworkPolicy(allowed_hosts=frozenset({"shop"})).refusal("SHOP.", address) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ],
)
def test_metadata_multicast_and_reserved_addresses_are_always_refused(address: str) -> None:
    everything = NetworkPolicy(allow_private=True, allowed_hosts=frozenset({"shop"}))
    assert everything.refusal("shop", address)


def test_public_addresses_are_allowed() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"):
        assert NetworkPolicy().refusal("shop", address) is None


_SPELLINGS = """
import asyncio
from opsteward.core.errors import Unreachable
from opsteward.core.http_client import NetworkPolicy, resolve_host
for host in ("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1"):
    try:
        print(host, asyncio.run(resolve_host(host, 80, NetworkPolicy())))
    except Unreachable as refused:
        print(host, refused.extra["kind"])
"""


def test_other_spellings_of_loopback_are_refused_too() -> None:
    # In a process of its own: here the tests' own guard takes some of these numbers for names.
    told = subprocess.run([sys.executable, "-c", _SPELLINGS], capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in told.splitlines()] == ["policy"] * 5


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
async def test_names_that_do_not_resolve(host: str) -> None:
    with pytest.raises(Unreachable) as caught:
        await resolve_host(host, 80, LOOPBACK)
    assert failure_kind(caught.value) == "dns"


def test_safe_url_keeps_no_secret() -> None:
    assert safe_url("https://ops:s3cret@shop:81/a?token=s3cret#s3cret") == "https://shop:81/a"
    assert safe_url("http://[::1") == "(unreadable URL)"


# the web check


async def test_the_web_check_passes_warns_and_fails(site: str) -> None:
    assert (await check(f"{site}/ok")).status is CheckStatus.PASS
    slow = await check(f"{site}/slow?s=0.05", response_time_seconds=0.01)
    assert (slow.status, [f.type for f in slow.findings]) == (CheckStatus.WARN, ["http_slow"])
    late = await check(f"{site}/slow", timeout_seconds=0.2)
    assert (late.status, late.evidence["kind"]) == (CheckStatus.FAIL, "timeout")
    failed = await check(f"{site}/error")
    (finding,) = failed.findings
    assert (failed.status, finding.type, finding.cause_rank) == (CheckStatus.FAIL, "http_error", 8)
    assert finding.evidence["page_title"] == "Out of <order>"
    assert "stack trace" in finding.evidence["body_excerpt"]
    assert not finding.fixes


@pytest.mark.parametrize(
    ("status", "expect", "ok"),
    [(404, "200-399", False), (404, 404, True), (204, "200,204", True), (500, ["200-299", 500], True)],
)
async def test_expected_status(site: str, status: int, expect: object, ok: bool) -> None:
    result = await check(f"{site}/ok?status={status}", expect_status=expect)
    assert (result.status is CheckStatus.PASS) == ok


@pytest.mark.parametrize(
    ("status", "expect", "ok"),
    [
        (200, 'status == 200 and latency < 5 and body contains "fine"', True),
        (200, 'body contains "broken"', False),
        (200, 'json.status == "ok"', False),
        (503, "status == 503", True),
        (503, 'body contains "fine"', False),
        (200, "status == 503", False),
        (200, "redirects == 0 and headers.content-type != null", True),
    ],
)
async def test_an_expected_condition(site: str, status: int, expect: str, ok: bool) -> None:
    result = await check(f"{site}/ok?status={status}", expect=expect)
    assert (result.status is CheckStatus.PASS) == ok
