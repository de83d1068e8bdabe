"""A whole table as lines of COPY, so that a million rows pass through us without a Python object for each.

Only of tables and columns whose text here is what a record says of them, whichever way it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opsteward.contracts.tables import Switch, TableResource
from opsteward.integrations.postgresql.row_changes import VERSION, identifier

if TYPE_CHECKING:
    from psycopg.sql import Composable, Composed

_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_TEXTS = frozenset({"text", "character varying"})
_PLAIN = _INTEGERS | _TEXTS | {"boolean", "uuid"}
#: The types of a plain table's columns.
_TYPES = """
select a.attname::text as name, format_type(a.atttypid, null) as type
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.oid = to_regclass(%s) and c.relkind = 'r' and current_setting('server_encoding') <> 'SQL_ASCII'
    and pg_encoding_to_char(pg_char_to_encoding(current_setting('client_encoding'))) = 'UTF8'
"""


async def lines_of(
    connection: Any, table: TableResource, query: Composed, attributes: Sequence[str]
) -> tuple[Composable, list[object]] | None:
    """The COPY, and its parameters, of the rows that `query` selects of the table; None where they must be read as
    records."""
    from psycopg.sql import SQL, Identifier

    found = await connection.execute(_TYPES, [identifier(table).as_string(connection)])
    types = {row["name"]: row["type"] for row in await found.fetchall()}
    chosen = {table.key, *table.columns} if table.columns else set(types)
    if not all(name in chosen and types.get(name) in _PLAIN for name in attributes):
        return None
    if not all(_compares(types, switch) for switch in (table.disabled, table.deleted)):
        return None
    await connection.execute("set local datestyle = 'ISO'")
    params: list[object] = []
    active: Composable = SQL("null")
    if table.disabled is not None:
        active, value = _differs(table.disabled)
        params.append(value)
    changed: Composable = SQL("null")
    if table.changed is not None and types.get(table.changed) == "timestamp with time zone":
        changed = SQL("r.{}").format(Identifier(table.changed))
    values = [
        SQL("r.{}").format(Identifier(table.key)), SQL("md5(r::text)"), SQL("r.{}").format(Identifier(VERSION)),
        active, changed, *(SQL("nullif(r.{}::text, '')").format(Identifier(name)) for name in attributes),
    ]  # fmt: skip
    there: Composable = SQL("")
    if table.deleted is not None:
        differs, value = _differs(table.deleted)
        there, params = SQL(" where {}").format(differs), [*params, value]
    return SQL("copy (select {} from ({}) as r{}) to stdout").format(SQL(", ").join(values), query, there), params


def _differs(switch: Switch) -> tuple[Composable, object]:
    from psycopg.sql import SQL, Identifier

    return SQL("r.{} is distinct from %s").format(Identifier(switch.column)), switch.value


def _compares(types: dict[str, str], switch: Switch | None) -> bool:
    """Whether the server compares the column with this value as we do."""
    if switch is None:
        return True
    column = types.get(switch.column, "")
    if isinstance(switch.value, bool):
        return column == "boolean"
    return column in (_INTEGERS if isinstance(switch.value, int) else _TEXTS)
