"""Tasks of processes that are gone wait again; those under which too many processes died are put aside."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.changes import record_changes
from opsteward.core.db import Database
from opsteward.core.log import get_logger
from opsteward.tasks.dependents import cancel_dependents
from opsteward.tasks.outcome_writer import change_of
from opsteward.tasks.types import TaskStatus

log = get_logger(__name__)

#: A task under which so many processes have died is put aside: it may be what kills them.
MAX_TAKEOVERS = 10


async def release_lost_tasks(db: Database) -> int:
    """Let them wait again, on every process; says how many. Idempotent. Raises Unavailable."""
    async with db.unit_of_work(None) as session:
        rows = await session.execute(sa.text("select * from opsteward.release_tasks(:most)"), {"most": MAX_TAKEOVERS})
        released = rows.all()
    ended: dict[UUID, list[tuple[UUID, str]]] = defaultdict(list)
    for row in released:
        if row.status != TaskStatus.PENDING:
            ended[row.tenant_id].append((row.id, row.status))
    for tenant_id, ends in ended.items():
        async with db.unit_of_work(tenant_id) as session:
            cancelled = [task_id for task_id, status in ends if status == TaskStatus.CANCELLED]
            with_them = await cancel_dependents(session, cancelled)
            changes = [change_of(task_id, status, "") for task_id, status in ends]
            changes += [change_of(row.id, TaskStatus.CANCELLED, row.task_type) for row in with_them]
            await record_changes(session, changes)
    if released:
        log.warning("tasks.task.released", tasks=len(released))
    return len(released)
