"""Access reviews and what they take; usernames that look like others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from opsteward.core.migrations.tenancy import isolate

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Runs as the owner. No row is rewritten."""
    op.add_column("users", sa.Column("lookalike_key", sa.Text(), nullable=True), schema="opsteward")
    op.add_column("users", sa.Column("looks_like", sa.Uuid(), nullable=True), schema="opsteward")
    op.create_index(
        "ix_users_lookalike",
        "users",
        ["tenant_id", "lookalike_key"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("lookalike_key is not null"),
    )
    denied: sa.Column[bool] = sa.Column("denied", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("user_grants", denied, schema="opsteward")
    _access_reviews()
    _access_review_items()
    isolate("access_reviews", "access_review_items", rights="select, insert, update")


def _access_reviews() -> None:
    op.create_table(
        "access_reviews",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_reviews")),
        schema="opsteward",
    )


def _access_review_items() -> None:
    op.create_table(
        "access_review_items",
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["review_id"], ["opsteward.access_reviews.id"], name=op.f("fk_access_review_items_review_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_review_items")),
        sa.UniqueConstraint(
            "tenant_id",
            "review_id",
            "user_id",
            "kind",
            "name",
            name=op.f("uq_access_review_items_tenant_id_review_id_user_id_kind_name"),
        ),
        schema="opsteward",
    )
