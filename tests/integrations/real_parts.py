"""What the integration tests are made of: systems, small TCP servers, sessions of a shop, supervised programs."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from opsteward.contracts.connector import Connector, SystemRef
from opsteward.contracts.integration import Integration
from opsteward.integrations.supervisor.client import ProcessInfo
from opsteward.integrations.supervisor.connector import SupervisorConnector

NOBODY = UUID(int=0)


def system(endpoint: str, *, health_check_url: str | None = None, **settings: Any) -> SystemRef:
    return SystemRef(
        id=NOBODY,
        tenant_id=NOBODY,
        name="a-system",
        type="service",
        endpoint=endpoint,
        health_check_url=health_check_url,
        settings=settings,
    )


def connector_for(integration: Integration, target: SystemRef, credentials: Mapping[str, str]) -> Connector[Any]:
    assert integration.connector is not None
    return integration.connector(integration.connector.config_for(target, credentials))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def closed_port() -> Iterator[int]:
    """A loopback port that refuses connections for the block: bound, so that nobody takes it, but not listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def accepts(path: Path) -> bool:
    """Whether somebody listens on the unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    """Waits until the condition holds; fails the test when it never does."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def tcp_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A TCP server on loopback that lives for the block; yields its port."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# PostgreSQL


@dataclass(frozen=True)
class Postgres:
    """The server over TCP, and its roles: `monitor` may look and signal, `blind` may neither."""

    port: int
    socket_dir: str

    def dsn(self, role: str = "postgres", dbname: str = "shop", **options: str) -> str:
        return psycopg.conninfo.make_conninfo("", host="127.0.0.1", port=self.port, user=role, dbname=dbname, **options)

    def endpoint(self, dbname: str = "shop") -> str:
        return f"postgresql://127.0.0.1:{self.port}/{dbname}"


SCHEMA = """
create role shop login; create role shop_limited login connection limit 8;
create role pool login; create role replicator login replication;
create role monitor login; grant pg_monitor, pg_signal_backend to monitor;
create role watcher login; grant pg_monitor to watcher;
create role blind login; create role locked login password 'right-password'; create role boss login superuser;
create table stock (id int primary key, n int); insert into stock select i, 0 from generate_series(1, 20) i;
grant all on stock to shop, shop_limited, pool, replicator, boss;
"""


class Sessions:
    """Opens sessions as the shop would, and sees to their end."""

    def __init__(self, postgres: Postgres, stack: AsyncExitStack) -> None:
        self.postgres = postgres
        self._stack = stack
        self._tasks: list[asyncio.Task[Any]] = []

    async def open(self, role: str = "shop", name: str = "shop-web") -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self.postgres.dsn(role, application_name=name), autocommit=True
        )
        self._stack.push_async_callback(connection.close)
        return connection

    def run(self, connection: psycopg.AsyncConnection[Any], statement: str) -> asyncio.Task[Any]:
        """Runs a statement in the background, whatever becomes of it."""

        async def attempt() -> None:
            with suppress(psycopg.Error):
                await connection.execute(statement.encode())

        task = asyncio.create_task(attempt())
        self._tasks.append(task)
        return task

    def forever(self, connection: psycopg.AsyncConnection[Any], statement: str) -> asyncio.Task[Any]:
        """Runs a statement over and over, as a client that gives up and comes back."""

        async def attempts() -> None:
            while not connection.closed:
                try:
                    await connection.execute(statement.encode())
                except psycopg.Error:
                    await asyncio.sleep(0)

        task = asyncio.create_task(attempts())
        self._tasks.append(task)
        return task

    async def scalar(self, query: str, *params: Any) -> Any:
        async with await psycopg.AsyncConnection.connect(self.postgres.dsn(), autocommit=True) as admin:
            row = await (await admin.execute(query.encode(), params)).fetchone()
            return row[0] if row else None

    async def blocked(self, pid: int) -> bool:
        return bool(await self.scalar("select cardinality(pg_blocking_pids(%s)) > 0", pid))

    async def alive(self, pid: int) -> bool:
        return bool(await self.scalar("select count(*) from pg_stat_activity where pid = %s", pid))

    async def end_all(self) -> None:
        """No session outlives its test: a closed client alone does not end a statement on the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        others = "from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        await self.scalar(f"select count(pg_terminate_backend(pid, 5000)) {others}")


# supervisord

PROGRAM = """
[program:{name}]
command={command}
autostart={autostart}
autorestart=false
startsecs=1
stopwaitsecs=1
startretries=0
stdout_logfile=NONE
stderr_logfile={folder}/{name}.err
"""

SLEEPER = f"{sys.executable} -S -c \"import sys,time; print('up', file=sys.stderr); time.sleep(600)\""
FAILING = f"{sys.executable} -S -c \"import sys; print('no database', file=sys.stderr); sys.exit(3)\""


@dataclass(frozen=True)
class Supervisord:
    """The server's socket and a client; programs: web, worker, other (sleep), broken (fails), spare (off)."""

    socket_path: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        return f"supervisor+unix://{self.socket_path}"

    def via(self, **settings: Any) -> SupervisorConnector:
        credentials = {"username": "ops", "password": "pass-word"}
        return SupervisorConnector(SupervisorConnector.config_for(system(self.endpoint, **settings), credentials))

    async def running(self, name: str) -> ProcessInfo:
        """The process, started if need be, once it runs."""
        client = self.via().client
        await client.begin_start(name)

        async def up() -> bool:
            return (await client.process(name)).statename == "RUNNING"

        await eventually(up)
        return await client.process(name)
