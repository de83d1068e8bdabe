"""Each rule of the PostgreSQL diagnosis sees the fault that it is for on a real server, and a healthy one is silent."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from diagnosed_server import ROLES, Server, Told, new_server, worded
from postgresql_museum import CATALOGUE_TRICKS, IN_THE_MUSEUM, MUSEUM, TINY

from opsteward.contracts.check import CheckStatus, Finding
from opsteward.integrations.postgresql.diagnosis.catalogue import catalogue

STARTED_WITH = {
    "max_connections": "40",
    "max_prepared_transactions": "4",
    "max_locks_per_transaction": "20",
    "wal_level": "logical",
    "archive_mode": "on",
    "archive_command": "true",
    "logging_collector": "on",
    "max_wal_size": "64MB",
    "min_wal_size": "2MB",
    "shared_buffers": "8MB",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """With a table whose page was damaged while the server was down."""
    with new_server() as one:
        one.configure(STARTED_WITH)
        one.start()
        one.run(ROLES)
        one.run("create table damaged (id int);\ninsert into damaged select generate_series(1, 50)", "museum")
        path = one.data / str(one.one("select pg_relation_filepath('damaged')", "museum"))
        one.stop()
        page = bytearray(path.read_bytes())
        page[4000] ^= 0xFF
        path.write_bytes(page)
        one.start()
        yield one


async def test_a_healthy_database_is_silent_when_fresh_and_after_load(server: Server) -> None:
    """The first test: those that follow break the server itself too."""
    assert (await server.diagnose("fresh", role="monitor")).findings == []
    for arguments in (("-i", "-s", "1", "-q"), ("-c", "4", "-t", "100", "-n")):
        server.program("pgbench", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", *arguments, "fresh")
        for role in ("monitor", "boss"):
            told = await server.diagnose("fresh", role=role, watch_seconds=0.1)
            assert told.findings == []
    assert not told.unseen("configuration_file_faulty")


@pytest.fixture(scope="module")
async def museum(server: Server) -> dict[str, Told]:
    """What is said of a database full of faults: at the tiny limits, and at those that ship."""
    server.run(MUSEUM, "museum")
    server.run(CATALOGUE_TRICKS, "museum")
    # a logical slot waits for all transactions, prepared ones too
    server.run("select pg_create_logical_replication_slot('logical_forgotten', 'pgoutput')", "museum")
    _break_sessions(server)
    server.run("create database sorted_otherwise locale_provider builtin builtin_locale 'C.UTF-8' template template0")
    server.run("update pg_database set datcollversion = '0' where datname = 'sorted_otherwise'")
    server.run("select pg_create_physical_replication_slot('forgotten', true);\ncheckpoint;\ncheckpoint;\nselect 1")
    server.run("create table later (id int);\ndrop table later;\nselect pg_switch_wal()", "museum")
    return {
        "tiny": await server.diagnose("museum", **TINY),
        "collation": await server.diagnose("sorted_otherwise"),
        "shipped": await server.diagnose("museum"),
        "blind": await server.diagnose("museum", role="blind", **TINY),
    }


def _break_sessions(server: Server) -> None:
    """What leaves traces in the counters, and statements that fail."""
    with server.connect("museum") as one, server.connect("museum") as other:
        with pytest.raises(psycopg.errors.UniqueViolation):
            one.execute("create table twice as select 1 as n union all select 1")
            one.execute("create unique index concurrently never_unique on twice (n)")
        with pytest.raises(psycopg.errors.DataCorrupted):
            one.execute("select count(*) from damaged")
        one.execute("begin")
        one.execute("insert into big values (-1)")
        one.execute("prepare transaction 'lost'")
        one.execute("begin; select 1 from parent where id = 1 for share")
        other.execute("begin; select 1 from parent where id = 1 for share; commit")
        one.execute("rollback")
        _deadlock(one, other)
        other.execute("set idle_session_timeout = '1ms'")
        _until_gone(server, other)
    killed, gone = server.connect("museum"), server.connect("museum")
    server.run(f"select pg_terminate_backend({killed.info.backend_pid}, 5000)")
    killed.close()
    with socket.socket(fileno=gone.fileno()) as cut:
        cut.shutdown(socket.SHUT_RDWR)
        _until_gone(server, gone)


def _until_gone(server: Server, connection: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + 5
    while server.one(f"select count(*) from pg_stat_activity where pid = {connection.info.backend_pid}"):
        assert time.monotonic() < deadline


def _deadlock(one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for connection, first in ((one, 1), (other, 2)):
            connection.execute("set deadlock_timeout = '10ms'")
            connection.execute("begin")
            connection.execute(f"update big set text = '' where id = {first}".encode())
        waits = [
            pool.submit(connection.execute, f"update big set text = '' where id = {second}".encode())
            for connection, second in ((one, 2), (other, 1))
        ]
        failed = [wait.exception(timeout=10) for wait in waits]
    assert sum(isinstance(error, psycopg.errors.DeadlockDetected) for error in failed) == 1
    for connection in (one, other):
        connection.execute("rollback")


@pytest.mark.parametrize("rule", IN_THE_MUSEUM)
async def test_the_fault_is_found(museum: dict[str, Told], rule: str) -> None:
    told = museum["collation" if rule == "collation_changed" else "tiny"]
    finding = told.about(rule, IN_THE_MUSEUM[rule])
    _is_complete(finding)


def _is_complete(finding: Finding) -> None:
    """Evidence is plain JSON with the statements that showed it, what to do, and fixes that the catalogue names."""
    evidence = json.loads(json.dumps(finding.evidence))
    entry = next(entry for entry in catalogue() if entry.id == finding.type)
    assert evidence["cause"] == entry.cause
    assert evidence["advice"]
    assert finding.description
    assert len(evidence) > 4
    assert {fix.action for fix in finding.fixes} <= set(entry.remedy)
    json.dumps([dict(fix.params) for fix in finding.fixes])


async def test_what_stands_beside_the_faults_is_left_in_peace(museum: dict[str, Told]) -> None:
    tiny = museum["tiny"]
    components = {(f.type, f.component) for f in tiny.findings}
    assert ("sequence_near_end", "sequence public.around") not in components  # begins anew
    assert ("partitions_run_out", "table public.archived") not in components
    assert ("migration_failed", "migration 1 fine") not in components
    assert [f.component for f in tiny.of("duplicate_index")] == ["index public.doubled_a_again"]
    assert {f.component for f in tiny.of("index_covered_by_another")} == {
        "index public.doubled_a",
        "index public.doubled_a_again",
    }
    assert [f.component for f in tiny.of("invalid_index")] == ["index public.never_unique"]
    assert "table public.parent" not in {f.component for f in tiny.of("sequential_scans")}


async def test_small_things_are_no_fault_at_the_limits_that_ship(museum: dict[str, Told]) -> None:
    """Only what is wrong at any size is told of a database that is small."""
    assert {f.type for f in museum["shipped"].findings} == {
        "role_password_expires",
        "statement_timeout_tiny",
        "invalid_index",
        "duplicate_index",
        "sequence_near_end",
        "column_near_end",
        "published_table_without_identity",
        "subscription_stopped",
        "extension_outdated",
        "extension_files_missing",
        "extension_not_loaded",
        "migration_failed",
        "migration_lock_held",
        "migration_heads",
        "constraint_not_validated",
        "foreign_key_not_enforced",
        "trigger_disabled",
        "partitions_run_out",
        "partition_half_detached",
        "damaged_pages",
    }


async def test_what_a_role_may_not_see_is_said_with_what_it_needs(museum: dict[str, Told]) -> None:
    blind, monitor = museum["blind"], museum["tiny"]
    assert "GRANT pg_monitor TO blind;" in blind.unseen("deadlock_now")
    assert "GRANT SELECT ON public.flyway_schema_history TO blind;" in blind.unseen("migration_failed")
    assert "GRANT SELECT ON ALL SEQUENCES" in blind.unseen("sequence_near_end")
    assert "GRANT SELECT ON public.schema_migrations TO monitor;" in monitor.unseen("migration_failed")
    assert "a superuser can grant it" in monitor.unseen("configuration_file_faulty")
    assert not blind.of("sequence_near_end")


TRAPS = """
create function trap() returns boolean language plpgsql as $$ begin raise 'trapped %', current_user; end $$;
create table flyway_schema_history (version text, description text, success boolean, installed_on timestamptz);
insert into flyway_schema_history values ('1', 'half', false, now());
alter table flyway_schema_history enable row level security;
create policy sly on flyway_schema_history using (trap());
create type sly as (n int);
create function trap(sly) returns boolean language sql as 'select trap()';
create cast (sly as boolean) with function trap(sly) as implicit;
create table schema_migrations (version bigint, dirty sly);
insert into schema_migrations values (1, row(1));
grant select on flyway_schema_history, schema_migrations to monitor"""


async def test_functions_of_who_made_a_table_never_run_with_what_our_role_may(server: Server) -> None:
    server.run("create database trapped")
    server.run(TRAPS, "trapped")
    told = await server.diagnose("trapped")
    assert "trapped monitor" not in repr(told)
    assert "row-level security" in told.unseen("migration_failed")


async def test_advice_is_never_taken_for_a_cause(museum: dict[str, Told]) -> None:
    result = museum["tiny"].result
    assert result.status is CheckStatus.WARN
    assert {f.type for f in result.advice} >= {"unused_index", "duplicate_index", "trigger_disabled"}
    assert not {f.type for f in result.advice} & {f.type for f in result.findings}


async def test_rules_can_be_left_out(server: Server, museum: dict[str, Told]) -> None:
    told = await server.diagnose("museum", ignore=["invalid_index", "damaged_pages"])
    assert not told.of("invalid_index")
    assert not told.of("damaged_pages")
    assert told.of("sequence_near_end")


#: What each bad setting is found by. They take effect by a reload, but for the one that waits for a restart.
BAD_SETTINGS = {
    "autovacuum_off": {"autovacuum": "off"},
    "crash_safety_off": {"full_page_writes": "off"},
    "damage_is_hidden": {"zero_damaged_pages": "on"},
    "planner_restricted": {"enable_indexscan": "off"},
    "passwords_as_md5": {"password_encryption": "md5"},
    "activities_not_tracked": {"track_activities": "off"},
    "archive_command_missing": {"archive_command": ""},
    "restart_pending": {"max_wal_senders": "11"},
}


async def test_settings_that_do_harm_are_found(server: Server) -> None:
    settings = {name: value for one in BAD_SETTINGS.values() for name, value in one.items()}
    server.run(worded(settings))
    hba = server.data / "pg_hba.conf"
    rules = hba.read_text()
    file = server.data / "postgresql.conf"
    lines = file.read_text()
    try:
        server.run("select pg_reload_conf()")
        _until(server, "select setting = '' from pg_settings where name = 'archive_command'")
        hba.write_text(rules + "host all all 10.0.0.0/8 trust\nhost all all 10.1.0.0/16 scram\n")
        file.write_text(lines + "work_mem = many\n")
        told = await server.diagnose("healthy", role="boss")
        monitor = await server.diagnose("healthy")
    finally:
        hba.write_text(rules)
        file.write_text(lines)
        server.run("alter system reset all;\nselect pg_reload_conf()")
        _until(server, "select setting = 'true' from pg_settings where name = 'archive_command'")
    of_files = {"sign_in_rules_faulty", "network_is_trusted", "configuration_file_faulty"}
    assert {finding.type for finding in told.findings} >= {*BAD_SETTINGS, *of_files}
    assert {finding.type for finding in monitor.findings} >= set(BAD_SETTINGS)
    assert not of_files & {finding.type for finding in monitor.findings}
    for finding in told.findings:
        _is_complete(finding)
    assert "10.0.0.0" in told.of("network_is_trusted")[0].description
    assert "work_mem" in told.of("configuration_file_faulty")[0].description


def _until(server: Server, query: str, database: str = "postgres") -> None:
    deadline = time.monotonic() + 10
    while not server.one(query, database):
        assert time.monotonic() < deadline, query
        time.sleep(0.02)


async def test_an_archive_that_fails_is_found(server: Server) -> None:
    server.run(worded({"archive_command": "false"}) + "select pg_reload_conf()")
    server.run("create table more as select 1;\nselect pg_switch_wal();\ndrop table more", "healthy")
    try:
        _until(server, "select failed_count > 0 from pg_stat_archiver")
        told = await server.diagnose(archive_failures=1, archive_waiting_files=1)
    finally:
        server.run("alter system reset archive_command;\nselect pg_reload_conf()")
    _is_complete(told.about("archiving_fails", "archive"))
    _is_complete(told.about("archive_falls_behind", "archive"))
    _until(server, "select last_archived_time > last_failed_time from pg_stat_archiver")
    assert not (await server.diagnose(archive_failures=1)).of("archiving_fails")


async def test_a_slot_is_told_to_be_nearly_lost_and_then_lost(server: Server) -> None:
    server.run(
        "alter system set max_slot_wal_keep_size = '1MB';\nselect pg_reload_conf();\n"
        "select pg_create_physical_replication_slot('slow', true)"
    )
    fill = "create table more as select 1;\nselect pg_switch_wal();\ndrop table more;\n"
    try:
        server.run(fill * 4, "healthy")
        _is_complete((await server.diagnose()).about("slot_nearly_lost", "slot slow"))
        server.run("checkpoint")
        lost = (await server.diagnose()).about("slot_lost", "slot slow")
        _is_complete(lost)
        assert [fix.action for fix in lost.fixes] == ["postgresql.drop_inactive_slot"]
    finally:
        server.run("alter system reset all;\nselect pg_reload_conf();\nselect pg_drop_replication_slot('slow')")
