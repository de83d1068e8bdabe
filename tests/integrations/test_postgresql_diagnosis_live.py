"""What sessions, locks, followers and running work look like while they do harm, seen by the PostgreSQL diagnosis."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from diagnosed_server import Server
from postgresql_crowd import SOON, Crowd, healthy_server
from real_parts import eventually

from opsteward.events.standing_orders.document import FINDING_TYPES
from opsteward.integrations.postgresql.backend_sessions import TERMINATE
from opsteward.integrations.postgresql.diagnosis.catalogue import RULES, catalogue


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with healthy_server() as one:
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


def test_standing_orders_may_name_every_finding() -> None:
    assert {entry.id for entry in catalogue() if entry.subject != "connecting"} <= FINDING_TYPES


def test_every_rule_is_tried_on_a_server() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("*postgresql_*.py"))
    assert [rule.id for rule in RULES if f'"{rule.id}"' not in sources] == []
