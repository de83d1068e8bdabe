"""What falls due for people: accounts and grants that end, approvals that wait too long. One leader looks after it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.db import Database
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.directory.enrollment.service import Enrollments
from opsteward.directory.entitlements.service import expire_grants
from opsteward.directory.users.service import Users

log = get_logger(__name__)

_EVERY = 30.0  # seconds


async def look_after_people(db: Database, users: Users, enrollments: Enrollments) -> None:
    """Every half minute, do what is due, tenant by tenant, until cancelled."""
    while True:
        try:
            async with db.unit_of_work(None) as session:
                due = list(await session.scalars(sa.text("select opsteward.tenants_with_due_people()")))
            for tenant_id in due:
                await do_what_is_due(db, tenant_id, users, enrollments)
        except Unavailable:
            pass  # the next round comes
        await asyncio.sleep(_EVERY)


async def do_what_is_due(db: Database, tenant_id: UUID, users: Users, enrollments: Enrollments) -> None:
    """End accounts and grants whose time is over, and tell of overdue approvals, in this tenant."""
    for part in (users.expire_due, expire_grants, enrollments.escalate):
        try:
            async with db.unit_of_work(tenant_id) as session:
                done = await part(session)
            if done:
                log.info("directory.lifecycle.done", what=part.__name__, count=done, tenant_id=str(tenant_id))
        except Unavailable:
            raise
        except OpsError as error:
            log.warning("directory.lifecycle.refused", what=part.__name__, tenant_id=str(tenant_id), error=error.detail)
