"""Signing in: scopes of tokens, passwords, identities at a provider, and the count of failures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from opsteward.core.migrations.tenancy import isolate, roles

revision = "0008"
down_revision = "0007"

FUNCTIONS = """
drop function opsteward.token_owner(bytea);
create function opsteward.token_owner(hash bytea)
returns table (token_id uuid, tenant_id uuid, tenant_name text, operator_id uuid, operator_name text, roles text[],
               kind text, last_used_at timestamptz, created_by text, issued_by text, scopes text[],
               expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select t.id, t.tenant_id, n.name, o.id, o.name, o.roles, t.kind, t.last_used_at, o.created_by, t.issued_by,
           t.scopes, t.expires_at
    from opsteward.tokens t
    join opsteward.operators o on o.id = t.operator_id and o.tenant_id = t.tenant_id and o.status = 'active'
    join opsteward.tenants n on n.id = t.tenant_id and n.status = 'active'
    where t.secret_hash = hash and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
$$;

-- The tenant of a name and, where there is one, its active operator of a name with their password's hash.
create function opsteward.password_owner(tenant text, operator_key text)
returns table (tenant_id uuid, tenant_name text, operator_id uuid, operator_name text, roles text[], created_by text,
               password_id uuid, hash text, set_by text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select n.id, n.name, o.id, o.name, o.roles, o.created_by, p.id, p.hash, p.set_by
    from opsteward.tenants n
    left join opsteward.operators o on o.tenant_id = n.id and o.name_key = operator_key and o.status = 'active'
    left join opsteward.operator_passwords p on p.tenant_id = n.id and p.operator_id = o.id
    where n.name = tenant and n.status = 'active'
$$;
"""

GRANTS = """
revoke execute on function opsteward.token_owner, opsteward.password_owner from public;
grant execute on function opsteward.token_owner to {app}, {web};
grant execute on function opsteward.password_owner to {web};
grant select, insert, update, delete on opsteward.sign_in_attempts to {web};
grant select, insert, delete on opsteward.used_sign_in_states to {web};
"""


def upgrade() -> None:
    """Runs as the owner."""
    op.add_column("tokens", sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=True), schema="opsteward")
    _operator_passwords()
    _outside_identities()
    _sign_in_attempts()
    _used_sign_in_states()
    isolate("operator_passwords", "outside_identities", rights="select, insert, update")
    op.execute(FUNCTIONS)
    op.execute(GRANTS.format(**roles()))


def _operator_passwords() -> None:
    op.create_table(
        "operator_passwords",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["opsteward.operators.id"], name=op.f("fk_operator_passwords_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_passwords")),
        sa.UniqueConstraint("tenant_id", "operator_id", name=op.f("uq_operator_passwords_tenant_id_operator_id")),
        schema="opsteward",
    )


def _outside_identities() -> None:
    op.create_table(
        "outside_identities",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["opsteward.operators.id"], name=op.f("fk_outside_identities_operator_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_identities")),
        sa.UniqueConstraint(
            "tenant_id", "issuer", "subject", name=op.f("uq_outside_identities_tenant_id_issuer_subject")
        ),
        sa.UniqueConstraint(
            "tenant_id", "operator_id", "issuer", name=op.f("uq_outside_identities_tenant_id_operator_id_issuer")
        ),
        schema="opsteward",
    )


def _sign_in_attempts() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("free_tries", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_attempts")),
        schema="opsteward",
    )
    op.create_index("ix_sign_in_attempts_last", "sign_in_attempts", ["last_at"], unique=False, schema="opsteward")


def _used_sign_in_states() -> None:
    op.create_table(
        "used_sign_in_states",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_used_sign_in_states")),
        schema="opsteward",
    )
    op.create_index("ix_used_sign_in_states_until", "used_sign_in_states", ["until"], unique=False, schema="opsteward")
