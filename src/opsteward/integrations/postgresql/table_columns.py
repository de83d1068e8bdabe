"""A whole table as a few arrays of text for each stretch of its blocks, so that a million rows pass through us without
a Python object for each.

Only of tables and columns whose text here is what a record says of them, whichever way it is read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opsteward.contracts.records import RecordColumns
from opsteward.contracts.tables import Switch, TableResource
from opsteward.integrations.postgresql.row_changes import VERSION, identifier

if TYPE_CHECKING:
    from psycopg.sql import Composable, Composed

#: Blocks of 8 kB of one part.
_BLOCKS = 64
#: Since this version rows are found by where they lie.
_OLDEST = 140000
_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_TEXTS = frozenset({"text", "character varying"})
_PLAIN = _INTEGERS | _TEXTS | {"boolean", "uuid"}
#: A plain table without large values (`toast`), and the types of its columns.
_TABLE = """
select (pg_relation_size(c.oid) / current_setting('block_size')::int)::bigint as blocks,
    array_agg(a.attname::text) as names, array_agg(format_type(a.atttypid, null)) as types
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.oid = to_regclass(%s) and c.relkind = 'r' and not exists (select from pg_inherits i where i.inhparent = c.oid)
    and (c.reltoastrelid = 0 or pg_relation_size(c.reltoastrelid) = 0)
    and exists (select from pg_am m where m.oid = c.relam and m.amname = 'heap')
    and current_setting('server_version_num')::int >= %s and current_setting('server_encoding') <> 'SQL_ASCII'
    and pg_encoding_to_char(pg_char_to_encoding(current_setting('client_encoding'))) = 'UTF8'
group by c.oid
"""


async def parts_of(
    connection: Any, table: TableResource, query: Composed, attributes: Sequence[str]
) -> AsyncIterator[RecordColumns]:
    """The rows that `query` selects of the table, in the caller's transaction; nothing where they must be read one by
    one."""
    from psycopg.sql import SQL

    found = await (await connection.execute(_TABLE, [identifier(table).as_string(connection), _OLDEST])).fetchone()
    if found is None:
        return
    types: dict[str, str] = dict(zip(found["names"], found["types"], strict=True))
    chosen = {table.key, *table.columns} if table.columns else set(types)
    if not all(name in chosen and types.get(name) in _PLAIN for name in attributes):
        return
    if not all(_compares(types, switch) for switch in (table.disabled, table.deleted)):
        return
    await connection.execute("set local datestyle = 'ISO'")
    columns, params = _columns(table, types, attributes)
    there: Composable = SQL("")
    if table.deleted is not None:
        there, value = _differs(table.deleted)
        there, params = SQL(" where {}").format(there), [*params, value]
    for first in range(0, found["blocks"], _BLOCKS):
        stretch = SQL("{} where ctid >= {}::tid and ctid < {}::tid").format(
            query, f"({first},0)", f"({first + _BLOCKS},0)"
        )
        statement = SQL("select {} from ({}) as r{}").format(columns, stretch, there)
        row = await (await connection.execute(statement, params)).fetchone()
        if row is not None and row["native_ids"] is not None:
            yield RecordColumns(
                native_ids=row["native_ids"],
                digests=row["digests"],
                versions=row["versions"],
                active=row.get("active"),
                changed_at=row.get("changed_at"),
                attributes=[row[f"a{n}"] for n in range(len(attributes))],
            )


def _columns(
    table: TableResource, types: Mapping[str, str], attributes: Sequence[str]
) -> tuple[Composable, list[object]]:
    """What is selected, and its parameters."""
    from psycopg.sql import SQL, Identifier

    values: list[tuple[str, Composable]] = [
        ("native_ids", SQL("r.{}::text").format(Identifier(table.key))),
        ("versions", SQL("r.{}").format(Identifier(VERSION))),
        ("digests", SQL("md5(r::text)")),
    ]
    params: list[object] = []
    if table.disabled is not None:
        differs, value = _differs(table.disabled)
        values.append(("active", differs))
        params.append(value)
    if table.changed is not None and types.get(table.changed) == "timestamp with time zone":
        values.append(("changed_at", SQL("r.{}").format(Identifier(table.changed))))
    values += [(f"a{n}", SQL("nullif(r.{}::text, '')").format(Identifier(name))) for n, name in enumerate(attributes)]
    arrays = [SQL("array_agg({})::text as {}").format(value, Identifier(name)) for name, value in values]
    return SQL(", ").join(arrays), params


def _differs(switch: Switch) -> tuple[Composable, object]:
    from psycopg.sql import SQL, Identifier

    return SQL("r.{} is distinct from %s").format(Identifier(switch.column)), switch.value


def _compares(types: Mapping[str, str], switch: Switch | None) -> bool:
    """Whether the server compares the column with this value as we do."""
    if switch is None:
        return True
    column = types.get(switch.column, "")
    if isinstance(switch.value, bool):
        return column == "boolean"
    return column in (_INTEGERS if isinstance(switch.value, int) else _TEXTS)
