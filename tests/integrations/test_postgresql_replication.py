"""Standbys, subscriptions and servers that die: a diagnosis of PostgreSQL beyond one healthy server."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from diagnosed_server import ROLES, Server, new_server
from postgresql_crowd import SOON, Crowd, healthy_server
from real_parts import eventually

from opsteward.contracts.check import CheckStatus


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with healthy_server() as one:
        yield one


@pytest.fixture
def crowd(server: Server) -> Iterator[Crowd]:
    one = Crowd(server)
    yield one
    one.close()


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
