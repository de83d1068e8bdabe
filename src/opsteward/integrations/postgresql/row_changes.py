"""Rows as records, and one change of a row inside of a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from opsteward.contracts.record_values import json_value
from opsteward.contracts.records import Change, ChangeResult, Outcome, Record
from opsteward.contracts.tables import TableResource
from opsteward.core.errors import BadReply

#: The column by which a row's version is read beside its own columns.
VERSION = "__opsteward_version"
#: And the one with the digest of all of them.
DIGEST = "__opsteward_digest"
_OURS = frozenset({VERSION, DIGEST})


def record_of(row: Mapping[str, Any], table: TableResource) -> Record | None:
    """The record of a row; None without a key."""
    if row.get(table.key) is None:
        if table.key not in row:
            raise BadReply(f"the list has no column {table.key}")
        return None
    changed = row.get(table.changed) if table.changed else None
    return Record(
        native_id=str(json_value(row[table.key])),
        values={name: json_value(value) for name, value in row.items() if name not in _OURS},
        version=row.get(VERSION),
        digest=row.get(DIGEST),
        changed_at=changed if isinstance(changed, datetime) and changed.tzinfo else None,
        active=None if table.disabled is None else row.get(table.disabled.column) != table.disabled.value,
    )


def identifier(table: TableResource) -> Any:
    """The table's name, quoted."""

    from psycopg.sql import Identifier

    return Identifier(*table.path)


async def insert(connection: Any, table: TableResource, change: Change, values: Mapping[str, Any]) -> ChangeResult:
    """Make a row, unless there is one with one of its unique values."""

    from psycopg.sql import SQL, Identifier, Placeholder

    given = {name: value for name, value in values.items() if value is not None}
    statement = SQL("insert into {} ({}) values ({}) on conflict do nothing returning *, xmin::text as {}").format(
        identifier(table),
        SQL(", ").join(map(Identifier, given)),
        SQL(", ").join([Placeholder()] * len(given)),
        Identifier(VERSION),
    )
    if not given:
        return change.result(Outcome.REFUSED, problem="the row has no values")
    row = await (await connection.execute(statement, list(given.values()))).fetchone()
    if row is not None:
        return change.result(Outcome.DONE, record_of(row, table))
    there = await _row(connection, table, given.get(table.key))
    if there is None:
        return change.result(Outcome.EXISTS, problem="another row has one of its unique values")
    different = await _different(connection, table, given)
    return change.result(Outcome.EXISTS if different else Outcome.UNCHANGED, record_of(there, table))


async def update(connection: Any, table: TableResource, change: Change, values: Mapping[str, Any]) -> ChangeResult:
    """Set columns of a row, when that changes anything."""

    from psycopg.sql import SQL, Identifier, Placeholder

    there = await _row(connection, table, change.native_id, lock=True)
    if there is None:
        return change.result(Outcome.MISSING, problem="there is no such row")
    record = record_of(there, table)
    if change.version is not None and there[VERSION] != change.version:
        return change.result(Outcome.CONFLICT, record, "the row was changed since it was read")
    if not values or not await _different(connection, table, {**values, table.key: change.native_id}, set_to=values):
        return change.result(Outcome.UNCHANGED, record)
    statement = SQL("update {} set {} where {} = %s returning *, xmin::text as {}").format(
        identifier(table),
        SQL(", ").join(SQL("{} = {}").format(Identifier(name), Placeholder()) for name in values),
        Identifier(table.key),
        Identifier(VERSION),
    )
    row = await (await connection.execute(statement, [*values.values(), change.native_id])).fetchone()
    return change.result(Outcome.DONE, record_of(row, table))


async def delete(connection: Any, table: TableResource, change: Change) -> ChangeResult:
    """Remove a row."""

    from psycopg.sql import SQL, Identifier

    there = await _row(connection, table, change.native_id, lock=True)
    if there is None:
        return change.result(Outcome.UNCHANGED)
    if change.version is not None and there[VERSION] != change.version:
        return change.result(Outcome.CONFLICT, record_of(there, table), "the row was changed since it was read")
    statement = SQL("delete from {} where {} = %s").format(identifier(table), Identifier(table.key))
    await connection.execute(statement, [change.native_id])
    return change.result(Outcome.DONE)


async def _row(connection: Any, table: TableResource, key: object, *, lock: bool = False) -> Mapping[str, Any] | None:
    from psycopg.sql import SQL, Identifier

    statement = SQL("select *, xmin::text as {} from {} where {} = %s{}").format(
        Identifier(VERSION), identifier(table), Identifier(table.key), SQL(" for update" if lock else "")
    )
    return cast("Mapping[str, Any] | None", await (await connection.execute(statement, [key])).fetchone())


async def _different(
    connection: Any, table: TableResource, row: Mapping[str, Any], *, set_to: Mapping[str, Any] | None = None
) -> bool:
    """Whether the row with this key has other values; the database compares, by the types of its columns."""
    from psycopg.sql import SQL, Identifier
    from psycopg.types.json import Json as PgJson

    values = row if set_to is None else set_to
    compared = SQL(" or ").join(
        SQL("{}::jsonb is distinct from %s::jsonb" if isinstance(value, PgJson) else "{} is distinct from %s").format(
            Identifier(name)
        )
        for name, value in values.items()
    )
    statement = SQL("select ({}) as differs from {} where {} = %s").format(
        compared, identifier(table), Identifier(table.key)
    )
    found = await (await connection.execute(statement, [*values.values(), row[table.key]])).fetchone()
    return found is None or bool(found["differs"])
