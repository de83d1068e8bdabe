"""What sessions, locks, followers and running work look like while they do harm, seen by the PostgreSQL diagnosis."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from diagnosed_server import ROLES, Server, new_server
from real_parts import eventually

from opsteward.contracts.check import CheckStatus
from opsteward.events.standing_orders.document import FINDING_TYPES
from opsteward.integrations.postgresql.backend_sessions import TERMINATE
from opsteward.integrations.postgresql.diagnosis.catalogue import RULES, catalogue

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


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
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


@pytest.fixture
def crowd(server: Server) -> Iterator[Crowd]:
    one = Crowd(server)
    yield one
    one.close()


WAITS = "select count(*) = {} from pg_stat_activity where wait_event_type = 'Lock'"


async def test_who_takes_the_connections_and_leaves_transactions_behind(server: Server, crowd: Crowd) -> None:
    for _ in range(3):
        crowd.session("select 1", name="hoarder")
    crowd.session("select 1", name="other")
    failed = crowd.session("begin")
    with pytest.raises(psycopg.Error):
        failed.execute("select 1 / 0")
    told = await server.diagnose(**SOON)
    assert told.about("application_takes_connections", "application hoarder").evidence["held"] == 3
    left = told.about("failed_transaction_left_open", "database healthy")
    assert [fix.action for fix in left.fixes] == [TERMINATE]
    assert left.evidence["sessions"][0]["pid"] == failed.info.backend_pid
    assert told.about("pools_larger_than_needed", "server").evidence["unused"] == 4


async def test_new_connections_are_counted_while_it_watches(server: Server) -> None:
    async def visitors() -> None:
        for _ in range(5):
            await asyncio.to_thread(lambda: server.connect("healthy", "shop").close())
            await asyncio.sleep(0.05)

    coming = asyncio.create_task(visitors())
    told = await server.diagnose(**SOON | {"watch_seconds": 0.8})
    await coming
    assert told.about("connections_made_too_often", "database healthy").evidence["new_connections"] >= 1


async def test_advisory_locks_exclusive_locks_and_waiters(server: Server, crowd: Crowd) -> None:
    holder = crowd.session("begin", "select pg_advisory_xact_lock(42)", "lock table hall in access exclusive mode")
    crowd.runs(crowd.session(), "select pg_advisory_lock(42)")
    crowd.runs(crowd.session(), "select pg_advisory_lock(42)")
    await crowd.until(WAITS.format(2))
    told = await server.diagnose(**SOON)
    held = told.about("advisory_lock_held", "advisory lock 42")
    assert held.evidence["holders"][0]["pid"] == holder.info.backend_pid
    assert len(held.evidence["waiting"]) == 2
    assert [fix.action for fix in held.fixes] == [TERMINATE]
    assert told.about("table_locked_exclusively", "table public.hall").fixes
    assert told.about("many_lock_waiters", "database healthy").evidence["waiting"] == [2]
    assert told.about("lock_table_nearly_full", "server").evidence["used"] >= 1
    assert not (await server.diagnose()).of("lock_table_nearly_full")


async def test_ddl_behind_a_report_and_all_behind_it(server: Server, crowd: Crowd) -> None:
    report = crowd.session("begin", "select count(*) from stock", name="report")
    change = crowd.session(role="postgres")
    crowd.runs(change, "alter table stock add column m int")
    await crowd.until(WAITS.format(1))
    for _ in range(2):
        crowd.runs(crowd.session(), "select count(*) from stock")
    await crowd.until(WAITS.format(3))
    found = (await server.diagnose(**SOON)).about("ddl_blocks_others", "table public.stock")
    assert found.cause_rank == 0
    assert found.evidence["queue_length"] == 2
    assert found.evidence["waits_behind"][0]["pid"] == report.info.backend_pid
    assert not found.fixes  # the change is a superuser's


async def test_a_deadlock_is_seen_with_both_statements(server: Server, crowd: Crowd) -> None:
    one, other = (crowd.session("set deadlock_timeout = '20s'", "begin") for _ in range(2))
    one.execute("update stock set n = 1 where id = 1")
    other.execute("update stock set n = 1 where id = 2")
    crowd.runs(one, "update stock set n = 2 where id = 2 and 'secret' <> ''")
    crowd.runs(other, "update stock set n = 2 where id = 1")
    await crowd.until(WAITS.format(2))
    found = (await server.diagnose(**SOON)).about("deadlock_now", "database healthy")
    assert sorted(found.evidence["statements"]) == [
        "update stock set n = 2 where id = 1",
        "update stock set n = 2 where id = 2 and '?' <> '?'",
    ]


async def test_statements_that_pile_up_and_their_temporary_files(server: Server, crowd: Crowd) -> None:
    for _ in range(2):
        crowd.runs(crowd.session(), "select pg_sleep(30) from stock where id = 1")
    sorting = "select repeat('x', 100) || i from generate_series(1, 20000) i order by 1"
    crowd.session("set work_mem = '64kB'", "begin", f"declare c cursor for {sorting}", "fetch 1 from c")
    await crowd.until("select count(*) = 2 from pg_stat_activity where wait_event = 'PgSleep'")
    told = await server.diagnose(**SOON)
    assert told.about("statement_piles_up", "database healthy").evidence["count"] == 2
    assert told.about("temp_files_large_now", "server").evidence["bytes"] > 1_000_000
    old = told.of("vacuum_held_back_by_session")
    assert {finding.component for finding in old} >= {f"session {pid}" for pid in _pids(server, "PgSleep")}
    assert all(fix.action == TERMINATE for finding in old for fix in finding.fixes)


def _pids(server: Server, event: str) -> list[int]:
    with server.connect() as admin:
        found = admin.execute("select pid from pg_stat_activity where wait_event = %s", [event])
        return [row[0] for row in found.fetchall()]


async def test_waits_for_the_disk_and_for_latches(server: Server, crowd: Crowd) -> None:
    # Whoever writes the log holds the latch that all others need to commit; it is stopped in the middle of it.
    writer = crowd.session()
    crowd.runs(writer, "do $$ begin loop update stock set n = n + 1 where id = 1; commit; end loop; end $$")
    others = [crowd.session() for _ in range(2)]
    pid = writer.info.backend_pid
    stuck = "count(*) filter (where wait_event_type = 'LWLock' and backend_type = 'client backend') >= 2"
    writes = f"bool_or(wait_event_type = 'IO' and pid = {pid})"

    async def is_stuck() -> bool:
        os.kill(pid, signal.SIGSTOP)
        for number, other in enumerate(others, start=5):
            crowd.runs(other, f"update stock set n = n + 1 where id = {number}")
        await asyncio.sleep(0.05)
        found = bool(server.one(f"select {stuck} and {writes} from pg_stat_activity"))
        if not found:
            os.kill(pid, signal.SIGCONT)
        return found

    try:
        await eventually(is_stuck)
        told = await server.diagnose(**SOON | {"watch_seconds": 0.05})
    finally:
        os.kill(pid, signal.SIGCONT)
    assert told.about("sessions_wait_for_latches", "server").evidence["waiting"] == [2, 2, 2]
    assert told.about("sessions_wait_for_disk", "server").evidence["waiting"] == [1, 1, 1]


async def test_a_table_that_is_read_whole_is_a_cause_while_a_statement_does_it(server: Server, crowd: Crowd) -> None:
    made = "create table wide as select i, i as n from generate_series(1, 500) i"
    server.run(f"{made};\ngrant all on wide to shop", "healthy")
    for _ in range(6):
        server.run("select count(*) from wide where n = 1", "healthy")
    limits = {"scanned_rows": 200, "least_scans": 5, "scanned_rows_in_all": 1000}
    before = await server.diagnose(**limits)
    assert "sequential_scans" in {finding.type for finding in before.result.advice}
    crowd.runs(crowd.session(), "select count(*), pg_sleep(20) from wide where n = 2 and 'secret' <> ''")
    await crowd.until("select count(*) = 1 from pg_stat_activity where wait_event = 'PgSleep'")
    now = await server.diagnose(**limits)
    (found,) = [finding for finding in now.result.findings if finding.type == "sequential_scans"]
    assert found.evidence["running_now"] == ["select count(*), pg_sleep(20) from wide where n = 2 and '?' <> '?'"]


async def test_vacuums_that_run_long_and_workers_that_are_all_busy(server: Server, crowd: Crowd) -> None:
    slow = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1"
    made = "create table {0} as select i, repeat('x', 500) as t from generate_series(1, 2000) i;\ndelete from {0};\n"
    server.run(
        "".join(made.format(f"due_{n}") + f"alter table due_{n} set ({slow});\n" for n in range(3))
        + "alter system set autovacuum_naptime = '1s';\nselect pg_reload_conf()",
        "healthy",
    )
    try:
        await crowd.until("select count(*) = 1 from pg_stat_progress_vacuum")
        told = await server.diagnose(**SOON | {"watch_seconds": 0.02})
    finally:
        server.run("alter system reset autovacuum_naptime;\nselect pg_reload_conf()")
        server.run("select pg_terminate_backend(pid) from pg_stat_progress_vacuum")
        server.run("drop table due_0, due_1, due_2", "healthy")
    assert len(told.about("autovacuum_workers_busy", "server").evidence["due"]) >= 2
    assert told.of("vacuum_runs_long")[0].component.startswith("table due_")


async def test_commits_that_wait_for_a_standby_that_is_not_there(server: Server, crowd: Crowd) -> None:
    server.run("alter system set synchronous_standby_names = 'nowhere';\nselect pg_reload_conf()")
    try:
        await crowd.until("select setting = 'nowhere' from pg_settings where name = 'synchronous_standby_names'")
        crowd.runs(crowd.session(), "update stock set n = n + 1 where id = 9")
        await crowd.until("select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'")
        told = await server.diagnose(**SOON)
    finally:
        server.run("alter system reset synchronous_standby_names;\nselect pg_reload_conf()")
    assert told.about("commits_wait_for_standby", "synchronous replication").evidence["sessions"]
    assert "nowhere" in told.about("synchronous_standby_missing", "synchronous replication").description
    await crowd.until("select count(*) = 0 from pg_stat_activity where wait_event = 'SyncRep'")


async def test_a_subscription_that_meets_errors(server: Server, crowd: Crowd) -> None:
    server.run("create table copied (id int primary key);\ncreate publication p for table copied", "fresh")
    server.run("select pg_create_logical_replication_slot('sub', 'pgoutput')", "fresh")
    server.run(
        "create table copied (id int primary key);\ninsert into copied values (1);\n"
        f"create subscription sub connection 'host=127.0.0.1 port={server.port} user=postgres dbname=fresh'"
        " publication p with (create_slot = false, slot_name = sub, copy_data = false, disable_on_error = true)",
        "healthy",
    )
    server.run("insert into copied values (1)", "fresh")
    try:
        await crowd.until("select apply_error_count > 0 from pg_stat_subscription_stats")
        await crowd.until("select not subenabled from pg_subscription")
        told = await server.diagnose()
    finally:
        server.run(
            "alter subscription sub disable;\nalter subscription sub set (slot_name = none);\ndrop subscription sub",
            "healthy",
        )
        server.run("select pg_drop_replication_slot('sub')", "fresh")
    assert told.about("subscription_errors", "subscription sub").evidence["applying"] >= 1
    assert "disabled" in told.about("subscription_stopped", "subscription sub").description


@contextmanager
def standby_of(server: Server) -> Iterator[Server]:
    """A real standby of it, that streams."""
    with new_server() as other:
        shutil.rmtree(other.data)
        source = ("-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres")
        server.program("pg_basebackup", "-D", str(other.data), *source, "-R", "-X", "fetch", "-c", "fast", "--no-sync")
        other.start(max_standby_streaming_delay="0", wal_retrieve_retry_interval="50ms")
        yield other


@pytest.mark.slow(reason="makes a standby of a server, and loses it")
async def test_followers_and_standbys(server: Server, crowd: Crowd) -> None:
    with standby_of(server) as standby:
        streams = "select count(*) = 1 from pg_stat_wal_receiver where status = 'streaming'"
        await eventually(lambda: _holds(standby, streams))
        standby.run("select pg_wal_replay_pause()")
        await eventually(lambda: _holds(standby, "select pg_get_wal_replay_pause_state() = 'paused'"))
        server.run("update stock set n = n + 1", "healthy")
        late = await server.diagnose(**SOON)
        paused = await standby.diagnose()
        assert late.about("replication_lags", "follower walreceiver").evidence["behind_bytes"] > 0
        (fix,) = paused.about("standby_replay_paused", "standby").fixes
        assert fix.action == "postgresql.resume_replay"
        standby.run("select pg_wal_replay_resume()")
        await _cancel_on(standby, server)
        standby.run("alter system set recovery_min_apply_delay = '1h';\nselect pg_reload_conf()")
        server.run("update stock set n = n + 1", "healthy")
        behind = "select pg_last_wal_receive_lsn() <> pg_last_wal_replay_lsn()"
        await eventually(lambda: _holds(standby, behind))
        told = await standby.diagnose(**SOON)
        told.about("standby_replay_lags", "standby")
        assert told.about("standby_cancels_queries", "database healthy").evidence["conflicts"] >= 1
        standby.run("alter system reset recovery_min_apply_delay;\nselect pg_reload_conf()")
        standby.run("alter system set primary_conninfo = 'host=127.0.0.1 port=1';\nselect pg_reload_conf()")
        await eventually(lambda: _holds(standby, "select count(*) = 0 from pg_stat_wal_receiver"))
        (await standby.diagnose()).about("standby_disconnected", "standby")
    assert not (await server.diagnose()).of("replication_lags")


async def _cancel_on(standby: Server, server: Server) -> None:
    """A query on the standby that needs rows which VACUUM has removed."""
    with standby.connect("healthy") as reader:
        reader.execute("begin isolation level repeatable read")
        reader.execute("select count(*) from stock")
        server.run("delete from stock where id > 15;\nvacuum stock", "healthy")

        async def cancelled() -> bool:
            try:
                reader.execute("select count(*) from stock")
            except psycopg.Error:
                return True
            return False

        await eventually(cancelled)


async def _holds(server: Server, query: str) -> bool:
    return bool(server.one(query))


async def test_statements_in_any_encoding_are_told(server: Server) -> None:
    for name, encoding in (("odd", "SQL_ASCII"), ("western", "LATIN1")):
        server.run(f"create database {name} encoding '{encoding}' template template0")
    with server.connect("odd", "shop") as latin:
        latin.execute(b"begin")
        with pytest.raises(psycopg.Error):
            latin.execute(b"select 'x' + count(*) from caf\xe9")
        for database, mark in (("healthy", "\ufffd"), ("odd", "\ufffd"), ("western", "é")):
            told = await server.diagnose(database, **SOON)
            assert (database, told.unseen("failed_transaction_left_open")) == (database, "")
            (found,) = told.of("failed_transaction_left_open")
            assert found.evidence["sessions"][0]["last_query"] == "select '?' + count(*) from caf" + mark
    server.run("drop database odd with (force);\ndrop database western")


async def test_the_disk_is_looked_at_where_it_is_ours(server: Server) -> None:
    found = (await server.diagnose(**SOON)).of("disk_nearly_full")
    assert found
    assert str(server.data) in found[0].component


@pytest.mark.slow(reason="waits as long as the diagnosis does for a server that hangs")
async def test_a_server_that_dies_or_hangs_in_the_middle_ends_the_look_in_order(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for how in ("dies", "hangs"):
        monkeypatch.undo()
        pids: list[int] = []
        _in_the_middle(monkeypatch, server, how, pids)
        started = time.monotonic()
        told = await server.diagnose()
        if how == "hangs":
            os.kill(pids[0], signal.SIGCONT)
        assert time.monotonic() - started < 9
        assert told.result.status is CheckStatus.UNKNOWN  # what was seen was well
        assert "in the middle of the diagnosis" in told.result.summary
        assert "in the middle of the diagnosis" in told.unseen("invalid_index")
        assert not told.unseen("many_lock_waiters")
    monkeypatch.undo()
    assert not (await server.diagnose()).unseen("invalid_index")


def _in_the_middle(monkeypatch: pytest.MonkeyPatch, server: Server, how: str, pids: list[int]) -> None:
    """After some readings our own session is ended, or its process stopped."""
    from opsteward.integrations.postgresql.connector import PostgresConnector

    rows = PostgresConnector.rows
    looks = 0

    async def watched(self: PostgresConnector, *args: Any, **kwargs: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 10:
            pids.append((await rows(self, "select pg_backend_pid() as pid", shape=dict[str, int]))[0]["pid"])
            if how == "dies":
                server.run(f"select pg_terminate_backend({pids[0]}, 3000)")
            else:
                os.kill(pids[0], signal.SIGSTOP)
        return await rows(self, *args, **kwargs)

    monkeypatch.setattr(PostgresConnector, "rows", watched)


DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)


@pytest.mark.slow(reason="makes a server of another major version")
@pytest.mark.skipif(not DEBIAN and not os.environ.get("CI"), reason="needs Debian's package postgresql")
async def test_statements_are_judged_and_another_major_version_is_read_whole() -> None:
    programs = DEBIAN[0].parent
    with new_server(programs) as server:
        server.configure({"shared_preload_libraries": "pg_stat_statements", "wal_level": "logical"})
        server.start()
        server.run(ROLES)
        server.run("create schema tools;\ncreate extension pg_stat_statements schema tools", "healthy")
        sorting = (
            "select count(*) from (select repeat('x', 100) || i from generate_series(1, 9000) i order by 1 offset 0) s"
        )
        server.run(f"set work_mem = '64kB';\n{sorting}", "healthy", "boss")
        told = await server.diagnose(role="monitor", **SOON)
        assert "GRANT USAGE ON SCHEMA tools TO monitor;" in told.unseen("slow_statement")
        server.run("grant usage on schema tools to monitor", "healthy")
        told = await server.diagnose(role="monitor", **SOON)
        assert any("repeat" in finding.evidence["statement"] for finding in told.of("slow_statement"))
        assert told.of("statement_spills")[0].evidence["temp_bytes"] > 0
        shipped = await server.diagnose(role="postgres")
        assert shipped.findings == []
        assert {why.split(":")[0] for why in shipped.result.unseen} <= {"unused_index"}


def test_standing_orders_may_name_every_finding() -> None:
    assert {entry.id for entry in catalogue() if entry.subject != "connecting"} <= FINDING_TYPES


def test_every_rule_is_tried_on_a_server() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_postgresql_diagnosis*.py"))
    assert [rule.id for rule in RULES if f'"{rule.id}"' not in sources] == []
