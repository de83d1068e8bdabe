"""The names of all systems, for who looks for them in a text."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.systems.models import System

NAMES_LIMIT = 5_000


async def all_names(session: AsyncSession) -> dict[str, UUID]:
    """The id of each system by its name."""
    rows = await session.execute(
        sa.select(System.name, System.id)
        .where(System.tenant_id == tenant_of(session))
        .order_by(System.name_key)
        .limit(NAMES_LIMIT)
    )
    return {row.name: row.id for row in rows}
