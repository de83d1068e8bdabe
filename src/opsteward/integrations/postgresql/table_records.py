"""Tables and queries as lists of records: read in one snapshot, each change in a transaction of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opsteward.contracts.connector import Capability
from opsteward.contracts.distinct_records import DistinctRecords
from opsteward.contracts.record_values import binary
from opsteward.contracts.records import (
    MAX_BATCH,
    Batch,
    Change,
    ChangeResult,
    Coverage,
    Cursor,
    Operation,
    Outcome,
    Record,
    ResourceInfo,
)
from opsteward.contracts.tables import TableResource
from opsteward.core.copy_stream import copied_blocks
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Invalid, NotFound
from opsteward.core.json_types import Json
from opsteward.integrations.postgresql import newer_rows, plain_rows
from opsteward.integrations.postgresql.client import PostgresClient, closing
from opsteward.integrations.postgresql.row_changes import DIGEST, VERSION, delete, identifier, insert, record_of, update

if TYPE_CHECKING:
    from psycopg.sql import Composable, Composed

_FETCH_TIMEOUT = 60.0  # seconds, for a thousand rows
#: Rows whose transaction was open while we read are read again.
_OVERLAP = "interval '5 minutes'"
#: The index of a partitioned table is one for all its parts; that of a table with heirs says nothing of their rows.
_UNIQUE = """
select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] and a.attnotnull
where i.indrelid = to_regclass(%s) and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
    and i.indnkeyatts = 1 and a.attname = %s
    and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'text'::regtype, 'varchar'::regtype,
        'uuid'::regtype)
    and not exists (select from pg_inherits h join pg_class c on c.oid = h.inhparent
        where c.oid = i.indrelid and c.relkind = 'r')
