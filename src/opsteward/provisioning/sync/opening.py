"""A system's records opened for reading or writing, through its connector."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar, cast
from uuid import UUID

from opsteward.contracts.records import RecordSource, RecordTarget
from opsteward.contracts.registry import Registry
from opsteward.core.db import Database
from opsteward.core.errors import Invalid
from opsteward.systems.service import Inventory, connected

SourceT = TypeVar("SourceT", bound=RecordSource)


class Systems:
    """Opens the records of registered systems."""

    def __init__(self, db: Database, inventory: Inventory, registry: Registry) -> None:
        self._db = db
        self._inventory = inventory
        self._registry = registry

    @asynccontextmanager
    async def source(self, tenant_id: UUID, system_id: UUID) -> AsyncIterator[RecordSource]:
        """To read. Raises NotFound, and Invalid for a system that holds no records."""
        async with self._opened(tenant_id, system_id, RecordSource) as found:  # type: ignore[type-abstract]
            yield found

    @asynccontextmanager
    async def target(self, tenant_id: UUID, system_id: UUID) -> AsyncIterator[RecordTarget]:
        """To read and write. Raises NotFound, and Invalid for a system whose records can't be changed."""
        async with self._opened(tenant_id, system_id, RecordTarget) as found:  # type: ignore[type-abstract]
            yield found

    @asynccontextmanager
    async def _opened(self, tenant_id: UUID, system_id: UUID, kind: type[SourceT]) -> AsyncIterator[SourceT]:
        async with self._db.unit_of_work(tenant_id) as session:
            ref, secret = await self._inventory.ref_with_secret(session, system_id=system_id)
        connector = self._registry.records_connector(ref.endpoint, ref.type)
        if connector is not None and issubclass(cast(type[object], connector), kind):
            async with connected(connector, ref, secret) as via:
                yield cast(SourceT, via)
            return
        does = "can be changed" if kind is RecordTarget else "can be read"
        raise Invalid.field("system", f"{ref.name} holds no records that {does} here", "name another system")


def check_holds_records(registry: Registry, endpoint: str, system_type: str, *, field: str, writable: bool) -> None:
    """Raises Invalid naming `field` where no connector of this endpoint holds records."""
    kind = RecordTarget if writable else RecordSource
    connector = registry.records_connector(endpoint, system_type)
    if connector is None or not issubclass(cast(type[object], connector), kind):
        does = "be changed" if writable else "be read"
        raise Invalid.field(field, f"is a system whose records can't {does} here", "see `opsteward plugins list`")
