"""Tables of a real PostgreSQL as lists of records: types, keys, rights, rows that are hidden."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from real_parts import Postgres, system

from opsteward.contracts.records import Batch, Change, Coverage, Operation, Outcome, Record
from opsteward.core.errors import BadReply, Invalid
from opsteward.integrations.postgresql.connector import PostgresConnector

TABLES = """
drop table if exists staff; drop table if exists hidden;
create table staff (id int primary key, "user name" text unique, groups text[], extra jsonb, photo bytea, note json,
    on_leave bool not null default false, gone bool not null default false, changed timestamptz not null default now());
create table hidden (id int primary key, owner text); insert into hidden values (1, 'shop'), (2, 'boss');
alter table hidden enable row level security; create policy own on hidden using (owner = current_user);
grant all on staff, hidden to shop; grant select on staff to watcher;
"""
STAFF = {
    "table": "public.staff",
    "key": "id",
    "changed": "changed",
    "disabled": {"column": "on_leave", "value": True},
    "deleted": {"column": "gone", "value": True},
}
RESOURCES = {
    "staff": STAFF,
    "hidden": {"table": "hidden", "key": "id"},
    "names": {"query": 'select "user name" as n, id from staff', "key": "n"},
    "none": {"table": "nowhere", "key": "id"},
}


@pytest.fixture
async def via(postgres: Postgres) -> AsyncIterator[PostgresConnector]:
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        for statement in TABLES.split(";"):
            if statement.strip():
                admin.execute(statement.encode())
    made = connector(postgres)
    yield made
    await made.close()


def connector(postgres: Postgres, role: str = "shop") -> PostgresConnector:
    target = system(postgres.endpoint(), resources=RESOURCES)
    return PostgresConnector(PostgresConnector.config_for(target, {"username": role}))


async def read(via: PostgresConnector, name: str = "staff", since: Any = None) -> tuple[list[Record], list[str], Batch]:
    batches = [batch async for batch in via.read(name, since)]
    return [r for b in batches for r in b.upserts], [i for b in batches for i in b.deleted_ids], batches[-1]


def change(operation: Operation, native_id: str | None = None, **values: Any) -> Change:
    return Change(key="k", operation=operation, native_id=native_id, values=values)


def create(**values: Any) -> Change:
    return change(Operation.CREATE, None, **values)


async def outcomes(via: PostgresConnector, *changes: Change) -> list[Outcome]:
    return [result.outcome for result in await via.write("staff", changes)]


ROW = {
    "id": "7",
    "user name": "O'Brien; drop table staff",
    "groups": ["a", "b,c"],
    "extra": {"deep": [1, None]},
    "photo": {"base64": "/wA="},
    "note": [1],
}


async def test_every_type_goes_in_and_comes_back_and_a_repeated_write_changes_nothing(via: PostgresConnector) -> None:
    assert await outcomes(via, create(**ROW), create(**ROW)) == [Outcome.DONE, Outcome.UNCHANGED]
    records, _, last = await read(via)
    assert {**records[0].values, "id": "7"}.items() >= ROW.items()
    assert last.coverage is Coverage.FULL and records[0].active is True and records[0].changed_at is not None
    update = change(Operation.UPDATE, "7", extra={"deep": 2}, groups=None)
    assert await outcomes(via, update, update, create(id=7)) == [Outcome.DONE, Outcome.UNCHANGED, Outcome.UNCHANGED]
    off = change(Operation.DISABLE, "7")
    assert await outcomes(via, off, off) == [Outcome.DONE, Outcome.UNCHANGED]
    assert (await via.get("staff", ["7", "8"]))["7"].active is False


async def test_what_is_taken_missing_or_refused_is_told_apart(via: PostgresConnector) -> None:
    await outcomes(via, create(id=1, **{"user name": "a"}), create(id=2, **{"user name": "b"}))
    stale = Change(key="k", operation=Operation.UPDATE, native_id="1", values={"groups": ["x"]}, version="1")
    results = await outcomes(
        via,
        create(id=1, **{"user name": "z"}),
        create(id=3, **{"user name": "b"}),
        change(Operation.UPDATE, "2", **{"user name": "a"}),
        change(Operation.UPDATE, "9", groups=[]),
        change(Operation.UPDATE, "nine", groups=[]),
        change(Operation.UPDATE, "1", nothing="x"),
        create(id="x"),
        stale,
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
        Outcome.REFUSED,
        Outcome.CONFLICT,
        Outcome.DONE,
        Outcome.UNCHANGED,
        Outcome.DONE,
    ]
    assert [r.native_id for r in (await read(via))[0]] == ["5"]


async def test_what_changed_and_what_is_marked_as_deleted_is_read_since_a_cursor(
    via: PostgresConnector, postgres: Postgres
) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute(
            "insert into staff (id, changed) select i, now() - interval '1 day' from generate_series(1, 2500) i"
        )
    records, _, full = await read(via)
    assert len(records) == 2500 and full.cursor is not None
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute("update staff set changed = now(), gone = id = 1 where id < 3")
    records, deleted, last = await read(via, since=full.cursor)
    assert [r.native_id for r in records] == ["2"] and deleted == ["1"] and last.coverage is Coverage.CHANGES
    with pytest.raises(Invalid):
        await read(via, since="' or true --")


async def test_rows_newer_than_a_mark_are_found_whoever_wrote_them_and_a_total_tells_of_those_that_are_gone(
    via: PostgresConnector, postgres: Postgres
) -> None:
    with (
        psycopg.connect(postgres.dsn(), autocommit=True) as admin,
        psycopg.connect(postgres.dsn()) as open_transaction,
    ):
        admin.execute("insert into staff (id) select generate_series(1, 2500)")
        # open when the mark is given, and so not in the list that was read then
        open_transaction.execute("update staff set on_leave = true where id = 3")
        mark = await via.mark("staff")
        assert mark is not None
        open_transaction.commit()
        admin.execute("update staff set on_leave = true where id = 1")
        admin.execute("update staff set gone = true where id = 2")
        admin.execute("insert into staff (id) values (9000)")
        admin.execute("delete from staff where id = 2500")
        assert await newer(via, mark) == ({"1", "3", "9000"}, {"2"}, 2499)
        later = await via.mark("staff")
        assert later is not None and await newer(via, later) == (set(), set(), 2499)
        assert await newer(via, "{}") == await newer(via, "of old") == (set(), set(), None)


@pytest.mark.parametrize(
    "change",
    [
        "alter table staff add seen int default 7",  # changes what all rows hold and writes none of them
        "alter table staff alter id type text",
        "truncate staff",
        "create table part () inherits (staff)",
        "drop table staff; create table staff (id int primary key, gone bool, on_leave bool, changed timestamptz)",
    ],
)
async def test_a_mark_says_nothing_any_more_where_not_only_rows_changed(
    via: PostgresConnector, postgres: Postgres, change: str
) -> None:
    mark = await via.mark("staff")
    assert mark is not None and (await newer(via, mark))[2] == 0
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute(change.encode())
    try:
        assert await newer(via, mark) == (set(), set(), None)
    finally:
        with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
            admin.execute("drop table staff cascade")


async def test_a_query_and_a_table_whose_rows_are_hidden_have_no_mark_to_go_by(via: PostgresConnector) -> None:
    assert await via.mark("names") is None and await via.mark("none") is None
    mark = await via.mark("hidden")
    assert [batch async for batch in via.newer("hidden", mark or "")] == []


async def newer(via: PostgresConnector, mark: str) -> tuple[set[str], set[str], int | None]:
    """Ids of what changed, ids of what is marked as deleted, and how many rows there are."""
    batches = [batch async for batch in via.newer("staff", mark)]
    changed = {record.native_id for batch in batches for record in batch.upserts}
    return changed, {i for b in batches for i in b.deleted_ids}, batches[-1].total if batches else None


async def test_a_list_that_is_hidden_in_part_or_has_no_keys_is_not_whole(via: PostgresConnector) -> None:
    records, _, last = await read(via, "hidden")
    assert [r.native_id for r in records] == ["1"] and last.coverage is Coverage.PARTIAL and "BYPASSRLS" in last.note
    await outcomes(via, create(id=1), create(id=2, **{"user name": "b"}))
    records, _, last = await read(via, "names")
    assert [r.native_id for r in records] == ["b"] and last.coverage is Coverage.PARTIAL
    with pytest.raises(BadReply):
        await read(via, "none")


async def test_missing_rights_are_named_with_the_statement_that_grants_them(postgres: Postgres, via: Any) -> None:
    watcher = connector(postgres, "watcher")
    told = {c.name: c for c in await watcher.capabilities()}
    assert told["staff: select"].works and not told["staff: insert"].works
    assert told["staff: insert"].remedy == 'GRANT INSERT ON "public"."staff" TO "watcher";'
    assert not told["none: read"].works
    assert await outcomes(watcher, create(id=1)) == [Outcome.REFUSED]
    await watcher.close()


def test_more_than_one_statement_is_no_list(postgres: Postgres) -> None:
    for query in ("select 1; drop table staff", ""):
        with pytest.raises(Invalid):
            resources = {"a": {"query": query, "key": "id"}}
            PostgresConnector.config_for(system(postgres.endpoint(), resources=resources), {"username": "shop"})
