"""The leader's: syncs begin by the `sync_frequency` of their source."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.provisioning.sync.models import SyncMapping
from opsteward.provisioning.sync.operations import ACTOR
from opsteward.provisioning.sync.service import Syncs
from opsteward.systems.service import Inventory

log = get_logger(__name__)

_LOOK_EVERY = 3.0  # seconds
_WITHOUT_SYSTEM = 3600.0


class SyncDuty:
    """`run` until cancelled."""

    def __init__(self, db: Database, syncs: Syncs, inventory: Inventory) -> None:
        self._db = db
        self._syncs = syncs
        self._inventory = inventory

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._db.unit_of_work(None) as session:
                    tenants = list(await session.scalars(sa.text("select opsteward.tenants_with_due_syncs()")))
                for tenant_id in tenants:
                    await self.begin_due(tenant_id)
            except Unavailable:
                pass  # the next round comes
            await asyncio.sleep(_LOOK_EVERY)

    async def begin_due(self, tenant_id: UUID) -> None:
        """Begin each sync that is due, and say when the next is. One that can't begin waits for its next time."""
        async with self._db.unit_of_work(tenant_id) as session:
            due = list(
                await session.scalars(
                    sa.select(SyncMapping.id).where(SyncMapping.tenant_id == tenant_id, SyncMapping.next_at <= now())
                )
            )
        for mapping_id in due:
            async with self._db.unit_of_work(tenant_id) as session:
                row = await session.get_one(SyncMapping, mapping_id, with_for_update=True)
                try:
                    frequency = (await self._inventory.get(session, system_id=row.source_id)).sync_frequency
                    row.next_at = now() + timedelta(seconds=frequency) if frequency else None
                except OpsError:
                    row.next_at = now() + timedelta(seconds=_WITHOUT_SYSTEM)
            try:
                async with self._db.unit_of_work(tenant_id) as session:
                    await self._syncs.start(
                        session, mapping_id=mapping_id, sync_type="incremental", dry_run=False, actor=ACTOR
                    )
            except Unavailable:
                raise
            except OpsError as error:
                log.info("provisioning.sync.not_begun", mapping_id=str(mapping_id), error=error.detail)
