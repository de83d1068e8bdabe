"""A registered PostgreSQL server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, LiteralString

from pydantic import BaseModel

from opsteward.contracts.access import AccessHolders
from opsteward.contracts.connector import Capability, Connector, ProbeReport, SystemRef
from opsteward.contracts.lookups import Looked, StatementSource
from opsteward.contracts.records import (
    Batch,
    Change,
    ChangeResult,
    Cursor,
    Record,
    RecordTarget,
    ResourceInfo,
)
from opsteward.core.errors import AuthFailed
from opsteward.integrations.postgresql.client import PostgresClient, Shape
from opsteward.integrations.postgresql.config import PostgresConfig, config_from
from opsteward.integrations.postgresql.lookups import select
from opsteward.integrations.postgresql.table_records import TableRecords

if TYPE_CHECKING:
    from psycopg.sql import SQL, Composed


class PostgresConnector(Connector[PostgresConfig], RecordTarget, StatementSource, AccessHolders):
    """One session as long as the connector is open, opened with the first statement."""

    config_model: ClassVar[type[BaseModel]] = PostgresConfig

    def __init__(self, config: PostgresConfig) -> None:
        super().__init__(config)
        self._client = PostgresClient(config, lambda: self.own_server)
        self._tables = TableRecords(self._client, config.settings.resources, config.username)

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> PostgresConfig:
        return config_from(target, credentials)

    async def rows(
        self, query: LiteralString, params: Mapping[str, object] | None = None, *, shape: Callable[..., Shape]
    ) -> list[Shape]:
        """The rows of one read-only statement, each made by `shape` of its columns. Raises ConnectorError."""
        return await self._client.rows(query, params, shape=shape)

    async def select(self, statement: str, values: Mapping[str, object], *, max_rows: int, seconds: float) -> Looked:
        return await select(self._client, statement, values, max_rows=max_rows, seconds=seconds)

    async def execute(self, statement: SQL | Composed, *, seconds: float, lock_seconds: float = 3.0) -> None:
        """One statement that changes something, outside of a transaction. Raises ConnectorError."""
        await self._client.execute(statement, seconds=seconds, lock_seconds=lock_seconds)

    async def change_members(
        self, *, given: Sequence[str] = (), taken: Sequence[str] = (), made: Sequence[str] = ()
    ) -> None:
        """Change who is a member of the access role, in one transaction; `made` become roles first.

        Raises ConnectorError subclasses.
        """
        await self._client.change_members(self.config.settings.access_role, given=given, taken=taken, made=made)

    async def holders(self) -> Sequence[str]:
        rows = await self.rows(
            """select m.rolname as login from pg_auth_members a join pg_roles k on k.oid = a.roleid
            join pg_roles m on m.oid = a.member where k.rolname = %(role)s and m.rolname <> current_user
            group by m.rolname order by m.rolname""",
            {"role": self.config.settings.access_role},
            shape=dict[str, str],
        )
        return [row["login"] for row in rows]

    async def require_insight(self) -> None:
        """Raises AuthFailed unless our role sees other roles' sessions; without that all look idle."""
        rows = await self.rows(
            "select pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') as sees_all", shape=dict[str, bool]
        )
        if not rows[0]["sees_all"]:
            raise AuthFailed(
                "Our role can't see what other sessions do",
                remedy=f"GRANT pg_monitor TO {self.config.username};",
                extra={"kind": "permission"},
            )

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        rows = await self.rows("select current_setting('server_version') as version", shape=dict[str, str])
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, version=rows[0]["version"])

    async def capabilities(self) -> Sequence[Capability]:
        return await self._tables.capabilities()

    async def resources(self) -> Sequence[ResourceInfo]:
        return self._tables.resources()

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._tables.read(resource, since)

    def digests(self, resource: str) -> AsyncIterator[bytes]:
        return self._tables.digests(resource)

    def lines(self, resource: str, attributes: Sequence[str]) -> AsyncIterator[bytes]:
        return self._tables.lines(resource, attributes)

    async def mark(self, resource: str) -> str | None:
        return await self._tables.mark(resource)

    def newer(self, resource: str, mark: str) -> AsyncIterator[Batch]:
        return self._tables.newer(resource, mark)

    async def get(self, resource: str, native_ids: Sequence[str]) -> Mapping[str, Record]:
        return await self._tables.get(resource, native_ids)

    async def write(self, resource: str, changes: Sequence[Change]) -> Sequence[ChangeResult]:
        return await self._tables.write(resource, changes)

    async def close(self) -> None:
        await self._client.close()
