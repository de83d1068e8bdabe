"""The first read of two tables: as lines it gives exactly what it gives record by record, or is not used."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from real_parts import Postgres

from opsteward.core.blocking_calls import in_thread
from opsteward.core.copy_stream import copied_blocks
from opsteward.integrations import postgresql
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.provisioning.sync.first_read import FirstRead, Staging
from opsteward.provisioning.sync.operations import OfOperation
from support.instance import Instance, Tenant
from support.preloaded import program
from support.syncing import Syncing

TABLE = """
create table {name} (
    id bigint primary key, login varchar(200), name text, active boolean, badge uuid, number int, quota numeric,
    since date, changed timestamptz, gone boolean not null default false)
"""
ODD = [
    "O'Neil",
    'a "b" {c}, d',
    "back\\slash",
    "tab\tline\nend",
    "",
    None,
    "NULL",
    "{}",
    "Zoë 日本 \U0001f600",
    " pad ",
]
FIELDS = ["login", "name", "active", "badge", "number"]
SHADOW = sa.text("""
select side, native_id, key, fields, pair_id, version, active, changed_at, digest, gone, base,
    may_differ and pair_id is not null as may_differ
from opsteward.sync_records where mapping_id = :mapping order by side, native_id
""")


class Tables:
    """Two tables of people, and syncs between them."""

    def __init__(self, syncing: Syncing, postgres: Postgres) -> None:
        self.syncing, self.postgres = syncing, postgres
        self.ids: list[UUID] = []

    def sql(self, statement: str, *params: Any) -> None:
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            admin.execute(statement.encode(), params)

    def instance_sql(self, statement: str, *params: Any) -> None:
        """Of our own database."""
        self.syncing.instance.sql(statement, *params)

    def ids_in(self, table: str) -> set[str]:
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            return {str(row[0]) for row in admin.execute(f"select id from {table} where not gone".encode())}

    async def fill(self) -> None:
        for name in ("ours", "theirs"):
            self.sql(f"drop table if exists {name} cascade")
            self.sql(TABLE.format(name=name))
            self.sql(f"grant all on {name} to shop")
            for number in range(120):
                login = f"u{number % 100}" if name == "ours" else f"u{number}"  # twenty stand twice on one side
                self.sql(
                    f"insert into {name} values (%s, %s, %s, %s, gen_random_uuid(), %s, 1.50, current_date, now(), %s)",
                    number, login, ODD[(number + (name == "ours" and number % 7 == 0)) % len(ODD)],
                    None if number % 9 == 0 else number % 5 > 0, number - 60, number % 50 == 49,
                )  # fmt: skip
            self.sql(f"insert into {name} (id, login) values (1000, null), (1001, '')")
        for name in ("ours", "theirs"):
            table = {"table": name, "key": "id", "changed": "changed", "disabled": {"column": "active", "value": False},
                     "deleted": {"column": "gone", "value": True}}  # fmt: skip
            self.ids.append(
                await self.syncing.system(
                    name, "database", self.postgres.endpoint(), {"username": "shop"}, resources={name: table}
                )
            )

    async def synced(self, name: str, fields: list[str], **more: Any) -> list[tuple[Any, ...]]:
        """The shadow after a dry run of a new mapping."""
        mapping = await self.mapping(name, fields, **more)
        planned = await self.syncing.plan(mapping, dry_run=True)
        assert planned.status == "planned", planned
        return await self.shadow(mapping)

    async def mapping(self, name: str, fields: list[str], **more: Any) -> UUID:
        definition = {"source_resource": "ours", "target_resource": "theirs", "key": "login",
                      "fields": [{"source": each, "target": each, **more} for each in fields]}  # fmt: skip
        return await self.syncing.mapping(self.ids[0], self.ids[1], definition, name)

    async def shadow(self, mapping: UUID) -> list[tuple[Any, ...]]:
        async with self.syncing.db.unit_of_work(self.syncing.tenant_id) as session:
            return [tuple(row) for row in await session.execute(SHADOW, {"mapping": mapping})]


@pytest.fixture
async def tables(instance: Instance, tenant: Tenant, postgres: Postgres) -> Tables:
    made = Tables(Syncing(instance, tenant.id, [postgresql.INTEGRATION]), postgres)
    await made.fill()
    return made


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What came as lines."""
    seen: list[bytes] = []
    whole = PostgresConnector.lines

    async def lines(self: PostgresConnector, resource: str, attributes: Any) -> Any:
        async for part in whole(self, resource, attributes):
            seen.append(part)
            yield part

    monkeypatch.setattr(PostgresConnector, "lines", lines)
    return seen


