"""What is asked of all systems of a tenant at once, answered without reading them all."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.systems.models import System


async def health_counts(session: AsyncSession) -> dict[str, int]:
    """How many systems there are of each health."""
    rows = await session.execute(
        sa.select(System.health, sa.func.count()).where(System.tenant_id == tenant_of(session)).group_by(System.health)
    )
    return {row[0]: row[1] for row in rows}


async def dependents_of(session: AsyncSession, *, system_id: UUID) -> dict[UUID, str]:
    """The systems that need this one: their names by id, in the order of the names."""
    rows = await session.execute(
        sa.select(System.id, System.name)
        .where(System.tenant_id == tenant_of(session), System.depends_on.contains([system_id]))
        .order_by(System.name_key)
    )
    return {row.id: row.name for row in rows}
