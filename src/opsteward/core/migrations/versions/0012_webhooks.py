"""Senders of signed requests, and the signatures that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from opsteward.core.migrations.tenancy import isolate, roles

revision = "0012"
down_revision = "0011"

FUNCTIONS = """
-- Every sender of a kind with its sealed secret: the signature tells which one it is, and with it the tenant.
create function opsteward.webhooks_of(wanted text)
returns table (id uuid, tenant_id uuid, secret_sealed bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select w.id, w.tenant_id, w.secret_sealed from opsteward.webhooks w
    join opsteward.tenants n on n.id = w.tenant_id and n.status = 'active'
    where w.kind = wanted and w.revoked_at is null
$$;

create function opsteward.forget_signatures(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.used_signatures where id = any(array(
        select id from opsteward.used_signatures where until < before order by until limit most)) returning 1)
    select count(*) from gone
$$;
"""

GRANTS = """
revoke execute on function opsteward.webhooks_of, opsteward.forget_signatures from public;
grant execute on function opsteward.webhooks_of to {web};
grant execute on function opsteward.forget_signatures to {app};
"""


def upgrade() -> None:
    """Runs as the owner."""
    _webhooks()
    _used_signatures()
    isolate("webhooks", rights="select, insert, update")
    isolate("used_signatures", rights="select, insert")
    op.execute(FUNCTIONS)
    op.execute(GRANTS.format(**roles()))


def _used_signatures() -> None:
    op.create_table(
        "used_signatures",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_signatures")),
        sa.UniqueConstraint("tenant_id", "digest", name=op.f("uq_used_signatures_tenant_id_digest")),
        schema="opsteward",
    )
    op.create_index("ix_used_signatures_until", "used_signatures", ["until"], unique=False, schema="opsteward")


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        schema="opsteward",
    )
    op.create_index(
        "ix_webhooks_kind",
        "webhooks",
        ["kind"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("revoked_at is null"),
    )
