"""Imports: rows that came before are known again; users are known by their names in directories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from opsteward.core.migrations.tenancy import isolate

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Runs as the owner."""
    op.add_column("import_rows", sa.Column("dn_key", sa.Text(), nullable=True), schema="opsteward")
    op.create_index(
        "ix_import_rows_dn", "import_rows", ["tenant_id", "job_id", "dn_key"],
        schema="opsteward", postgresql_where=sa.text("dn_key is not null"),
    )  # fmt: skip
    op.create_table(
        "import_batches",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("rows", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("user_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("managers", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("dn_keys", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batches")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["opsteward.import_jobs.id"], name=op.f("fk_import_batches_job_id_import_jobs"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("tenant_id", "job_id", "digest", name=op.f("uq_import_batches_tenant_id_job_id_digest")),
        schema="opsteward",
    )  # fmt: skip
    isolate("import_batches", rights="select, insert, delete")
    op.create_table(
        "user_directory_names",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("dn_key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "dn_key", name=op.f("pk_user_directory_names")),
        schema="opsteward",
    )
    op.create_index("ix_user_directory_names_user", "user_directory_names", ["tenant_id", "user_id"],
                    schema="opsteward")  # fmt: skip
    isolate("user_directory_names", rights="select, insert, update, delete")
