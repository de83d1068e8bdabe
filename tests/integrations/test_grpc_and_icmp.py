"""The health service of a real gRPC server (grpcio), servers that only resemble one, and ICMP over the kernel."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from real_parts import closed_port, connector_for, system, tcp_server

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.errors import AuthFailed, ConnectorError, Invalid
from opsteward.integrations.services import INTEGRATION


async def check(url: str, **settings: Any) -> CheckResult:
    target = system(url, **settings)
    return await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, {}), target)


class _Guarded(grpc.ServerInterceptor):
    """Refuses every call without credentials."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        def refuse(_: Any, context: Any) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")

        return grpc.unary_unary_rpc_method_handler(refuse)


def _server(*, certificate: tuple[Path, Path] | None = None, guarded: bool = False) -> tuple[grpc.Server, int]:
    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[_Guarded()] if guarded else [])
    states = health.HealthServicer()
    states.set("shop.Orders", health_pb2.HealthCheckResponse.SERVING)
    states.set("shop.Stock", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    if certificate:
        key, cert = certificate
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
        port = server.add_secure_port("localhost:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    running, port = _server()
    yield port
    running.stop(None).wait(5)


async def test_a_server_and_its_services_are_asked(server: int) -> None:
    where = f"grpc://127.0.0.1:{server}"
    whole = await check(where, expect='answer == "SERVING" and latency < 5')
    assert (whole.status, whole.evidence["answer"]) == (CheckStatus.PASS, "SERVING")
    assert (await check(f"{where}/shop.Orders")).status is CheckStatus.PASS
    stopped = await check(f"{where}/shop.Stock")
    assert (stopped.status, "shop.Stock is NOT_SERVING" in stopped.summary) == (CheckStatus.FAIL, True)
    unknown = await check(f"{where}/shop.Nothing")
    assert (unknown.status, "NOT_FOUND" in unknown.summary) == (CheckStatus.FAIL, True)


async def test_many_are_asked_side_by_side(server: int) -> None:
    results = await asyncio.gather(*(check(f"grpc://127.0.0.1:{server}/shop.Orders") for _ in range(50)))
    assert {result.status for result in results} == {CheckStatus.PASS}


async def test_refused_credentials_say_nothing_of_the_service() -> None:
    running, port = _server(guarded=True)
    try:
        with pytest.raises(AuthFailed):
            await check(f"grpc://127.0.0.1:{port}")
    finally:
        running.stop(None).wait(5)


async def test_over_tls_the_certificate_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    running, port = _server(certificate=(key, cert))
    try:
        assert "not valid" in (await check(f"grpcs://localhost:{port}")).summary
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert (await check(f"grpcs://localhost:{port}", expect="certificate_days > 80")).status is CheckStatus.PASS
        assert (await check(f"grpc://localhost:{port}")).status is CheckStatus.FAIL
    finally:
        running.stop(None).wait(5)


SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
ODD = {
    "http/1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "nothing": b"",
    "zeros": b"\x00" * 5000,
    "a frame too large": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 70_000,
    "goes away": SETTINGS + b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + b"\x00\x00\x00\x00\x00\x00\x00\x0b",
    "resets": SETTINGS + b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x07",
    "headers of no sense": SETTINGS + b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\xff\xff\xff\xff",
    "plain page": SETTINGS + b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88",
    "settings for ever": SETTINGS * 10_000,
}


@pytest.mark.parametrize("case", ODD)
async def test_what_only_resembles_a_grpc_server_fails(case: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(ODD[case])
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with tcp_server(answer) as port:
        result = await check(f"grpc://127.0.0.1:{port}", timeout_seconds=3)
    assert (result.status, result.findings[0].type) == (CheckStatus.FAIL, "service_unreachable")


async def test_nobody_there_fails() -> None:
    with closed_port() as port:
        assert (await check(f"grpc://127.0.0.1:{port}")).status is CheckStatus.FAIL


async def test_a_host_answers_an_echo_where_the_kernel_lets_us_send_one() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ping_group_range").read_text().split())
    if low <= high:
        import os

        allowed = low <= os.getegid() <= high
    if low > high or not allowed:
        with pytest.raises(ConnectorError):
            await check("icmp://127.0.0.1")
        return
    for host in ("127.0.0.1", "localhost"):
        seen = await check(f"icmp://{host}", expect="latency < 1")
        assert (seen.status, "echo from" in str(seen.evidence["answer"])) == (CheckStatus.PASS, True)
    several = await asyncio.gather(*(check("icmp://127.0.0.1") for _ in range(50)))
    assert {each.status for each in several} == {CheckStatus.PASS}


@pytest.mark.parametrize(
    "endpoint", ["grpc://host", "grpc://host:1/a b", "tcp://host:1/path", "icmp:host", "grpc://u@host:1", "icmp://h/x"]
)
def test_what_names_no_service_is_refused(endpoint: str) -> None:
    with pytest.raises(Invalid):
        connector_for(INTEGRATION, system(endpoint), {})
