"""Opsteward's own directory as a system to sync from: `opsteward://directory`.

Its list `people` holds the active users who have access to the system that the setting `for_system` names, or all
active users. So a joiner, a mover and a leaver of the directory reach every system by the same syncs as any other list:
who is deactivated, or loses the access, is gone from it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.connector import Connector, ProbeReport, SystemRef, parse_fields, split_endpoint
from opsteward.contracts.integration import Integration
from opsteward.contracts.records import MAX_BATCH, Batch, Coverage, Cursor, Record, RecordSource, ResourceInfo
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, NotFound, Unavailable
from opsteward.core.json_types import JsonObject

SCHEME = "opsteward"
_PEOPLE = "people"
_ATTRIBUTES = ("username", "email", "full_name", "department", "role", "manager")
_PAGE = sa.text("select * from opsteward.users_for_system(:system, :after, :most)")


class DirectorySettings(BaseModel):
    """The part of a system's `settings` that says whom it lists."""

    for_system: str | None = Field(default=None, min_length=1, max_length=100)


class DirectoryConfig(BaseModel):
    """Whose directory, and who of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: UUID
    for_system: str | None


class OwnDirectory:
    """Where the directory is; the database is there once the process has opened it."""

    db: Database | None = None


class DirectoryConnector(Connector[DirectoryConfig], RecordSource):
    """Reads the users of the tenant that the system belongs to; they are changed in Opsteward, not through this."""

    config_model: ClassVar[type[BaseModel]] = DirectoryConfig
    directory: ClassVar[OwnDirectory] = OwnDirectory()

    @classmethod
    def config_for(cls, target: SystemRef, credentials: Mapping[str, str]) -> DirectoryConfig:
        parts = split_endpoint(target.endpoint)
        if (parts.scheme, parts.netloc, parts.path.strip("/")) != (SCHEME, "directory", ""):
            raise Invalid.field("endpoint", "is no directory of ours", f"use {SCHEME}://directory")
        settings = parse_fields(DirectorySettings, target.settings, prefix="settings")
        return DirectoryConfig(tenant_id=target.tenant_id, for_system=settings.for_system)

    async def probe(self) -> ProbeReport:
        started = time.monotonic()
        await self._page(None, 1)
        return ProbeReport(reachable=True, seconds=time.monotonic() - started, detail="the own directory")

    async def close(self) -> None:
        return None

    async def resources(self) -> Sequence[ResourceInfo]:
        return [ResourceInfo(name=_PEOPLE, key="username", attributes=_ATTRIBUTES)]

    def read(self, resource: str, since: Cursor | None = None) -> AsyncIterator[Batch]:
        return self._read(resource)

    async def _read(self, resource: str) -> AsyncIterator[Batch]:
        if resource != _PEOPLE:
            raise NotFound(f"the directory has no list {resource!r:.80}", remedy="use people")
        last: UUID | None = None
        while rows := await self._page(last, MAX_BATCH):
            last = rows[-1].id
            yield Batch(upserts=[_record(row) for row in rows])
        yield Batch(coverage=Coverage.FULL)

    async def _page(self, after: UUID | None, most: int) -> Sequence[sa.Row[tuple[object, ...]]]:
        if self.directory.db is None:
            raise Unavailable("the directory is not open yet")
        async with self.directory.db.unit_of_work(self.config.tenant_id) as session:
            about = {"system": self.config.for_system, "after": after, "most": most}
            return (await session.execute(_PAGE, about)).all()


def _record(row: sa.Row[tuple[object, ...]]) -> Record:
    named = row._mapping
    values: JsonObject = {name: named[name] for name in _ATTRIBUTES}
    values |= {f"profile.{name}": value for name, value in (named["profile_data"] or {}).items()}
    return Record(native_id=str(named["id"]), values=values, active=True, changed_at=named["updated_at"])


def integration(directory: OwnDirectory) -> Integration:
    """The integration, whose connector reads this directory."""
    connector = type("DirectoryConnector", (DirectoryConnector,), {"directory": directory})
    return Integration(slug="directory", title="Own directory", schemes=frozenset({SCHEME}), connector=connector)
