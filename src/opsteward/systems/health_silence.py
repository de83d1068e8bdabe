"""Why a system's trouble is not told: something that it needs is down, or it is being worked on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.systems.maintenance import active_window

#: All that a system needs, directly or not, what lies deepest first; a circle ends by itself.
_NEEDED = sa.text("""
with recursive needed(id, depth) as (
    select unnest(depends_on), 1 from opsteward.systems where tenant_id = :tenant_id and id = :system_id
    union
    select parent.id, needed.depth + 1
    from needed
    join opsteward.systems s on s.tenant_id = :tenant_id and s.id = needed.id
    cross join lateral unnest(s.depends_on) as parent(id)
    where needed.depth < 20
)
select s.id, s.name, s.health, s.checked_at, s.warnings_in_a_row
from (select id, max(depth) as depth from needed where id <> :system_id group by id) n
join opsteward.systems s on s.tenant_id = :tenant_id and s.id = n.id
order by n.depth desc, s.name
""")


async def needs_a_look(session: AsyncSession, *, system_id: UUID, seen_at: datetime) -> list[UUID]:
    """What this failing system needs and was not looked at since, deepest first; nothing if one is known to be down."""
    rows = (await session.execute(_NEEDED, {"tenant_id": tenant_of(session), "system_id": system_id})).all()
    if any(row.health == "down" for row in rows):
        return []
    return [row.id for row in rows if row.checked_at is None or row.checked_at < seen_at]


async def silenced_by(session: AsyncSession, *, system_id: UUID, at: datetime, is_degraded: bool = False) -> str | None:
    """What speaks for silence, in words: a system that this one needs and that is down, or a maintenance window. Of one
    that is only degraded also a system that is so, or may be about to be: whichever of them is seen first."""
    rows = await session.execute(_NEEDED, {"tenant_id": tenant_of(session), "system_id": system_id})
    for row in rows:
        if row.health == "down":
            return f"{row.name} is down"
        if is_degraded and (row.health == "degraded" or row.warnings_in_a_row):
            return f"{row.name} is degraded"
    window = await active_window(session, system_id=system_id, at=at)
    return f"maintenance: {window.reason}" if window else None
