"""What the end of a task means for those that wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of

# Rows are locked in the order of their ids: two processes that free the same tasks never wait for each other in a ring.
_FREE = sa.text("""
with freed as (
    select d.task_id, count(*) as n from opsteward.task_dependencies d
    where d.tenant_id = :tenant_id and d.depends_on = any(:ids) group by 1
), held as (
    select t.id from opsteward.tasks t where t.tenant_id = :tenant_id
    and t.id in (select f.task_id from freed f) and t.status = 'pending' order by t.id for update
)
update opsteward.tasks t
set waiting_on = t.waiting_on - f.n, ready = t.waiting_on - f.n = 0 and t.run_at <= now()
from freed f join held h on h.id = f.task_id
where t.tenant_id = :tenant_id and t.id = f.task_id
returning t.waiting_on
""")

_CANCEL = sa.text("""
with recursive below as (
    select d.task_id from opsteward.task_dependencies d where d.tenant_id = :tenant_id and d.depends_on = any(:ids)
    union
    select d.task_id from below b join opsteward.task_dependencies d
        on d.tenant_id = :tenant_id and d.depends_on = b.task_id
), held as (
    select t.id from opsteward.tasks t where t.tenant_id = :tenant_id
    and t.id in (select b.task_id from below b) and t.status = 'pending' order by t.id for update
)
update opsteward.tasks t set status = 'cancelled', ready = false, ended_at = now(),
    error = 'a task that it depends on was cancelled'
from held h where t.tenant_id = :tenant_id and t.id = h.id
returning t.id, t.task_type
""")


async def free_dependents(session: AsyncSession, completed: Sequence[UUID]) -> bool:
    """Let go on what waited for these only; says whether there was any."""
    if not completed:
        return False
    rows = await session.scalars(_FREE, {"tenant_id": tenant_of(session), "ids": list(completed)})
    return any(waiting == 0 for waiting in rows.all())


async def cancel_dependents(session: AsyncSession, cancelled: Sequence[UUID]) -> Sequence[sa.Row[tuple[UUID, str]]]:
    """Cancel what waits for these, and what waits for that; gives back (id, task_type) of each."""
    if not cancelled:
        return []
    return (await session.execute(_CANCEL, {"tenant_id": tenant_of(session), "ids": list(cancelled)})).all()
