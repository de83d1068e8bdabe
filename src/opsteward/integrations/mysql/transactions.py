"""The open transactions of a server as they are now."""

from __future__ import annotations

import asyncio
from typing import Any

from opsteward.core.errors import BadReply
from opsteward.integrations.mysql.connector import MysqlConnector

_RENEWED_AFTER = 0.12  # seconds in which nobody reads
_LOOKS = 5


async def read_transactions(via: MysqlConnector, statement: str) -> list[dict[str, Any]]:
    """The rows of a statement on information_schema.innodb_trx whose column `ours` is 1 for our own connection, less
    that one.

    The server shows a copy, and renews it only once nobody has read it for a tenth of a second. So we begin a
    transaction: a copy that has it is newer than our look. Raises BadReply where others keep it from being renewed.
    """
    await via.rows("start transaction with consistent snapshot")
    rows: list[dict[str, Any]] = []
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_RENEWED_AFTER)
        rows = await via.rows(statement)
        if any(row["ours"] for row in rows):
            break
    await via.rows("rollback")
    if not any(row["ours"] for row in rows):
        raise BadReply("the server shows an old list of transactions: others read it more often than it is renewed")
    return [row for row in rows if not row["ours"]]