limit 1
"""
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


class TableRecords:
    """The declared lists of one database. `role` is who we are there, for the statements that would grant more."""

    def __init__(self, client: PostgresClient, declared: Mapping[str, TableResource], role: str) -> None:
        self._client = client
        self._declared = declared
        self._role = role

    def resources(self) -> list[ResourceInfo]:
        """As they are declared."""
        return [table.described(name) for name, table in sorted(self._declared.items())]

    async def capabilities(self) -> list[Capability]:
        """For each table whether we may read and change it, with the GRANT that is missing."""
        found: list[Capability] = []
        for name, table in sorted(self._declared.items()):
            if not table.table:
                continue
            path = identifier(table)
            try:
                async with self._client.session() as connection:
                    quoted = path.as_string(connection)
                    row = await (
                        await connection.execute("select to_regclass(%s) is not null as there", [quoted])
                    ).fetchone()
                    if row is None or not row["there"]:
                        found.append(
                            Capability(name=f"{name}: read", works=False, problem=f"there is no table {quoted}")
                        )
                        continue
                    for privilege in _PRIVILEGES:
                        asked = await connection.execute(
                            "select has_table_privilege(%s, %s) as may", [quoted, privilege]
                        )
                        may = bool((await asked.fetchone() or {}).get("may"))
                        remedy = "" if may else f'GRANT {privilege} ON {quoted} TO "{self._role}";'
                        problem = "" if may else f"the role {self._role} may not {privilege} there"
                        what = f"{name}: {privilege.lower()}"
                        found.append(Capability(name=what, works=may, problem=problem, remedy=remedy))
            except (AuthFailed, BadReply) as error:
                remedy = f'GRANT USAGE ON SCHEMA {path.as_string().rpartition(".")[0] or "public"} TO "{self._role}";'
                found.append(Capability(name=f"{name}: read", works=False, problem=error.detail, remedy=remedy))
        return found

    async def read(self, name: str, since: Cursor | None) -> AsyncIterator[Batch]:
        """One consistent snapshot; rows without a key of their own keep it from being whole."""
        from psycopg.sql import SQL

        table = self._table(name)
        distinct = DistinctRecords()
        reader = self._client.another()  # a read that is left stands in nobody's way
        async with closing(reader), reader.session(limit=None) as connection, connection.transaction():
            await connection.execute("set transaction isolation level repeatable read, read only")
            await connection.execute(f"set local statement_timeout = {int(_FETCH_TIMEOUT * 1000)}")
            note = "" if table.query else await self._hidden_rows(connection, table)
            started = await (
                await connection.execute(SQL("select (now() - " + _OVERLAP + ")::timestamptz as at"))
            ).fetchone()
            query, params = self._select(table, since)
            if not note and await self._has_digests(connection, table):
                query = _with_digest(query)
            async for rows in _in_parts(connection, query, params):
                yield distinct.batch((record_of(row, table), table.says_gone(row)) for row in rows)
        if distinct.problems or note:
            note = note or distinct.problems[0]
            yield Batch(coverage=Coverage.PARTIAL, note=note, problems=distinct.problems)
            return
        cursor_now = Cursor(started["at"].isoformat()) if table.changed and started else None
        incremental = since is not None and table.changed is not None
        kind = Coverage.CHANGES if table.deleted else Coverage.UPDATES
        yield Batch(cursor=cursor_now, coverage=kind if incremental else Coverage.FULL)

    async def mark(self, name: str) -> str | None:
        """None for a query, and for a table whose rows may change unseen."""
        table = self._table(name)
        if table.query:
            return None
        try:
            async with self._client.session() as connection:
                return await newer_rows.mark_of(connection, table)
        except (AuthFailed, BadReply):  # an old server, or one that does not tell everybody
            return None

    async def newer(self, name: str, mark: str) -> AsyncIterator[Batch]:
        """The rows that a later transaction wrote, and how many there are in all, in one snapshot."""
        from psycopg.sql import SQL, Identifier

        table = self._table(name)
        reader = self._client.another()
        async with closing(reader), reader.session(limit=None) as connection, connection.transaction():
            await connection.execute("set transaction isolation level repeatable read, read only")
            await connection.execute(f"set local statement_timeout = {int(_FETCH_TIMEOUT * 1000)}")
            first = await newer_rows.since(connection, table, mark)
            if first is None or not await self._has_digests(connection, table):
                return
            if await self._hidden_rows(connection, table):
                return
            there: Composable = SQL("true")
            values: list[object] = []
            if table.deleted is not None:
                there = SQL("{} is distinct from %s").format(Identifier(table.deleted.column))
                values = [table.deleted.value]
            counted = SQL("select count(*) filter (where {}) as total from {}").format(there, identifier(table))
            total = (await (await connection.execute(counted, values)).fetchone() or {})["total"]
            query, _ = self._select(table, None)
            query = _with_digest(SQL("{} where age(xmin) <= age(%s::text::xid)").format(query))
            async for rows in _in_parts(connection, query, [str(first)]):
                found = [(record_of(row, table), table.says_gone(row)) for row in rows]
                yield Batch(
                    upserts=[record for record, gone in found if record is not None and not gone],
                    deleted_ids=[record.native_id for record, gone in found if record is not None and gone],
                )
        yield Batch(coverage=Coverage.UPDATES, total=total)

    async def lines(self, name: str, attributes: Sequence[str]) -> AsyncIterator[bytes]:
        """In one snapshot; nothing where a key may stand twice rows may be hidden, or `plain_rows` can't tell."""
        table = self._table(name)
        query, _ = self._select(table, None)
        async with self._whole(table) as connection:
            copy = None if connection is None else await plain_rows.lines_of(connection, table, query, attributes)
            if copy is not None:
                async for block in copied_blocks(connection, *copy):
                    yield block

    async def digests(self, name: str) -> AsyncIterator[bytes]:
        """Of all rows by their keys; nothing where a key may stand twice, or rows may be hidden."""
        from psycopg.sql import SQL, Identifier

        table = self._table(name)
        query, params = self._select(table, None)
        there = SQL("select r.{}::text, md5(r::text) from ({}) as r").format(Identifier(table.key), query)
        if table.deleted is not None:
            there = SQL("{} where r.{} is distinct from %s").format(there, Identifier(table.deleted.column))
            params = [*params, table.deleted.value]
        async with self._whole(table) as connection:
            if connection is not None:
                async for block in copied_blocks(connection, SQL("copy ({}) to stdout").format(there), params):
                    yield block

    @asynccontextmanager
    async def _whole(self, table: TableResource) -> AsyncIterator[Any]:
        """A connection of its own with one snapshot, for a COPY that takes as long as its reader; None where a key may
        stand twice, or rows may be hidden."""
        reader = self._client.another()
        async with closing(reader), reader.session(limit=None) as connection, connection.transaction():
            await connection.execute("set transaction isolation level repeatable read, read only")
            await connection.execute("set local statement_timeout = 0")
            is_whole = await self._has_digests(connection, table) and not await self._hidden_rows(connection, table)
            yield connection if is_whole else None

    @staticmethod
    async def _has_digests(connection: Any, table: TableResource) -> bool:
        """Whether the key can't stand twice, and says the same as text there as it does here."""
        if table.query:
            return False
        found = await connection.execute(_UNIQUE, [identifier(table).as_string(connection), table.key])
        return await found.fetchone() is not None

    async def get(self, name: str, native_ids: Sequence[str]) -> dict[str, Record]:
        """The rows with these keys."""
        from psycopg.sql import SQL, Identifier

        table = self._table(name)
        query, params = self._select(table, None)
        digest = SQL(", md5(r::text) as {}").format(Identifier(DIGEST)) if table.table else SQL("")
        wanted = SQL("select r.*{} from ({}) as r where r.{}::text = any(%s)").format(
            digest, query, Identifier(table.key)
        )
        async with self._client.session() as connection:
            rows = await (await connection.execute(wanted, [*params, list(native_ids)])).fetchall()
        return {record.native_id: record for row in rows if (record := record_of(row, table)) is not None}

    async def write(self, name: str, changes: Sequence[Change]) -> list[ChangeResult]:
        """Each change by itself. Raises ConnectorError when the first can't even be tried."""
        table = self._table(name)
        if not table.table:
            raise Invalid.field("resource", f"{name} is a query, which can't be written", "declare its table")
        results: list[ChangeResult] = []
        for change in changes:
            try:
                results.append(await self._one(table, change))
            except (AuthFailed, BadReply) as error:
                kind = error.extra.get("kind")
                if kind == "auth":
                    raise
                results.append(change.result(Outcome.REFUSED, problem=error.detail))
            except ConnectorError as error:
                if not results:
                    raise
                results.append(change.result(Outcome.FAILED, problem=error.detail))
        return results

    async def _one(self, table: TableResource, change: Change) -> ChangeResult:
        import psycopg

        try:
            values = await self._typed(table, dict(change.values))
            async with self._client.writing() as connection:
                if change.operation is Operation.CREATE:
                    return await insert(connection, table, change, values)
                if change.operation is Operation.DELETE:
                    return await delete(connection, table, change)
                if change.operation is Operation.DISABLE:
                    if table.disabled is None:
                        problem = "nothing says how a row is switched off: set `disabled` of this list"
                        return change.result(Outcome.REFUSED, problem=problem)
                    values = {table.disabled.column: table.disabled.value}
                return await update(connection, table, change, values)
        except BadReply as error:
            if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                return change.result(Outcome.EXISTS, problem="another row has one of its unique values")
            if isinstance(error.__cause__, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
                return change.result(Outcome.FAILED, problem=error.detail)
            raise
        except Invalid as error:
            return change.result(Outcome.REFUSED, problem=error.detail)

    async def _typed(self, table: TableResource, values: dict[str, Json]) -> dict[str, Any]:
        """The values as the columns take them."""
        from psycopg.types.json import Json as PgJson
        from psycopg.types.json import Jsonb

        types: dict[str, str] = {}
        if any(isinstance(value, dict | list) for value in values.values()):
            async with self._client.session() as connection:
                rows = await connection.execute(
                    "select attname::text as name, atttypid::regtype::text as type from pg_attribute"
                    " where attrelid = to_regclass(%s) and attnum > 0",
                    [identifier(table).as_string(connection)],
                )
                types = {row["name"]: row["type"] for row in await rows.fetchall()}
        typed: dict[str, Any] = {}
        for name, value in values.items():
            content = binary(value, field=name)
            kind = types.get(name, "")
            if content is not None and kind not in {"json", "jsonb"}:
                typed[name] = content
            elif kind == "jsonb" and isinstance(value, dict | list):
                typed[name] = Jsonb(value)
            elif kind == "json" and isinstance(value, dict | list):
                typed[name] = PgJson(value)
            elif isinstance(value, dict):
                raise Invalid.field(name, "is an object, and the column is no json")
            elif isinstance(value, bool):
                typed[name] = "true" if value else "false"
            else:
                # as text that the server reads by the column's type
                typed[name] = str(value) if isinstance(value, int | float) else value
        return typed

    def _select(self, table: TableResource, since: Cursor | None) -> tuple[Composed, list[object]]:
        from psycopg.sql import SQL, Identifier

        if table.query:
            source: Composable = SQL("({}) as q").format(SQL(table.query.rstrip().rstrip(";")))
        else:
            source = identifier(table)
        names = [*dict.fromkeys([table.key, *table.columns, *self._extra(table)])] if table.columns else []
        columns: Composable = SQL(", ").join(map(Identifier, names)) if names else SQL("*")
        if table.table:
            columns = SQL("{}, xmin::text as {}").format(columns, Identifier(VERSION))
        query = SQL("select {} from {}").format(columns, source)
        if since is not None and table.changed is not None:
            try:
                datetime.fromisoformat(since)
            except ValueError:
                raise Invalid.field("cursor", "is none of this system", "start with a full read") from None
            return SQL("{} where {} >= %s").format(query, Identifier(table.changed)), [str(since)]
        return query, []

    @staticmethod
    def _extra(table: TableResource) -> list[str]:
        switches = [switch.column for switch in (table.disabled, table.deleted) if switch is not None]
        return [*switches, *([table.changed] if table.changed else [])]

    async def _hidden_rows(self, connection: Any, table: TableResource) -> str:
        found = await connection.execute(
            "select row_security_active(to_regclass(%s)) as hides", [identifier(table).as_string(connection)]
        )
        row = await found.fetchone()
        if row is not None and row["hides"]:
            return f"row-level security shows {self._role} a part of the rows only; grant it BYPASSRLS to read all"
        return ""

    def _table(self, name: str) -> TableResource:
        try:
            return self._declared[name]
        except KeyError:
            raise NotFound(f"there is no list {name!r:.80} here", remedy="declare it in settings.resources") from None


def _with_digest(query: Composed) -> Composed:
    from psycopg.sql import SQL, Identifier

    return SQL("select r.*, md5(r::text) as {} from ({}) as r").format(Identifier(DIGEST), query)


async def _in_parts(connection: Any, query: Composed, params: list[object]) -> AsyncIterator[list[dict[str, Any]]]:
    """The rows a batch at a time; each batch has the same time to come."""
    async with connection.cursor(name="opsteward_records") as cursor:
        async with asyncio.timeout(_FETCH_TIMEOUT):
            await cursor.execute(query, params)
        while True:
            async with asyncio.timeout(_FETCH_TIMEOUT):
                rows = await cursor.fetchmany(MAX_BATCH)
            if not rows:
                return
            yield rows
