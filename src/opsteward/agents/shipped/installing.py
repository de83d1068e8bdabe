"""The shipped agents: their kinds, and their registration for the first tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.registry import AgentRegistry
from opsteward.agents.service import AgentService
from opsteward.agents.settings import AgentSettings
from opsteward.agents.shipped.heartbeat import HeartbeatAgent
from opsteward.agents.shipped.performance import PerformanceAgent
from opsteward.agents.types import NewAgent
from opsteward.core.bus import Bus
from opsteward.core.db import Database
from opsteward.tasks.types import TaskFigures

SHIPPED = (("heartbeat", HeartbeatAgent.kind), ("performance", PerformanceAgent.kind))


def add_shipped(
    agent_types: AgentRegistry,
    *,
    db: Database,
    bus: Bus,
    settings: AgentSettings,
    task_figures: Callable[[], Awaitable[TaskFigures]],
) -> None:
    """Make the shipped kinds known."""
    agent_types.add(HeartbeatAgent, partial(HeartbeatAgent, db, bus, settings))
    agent_types.add(PerformanceAgent, partial(PerformanceAgent, db, settings, task_figures))


async def install(session: AsyncSession, agent_service: AgentService) -> None:
    """Register the shipped agents for this tenant, those that are not there yet."""
    for name, kind in SHIPPED:
        if await agent_service.find(session, name=name) is None:
            await agent_service.register(session, new=NewAgent(kind=kind, name=name), actor="system:setup")
