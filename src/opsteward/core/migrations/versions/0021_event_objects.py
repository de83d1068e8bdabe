"""Events say which object they are about, so that a recovery ends only what it speaks of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Earlier events name no object; a partial index finds the recoveries of a fingerprint."""
    op.add_column("events", sa.Column("object_key", sa.Text(), nullable=False, server_default=""), schema="opsteward")
    op.create_index(
        "ix_events_tenant_recovery",
        "events",
        ["tenant_id", "fingerprint", "occurred_at"],
        schema="opsteward",
        postgresql_where=sa.text("resolved"),
    )


def downgrade() -> None:
    op.drop_index("ix_events_tenant_recovery", "events", schema="opsteward")
    op.drop_column("events", "object_key", schema="opsteward")
