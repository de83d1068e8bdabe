"""Marks on audit entries, entries that the sealer refused, the ends of all chains, and since when a maker made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from opsteward.core.migrations.tenancy import roles

revision = "0017"
down_revision = "0016"

_FUNCTIONS = """
create or replace function opsteward.tenants_with_unsealed_audit()
returns setof uuid language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct tenant_id from opsteward.audit_pending where refused is null
$$;

-- Where each tenant's chain ends, for the witnesses outside the database.
create function opsteward.audit_ends() returns table (tenant_id uuid, seq bigint, hash text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select tenant_id, seq, hash from opsteward.audit_heads where seq > 0
$$;
"""

_GRANTS = """
revoke execute on function opsteward.audit_ends from public;
grant execute on function opsteward.audit_ends to {app};
"""


def upgrade() -> None:
    """Runs as the owner. Entries that wait for their seal have no mark: seal them before."""
    for name, kind in (
        ("writer", sa.Uuid()),
        ("writer_number", sa.BigInteger()),
        ("writer_before", sa.BigInteger()),
        ("mark", sa.LargeBinary()),
    ):
        op.add_column("audit_entries", sa.Column(name, kind, nullable=True), schema="opsteward")
    op.add_column("audit_pending", sa.Column("refused", sa.Text(), nullable=True), schema="opsteward")
    for table in ("tokens", "operator_passwords"):
        since = sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
        op.add_column(table, since, schema="opsteward")
    op.execute("update opsteward.tokens set made_at = created_at")
    op.execute("update opsteward.operator_passwords set made_at = changed_at")
    making: sa.Column[object] = sa.Column("making", JSONB(), nullable=True)
    op.add_column("approvals", making, schema="opsteward")
    op.execute(_FUNCTIONS)
    op.execute(_GRANTS.format(**roles()))