async def test_as_lines_or_record_by_record_the_shadow_is_the_same(
    tables: Tables, parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_lines = await tables.synced("lines", FIELDS)
    assert len(parts) == 2

    async def none(self: PostgresConnector, resource: str, attributes: Any) -> Any:
        for part in list[bytes]():
            yield part

    monkeypatch.setattr(PostgresConnector, "lines", none)
    by_records = await tables.synced("records", FIELDS)
    assert len(as_lines) == len(by_records) == 2 * 120
    assert as_lines == by_records


async def test_ids_without_any_order_are_stored_as_they_are(tables: Tables, parts: list[bytes]) -> None:
    for name in ("ours", "theirs"):
        tables.sql(f"alter table {name} alter column id type uuid using md5(id::text)::uuid")
    shadow = await tables.synced("uuids", FIELDS)
    there = {name: tables.ids_in(name) for name in ("ours", "theirs")}
    assert len(parts) == 2 and len(shadow) == 2 * 120
    assert {row[1] for row in shadow if row[0] == "source"} == there["ours"]
    assert {row[1] for row in shadow if row[0] == "target"} == there["theirs"]
    paired = {(row[1], row[4]) for row in shadow if row[0] == "source" and row[4]}
    assert paired == {(row[4], row[1]) for row in shadow if row[0] == "target" and row[4]} and len(paired) > 50


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        (["login", "quota"], {}),  # 1.50 and 1.5 are told apart by their text
        (["login", "since"], {}),
        (["login", "nothing"], {}),
        (["login", "name"], {"transforms": [{"strip": True}]}),
    ],
)
async def test_what_says_more_than_its_text_is_read_record_by_record(
    tables: Tables, parts: list[bytes], fields: list[str], more: dict[str, Any]
) -> None:
    assert len(await tables.synced("others", fields, **more)) == 2 * 120
    assert parts == []


async def test_large_values_come_whole(tables: Tables, parts: list[bytes]) -> None:
    tables.sql("alter table ours alter name set storage external")
    tables.sql("update ours set name = repeat('long', 25000) where id %% 2 = 1")
    shadow = await tables.synced("large", FIELDS)
    assert len(shadow) == 2 * 120 and len(parts) > 5  # a few lines each, none with a part of one
    assert all(part.endswith(b"\n") for part in parts)
    names = {row[1]: row[3].get("name") for row in shadow if row[0] == "source"}
    assert {len(names[str(number)]) for number in range(1, 49, 2)} == {100_000}


async def test_a_table_that_is_partly_hidden_is_read_record_by_record(tables: Tables, parts: list[bytes]) -> None:
    tables.sql("alter table theirs enable row level security")
    tables.sql("create policy a_part on theirs to shop using (id < 40)")
    hidden = await tables.synced("hidden", FIELDS)
    assert len([row for row in hidden if row[0] == "target"]) == 40 and len(parts) <= 1  # of the other side, given up


async def test_a_second_sync_after_the_first_read_finds_only_what_has_changed_since(
    tables: Tables, parts: list[bytes]
) -> None:
    first = await tables.synced("again", FIELDS)
    tables.sql("update theirs set name = 'Changed' where id = 7")
    assert len(parts) == 2
    second = await tables.synced("again", FIELDS)
    changed = [two for one, two in zip(first, second, strict=True) if one[:5] != two[:5]]
    assert [(row[0], row[1]) for row in changed] == [("target", "7")]
    assert len(parts) == 2  # by its mark, no more as lines


async def test_a_table_with_heirs_is_read_record_by_record(tables: Tables, parts: list[bytes]) -> None:
    """Their rows are among its own, and no index keeps a key from standing in both."""
    tables.sql("create table heir () inherits (theirs)")
    tables.sql("insert into heir (id, login) values (5, 'u5'), (5000, 'u5000')")
    tables.sql("grant all on heir to shop")
    shadow = await tables.synced("heirs", FIELDS)
    assert len(parts) <= 1  # of the other side, given up
    assert {"5", "5000"} <= {row[1] for row in shadow if row[0] == "target"}


async def test_a_mapping_of_very_many_fields_is_stored_at_once(tables: Tables, parts: list[bytes]) -> None:
    more = [f"more{number}" for number in range(150)]
    for name in ("ours", "theirs"):
        tables.sql(f"alter table {name} {', '.join(f'add {each} text default {len(each)}' for each in more)}")
    shadow = await tables.synced("many", [*FIELDS, *more])
    assert len(parts) == 2 and len(shadow) == 2 * 120
    assert all(set(more) <= set(row[3]) for row in shadow)


