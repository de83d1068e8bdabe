"""Tables of actions, approvals and freezes. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.actions.types import LimitsData
from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class ActionRun(TenantRow, Base):
    """One requested action, from its request to its end."""

    __tablename__ = "action_runs"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "idempotency_key"),
        sa.Index("ix_action_runs_tenant_target", "tenant_id", "target_key", "executed_at"),
        sa.Index("ix_action_runs_tenant_incident", "tenant_id", "incident_id"),
        sa.Index("ix_action_runs_tenant_created", "tenant_id", "created_at"),
    )

    action: Mapped[str]
    system_id: Mapped[UUID | None]
    target_key: Mapped[str]
    params: Mapped[JsonObject]
    reason: Mapped[str]
    requested_by: Mapped[str]
    requesters: Mapped[list[str]]
    idempotency_key: Mapped[str]
    incident_id: Mapped[UUID | None]
    reply_to: Mapped[UUID | None]
    standing_order: Mapped[str | None]
    approval: Mapped[str]
    limits: Mapped[LimitsData] = mapped_column(JSONB)
    correlation_id: Mapped[str]

    status: Mapped[str]
    claimed_by: Mapped[str | None]
    plan: Mapped[JsonObject | None]
    plan_hash: Mapped[str | None]
    result: Mapped[JsonObject | None]
    proof: Mapped[JsonObject | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    executed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Approval(TenantRow, Base):
    """A person's yes or no to exactly one plan."""

    __tablename__ = "approvals"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "action_run_id"),
        sa.Index("ix_approvals_tenant_status", "tenant_id", "status", "requested_at"),
        sa.Index("ix_approvals_tenant_requested", "tenant_id", "requested_at", "id"),
    )

    action_run_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.action_runs.id"))
    plan_hash: Mapped[str]
    status: Mapped[str]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    #: How who decided comes from the requester, where they do: the chain, and the same in words.
    making: Mapped[JsonObject | None]


class Freeze(TenantRow, Base):
    """An action that did not help a target: not tried there again until it ends or is lifted."""

    __tablename__ = "freezes"
    __table_args__ = (sa.Index("ix_freezes_tenant_target", "tenant_id", "target_key", "until"),)

    target_key: Mapped[str]
    action: Mapped[str]
    system_id: Mapped[UUID | None]
    action_run_id: Mapped[UUID]
    reason: Mapped[str]
    frozen_at: Mapped[datetime] = mapped_column(default=now)
    until: Mapped[datetime]
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
