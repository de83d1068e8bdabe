"""One statement of an operator's own: read through a cursor in a transaction that can't write, within its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from opsteward.contracts.lookups import Looked
from opsteward.core.errors import BadReply
from opsteward.core.json_types import Json, JsonObject

if TYPE_CHECKING:
    from opsteward.integrations.postgresql.client import PostgresClient

_GRACE = 2.0  # seconds that the server gets to report its own timeout
_AT_ONCE = 500  # rows
_MAX_CHARACTERS = 32 * 1024 * 1024  # of all rows
_PART_CHARACTERS = 2 * 1024 * 1024
_LOCK_SECONDS = 2


async def select(
    client: PostgresClient, statement: str, values: Mapping[str, object], *, max_rows: int, seconds: float
) -> Looked:
    """See `StatementSource.select`. A cursor takes queries only: what would write is refused before it runs."""
    import psycopg

    rows: list[JsonObject] = []
    size = 0
    async with client.session(limit=seconds + _GRACE) as connection, connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        await connection.execute(f"set local statement_timeout = {max(1, int(seconds * 1000))}")
        await connection.execute(f"set local lock_timeout = {_LOCK_SECONDS * 1000}")
        async with connection.cursor(name="opsteward_lookup") as cursor:
            try:
                await cursor.execute(statement.encode(), dict(values))
            except psycopg.ProgrammingError as error:
                if error.sqlstate is None:  # psycopg's own: the statement and its values do not fit
                    raise BadReply(f"the statement can't be sent: {str(error)[:200]}") from None
                raise
            count = 1
            while True:
                part = await cursor.fetchmany(min(count, max_rows + 1 - len(rows)))
                if not part:
                    return Looked(rows=rows)
                for row in part:
                    made = {str(name): plain(value) for name, value in row.items()}
                    size += sum(len(value) if isinstance(value, str) else 8 for value in made.values())
                    if len(rows) >= max_rows or size > _MAX_CHARACTERS:
                        return Looked(rows=rows, cut=True)
                    rows.append(made)
                # As many more as before, but no more than fit: rows can be megabytes each.
                count = max(1, min(2 * count, _AT_ONCE, int(_PART_CHARACTERS / max(size / len(rows), 1))))


def plain(value: Any) -> Json:
    """A value as JSON has it; what has no JSON of its own is its text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        near = float(value)
        return near if math.isfinite(near) and Decimal(repr(near)) == value else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
