"""Each rule of the MariaDB and MySQL diagnosis sees its fault on a real MariaDB, and a healthy one is silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncmy
import pytest
from real_parts import eventually, system
from record_servers import Mariadb

from opsteward.contracts.action import ActionContext, AnyAction
from opsteward.contracts.check import CheckResult, CheckStatus, Finding
from opsteward.events.standing_orders.document import FINDING_TYPES
from opsteward.integrations.mysql import INTEGRATION
from opsteward.integrations.mysql.connector import MysqlConnector
from opsteward.integrations.mysql.rules import RULES

CHECKS = {check.slug: check for check in INTEGRATION.checks}
(KILL,) = (action for action in INTEGRATION.actions)
SETUP = """
drop table if exists diag_stock; create table diag_stock (id int primary key, n int) engine=innodb;
insert into diag_stock values (1, 0), (2, 0), (3, 0);
create or replace user doctor identified by 'd'; grant process, connection admin on *.* to doctor;
grant all on shop.* to doctor; create or replace user blindman identified by 'b'; grant select on shop.* to blindman;
"""
SOON: dict[str, Any] = {
    "lock_wait_seconds": 0, "idle_in_transaction_seconds": 0, "long_query_seconds": 0, "least_deadlocks": 1,
    "deadlocks_per_hour": 0.001, "least_rows": 1, "temp_tables_on_disk_share": 0.0001,
    "temp_tables_on_disk_per_hour": 0.001, "purge_backlog": 1, "connections_warn_share": 0.001,
}  # fmt: skip


class Visitors:
    """Connections of a test, and statements that they run meanwhile."""

    def __init__(self, mariadb: Mariadb) -> None:
        self.mariadb = mariadb
        self._open: list[Any] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def one(self, *statements: str) -> Any:
        connection = await asyncmy.connect(
            host="127.0.0.1", port=self.mariadb.port, user="doctor", password="d", database="shop", autocommit=True
        )
        self._open.append(connection)
        for statement in statements:
            await run(connection, statement)
        return connection

    def runs(self, connection: Any, statement: str) -> asyncio.Task[Any]:
        async def attempt() -> None:
            with suppress(Exception):  # it is ended by the test's end, or by the action
                await run(connection, statement)

        self._tasks.append(asyncio.create_task(attempt()))
        return self._tasks[-1]

    async def close(self) -> None:
        for connection in self._open:
            self.mariadb_kill(connection)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._open:
            connection.close()

    def mariadb_kill(self, connection: Any) -> None:
        with suppress(Exception):
            self.mariadb.sql(f"kill {connection.thread_id()}")


async def run(connection: Any, statement: str) -> Any:
    async with connection.cursor() as cursor:
        await cursor.execute(statement)
        return await cursor.fetchall()


@pytest.fixture
async def visitors(mariadb: Mariadb) -> AsyncIterator[Visitors]:
    mariadb.sql(f"use shop; {SETUP}")
    made = Visitors(mariadb)
    yield made
    await made.close()
    mariadb.sql("use shop; drop table if exists diag_stock, diag_small, diag_keyless")


def via(mariadb: Mariadb, user: str = "doctor", **limits: Any) -> MysqlConnector:
    credentials = {"username": user, "password": user[0]}
    return MysqlConnector(MysqlConnector.config_for(system(mariadb.endpoint, diagnosis=limits), credentials))


async def diagnose(mariadb: Mariadb, user: str = "doctor", **limits: Any) -> CheckResult:
    connector = via(mariadb, user, **limits)
    try:
        return await CHECKS["mysql.diagnosis"].run(connector, system(mariadb.endpoint))
    finally:
        await connector.close()


def about(result: CheckResult, rule: str) -> Finding:
    found = [finding for finding in (*result.findings, *result.advice) if finding.type == rule]
    assert found, (rule, [f.type for f in (*result.findings, *result.advice)], result.unseen)
    assert json.loads(json.dumps(dict(found[0].evidence)))["queries"]
    assert found[0].evidence["advice"]
    return found[0]


async def test_a_healthy_server_is_silent(mariadb: Mariadb, visitors: Visitors) -> None:
    await visitors.one("select 1")
    result = await diagnose(mariadb)
    assert (result.status, result.findings, result.advice, result.unseen) == (CheckStatus.PASS, [], [], [])


async def test_a_connection_that_holds_up_others_is_found_ended_and_proven(
    mariadb: Mariadb, visitors: Visitors
) -> None:
    root = await visitors.one("begin", "update diag_stock set n = 1 where id = 1")
    waiting = await visitors.one()
    done = visitors.runs(waiting, "update diag_stock set n = 2 where id = 1 and 'secret' <> ''")

    async def found() -> bool:
        return any(f.type == "lock_chain" for f in (await diagnose(mariadb, lock_wait_seconds=0)).findings)

    await eventually(found)
    result = await diagnose(mariadb, **SOON)
    chain = about(result, "lock_chain")
    assert chain.evidence["root"]["id"] == root.thread_id()
    assert "secret" not in str(chain.evidence)
    assert chain.evidence["waiting"][0]["id"] == waiting.thread_id()
    assert about(result, "idle_in_transaction").fixes
    (fix,) = chain.fixes
    await _mended(mariadb, KILL, dict(fix.params), root.thread_id())
    await asyncio.wait_for(done, 5)

    async def is_over() -> bool:
        return not await found()

    await eventually(is_over)


async def _mended(mariadb: Mariadb, action: AnyAction, params: dict[str, Any], ended: int) -> None:
    connector = via(mariadb)
    ctx = ActionContext(via=connector, target=system(mariadb.endpoint), idempotency_key="run-1")
    read = action.params_model.model_validate(params)
    plan = await action.plan(ctx, read)
    assert plan.needed
    assert f"connection {ended}" in plan.objects[0]
    result = await action.execute(ctx, read)
    assert result.ended == [ended]
    assert (await action.verify(ctx, read, result)).ok
    assert not (await action.plan(ctx, read)).needed
    again = await action.execute(ctx, read)
    assert (again.ended, again.left_alone) == ([], [ended])
    await connector.close()


async def test_a_connection_that_went_on_is_left_alone(mariadb: Mariadb, visitors: Visitors) -> None:
    idle = await visitors.one("begin", "update diag_stock set n = 1 where id = 1")
    found = about(await diagnose(mariadb, **SOON), "idle_in_transaction")
    await run(idle, "commit")
    await run(idle, "begin")
    await run(idle, "update diag_stock set n = 2 where id = 2")
    connector = via(mariadb)
    ctx = ActionContext(via=connector, target=system(mariadb.endpoint), idempotency_key="run-1")
    params = KILL.params_model.model_validate(dict(found.fixes[0].params))
    assert not (await KILL.plan(ctx, params)).needed
    assert (await KILL.execute(ctx, params)).ended == []
    await connector.close()
    assert await run(idle, "select 1") == ((1,),)


async def test_a_list_of_transactions_that_others_keep_old_is_not_taken_for_the_truth(
    mariadb: Mariadb, visitors: Visitors
) -> None:
    reader, enough = await visitors.one(), asyncio.Event()

    async def read_often() -> None:
        while not enough.is_set():
            await run(reader, "select count(*) from information_schema.innodb_trx")
            await asyncio.sleep(0.02)

    reading = asyncio.create_task(read_often())
    await asyncio.sleep(0.2)
    idle = await visitors.one("begin", "update diag_stock set n = 1 where id = 1")
    result = await diagnose(mariadb, **SOON)
    enough.set()
    await reading
    (why,) = [told for told in result.unseen if told.startswith("idle_in_transaction: ")]
    assert "the server shows an old list of transactions" in why
    assert (
        about(await diagnose(mariadb, **SOON), "idle_in_transaction").evidence["sessions"][0]["id"] == idle.thread_id()
    )


async def test_a_change_of_a_table_and_all_that_queue_behind_it(mariadb: Mariadb, visitors: Visitors) -> None:
    report = await visitors.one("begin", "select * from diag_stock")
    visitors.runs(await visitors.one(), "alter table diag_stock add column m int")

    async def waits(queue: int) -> bool:
        result = await diagnose(mariadb, lock_wait_seconds=0)
        return any(f.type == "ddl_blocks_others" and len(f.evidence["queue"]) == queue for f in result.findings)

    await eventually(lambda: waits(0))
    visitors.runs(await visitors.one(), "select * from diag_stock")
    await eventually(lambda: waits(1))
    result = await diagnose(mariadb, **SOON)
    found = about(result, "ddl_blocks_others")
    assert report.thread_id() in {one["id"] for one in found.evidence["open_transactions"]}
    assert about(result, "long_query").evidence["sessions"]


async def test_deadlocks_with_their_statements(mariadb: Mariadb, visitors: Visitors) -> None:
    one = await visitors.one("begin", "update diag_stock set n = 1 where id = 1")
    other = await visitors.one("begin", "update diag_stock set n = 1 where id = 2")
    first = visitors.runs(one, "update diag_stock set n = 7 where id = 2")
    second = visitors.runs(other, "update diag_stock set n = 8 where id = 1")
    await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    found = about(await diagnose(mariadb, **SOON), "deadlocks_often")
    assert set(found.evidence["statements"]) == {
        "update diag_stock set n = 7 where id = 2",
        "update diag_stock set n = 8 where id = 1",
    }


async def test_what_is_wrong_with_tables_and_counters(mariadb: Mariadb, visitors: Visitors) -> None:
    mariadb.sql(
        "use shop; create table diag_small (id tinyint unsigned auto_increment primary key);"
        " alter table diag_small auto_increment = 250; insert into diag_small values ();"
        " create table diag_keyless (n int, t text) engine=innodb;"
        " insert into diag_keyless select seq, repeat('x', 600) from seq_1_to_3000;"
        " analyze table diag_keyless, diag_small;"
    )
    await visitors.one("begin", "select * from diag_stock")
    await visitors.one("set max_heap_table_size = 16384", "set tmp_table_size = 1024",
                       "select t, count(*) from diag_keyless group by t, n")  # fmt: skip
    await visitors.one(*(f"update diag_stock set n = {n} where id = 1" for n in range(30)))
    result = await diagnose(mariadb, **SOON)
    assert about(result, "column_near_end").component == "column shop.diag_small.id"
    assert about(result, "table_without_key").component == "table shop.diag_keyless"
    assert about(result, "temp_tables_on_disk").evidence["on_disk"] >= 1
    assert about(result, "purge_held_back").evidence["history_list_length"] >= 1
    assert about(result, "connection_saturation").evidence["used"] >= 3
    shipped = await diagnose(mariadb)
    assert ([f.type for f in shipped.findings], [f.type for f in shipped.advice]) == ([], ["column_near_end"])


async def test_what_an_account_may_not_see_is_said(mariadb: Mariadb, visitors: Visitors) -> None:
    result = await diagnose(mariadb, "blindman")
    assert result.findings == []
    told = [why for why in result.unseen if why.startswith("lock_chain: ")]
    assert "GRANT PROCESS ON *.* TO 'blindman'@'%';" in told[0]
    ignored = await diagnose(mariadb, "blindman", ignore=["lock_chain"])
    assert not [why for why in ignored.unseen if why.startswith("lock_chain: ")]


def test_standing_orders_may_name_every_finding() -> None:
    assert {rule.id for rule in RULES} <= FINDING_TYPES
    assert len({rule.id for rule in RULES}) == 10
