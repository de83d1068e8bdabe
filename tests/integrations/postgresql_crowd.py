"""Sessions that crowd a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from diagnosed_server import ROLES, Server, new_server
from real_parts import eventually

SOON: dict[str, Any] = {
    "application_share": 0.05, "busy_share": 0.05, "failed_transaction_seconds": 0.001, "idle_pool_sessions": 1,
    "idle_pool_seconds": 0.001, "new_sessions_per_second": 0.001, "lock_waiters": 2, "lock_seconds": 0.001,
    "exclusive_lock_seconds": 0.001, "lock_table_share": 0.0001, "waiting_sessions": 1, "waiting_share": 0.01,
    "piled_up_sessions": 2, "piled_up_seconds": 0.001, "temp_bytes_now": 1, "old_transaction_seconds": 0.001,
    "long_vacuum_seconds": 0.001, "replication_lag_bytes": 1, "replication_lag_seconds": 0.001,
    "standby_conflicts_per_hour": 0.001, "slow_statement_seconds": 0.0001, "slow_statement_calls": 1,
    "slow_statement_share": 0.0, "statement_temp_bytes": 1, "disk_share": 0.0001,
}  # fmt: skip


class Crowd:
    """Sessions of a test, and statements that they run meanwhile; all are over at its end."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._open: list[psycopg.Connection[Any]] = []
        self._pool = ThreadPoolExecutor(12)

    def session(self, *statements: str, role: str = "shop", name: str = "shop-web") -> psycopg.Connection[Any]:
        """A session that has run these."""
        connection = self.server.connect("healthy", role, application_name=name)
        self._open.append(connection)
        for statement in statements:
            connection.execute(statement.encode())
        return connection

    def runs(self, connection: psycopg.Connection[Any], statement: str) -> Future[Any]:
        """It runs this in the background, whatever becomes of it."""
        return self._pool.submit(connection.execute, statement.encode())

    async def until(self, condition: str) -> None:
        async def holds() -> bool:
            return bool(self.server.one(condition, "healthy"))

        await eventually(holds)

    def close(self) -> None:
        pids = [one.info.backend_pid for one in self._open if not one.closed]
        self.server.run(f"select pg_terminate_backend(pid, 3000) from unnest(array{pids}::int[]) pid")
        self._pool.shutdown()
        for one in self._open:
            one.close()


@contextmanager
def healthy_server() -> Iterator[Server]:
    """With a database `healthy`, and what its faults need."""
    with new_server() as one:
        one.configure(
            {"wal_level": "logical", "max_connections": "40", "autovacuum_max_workers": "1", "hot_standby": "on",
             "track_commit_timestamp": "off", "max_locks_per_transaction": "20"}
        )  # fmt: skip
        one.start()
        one.run(ROLES)
        one.run(
            "create table stock (id int primary key, n int);\n"
            "insert into stock select i, 0 from generate_series(1, 20) i;\n"
            "grant all on stock to shop;\ncreate table hall (n int);\ngrant all on hall to shop;\n"
            "grant set on parameter deadlock_timeout to shop",
            "healthy",
        )
        yield one
