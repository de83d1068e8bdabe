"""An address belongs to one user of those who have not left.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Runs as the owner."""
    op.drop_index("uq_users_email", "users", schema="opsteward")
    columns = ["tenant_id", "email_key"]
    standing = text("holds_names and status in ('active', 'pending', 'suspended')")
    op.create_index("uq_users_email", "users", columns, unique=True, schema="opsteward", postgresql_where=standing)
    op.create_index("ix_users_email", "users", columns, schema="opsteward", postgresql_where=text("holds_names"))
