"""Tables of tasks. Private to this room.

The row is the queue: what is `ready` may be claimed. So a task is asked for and queued by one and the same insert.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class Task(TenantRow, Base):
    """One task, from its submission to its end."""

    __tablename__ = "tasks"
    __table_args__ = (
        # the queue: one lane for each tenant and type, in the order in which they are claimed
        sa.Index("ix_tasks_ready", "tenant_id", "task_type", "priority", "id", postgresql_where=sa.text("ready")),
        sa.Index(
            "ix_tasks_due", "run_at", postgresql_where=sa.text("status = 'pending' and not ready and waiting_on = 0")
        ),
        sa.Index("ix_tasks_running", "process_id", postgresql_where=sa.text("status = 'in_progress'")),
        sa.Index("ix_tasks_tenant_id", "tenant_id", "id"),
        sa.Index("ix_tasks_tenant_status", "tenant_id", "status", "id"),
        sa.Index("ix_tasks_ended", "ended_at", postgresql_where=sa.text("ended_at is not null")),
        sa.Index(
            "uq_tasks_dedup",
            "tenant_id",
            "dedup_key",
            unique=True,
            postgresql_where=sa.text("dedup_key is not null and status in ('pending', 'in_progress')"),
        ),
        sa.Index(
            "uq_tasks_repeat",
            "tenant_id",
            "repeat_key",
            unique=True,
            postgresql_where=sa.text("repeat_key is not null"),
        ),
    )

    name: Mapped[str]
    description: Mapped[str]
    task_type: Mapped[str]
    priority: Mapped[int] = mapped_column(sa.SmallInteger)
    status: Mapped[str]
    ready: Mapped[bool]
    waiting_on: Mapped[int]  # how many of its dependencies have not completed
    run_at: Mapped[datetime]
    params: Mapped[JsonObject]
    metadata_: Mapped[JsonObject] = mapped_column("metadata", JSONB)
    dependencies: Mapped[list[UUID]]
    dedup_key: Mapped[str | None]
    repeat_key: Mapped[UUID | None]  # of a submission that may be repeated
    schedule_id: Mapped[UUID | None]
    requested_by: Mapped[str]
    correlation_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    process_id: Mapped[UUID | None]
    progress: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    progress_message: Mapped[str] = mapped_column(default="")
    result: Mapped[JsonObject | None]
    error: Mapped[str | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    retry_count: Mapped[int] = mapped_column(default=0)
    tries: Mapped[list[JsonObject]] = mapped_column(server_default=sa.text("'[]'"))  # those that failed
    takeovers: Mapped[int] = mapped_column(default=0)  # how often its process died under it
    max_retries: Mapped[int]
    backoff_factor: Mapped[float]
    max_backoff: Mapped[float]
    timeout: Mapped[float]


class TaskDependency(Base):
    """`task_id` runs after `depends_on` has completed."""

    __tablename__ = "task_dependencies"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    depends_on: Mapped[UUID] = mapped_column(primary_key=True)
    task_id: Mapped[UUID] = mapped_column(primary_key=True)


class TaskSchedule(TenantRow, Base):
    """A task that is submitted again and again, at the times of a cron expression."""

    __tablename__ = "task_schedules"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "name"),
        sa.Index("ix_task_schedules_next", "next_at", postgresql_where=sa.text("not paused")),
    )

    name: Mapped[str]
    cron: Mapped[str]
    timezone: Mapped[str]
    task: Mapped[JsonObject]  # what is submitted
    paused: Mapped[bool] = mapped_column(default=False)
    next_at: Mapped[datetime]
    last_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class TaskLimit(TenantRow, Base):
    """The most tasks of a tenant that run at once: of one type, or (with an empty type) of all."""

    __tablename__ = "task_limits"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "task_type"),)

    task_type: Mapped[str]
    max_running: Mapped[int]


class Pause(TenantRow, Base):
    """An emergency pause in force; those of the nil tenant hold for everybody."""

    __tablename__ = "pauses"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "scope", "target"),)

    scope: Mapped[str]
    target: Mapped[str]
    reason: Mapped[str]
    paused_by: Mapped[str]
    paused_at: Mapped[datetime] = mapped_column(default=now)
