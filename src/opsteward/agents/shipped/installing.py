"""The shipped agents: their kinds, and their registration for the first tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.service.desk import Desk
from opsteward.agents.service.kinds import Kinds
from opsteward.agents.shipped.heartbeat import HeartbeatAgent
from opsteward.agents.shipped.performance import PerformanceAgent
from opsteward.agents.types import NewAgent
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.core.settings import Settings
from opsteward.tasks.types import TaskFigures

SHIPPED = (("heartbeat", HeartbeatAgent.kind), ("performance", PerformanceAgent.kind))


def add_shipped(
    kinds: Kinds,
    *,
    db: Database,
    bus: Bus,
    settings: Settings,
    task_figures: Callable[[], Awaitable[TaskFigures]],
) -> None:
    """Make the shipped kinds known."""
    kinds.add(HeartbeatAgent, partial(HeartbeatAgent, db, bus, settings))
    kinds.add(PerformanceAgent, partial(PerformanceAgent, db, settings, task_figures))


async def install(session: AsyncSession, desk: Desk) -> None:
    """Register the shipped agents for this tenant, those that are not there yet."""
    for name, kind in SHIPPED:
        if await desk.find(session, name=name) is None:
            await desk.register(session, new=NewAgent(kind=kind, name=name), actor="system:setup")
