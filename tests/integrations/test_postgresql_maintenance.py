"""Actions on one object of a database: planned, done, proven by measurement, and never on another object."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from diagnosed_server import ROLES, Server, new_server
from real_parts import eventually, system

from opsteward.contracts.action import ActionContext, AnyAction, Plan, Proof
from opsteward.contracts.check import Finding
from opsteward.core.errors import AuthFailed, ConnectorError
from opsteward.integrations.postgresql import INTEGRATION
from opsteward.integrations.postgresql.connector import PostgresConnector

ACTIONS: dict[str, AnyAction] = {action.slug: action for action in INTEGRATION.actions}
LIMITS: dict[str, Any] = {
    "unattended_rows": 100, "slot_retained_bytes": 1, "watch_seconds": 0.0, "lock_seconds": 0.001,
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with new_server() as one:
        one.configure({"fsync": "off", "wal_level": "logical", "autovacuum": "off"})
        one.start()
        one.run(ROLES + ";\ncreate role owner_of_all login;\ngrant owner_of_all to boss;\nselect 1")
        one.run("alter database healthy owner to owner_of_all;\nalter role owner_of_all replication")
        one.run("grant pg_monitor to owner_of_all", "healthy")
        yield one


class Door:
    """Plans, executes and verifies as the one door does, for the fix of a finding."""

    def __init__(self, via: PostgresConnector, finding: Finding) -> None:
        (fix,) = finding.fixes
        self.action = ACTIONS[fix.action]
        self.params = self.action.params_model.model_validate(dict(fix.params))
        self.ctx = ActionContext(via=via, target=system("postgresql://127.0.0.1/healthy"), idempotency_key="run-1")

    async def plan(self) -> Plan:
        return await self.action.plan(self.ctx, self.params)

    async def do(self) -> tuple[Any, Proof]:
        result = await self.action.execute(self.ctx, self.params)
        return result, await self.action.verify(self.ctx, self.params, result)


async def found(
    server: Server, rule: str, component: str, role: str = "owner_of_all"
) -> tuple[Door, PostgresConnector]:
    told = await server.diagnose("healthy", role=role, **LIMITS)
    via = server.via("healthy", role, **LIMITS)
    return Door(via, told.about(rule, component)), via


FAULTS = {
    ("stale_statistics", "table public.changed"): "create table changed as select generate_series(1, 300) as id",
    ("dead_rows", "table public.dying"): (
        "create table dying as select generate_series(1, 300) as id;\nanalyze dying;\ndelete from dying where id > 5"
    ),
    ("sequence_near_end", "sequence public.small"): (
        "create table with_small (id bigint);\n"
        "create sequence small as integer owned by with_small.id;\nselect setval('small', 2100000000)"
    ),
    ("constraint_not_validated", 'constraint public."Odd Table".fine'): (
        'create table "Odd Table" (n int);\nalter table "Odd Table" add constraint fine check (n > 0) not valid'
    ),
    ("slot_unused_keeps_wal", "slot idle_one"): (
        "select pg_create_physical_replication_slot('idle_one', true);\ncreate table more as select 1"
    ),
}


@pytest.mark.parametrize(("rule", "component"), FAULTS)
async def test_what_a_finding_proposes_is_done_once_and_proven(server: Server, rule: str, component: str) -> None:
    server.run(FAULTS[rule, component], "healthy", "owner_of_all")
    door, via = await found(server, rule, component)
    plan = await door.plan()
    assert plan.needed
    assert len(plan.objects) == 1
    result, proof = await door.do()
    assert (result.done, proof.ok) == (True, True), proof
    told = await server.diagnose("healthy", role="owner_of_all", **LIMITS)
    assert component not in {finding.component for finding in told.of(rule)}
    result, proof = await door.do()  # again, as after a crash
    assert proof.ok, proof
    await via.close()


async def test_a_sequence_goes_back_to_the_type_that_it_had(server: Server) -> None:
    server.run("create sequence again as integer;\nselect setval('again', 2100000000)", "healthy", "owner_of_all")
    door, via = await found(server, "sequence_near_end", "sequence public.again")
    result, _ = await door.do()
    await door.action.undo(door.ctx, door.params, result)
    await door.action.undo(door.ctx, door.params, result)
    query = "select format_type(seqtypid, null) from pg_sequence where seqrelid = 'again'::regclass"
    assert server.one(query, "healthy") == "integer"
    await via.close()


async def test_an_invalid_index_is_built_anew_and_a_failed_try_leaves_nothing_behind(server: Server) -> None:
    server.run("create table twice as select 1 as n union all select 1", "healthy", "owner_of_all")
    with pytest.raises(Exception, match="twice_n"):
        server.run("create unique index concurrently twice_n on twice (n)", "healthy", "owner_of_all")
    door, via = await found(server, "invalid_index", "index public.twice_n")
    with pytest.raises(ConnectorError, match="twice_n"):
        await door.do()
    invalid = "select string_agg(indexrelid::regclass::text, ' ') from pg_index where not indisvalid"
    assert server.one(invalid, "healthy") == "twice_n"
    server.run("delete from twice where ctid = '(0,1)'", "healthy", "owner_of_all")
    result, proof = await door.do()
    assert (result.done, proof.ok) == (True, True), proof
    assert server.one(invalid, "healthy") is None
    result, proof = await door.do()
    assert (result.done, proof.ok) == (False, True)
    await via.close()


async def test_a_leftover_of_a_rebuild_is_dropped_and_a_valid_index_never(server: Server) -> None:
    server.run(
        "create table left_over (n int);\ncreate index left_over_n_ccnew on left_over (n)", "healthy", "owner_of_all"
    )
    server.run("update pg_index set indisvalid = false where indexrelid = 'left_over_n_ccnew'::regclass", "healthy")
    door, via = await found(server, "invalid_index", "index public.left_over_n_ccnew")
    assert door.action.slug == "postgresql.drop_invalid_index"
    server.run("update pg_index set indisvalid = true where indexrelid = 'left_over_n_ccnew'::regclass", "healthy")
    assert not (await door.plan()).needed
    result, _ = await door.do()
    assert not result.done
    server.run("update pg_index set indisvalid = false where indexrelid = 'left_over_n_ccnew'::regclass", "healthy")
    result, proof = await door.do()
    assert (result.done, proof.ok) == (True, True)
    await via.close()


async def test_another_object_of_the_same_name_is_left_alone(server: Server) -> None:
    server.run("create table renewed as select generate_series(1, 300) as id", "healthy", "owner_of_all")
    door, via = await found(server, "stale_statistics", "table public.renewed")
    server.run("drop table renewed;\ncreate table renewed (id int)", "healthy", "owner_of_all")
    plan = await door.plan()
    assert (plan.needed, plan.summary) == (False, "Nothing to do: table public.renewed is gone")
    await via.close()


async def test_what_we_may_not_do_is_said_with_the_grant_and_not_tried(server: Server) -> None:
    server.run("create table foreign_one as select generate_series(1, 300) as id", "healthy")
    door, via = await found(server, "stale_statistics", "table public.foreign_one", role="monitor")
    with pytest.raises(AuthFailed) as refused:
        await door.plan()
    assert "GRANT pg_maintain TO monitor;" in str(refused.value.remedy)
    await via.close()


async def test_a_slot_that_moves_again_is_kept(server: Server) -> None:
    server.run("select pg_create_physical_replication_slot('moving', true);\ncreate table moved as select 1", "healthy")
    door, via = await found(server, "slot_unused_keeps_wal", "slot moving")
    server.run("select pg_replication_slot_advance('moving', pg_current_wal_lsn())")
    plan = await door.plan()
    assert not plan.needed
    assert "somebody uses it" in plan.summary
    server.run("select pg_drop_replication_slot('moving')")
    await via.close()


async def test_ddl_that_holds_up_a_queue_is_cancelled_and_the_queue_goes_on(server: Server) -> None:
    server.run("create table busy (n int);\nalter table busy owner to shop", "healthy")
    report, change, reader = (server.connect("healthy", "shop") for _ in range(3))
    pool = ThreadPoolExecutor(2)
    try:
        report.execute("begin; select count(*) from busy")
        waits = pool.submit(change.execute, "alter table busy add column m int")
        await eventually(lambda: blocked(server, change))
        queued = pool.submit(reader.execute, "select count(*) from busy")
        await eventually(lambda: blocked(server, reader))
        door, via = await found(server, "ddl_blocks_others", "table public.busy", role="monitor")
        assert door.action.slug == "postgresql.cancel_statement"
        plan = await door.plan()
        assert str(change.info.backend_pid) in plan.objects[0]
        result, proof = await door.do()
        assert (result.cancelled, proof.ok) == ([change.info.backend_pid], True)
        assert "cancel" in str(waits.exception(timeout=5))
        assert queued.result(timeout=5).fetchone() == (0,)
        result, proof = await door.do()
        assert (result.cancelled, proof.ok) == ([], True)
        assert change.execute("select 1").fetchone() == (1,)
        await via.close()
    finally:
        report.close()
        pool.shutdown()
        change.close()
        reader.close()


async def blocked(server: Server, connection: psycopg.Connection[Any]) -> bool:
    return bool(server.one(f"select cardinality(pg_blocking_pids({connection.info.backend_pid})) > 0"))
