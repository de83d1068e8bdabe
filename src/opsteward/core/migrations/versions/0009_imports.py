"""Imports of users: jobs, the uploaded files, whom they met and what was wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from opsteward.core.migrations.tenancy import isolate, roles

revision = "0009"
down_revision = "0008"

FORGET = """
-- The sizes of the tables that an import fills, for the planner: it fills them faster than autovacuum looks.
create function opsteward.analyze_people() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    analyze opsteward.users, opsteward.enrollments, opsteward.import_rows;
$$;

-- Imports that ended before then, and uploads that nobody finished; returns how many.
create function opsteward.forget_imports(before timestamptz, most int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone uuid[];
begin
    select array_agg(id) into gone from (
        select id from opsteward.import_jobs
        where ended_at < before or (status = 'uploading' and created_at < now() - interval '1 day')
        order by id limit least(most, 50)
    ) old;
    delete from opsteward.import_rows where job_id = any(gone);
    delete from opsteward.import_problems where job_id = any(gone);
    delete from opsteward.import_parts where job_id = any(gone);
    delete from opsteward.import_jobs where id = any(gone);
    return coalesce(cardinality(gone), 0);
end
$$;
"""

GRANTS = """
revoke execute on function opsteward.forget_imports, opsteward.analyze_people from public;
grant execute on function opsteward.forget_imports, opsteward.analyze_people to {app};
"""


def upgrade() -> None:
    """Runs as the owner."""
    _jobs()
    _parts()
    _rows()
    _problems()
    isolate("import_jobs", "import_rows", rights="select, insert, update, delete")
    isolate("import_parts", "import_problems", rights="select, insert, delete")
    op.execute(FORGET)
    op.execute(GRANTS.format(**roles()))


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _jobs() -> None:
    counts = ("position", "progress", "created", "changed", "unchanged", "departed", "failed", "nameless")
    op.create_table(
        "import_jobs",
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="rows", nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        *(_count(name) for name in (*counts, "errors", "warnings")),
        sa.Column("notes", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("diff", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_jobs")),
        schema="opsteward",
    )
    op.create_index("ix_import_jobs_digest", "import_jobs", ["tenant_id", "digest"], schema="opsteward")


def _parts() -> None:
    op.create_table(
        "import_parts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_parts")),
        sa.UniqueConstraint("tenant_id", "job_id", "number", name=op.f("uq_import_parts_tenant_id_job_id_number")),
        schema="opsteward",
    )


def _rows() -> None:
    op.create_table(
        "import_rows",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("manager", sa.Text(), nullable=True),
        sa.Column("username_key", sa.Text(), nullable=True),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", "user_id", name=op.f("pk_import_rows")),
        schema="opsteward",
    )
    for name in ("username", "email"):
        op.create_index(
            f"ix_import_rows_{name}", "import_rows", ["tenant_id", "job_id", f"{name}_key"],
            schema="opsteward", postgresql_where=sa.text(f"{name}_key is not null"),
        )  # fmt: skip


def _problems() -> None:
    op.create_table(
        "import_problems",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "field", "reason", "value")),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_problems")),
        schema="opsteward",
    )
    op.create_index(
        "ix_import_problems_row", "import_problems", ["tenant_id", "job_id", "row", "id"], schema="opsteward"
    )
