"""Tables of the crew's work, its steps and model calls, spending, matrix and notes. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class CrewRun(TenantRow, Base):
    """One piece of work: what was asked, the decision, and what it took. Its id is that of its task."""

    __tablename__ = "crew_runs"
    __table_args__ = (
        sa.Index("ix_crew_runs_tenant_created", "tenant_id", "created_at"),
        sa.Index("ix_crew_runs_tenant_ended", "tenant_id", "ended_at"),
        sa.Index(
            "ix_crew_runs_input",
            "tenant_id",
            "input_hash",
            "ended_at",
            postgresql_where=sa.text("success"),
        ),
    )

    task_type: Mapped[str]
    domain: Mapped[str]
    description: Mapped[str]
    parameters: Mapped[JsonObject]
    input_hash: Mapped[str]
    user_ref: Mapped[str | None]
    session_ref: Mapped[str | None]
    requested_by: Mapped[str]
    complexity: Mapped[str]
    volume: Mapped[int] = mapped_column(sa.BigInteger)
    requires_ai: Mapped[bool]
    multi_domain: Mapped[bool]
    strategy: Mapped[str]
    matrix_version: Mapped[int]
    matrix_row: Mapped[str]
    propensity: Mapped[float]
    decision: Mapped[JsonObject]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    success: Mapped[bool | None]
    engine: Mapped[str | None]
    strategy_used: Mapped[str | None]
    path: Mapped[list[JsonObject]] = mapped_column(default=list)
    agents: Mapped[list[str]] = mapped_column(default=list)
    seconds: Mapped[float | None]
    cost_micros: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    tokens: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    calls: Mapped[int] = mapped_column(default=0)
    cached: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None]
    result: Mapped[JsonObject | None]


class CrewStep(TenantRow, Base):
    """One step of a run, planned or done; one that is done is not done again. `name` is unique in the run."""

    __tablename__ = "crew_steps"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "run_id", "name"),
        sa.Index("ix_crew_steps_tenant_started", "tenant_id", "started_at"),
    )

    run_id: Mapped[UUID]
    name: Mapped[str]
    position: Mapped[int]
    agent: Mapped[str | None]
    delegated_by: Mapped[str | None]
    purpose: Mapped[str]
    status: Mapped[str]
    result: Mapped[JsonObject | None]
    error: Mapped[str | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class CrewModelCall(TenantRow, Base):
    """One call of a model: what was reserved for it, what it took. `reply` is kept until the run has ended, so that a
    recorded call is not paid again; `content` only where that is switched on. Money in millionths of a US dollar."""

    __tablename__ = "crew_model_calls"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "run_id", "name"),
        sa.Index("ix_crew_model_calls_agent_started", "tenant_id", "agent", "started_at"),
        sa.Index("ix_crew_model_calls_started", "tenant_id", "started_at"),
    )

    run_id: Mapped[UUID]
    name: Mapped[str]
    agent: Mapped[str]
    model: Mapped[str]
    status: Mapped[str]
    reserved_micros: Mapped[int] = mapped_column(sa.BigInteger)
    cost_micros: Mapped[int] = mapped_column(sa.BigInteger)
    input_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    seconds: Mapped[float | None]
    error: Mapped[str | None]
    reply: Mapped[JsonObject | None]
    content: Mapped[JsonObject | None]
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]


class CrewSpend(TenantRow, Base):
    """What was reserved and spent in a scope (a run, an agent's day, the tenant's day). Changed under its lock."""

    __tablename__ = "crew_spend"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "scope"),)

    scope: Mapped[str]
    reserved_micros: Mapped[int] = mapped_column(sa.BigInteger)
    spent_micros: Mapped[int] = mapped_column(sa.BigInteger)
    reserved_tokens: Mapped[int] = mapped_column(sa.BigInteger)
    tokens: Mapped[int] = mapped_column(sa.BigInteger)
    calls: Mapped[int] = mapped_column(sa.BigInteger)
    changed_at: Mapped[datetime] = mapped_column(default=now)


class CrewMatrixVersion(TenantRow, Base):
    """A version of the delegation matrix; the highest counts. Without any the shipped one does, as version 0."""

    __tablename__ = "crew_matrix_versions"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "version"),)

    version: Mapped[int]
    matrix: Mapped[JsonObject]
    reason: Mapped[str]
    action_id: Mapped[UUID | None]
    changed_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class CrewNote(TenantRow, Base):
    """What an agent keeps for later work, where agent memory is on."""

    __tablename__ = "crew_notes"
    __table_args__ = (sa.Index("ix_crew_notes_agent", "tenant_id", "agent", "created_at"),)

    agent: Mapped[str]
    text: Mapped[str]
    run_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(default=now)
