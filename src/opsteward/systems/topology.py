"""What each system needs, directly or not."""

from __future__ import annotations

from collections import deque
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.systems.models import System


async def needed_by_each(session: AsyncSession) -> dict[UUID, frozenset[UUID]]:
    """For each system that needs others: all of them. A circle ends by itself, and nothing needs itself."""
    rows = await session.execute(
        sa.select(System.id, System.depends_on).where(
            System.tenant_id == tenant_of(session), sa.func.cardinality(System.depends_on) > 0
        )
    )
    direct = {row.id: row.depends_on for row in rows}
    return {one: _reached(one, direct) for one in direct}


def _reached(start: UUID, direct: dict[UUID, list[UUID]]) -> frozenset[UUID]:
    found: set[UUID] = set()
    queue = deque(direct.get(start, ()))
    while queue:
        one = queue.popleft()
        if one not in found:
            found.add(one)
            queue.extend(direct.get(one, ()))
    return frozenset(found - {start})
