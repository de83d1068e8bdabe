"""The tables of revision 0004, as Alembic wrote them from the models. Frozen: later changes are later revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB


def create_tables() -> None:
    """The record of changes."""
    _change_heads()
    _changes()


def _change_heads() -> None:
    op.create_table(
        "change_heads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_change_heads")),
        schema="opsteward",
    )


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sa.UniqueConstraint("tenant_id", "seq", name=op.f("uq_changes_tenant_id_seq")),
        schema="opsteward",
    )
    op.create_index("ix_changes_at", "changes", ["at"], unique=False, schema="opsteward")
    op.create_index(
        "ix_changes_unsequenced",
        "changes",
        ["tenant_id", "at", "id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("seq is null"),
    )
