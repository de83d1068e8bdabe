"""How much comes from each source, added up in the process and written a moment later: requests of one source do not
wait for each other at its row. A process that is killed loses the last second of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.events.models import SourceCount

log = get_logger(__name__)

_WRITTEN_AFTER = 1.0  # seconds
_REFUSAL_LIMIT = 500  # characters
_WAITING_LIMIT = 10_000  # sources of tenants


@dataclass(kw_only=True)
class Tally:
    """What came from a source. `unmapped` of the bodies had no form that was declared for it."""

    bodies: int = 0
    events: int = 0
    unmapped: int = 0
    refused: int = 0
    last_received_at: datetime | None = None
    last_refusal: str = ""


class SourceTallies:
    """Of one process and one event loop."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: dict[tuple[UUID, str], Tally] = {}
        self._writing: asyncio.Task[None] | None = None

    def note_taken(self, tenant_id: UUID, slug: str, *, bodies: int, events: int, unmapped: int = 0) -> None:
        """So much was taken."""
        if (tally := self._tally(tenant_id, slug)) is not None:
            tally.bodies += bodies
            tally.events += events
            tally.unmapped += unmapped
            tally.last_received_at = now()

    def note_refused(self, tenant_id: UUID, slug: str, why: str, *, number: int = 1) -> None:
        """So many bodies or lines were not taken."""
        if (tally := self._tally(tenant_id, slug)) is not None:
            tally.refused += number
            tally.last_refusal = why[:_REFUSAL_LIMIT]

    def _tally(self, tenant_id: UUID, slug: str) -> Tally | None:
        if len(self._waiting) >= _WAITING_LIMIT and (tenant_id, slug) not in self._waiting:
            return None
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())
        return self._waiting.setdefault((tenant_id, slug), Tally())

    async def _write_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(_WRITTEN_AFTER)
            try:
                await self.flush()
            except Unavailable:
                continue  # what was not written waits
            except OpsError as error:
                log.warning("events.source_counts.not_written", detail=error.detail)
                return

    async def flush(self) -> None:
        """Write what waits. Raises Unavailable."""
        waiting, self._waiting = self._waiting, {}
        try:
            for tenant_id in {tenant_id for tenant_id, _ in waiting}:
                of_tenant = {slug: waiting[owner, slug] for owner, slug in waiting if owner == tenant_id}
                async with self._db.unit_of_work(tenant_id) as session:
                    await _add(session, of_tenant)
                for slug in of_tenant:
                    del waiting[tenant_id, slug]
        finally:
            for (tenant_id, slug), tally in waiting.items():
                self._put_back(tenant_id, slug, tally)

    def _put_back(self, tenant_id: UUID, slug: str, tally: Tally) -> None:
        later = self._waiting.get((tenant_id, slug))
        if later is not None:
            tally.bodies += later.bodies
            tally.events += later.events
            tally.unmapped += later.unmapped
            tally.refused += later.refused
            tally.last_received_at = later.last_received_at or tally.last_received_at
            tally.last_refusal = later.last_refusal or tally.last_refusal
        self._waiting[tenant_id, slug] = tally


async def counts(session: AsyncSession) -> dict[str, Tally]:
    """Of the tenant's sources, by slug; those from which something came or was refused."""
    rows = await session.scalars(sa.select(SourceCount).where(SourceCount.tenant_id == tenant_of(session)))
    return {row.slug: Tally(**{name: getattr(row, name) for name in Tally.__dataclass_fields__}) for row in rows}


async def _add(session: AsyncSession, tallies: dict[str, Tally]) -> None:
    table, tenant_id = SourceCount, tenant_of(session)
    new = insert(table)
    added = ("bodies", "events", "unmapped", "refused")
    kept = {
        "last_received_at": sa.func.coalesce(new.excluded.last_received_at, table.last_received_at),
        "last_refusal": sa.case((new.excluded.last_refusal != "", new.excluded.last_refusal), else_=table.last_refusal),
    }
    await session.execute(
        new.on_conflict_do_update(
            index_elements=["tenant_id", "slug"],
            set_={name: getattr(table, name) + getattr(new.excluded, name) for name in added} | kept,
        ),
        # in one order everywhere, so that two processes never wait for each other in a circle
        [{"tenant_id": tenant_id, "slug": slug} | vars(tally) for slug, tally in sorted(tallies.items())],
    )
