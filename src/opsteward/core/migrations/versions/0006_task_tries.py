"""Tasks keep each failed try, and the key of a submission that may be repeated apart from their id.

An id of its own keeps such a task in the order of time, in lists as in the queue.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Runs as the owner. The default is a constant: no row is rewritten."""
    op.add_column(
        "tasks", sa.Column("tries", JSONB(), nullable=False, server_default=sa.text("'[]'")), schema="opsteward"
    )
    op.add_column("tasks", sa.Column("repeat_key", sa.Uuid(), nullable=True), schema="opsteward")
    op.create_index(
        "uq_tasks_repeat",
        "tasks",
        ["tenant_id", "repeat_key"],
        unique=True,
        schema="opsteward",
        postgresql_where=sa.text("repeat_key is not null"),
    )
