"""Tables of a real MariaDB as lists of records: types, keys, rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from real_parts import system
from record_servers import Mariadb

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.records import Batch, Change, Coverage, Operation, Outcome, Record
from opsteward.core.errors import AuthFailed
from opsteward.integrations.mysql import INTEGRATION
from opsteward.integrations.mysql.connector import MysqlConnector

TABLES = """
drop table if exists staff;
create table staff (id int primary key, name varchar(100) unique, extra json, photo blob, on_leave bool not null
    default 0, gone bool not null default 0, d decimal(9,2),
    changed timestamp(6) not null default now(6) on update now(6));
create or replace user ops identified by 'ops-secret'; create or replace user reader identified by 'r';
grant all on shop.* to ops; grant select on shop.staff to reader;
"""
RESOURCES = {
    "staff": {
        "table": "staff",
        "key": "id",
        "changed": "changed",
        "disabled": {"column": "on_leave", "value": True},
        "deleted": {"column": "gone", "value": True},
    },
    "names": {"query": "select name as n, id from staff", "key": "n"},
}
ROW = {"id": 7, "name": "O'Brien %s; Zoë 日本", "photo": {"base64": "/wA="}, "d": "1.50"}


def connector(mariadb: Mariadb, username: str = "ops", password: str = "ops-secret") -> MysqlConnector:
    credentials = {"username": username, "password": password}
    return MysqlConnector(MysqlConnector.config_for(system(mariadb.endpoint, resources=RESOURCES), credentials))


@pytest.fixture
async def via(mariadb: Mariadb) -> AsyncIterator[MysqlConnector]:
    mariadb.sql(f"use shop; {TABLES}")
    made = connector(mariadb)
    yield made
    await made.close()


async def read(via: MysqlConnector, name: str = "staff", since: Any = None) -> tuple[list[Record], list[str], Batch]:
    batches = [batch async for batch in via.read(name, since)]
    return [r for b in batches for r in b.upserts], [i for b in batches for i in b.deleted_ids], batches[-1]


def change(operation: Operation, native_id: str | None = None, **values: Any) -> Change:
    return Change(key="k", operation=operation, native_id=native_id, values=values)


async def outcomes(via: MysqlConnector, *changes: Change) -> list[Outcome]:
    return [result.outcome for result in await via.write("staff", changes)]


async def test_every_type_goes_in_and_comes_back_and_a_repeated_write_changes_nothing(via: MysqlConnector) -> None:
    create = change(Operation.CREATE, None, **ROW)
    assert await outcomes(via, create, create) == [Outcome.DONE, Outcome.UNCHANGED]
    records, _, last = await read(via)
    assert records[0].values.items() >= ROW.items() and last.coverage is Coverage.FULL
    update = change(Operation.UPDATE, "7", extra={"a": [1]}, photo=None)
    assert await outcomes(via, update, update) == [Outcome.DONE, Outcome.UNCHANGED]
    off = change(Operation.DISABLE, "7")
    assert await outcomes(via, off, off) == [Outcome.DONE, Outcome.UNCHANGED]
    assert (await via.get("staff", ["7", "8"]))["7"].active is False


async def test_what_is_taken_missing_or_refused_is_told_apart(via: MysqlConnector) -> None:
    await outcomes(via, change(Operation.CREATE, None, id=1, name="a"), change(Operation.CREATE, None, id=2, name="b"))
    results = await outcomes(
        via,
        change(Operation.CREATE, None, id=1, name="z"),
        change(Operation.CREATE, None, id=3, name="b"),
        change(Operation.UPDATE, "2", name="a"),
        change(Operation.UPDATE, "9", name="q"),
        change(Operation.UPDATE, "1", nothing="x"),
        change(Operation.CREATE, None, id=4, name="x" * 200),
        change(Operation.DELETE, "1"),
        change(Operation.DELETE, "1"),
        change(Operation.UPDATE, "2", id=5),
    )
    assert results == [
        Outcome.EXISTS,
        Outcome.EXISTS,
        Outcome.EXISTS,
        Outcome.MISSING,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.DONE,
        Outcome.UNCHANGED,
        Outcome.DONE,
    ]
    assert [r.native_id for r in (await read(via))[0]] == ["5"]


async def test_what_changed_is_read_since_a_cursor_and_a_read_may_be_left(
    via: MysqlConnector, mariadb: Mariadb
) -> None:
    seq = "insert into staff (id, changed) select seq, now(6) - interval 1 day from seq_1_to_2500"
    mariadb.sql(f"use shop; {seq}")
    async for batch in via.read("staff"):
        assert len(batch.upserts) == 1000
        break
    records, _, full = await read(via)
    assert len(records) == 2500 and full.coverage is Coverage.FULL
    mariadb.sql("use shop; update staff set gone = id = 1, on_leave = 1 where id < 3")
    records, deleted, last = await read(via, since=full.cursor)
    assert [r.native_id for r in records] == ["2"] and deleted == ["1"] and last.coverage is Coverage.CHANGES


async def test_rows_without_a_key_keep_a_list_from_being_whole(via: MysqlConnector) -> None:
    await outcomes(via, change(Operation.CREATE, None, id=1), change(Operation.CREATE, None, id=2, name="b"))
    records, _, last = await read(via, "names")
    assert [r.native_id for r in records] == ["b"] and last.coverage is Coverage.PARTIAL


async def test_rights_and_credentials(via: MysqlConnector, mariadb: Mariadb) -> None:
    reader = connector(mariadb, "reader", "r")
    told = {c.name: c for c in await reader.capabilities()}
    assert told["staff: select"].works
    assert told["staff: insert"].remedy == "GRANT INSERT ON shop.staff TO 'reader'@'%';"
    assert await outcomes(reader, change(Operation.CREATE, None, id=1)) == [Outcome.REFUSED]
    await reader.close()
    with pytest.raises(AuthFailed) as refused:
        await connector(mariadb, "reader", "wr0ng").probe()
    assert "wr0ng" not in str(refused.value)
    assert "MariaDB" in (await via.probe()).version


async def health(mariadb: Mariadb, password: str = "ops-secret", **settings: Any) -> CheckResult:
    target = system(settings.pop("endpoint", mariadb.endpoint), **settings)
    made = MysqlConnector(MysqlConnector.config_for(target, {"username": "ops", "password": password}))
    try:
        return await INTEGRATION.checks[0].run(made, target)
    finally:
        await made.close()


async def test_health_is_a_sign_in_and_what_the_server_says_of_itself(via: MysqlConnector, mariadb: Mariadb) -> None:
    good = await health(mariadb, expect="connections < max_connections and read_only == false")
    assert (good.status, good.seconds is not None) == (CheckStatus.PASS, True), good.summary
    assert (await health(mariadb, expect="connections > 100000")).findings[0].type == "mysql_unexpected"
    refused = await health(mariadb, password="wrong-secret")
    assert (refused.status, "wrong-secret" in repr(refused)) == (CheckStatus.FAIL, False)
    gone = await health(mariadb, endpoint="mysql://127.0.0.1:1/shop")
    assert (gone.status, gone.findings[0].type) == (CheckStatus.FAIL, "mysql_unreachable")
