"""Which secret key the installation's data were stored with: its fingerprint, written when the migration is done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Runs as the owner."""
    fingerprint: sa.Column[str] = sa.Column("key_fingerprint", sa.Text(), nullable=True)
    op.add_column("installation", fingerprint, schema="opsteward")
