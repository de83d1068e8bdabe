"""The tables of revision 0003, as Alembic wrote them from the models. Frozen: later changes are later revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB


def create_tables() -> None:
    """All tables of background agents."""
    _agent_messages()
    _agent_metrics()
    _agents()


def _agent_messages() -> None:
    op.create_table(
        "agent_messages",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_messages")),
        schema="opsteward",
    )
    op.create_index(
        "ix_agent_messages_waiting",
        "agent_messages",
        ["tenant_id", "agent_id", "id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("read_at is null"),
    )
    op.create_index(
        "ix_agent_messages_agent", "agent_messages", ["tenant_id", "agent_id", "id"], unique=False, schema="opsteward"
    )
    op.create_index("ix_agent_messages_sent", "agent_messages", ["sent_at"], unique=False, schema="opsteward")


def _agent_metrics() -> None:
    op.create_table(
        "agent_metrics",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", "at", "process_id", name=op.f("pk_agent_metrics")),
        schema="opsteward",
    )
    op.create_index("ix_agent_metrics_at", "agent_metrics", ["at"], unique=False, schema="opsteward")


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("params", JSONB(), nullable=False),
        sa.Column("interval", sa.Double(), nullable=True),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("free_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_seconds", sa.Double(), nullable=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("next_start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_agents_tenant_id_name")),
        schema="opsteward",
    )
    op.create_index("ix_agents_process_id", "agents", ["process_id"], unique=False, schema="opsteward")
