"""The tables of revision 0002, as Alembic wrote them from the models. Frozen: later changes are later revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB


def create_tables() -> None:
    """All tables of tasks and their controls."""
    _pauses()
    _task_dependencies()
    _task_limits()
    _task_schedules()
    _tasks()


def _pauses() -> None:
    op.create_table(
        "pauses",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
        sa.UniqueConstraint("tenant_id", "scope", "target", name=op.f("uq_pauses_tenant_id_scope_target")),
        schema="opsteward",
    )


def _task_dependencies() -> None:
    op.create_table(
        "task_dependencies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("depends_on", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "depends_on", "task_id", name=op.f("pk_task_dependencies")),
        schema="opsteward",
    )


def _task_limits() -> None:
    op.create_table(
        "task_limits",
        sa.Column("task_type", sa.Text(), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_limits")),
        sa.UniqueConstraint("tenant_id", "task_type", name=op.f("uq_task_limits_tenant_id_task_type")),
        schema="opsteward",
    )


def _task_schedules() -> None:
    op.create_table(
        "task_schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("task", JSONB(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_schedules")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_task_schedules_tenant_id_name")),
        schema="opsteward",
    )
    op.create_index(
        "ix_task_schedules_next",
        "task_schedules",
        ["next_at"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("not paused"),
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("task_type", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("waiting_on", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("params", JSONB(), nullable=False),
        sa.Column("metadata", JSONB(), nullable=False),
        sa.Column("dependencies", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=True),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("progress_message", sa.Text(), nullable=False),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("takeovers", sa.Integer(), nullable=False),
        sa.Column("max_retries", sa.Integer(), nullable=False),
        sa.Column("backoff_factor", sa.Double(), nullable=False),
        sa.Column("max_backoff", sa.Double(), nullable=False),
        sa.Column("timeout", sa.Double(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        schema="opsteward",
    )
    op.create_index(
        "ix_tasks_due",
        "tasks",
        ["run_at"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("status = 'pending' and not ready and waiting_on = 0"),
    )
    op.create_index(
        "ix_tasks_ended",
        "tasks",
        ["ended_at"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("ended_at is not null"),
    )
    op.create_index(
        "ix_tasks_ready",
        "tasks",
        ["tenant_id", "task_type", "priority", "id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("ready"),
    )
    op.create_index(
        "ix_tasks_running",
        "tasks",
        ["process_id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("status = 'in_progress'"),
    )
    op.create_index("ix_tasks_tenant_id", "tasks", ["tenant_id", "id"], unique=False, schema="opsteward")
    op.create_index("ix_tasks_tenant_status", "tasks", ["tenant_id", "status", "id"], unique=False, schema="opsteward")
    op.create_index(
        "uq_tasks_dedup",
        "tasks",
        ["tenant_id", "dedup_key"],
        unique=True,
        schema="opsteward",
        postgresql_where=sa.text("dedup_key is not null and status in ('pending', 'in_progress')"),
    )
