"""Tables of troubleshooting sessions. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject
from opsteward.troubleshooting.types import Attempt, Choice


class Session(TenantRow, Base):
    """One troubleshooting session, phase by phase."""

    __tablename__ = "troubleshooting_sessions"
    __table_args__ = (
        sa.Index("ix_troubleshooting_sessions_tenant_incident", "tenant_id", "incident_id"),
        sa.Index("ix_troubleshooting_sessions_tenant_started", "tenant_id", "started_at"),
    )

    incident_id: Mapped[UUID | None]
    system_ids: Mapped[list[UUID]]
    trigger: Mapped[str]
    complaint: Mapped[str]
    requested_by: Mapped[str]
    status: Mapped[str]
    phase: Mapped[str]
    success: Mapped[bool | None]
    outcome: Mapped[str | None]
    summary: Mapped[str]
    health_score: Mapped[int | None]
    phases: Mapped[list[JsonObject]]
    issues: Mapped[list[JsonObject]]
    causes: Mapped[list[JsonObject]]
    hypotheses: Mapped[list[JsonObject]]
    changes: Mapped[list[JsonObject]]
    surroundings: Mapped[JsonObject]
    diagnostics: Mapped[list[JsonObject]]
    resolutions: Mapped[list[JsonObject]]
    choice: Mapped[Choice] = mapped_column(JSONB)
    tried: Mapped[list[Attempt]] = mapped_column(JSONB)
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    correlation_id: Mapped[str]
