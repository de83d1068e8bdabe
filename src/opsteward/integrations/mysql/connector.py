"""A registered MariaDB or MySQL: its declared tables and queries as lists of records."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import BaseModel

from opsteward.contracts.connector import Capability, Connector, ProbeReport, SystemRef
from opsteward.contracts.distinct_records import DistinctRecords
from opsteward.contracts.record_values import binary, json_value
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
    RecordTarget,
    ResourceInfo,
)
from opsteward.contracts.tables import TableResource
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Invalid, NotFound
from opsteward.integrations.mysql.client import (
    DEADLOCKS,
    DUPLICATE,
    MysqlClient,
    assignments,
    quoted,
    refused_by_number,
)
from opsteward.integrations.mysql.config import MysqlConfig, config_from

_PRIVILEGES = {
    "select": "SELECT 1 FROM {} LIMIT 0",
    "insert": "EXPLAIN INSERT INTO {} () VALUES ()",
    "delete": "EXPLAIN DELETE FROM {} WHERE 1 = 0",
}


class MysqlConnector(Connector[MysqlConfig], RecordTarget):
    """One session as long as the connector is open. Times are UTC."""

    config_model: ClassVar[type[BaseModel]] = MysqlConfig

    def __init__(self, config: MysqlConfig) -> None:
        super().__init__(config)
        self._client = MysqlClient(config)

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> MysqlConfig:
        return config_from(target, credentials)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        rows = await self._client.rows("select version() as version")
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, version=str(rows[0]["version"])[:100])

    async def server_state(self) -> dict[str, Any]:
        """Version, whether it is read only, connections in use and their limit."""
        rows = await self._client.rows(
            "select version() as version, @@global.read_only as read_only, @@global.max_connections as max_connections"
        )
        used = await self._client.rows("show global status like 'Threads_connected'")
        row = rows[0]
        return {
            "version": str(row["version"])[:100],
            "read_only": str(row["read_only"]) not in ("0", "OFF", ""),
            "connections": int(used[0]["Value"]) if used else None,
            "max_connections": int(row["max_connections"]),
        }

    async def replica_lag(self) -> float | None:
        """Seconds behind its primary; None where it has none, or where our account may not see it. Raises BadReply for
        a replica that has stopped."""
        try:
            rows = await self._client.rows("show slave status")
        except (AuthFailed, BadReply):
            return None
        if not rows:
            return None
        lag = rows[0].get("Seconds_Behind_Master")
        if lag is None:
            problem = rows[0].get("Last_IO_Error") or rows[0].get("Last_SQL_Error") or "no reason told"
            raise BadReply(f"its replication has stopped: {str(problem)[:200]}")
        return float(lag)

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        """The rows of one statement of ours. Raises ConnectorError."""
        return await self._client.rows(statement)

    async def close(self) -> None:
        await self._client.close()

    async def capabilities(self) -> Sequence[Capability]:
        found: list[Capability] = []
        for name, table in sorted(self.config.settings.resources.items()):
            for privilege, statement in _PRIVILEGES.items() if table.table else ():
                problem = remedy = ""
                try:
                    await self._client.rows(statement.format(_path(table)))
                except (AuthFailed, BadReply) as error:
                    problem = error.detail
                    path = ".".join(table.path) if len(table.path) > 1 else f"{self.config.database}.{table.table}"
                    remedy = f"GRANT {privilege.upper()} ON {path} TO '{self.config.username}'@'%';"
                what = f"{name}: {privilege}"
                found.append(Capability(name=what, works=not problem, problem=problem, remedy=remedy))
        return found

    async def resources(self) -> Sequence[ResourceInfo]:
        return [table.described(name) for name, table in sorted(self.config.settings.resources.items())]

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource, since)

    async def _read(self, name: str, since: Cursor | None) -> AsyncIterator[Batch]:
        table = self._table(name)
        distinct = DistinctRecords()
        client = MysqlClient(self.config)  # of its own: a read that is left stands in nobody's way
        try:
            await client.execute("set transaction isolation level repeatable read")
            await client.execute("start transaction with consistent snapshot, read only")
            started = await client.rows("select now(6) - interval 5 minute as at")
            statement, params = _select(table, since)
            async for rows in client.stream(statement, params, MAX_BATCH):
                yield distinct.batch((_record(row, table), table.says_gone(row)) for row in rows)
        finally:
            await client.close()
        if distinct.problems:
            yield Batch(coverage=Coverage.PARTIAL, note=distinct.problems[0], problems=distinct.problems)
            return
        cursor = Cursor(started[0]["at"].isoformat()) if table.changed else None
        told = Coverage.CHANGES if table.deleted else Coverage.UPDATES
        yield Batch(cursor=cursor, coverage=told if since is not None and table.changed else Coverage.FULL)

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        table = self._table(resource)
        if not native_ids:
            return {}
        statement, _ = _select(table, None)
        places = ", ".join(["%s"] * len(native_ids))
        rows = await self._client.rows(
            f"select * from ({statement}) as r where {quoted(table.key)} in ({places})",  # noqa: S608
            native_ids,
        )
        return {record.native_id: record for row in rows if (record := _record(row, table)) is not None}

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        table = self._table(resource)
        if not table.table:
            raise Invalid.field("resource", f"{resource} is a query, which can't be written", "declare its table")
        results: list[ChangeResult] = []
        for change in changes:
            try:
                results.append(await self._one(table, change))
            except BadReply as error:
                number = refused_by_number(error)
                outcome = Outcome.REFUSED if number and number not in DEADLOCKS else Outcome.FAILED
                if number == DUPLICATE:
                    outcome = Outcome.EXISTS
                results.append(change.result(outcome, problem=error.detail))
            except Invalid as error:
                results.append(change.result(Outcome.REFUSED, problem=error.detail))
            except ConnectorError as error:
                if isinstance(error, AuthFailed) and error.extra.get("kind") == "permission":
                    results.append(change.result(Outcome.REFUSED, problem=error.detail))
                    continue
                if not results:
                    raise
                results.append(change.result(Outcome.FAILED, problem=error.detail))
        return results

    async def _one(self, table: TableResource, change: Change) -> ChangeResult:
        if change.version is not None:
            raise Invalid.field("version", "is nothing that this database has", "leave it out")
        values = {name: _typed(name, value) for name, value in change.values.items()}
        where = f"where {quoted(table.key)} = %s"
        if change.operation is Operation.CREATE:
            return await self._create(table, change, {n: v for n, v in values.items() if v is not None})
        if change.operation is Operation.DELETE:
            gone = await self._client.execute(f"delete from {_path(table)} {where}", [change.native_id])  # noqa: S608
            return change.result(Outcome.DONE if gone else Outcome.UNCHANGED)
        if change.operation is Operation.DISABLE:
            if table.disabled is None:
                raise Invalid.field("disabled", "is not set: nothing says how a row is switched off")
            values = {table.disabled.column: table.disabled.value}
        changed = 0
        if values:
            statement = f"update {_path(table)} set {assignments(values)} {where}"  # noqa: S608
            changed = await self._client.execute(statement, [*values.values(), change.native_id])
        key = str(change.values.get(table.key) or change.native_id) if changed else str(change.native_id)
        record = (await self._found(table, key)) if key else None
        if record is None:
            return change.result(Outcome.MISSING, problem="there is no such row")
        return change.result(Outcome.DONE if changed else Outcome.UNCHANGED, record)

    async def _create(self, table: TableResource, change: Change, values: Mapping[str, object]) -> ChangeResult:
        if not values:
            raise Invalid.field("values", "are missing", "a row needs its key")
        columns, places = ", ".join(map(quoted, values)), ", ".join(["%s"] * len(values))
        try:
            statement = f"insert into {_path(table)} ({columns}) values ({places})"  # noqa: S608
            await self._client.execute(statement, list(values.values()))
        except BadReply as error:
            taken = refused_by_number(error) == DUPLICATE
            there = await self._found(table, str(values.get(table.key, ""))) if taken else None
            if there is None:
                raise
            compared = " and ".join(f"{quoted(name)} <=> %s" for name in values)
            same = await self._client.rows(
                f"select 1 as same from {_path(table)} where {compared}",  # noqa: S608
                list(values.values()),
            )
            return change.result(Outcome.UNCHANGED if same else Outcome.EXISTS, there)
        key = values.get(table.key)
        if key is None:
            key = (await self._client.rows("select last_insert_id() as id"))[0]["id"]
        return change.result(Outcome.DONE, await self._found(table, str(key)))

    async def _found(self, table: TableResource, key: str) -> Record | None:
        statement = f"select * from {_path(table)} where {quoted(table.key)} = %s"  # noqa: S608
        rows = await self._client.rows(statement, [key])
        return _record(rows[0], table) if rows else None

    def _table(self, name: str) -> TableResource:
        try:
            return self.config.settings.resources[name]
        except KeyError:
            raise NotFound(f"there is no list {name!r:.80} here", remedy="declare it in settings.resources") from None


def _path(table: TableResource) -> str:
    return ".".join(map(quoted, table.path))


def _select(table: TableResource, since: Cursor | None) -> tuple[str, list[object]]:
    switches = [switch.column for switch in (table.disabled, table.deleted) if switch is not None]
    names = [table.key, *table.columns, *switches, *([table.changed] if table.changed else [])]
    columns = ", ".join(map(quoted, dict.fromkeys(names))) if table.columns else "*"
    source = f"({table.query.rstrip().rstrip(';')}) as q" if table.query else _path(table)
    statement = f"select {columns} from {source}"  # noqa: S608 - names are quoted, the query is the operator's
    if since is None or table.changed is None:
        return statement, []
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        raise Invalid.field("cursor", "is none of this system", "start with a full read") from None
    return f"{statement} where {quoted(table.changed)} >= %s", [at]


def _record(row: Mapping[str, Any], table: TableResource) -> Record | None:
    if row.get(table.key) is None:
        if table.key not in row:
            raise BadReply(f"the list has no column {table.key}")
        return None
    changed = row.get(table.changed) if table.changed else None
    return Record(
        native_id=str(json_value(row[table.key])),
        values={name: json_value(value) for name, value in row.items()},
        changed_at=changed.replace(tzinfo=UTC) if isinstance(changed, datetime) else None,
        active=None if table.disabled is None else row.get(table.disabled.column) != table.disabled.value,
    )


def _typed(name: str, value: Any) -> object:
    content = binary(value, field=name)
    if content is not None:
        return content
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
