"""What the routes of background agents answer, beside what `agents.types` holds."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from opsteward.agents.types import AgentInfo, MessageInfo, ProcessInfo


@dataclass(frozen=True, kw_only=True)
class AgentsStatus:
    """All agents, the processes that run them, and the queue of tasks, with counts by status."""

    summary: dict[str, int]
    agents: list[AgentInfo]
    processes: list[ProcessInfo]
    leader: UUID | None
    queue: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class AgentWithMessages(AgentInfo):
    """An agent with the newest messages to it."""

    messages: list[MessageInfo]
