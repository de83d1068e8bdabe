"""Tables of background agents. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class Agent(TenantRow, Base):
    """One agent: what is wanted of it, and how its owner (`process_id`) says that it is.

    No column that a heartbeat writes is indexed, so that a beat touches no index.
    """

    __tablename__ = "agents"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"), sa.Index("ix_agents_process_id", "process_id"))

    name: Mapped[str]
    kind: Mapped[str]
    params: Mapped[JsonObject]
    interval: Mapped[float | None]  # seconds
    desired: Mapped[str]
    generation: Mapped[int] = mapped_column(default=0)  # raised to have it started anew
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    process_id: Mapped[UUID | None]
    free_since: Mapped[datetime | None]
    beat_at: Mapped[datetime | None]
    last_run_at: Mapped[datetime | None]
    run_seconds: Mapped[float | None]
    runs: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    failures: Mapped[int] = mapped_column(default=0)
    restarts: Mapped[int] = mapped_column(default=0)
    told: Mapped[bool] = mapped_column(default=False)  # its failure was reported, and not yet that it is over
    next_start_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class AgentMessage(TenantRow, Base):
    """A message from one agent to another of its tenant."""

    __tablename__ = "agent_messages"
    __table_args__ = (
        sa.Index(
            "ix_agent_messages_waiting", "tenant_id", "agent_id", "id", postgresql_where=sa.text("read_at is null")
        ),
        sa.Index("ix_agent_messages_agent", "tenant_id", "agent_id", "id"),
        sa.Index("ix_agent_messages_sent", "sent_at"),
    )

    agent_id: Mapped[UUID]
    sender: Mapped[str]
    body: Mapped[JsonObject]
    sent_at: Mapped[datetime] = mapped_column(default=now)
    read_at: Mapped[datetime | None]


class AgentMetric(Base):
    """One figure at one instant, as one process measured it."""

    __tablename__ = "agent_metrics"
    __table_args__ = (sa.Index("ix_agent_metrics_at", "at"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    process_id: Mapped[UUID] = mapped_column(primary_key=True)
    value: Mapped[float]