async def test_only_a_few_lists_are_read_whole_at_once(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds connections while it needs a further one: all at once would wait for each other."""
    inside, highest, some = 0, 0, asyncio.Event()
    stage = FirstRead._stage_both

    async def staged(self: FirstRead, *args: Any) -> Any:
        nonlocal inside, highest
        inside, highest = inside + 1, max(highest, inside + 1)
        if inside == 3:
            some.set()
        await asyncio.wait_for(some.wait(), 30)
        try:
            return await stage(self, *args)
        finally:
            inside -= 1

    monkeypatch.setattr(FirstRead, "_stage_both", staged)
    mappings = [await tables.mapping(f"one of many {number}", FIELDS) for number in range(8)]
    planned = await asyncio.gather(*(tables.syncing.plan(each, dry_run=True) for each in mappings))
    assert [each.status for each in planned] == ["planned"] * 8
    assert highest == 3


async def test_half_of_a_read_that_was_left_meanwhile_is_dropped(
    tables: Tables, parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process, which was taken for lost, has stored the source when it dies; we were reading already."""
    whole = await tables.synced("whole", FIELDS)
    mapping = await tables.mapping("half", FIELDS)
    store = FirstRead._store

    async def stored(self: FirstRead, *stagings: Staging) -> None:
        tables.instance_sql(
            "insert into opsteward.sync_records (tenant_id, mapping_id, side, native_id, key, fields, pair_id, gone,"
            " may_differ) select tenant_id, %s, side, native_id, key, fields, pair_id, gone, may_differ"
            " from opsteward.sync_records where side = 'source' and tenant_id = %s and mapping_id <> %s",
            mapping, tables.syncing.tenant_id, mapping,
        )  # fmt: skip
        await store(self, *stagings)

    monkeypatch.setattr(FirstRead, "_store", stored)
    planned = await tables.syncing.plan(mapping, dry_run=True)
    assert (planned.status, len(parts)) == ("planned", 4)
    assert await tables.shadow(mapping) == whole


async def test_half_of_a_large_list_is_dropped_however_long_that_takes(tables: Tables) -> None:
    mapping = await tables.mapping("half", FIELDS)
    tables.instance_sql(
        "insert into opsteward.sync_records (tenant_id, mapping_id, side, native_id, key, fields, pair_id, gone,"
        " may_differ) values (%s, %s, 'source', '1', 'u1', '{}', '1', false, false)",
        tables.syncing.tenant_id, mapping,
    )  # fmt: skip
    limits: list[str] = []

    def look(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.strip().startswith("delete from opsteward.sync_records"):
            limits.append(connection.exec_driver_sql("show statement_timeout").scalar())

    engine = tables.syncing.db._engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", look)
    try:
        planned = await tables.syncing.plan(mapping, dry_run=True)
    finally:
        sa.event.remove(engine, "before_cursor_execute", look)
    assert planned.status == "planned" and set(limits) == {"0"}


async def test_who_has_stored_its_list_waits_for_the_other_as_long_as_it_takes(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[str | None] = []
    store = Staging.store

    async def stored(self: Staging, *args: Any, **options: Any) -> None:
        await store(self, *args, **options)
        limits.append(await self.session.scalar(sa.text("show idle_in_transaction_session_timeout")))

    monkeypatch.setattr(Staging, "store", stored)
    await tables.synced("patient", FIELDS)
    assert limits == ["0", "0"]


async def test_a_copy_that_fails_in_its_middle_says_so(postgres: Postgres) -> None:
    """After many lines that were good."""
    seen = 0
    async with await psycopg.AsyncConnection.connect(postgres.dsn(), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async for block in copied_blocks(
                connection, "copy (select n, 1 / (300000 - n) from generate_series(1, 300001) n) to stdout"
            ):
                seen += block.count(b"\n")
        found = await (await connection.execute("select 1")).fetchone()
    assert 0 < seen < 300_000 and found == (1,)


@pytest.mark.slow(reason="a process of its own is started and killed")
@pytest.mark.parametrize("where", ["lines", "stored"])
async def test_a_process_that_dies_in_the_first_read_is_followed_by_one_that_reads_it_whole(
    instance: Instance, tables: Tables, tenant: Tenant, where: str
) -> None:
    whole = await tables.synced("whole", FIELDS)
    mapping = await tables.mapping("dying", FIELDS)
    begun = await tables.syncing.begun(mapping, dry_run=True)
    script = Path(__file__).parent / "dying_first_read.py"
    process = program(script, instance.home, tenant.id, begun, where)
    assert await in_thread(process.wait, 60) == -signal.SIGKILL, process.told()
    left = await tables.shadow(mapping)
    assert {row[0] for row in left} == ({"source"} if where == "stored" else set())
    await tables.syncing.tasks.plan(tables.syncing.context(1), OfOperation(operation_id=begun))
    assert (await tables.syncing.operation(begun)).status == "planned"
    assert await tables.shadow(mapping) == whole
