"""Reports processes that were lost: one event each, resolved at once, as their work was taken over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.types import AgentReported
from opsteward.contracts.agent import Report
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.json_types import Json
from opsteward.core.process_takeover import LostProcess

OWN = "opsteward"


async def first_tenant(session: AsyncSession) -> UUID | None:
    """The tenant that gets the reports of Opsteward's own troubles: the first of the installation."""
    found = await session.scalar(sa.text("select id from opsteward.all_tenants() limit 1"))
    return UUID(str(found)) if found else None


async def report_lost_processes(db: Database, bus: Bus, lost: Sequence[LostProcess]) -> None:
    """These were found dead by this process, and their work was taken over. Raises Unavailable."""
    if not lost:
        return
    async with db.unit_of_work(None) as session:
        tenant_id = await first_tenant(session)
    if tenant_id is None:
        return
    names: list[Json] = [
        {"process_id": str(one.id), "host": one.host, "pid": one.pid, "kind": one.kind} for one in lost
    ]
    report = Report(
        message="A process of Opsteward was lost; its work goes on elsewhere",
        error_type="process_lost",
        context={"processes": names},
        source=OWN,
    )
    async with db.unit_of_work(tenant_id) as session:
        await bus.publish(session, AgentReported(agent="", report=report))
        await bus.publish(session, AgentReported(agent="", report=replace(report, resolved=True)))
