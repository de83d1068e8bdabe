"""Tables of the inventory. Private to this room."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class System(TenantRow, Base):
    """One registered outside system, with its present health."""

    __tablename__ = "systems"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "name_key"),
        sa.Index("ix_systems_kept", "tenant_id", postgresql_where=sa.text("settings ? 'access_role'")),
    )

    name: Mapped[str]
    name_key: Mapped[str]
    #: The keys of names that it had before, so that what is said of them is not lost.
    former_names: Mapped[list[str]] = mapped_column(default=list)
    type: Mapped[str]
    endpoint: Mapped[str]
    health_check_url: Mapped[str | None]
    sync_frequency: Mapped[int | None]
    criticality: Mapped[str]
    credentials_sealed: Mapped[bytes | None]
    settings: Mapped[JsonObject]
    depends_on: Mapped[list[UUID]]
    enabled: Mapped[bool] = mapped_column(default=True)
    owner: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    runbook_url: Mapped[str | None]
    circuit_failures: Mapped[int] = mapped_column(default=0)
    circuit_open_until: Mapped[datetime | None]
    circuit_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    health: Mapped[str] = mapped_column(default="unknown")
    health_since: Mapped[datetime] = mapped_column(default=now)
    checked_at: Mapped[datetime | None]
    response_time: Mapped[float | None]
    checks_total: Mapped[int] = mapped_column(default=0)
    checks_failed: Mapped[int] = mapped_column(default=0)
    passes_in_a_row: Mapped[int] = mapped_column(default=0)
    evidence: Mapped[list[JsonObject]] = mapped_column(default=list)
    warnings_in_a_row: Mapped[int] = mapped_column(default=0)
    passing_since: Mapped[datetime | None]
    relapses: Mapped[int] = mapped_column(default=0)
    silenced_by: Mapped[str | None]
    #: How fast its error budget is used, where that was told: fast or slow.
    budget_alert: Mapped[str | None]


class HealthMinute(Base):
    """How the checks of a system went within one minute; `response_*` in seconds, over the `answered` ones."""

    __tablename__ = "health_minutes"
    __table_args__ = (sa.Index("ix_health_minutes_minute", "minute"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    checks: Mapped[int]
    failed: Mapped[int]
    answered: Mapped[int]
    response_total: Mapped[float]
    response_max: Mapped[float]


class HealthDay(Base):
    """How the checks of a system went on one day (UTC): what a page of many systems reads of their past."""

    __tablename__ = "health_days"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    checks: Mapped[int]
    failed: Mapped[int]
    answered: Mapped[int]
    response_total: Mapped[float]


class Window(TenantRow, Base):
    """One maintenance window; without `system_id` it is one of all systems."""

    __tablename__ = "maintenance_windows"
    __table_args__ = (sa.Index("ix_maintenance_windows_system", "tenant_id", "system_id"),)

    system_id: Mapped[UUID | None]
    reason: Mapped[str]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    cron: Mapped[str | None]
    timezone: Mapped[str]
    duration: Mapped[int | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Heartbeat(Base):
    """When a system that calls us is due, and what it has said last. Of its key only the hash is kept."""

    __tablename__ = "heartbeats"
    __table_args__ = (sa.UniqueConstraint("key_hash"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_hash: Mapped[bytes]
    period: Mapped[int | None]
    cron: Mapped[str | None]
    timezone: Mapped[str]
    grace: Mapped[int]
    late_at: Mapped[datetime]
    failed: Mapped[bool]
    last_ping_at: Mapped[datetime | None]
    last_signal: Mapped[str | None]
    last_duration: Mapped[float | None]
    running_since: Mapped[datetime | None]
    minute: Mapped[datetime]
    pings_in_minute: Mapped[int]


class SystemFigure(Base):
    """One figure of what can run out, at one look."""

    __tablename__ = "system_figures"
    __table_args__ = (sa.Index("ix_system_figures_at", "at"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[float]
    limit: Mapped[float]


class EarlyWarningRow(Base):
    """What will have run out soon, and the figures that say so; gone once they do not any more."""

    __tablename__ = "early_warnings"

    id: Mapped[UUID]
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    urgency: Mapped[str]
    since: Mapped[datetime]
    judged_at: Mapped[datetime]
    runs_out_at: Mapped[datetime]
    soonest_at: Mapped[datetime]
    latest_at: Mapped[datetime]
    level: Mapped[float]
    limit: Mapped[float]
    per_day: Mapped[float]
    noise: Mapped[float]
    points: Mapped[int]
    span: Mapped[float]
