"""Messages between the agents of a tenant: rows, so that they outlive both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.models import Agent, AgentMessage
from opsteward.agents.types import MESSAGE
from opsteward.contracts.agent import Message
from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.crypto import canonical_json
from opsteward.core.db import tenant_of
from opsteward.core.errors import Invalid, NotFound
from opsteward.core.ids import uuid7

MAX_BODY_BYTES = 65_536
_AT_ONCE = 100


async def send(session: AsyncSession, *, to: str, sender: str, body: Mapping[str, object]) -> UUID:
    """Leave a message for the agent named `to`. Raises NotFound, Invalid for a body that is too large or no JSON."""
    try:
        size = len(canonical_json(dict(body)).encode())
    except (TypeError, ValueError):
        raise Invalid.field("body", "holds what JSON has no form for", "send JSON values only") from None
    if size > MAX_BODY_BYTES:
        raise Invalid.field("body", f"is {size} bytes, the most is {MAX_BODY_BYTES}", "send a reference to the data")
    tenant_id = tenant_of(session)
    agent_id = await session.scalar(sa.select(Agent.id).where(Agent.tenant_id == tenant_id, Agent.name == to))
    if agent_id is None:
        raise NotFound(f"there is no agent named {to[:100]!r}", remedy="see GET /api/v1/agents")
    row = AgentMessage(
        id=uuid7(), tenant_id=tenant_id, agent_id=agent_id, sender=sender, body=dict(body), sent_at=now()
    )
    session.add(row)
    await feed.announce(session, kind=MESSAGE, object_id=str(agent_id))
    return row.id


async def waiting(session: AsyncSession, *, agent_id: UUID) -> list[Message]:
    """The oldest unread messages to an agent; they stay unread."""
    query = (
        sa.select(AgentMessage)
        .where(
            AgentMessage.tenant_id == tenant_of(session),
            AgentMessage.agent_id == agent_id,
            AgentMessage.read_at.is_(None),
        )
        .order_by(AgentMessage.id)
        .limit(_AT_ONCE)
    )
    return [
        Message(id=row.id, sender=row.sender, body=row.body, sent_at=row.sent_at)
        for row in await session.scalars(query)
    ]


async def mark_read(session: AsyncSession, *, agent_id: UUID, ids: Sequence[UUID]) -> None:
    """These have been dealt with."""
    await session.execute(
        sa.update(AgentMessage)
        .where(
            AgentMessage.tenant_id == tenant_of(session), AgentMessage.agent_id == agent_id, AgentMessage.id.in_(ids)
        )
        .values(read_at=now())
    )
