"""Why a connection to PostgreSQL was not made, told apart on real servers, each state made for real."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from diagnosed_server import Server, new_server
from real_parts import closed_port, eventually, system, tcp_server

from opsteward.contracts.check import CheckStatus, Finding
from opsteward.core.errors import Unreachable
from opsteward.integrations.postgresql.checks import ConnectCheck
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.diagnosis.connecting import REFUSALS, explain

#: For which there is a test below; the words of the rest are the network's own, and tried by themselves.
TRIED: set[str] = set()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with new_server() as one:
        hba = one.data / "pg_hba.conf"
        hba.write_text(
            "host all with_password 127.0.0.1/32 scram-sha-256\nhost all unwelcome 127.0.0.1/32 reject\n"
            "host all mapped 127.0.0.1/32 ident\n" + hba.read_text()
        )
        one.configure({"fsync": "off", "max_connections": "8", "superuser_reserved_connections": "1"})
        one.start()
        one.run(
            "create role plain login;\ncreate role with_password login password 'right';\n"
            "create role unwelcome login;\n"
            "create role mapped login;\ncreate role asleep nologin;\ncreate role few login connection limit 0;\n"
            "create database closed allow_connections false;\ncreate database small connection limit 0;\n"
            "create database private;\nrevoke connect on database private from public"
        )
        yield one


async def refused(endpoint: str, role: str = "plain", password: str = "", **settings: Any) -> Finding:
    target = system(endpoint, **settings)
    via = PostgresConnector(PostgresConnector.config_for(target, {"username": role, "password": password}))
    try:
        result = await ConnectCheck().run(via, target)
    finally:
        await via.close()
    assert result.status is CheckStatus.FAIL
    (finding,) = result.findings
    assert finding.type == "database_unreachable"
    assert password == "" or password not in str(finding)
    return finding


async def reason(endpoint: str, role: str = "plain", password: str = "", **settings: Any) -> str:
    finding = await refused(endpoint, role, password, **settings)
    TRIED.add(str(finding.evidence["reason"]))
    return str(finding.evidence["reason"])


@pytest.mark.parametrize(
    ("role", "password", "database", "expected"),
    [
        ("with_password", "not-this-one", "postgres", "wrong_password"),
        ("with_password", "", "postgres", "password_missing"),
        ("unwelcome", "", "postgres", "sign_in_rules_refuse"),
        ("mapped", "", "postgres", "other_authentication_failed"),
        ("nobody", "", "postgres", "no_such_role"),
        ("asleep", "", "postgres", "role_may_not_log_in"),
        ("plain", "", "nowhere", "no_such_database"),
        ("plain", "", "closed", "database_closed"),
        ("plain", "", "private", "connect_not_permitted"),
        ("few", "", "postgres", "role_connections_used_up"),
        ("plain", "", "small", "database_connections_used_up"),
        ("plain", "", "postgres?sslmode=require", "tls_not_offered"),
    ],
)
async def test_a_server_that_refuses_says_why(
    server: Server, role: str, password: str, database: str, expected: str
) -> None:
    assert await reason(f"postgresql://127.0.0.1:{server.port}/{database}", role, password) == expected


async def test_a_full_server_is_told_from_one_that_is_gone(server: Server) -> None:
    endpoint = f"postgresql://127.0.0.1:{server.port}/postgres"
    held = []
    try:
        with pytest.raises(psycopg.OperationalError):
            while True:
                held.append(server.connect(role="plain"))
        assert await reason(endpoint) == "server_connections_used_up"
    finally:
        for connection in held:
            connection.close()
    with closed_port() as port:
        assert await reason(f"postgresql://127.0.0.1:{port}/postgres") == "nothing_listens"
    assert await reason("postgresql:///postgres?host=/nowhere/at/all") == "nothing_listens"


async def test_what_is_no_postgresql_is_told(server: Server) -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    for answer, expected in ((http, "not_postgresql"), (closes, "closed_at_once"), (silent, "no_answer")):
        async with tcp_server(answer) as port:
            endpoint = f"postgresql://127.0.0.1:{port}/postgres"
            assert await reason(endpoint, connect_timeout_seconds=0.5) == expected


async def test_a_server_that_hangs_is_told_from_one_that_shuts_down(server: Server) -> None:
    endpoint = f"postgresql://127.0.0.1:{server.port}/postgres"
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    try:
        assert await reason(endpoint, connect_timeout_seconds=0.5) == "no_answer"
    finally:
        os.kill(postmaster, signal.SIGCONT)
    with server.connect():
        server.stop("smart", wait=False)

        async def shuts_down() -> bool:
            try:
                server.connect(role="plain").close()
            except psycopg.OperationalError:
                return True
            return False

        await eventually(shuts_down)
        assert await reason(endpoint) == "shutting_down"

    async def is_down() -> bool:
        return not (server.data / "postmaster.pid").exists()

    await eventually(is_down)
    await _in_recovery(server, endpoint)


async def _in_recovery(server: Server, endpoint: str) -> None:
    """Its log is fetched from an archive that takes its time; then a standby that takes no readers."""
    (server.data / "recovery.signal").touch()
    server.start(wait=False, restore_command="'sleep 3; false'", hot_standby="off")
    seen: set[str] = set()

    async def starts_up() -> bool:
        seen.add(await reason(endpoint))
        return "starting_up" in seen

    await eventually(starts_up)
    assert seen <= {"nothing_listens", "starting_up"}
    server.stop("immediate")
    (server.data / "recovery.signal").unlink()
    (server.data / "standby.signal").touch()
    server.start(wait=False, hot_standby="off")

    async def is_standby() -> bool:
        seen.add(await reason(endpoint))
        return "in_recovery" in seen

    await eventually(is_standby)
    server.stop("immediate")


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        ("dns", "db.example.test has no address", "host_unknown"),
        ("tcp", "No connection to PostgreSQL: connection to server failed: No route to host", "host_unreachable"),
        ("tls", "TLS to PostgreSQL failed: SSL error: certificate verify failed", "tls_fails"),
        ("refused", "PostgreSQL refused the connection: FATAL:  something new", "refused_otherwise"),
    ],
)
def test_words_of_the_network_have_their_reasons(kind: str, detail: str, expected: str) -> None:
    found = explain(Unreachable(detail, extra={"kind": kind}))
    TRIED.add(found.id)
    assert found.id == expected


def test_every_reason_was_tried() -> None:
    assert {refusal.id for refusal in REFUSALS} == TRIED
