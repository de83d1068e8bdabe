"""What a MariaDB or MySQL server tells of itself at one moment, and what could not be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Timeout
from opsteward.integrations.mysql.connector import MysqlConnector
from opsteward.integrations.mysql.transactions import read_transactions

STATEMENT_SECONDS: Final = 2.0
TOTAL_SECONDS: Final = 8.0

_SYSTEM_SCHEMAS: Final = "('mysql', 'sys', 'information_schema', 'performance_schema')"
# Both servers have information_schema.processlist; who waits for whom stands in different tables.
_MARIADB_WAITS: Final = """
    select w.requesting_trx_id as waiting, w.blocking_trx_id as blocking from information_schema.innodb_lock_waits w"""
_MYSQL_WAITS: Final = """
    select requesting_engine_transaction_id as waiting, blocking_engine_transaction_id as blocking
    from performance_schema.data_lock_waits"""
_SEES_ALL: Final = "select count(*) as n from information_schema.user_privileges where privilege_type = 'PROCESS'"
READINGS: Final[Mapping[str, str]] = {
    "status": "show global status",
    "variables": "show global variables",
    "processes": """
        select id, user as name, host, db as database_name, command, time as seconds, state, left(info, 1000) as query
        from information_schema.processlist where id <> connection_id()""",
    "transactions": """
        select trx_id, trx_mysql_thread_id as id, trx_state as state, left(trx_query, 1000) as query,
            cast(trx_started as char) as started, timestampdiff(second, trx_started, now()) as seconds,
            timestampdiff(second, trx_wait_started, now()) as waited, trx_rows_locked as rows_locked,
            trx_mysql_thread_id = connection_id() as ours
        from information_schema.innodb_trx""",
    "waits": _MARIADB_WAITS,
    "columns": f"""
        select t.table_schema as schema_name, t.table_name as table_name, t.auto_increment as next_value,
            c.column_name as column_name, c.data_type as type, c.column_type like '%unsigned%' as is_unsigned
        from information_schema.tables t join information_schema.columns c
            on c.table_schema = t.table_schema and c.table_name = t.table_name and c.extra like '%auto_increment%'
        where t.auto_increment is not null and t.table_schema not in {_SYSTEM_SCHEMAS} limit 2000""",
    "keyless": f"""
        select t.table_schema as schema_name, t.table_name as table_name, t.table_rows as row_count
        from information_schema.tables t
        where t.table_type = 'BASE TABLE' and t.engine = 'InnoDB' and t.table_schema not in {_SYSTEM_SCHEMAS}
          and not exists (select 1 from information_schema.statistics s where s.table_schema = t.table_schema
              and s.table_name = t.table_name and s.non_unique = 0)
        order by t.table_rows desc limit 100""",
    "deadlock": "show engine innodb status",
}
#: What a reading needs beyond the sign-in; without PROCESS the list of sessions has only our own, and would lie.
NEEDS_PROCESS: Final = frozenset({"processes", "transactions", "waits", "deadlock"})


class CouldNotLook(Exception):
    """A rule asked for what could not be read; `str` says why, and what would make it possible."""


@dataclass(kw_only=True)
class Snapshot:
    """What was read; `account` is ours."""

    account: str
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Raises CouldNotLook."""
        if name in self.unread:
            raise CouldNotLook(self.unread[name])
        return self.found.get(name, [])

    def number(self, reading: str, name: str) -> float | None:
        """A counter or a setting by its name; None where the server has none of it. Raises CouldNotLook."""
        for row in self.rows(reading):
            if row["Variable_name"].lower() == name:
                try:
                    return float(row["Value"])
                except ValueError:
                    return None
        return None


async def take(via: MysqlConnector) -> Snapshot:
    """Read all of it. Raises ConnectorError only when the server can't be used at all."""
    deadline = time.monotonic() + TOTAL_SECONDS
    shot = Snapshot(account=via.config.username)
    sees = await via.rows(_SEES_ALL)
    version = await via.rows("select version() as version")
    is_mariadb = "mariadb" in str(version[0]["version"]).lower()
    for name, statement in READINGS.items():
        if name in NEEDS_PROCESS and not sees[0]["n"]:
            shot.unread[name] = f"needs PROCESS: GRANT PROCESS ON *.* TO '{shot.account}'@'%';"
            continue
        if "gone" in shot.unread or time.monotonic() >= deadline:
            shot.unread[name] = shot.unread.get("gone", "the time of the diagnosis was used up before")
            continue
        text = _MYSQL_WAITS if name == "waits" and not is_mariadb else statement
        try:
            async with asyncio.timeout(STATEMENT_SECONDS):
                # who waits for whom is read right after the transactions, and so from the same copy
                read = read_transactions if name == "transactions" else MysqlConnector.rows
                shot.found[name] = await read(via, text)
        except (ConnectorError, TimeoutError) as error:
            _note(shot, name, error)
    return shot


def _note(shot: Snapshot, name: str, error: Exception) -> None:
    """Why this was not read; and where nothing more can be, why."""
    detail = error.detail if isinstance(error, ConnectorError) else "the server did not answer in time"
    shot.unread[name] = detail
    if isinstance(error, Timeout | TimeoutError) or not isinstance(error, AuthFailed | BadReply):
        shot.unread[name] = shot.unread["gone"] = f"{detail}, in the middle of the diagnosis"
