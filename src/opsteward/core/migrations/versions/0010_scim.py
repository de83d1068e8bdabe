"""SCIM: groups and their members, further addresses of users, how a user's own document reads, and faster filters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from opsteward.core.migrations.tenancy import isolate, roles

revision = "0010"
down_revision = "0009"

FUNCTIONS = """
-- What a user's row calls it, where its document was made from another name or has none.
create function opsteward.scim_display_name(scim jsonb, full_name text) returns text
language sql immutable parallel safe as $$
    select case when scim is null or scim->'doc' ? 'displayName' or scim->>'named' is distinct from full_name
        then full_name end
$$;

-- The addresses in a user's document; where its row has another one since, that one stands for the one it was made of.
create function opsteward.scim_emails_of(scim jsonb, email text) returns jsonb
language sql immutable parallel safe as $$
    select case
        when scim->>'mail' is not distinct from email then scim->'doc'->'emails'
        else coalesce(case when email is not null then jsonb_build_array(
                jsonb_build_object('value', email, 'type', 'work', 'primary', true)) end, '[]')
            || coalesce(jsonb_path_query_array(scim->'doc'->'emails', '$[*] ? (@.value != $mail)',
                jsonb_build_object('mail', scim->'mail')), '[]')
    end
$$;
"""

GRANTS = """
grant delete on opsteward.scim_groups, opsteward.scim_group_members, opsteward.scim_emails to {web};
"""


def upgrade() -> None:
    """Runs as the owner."""
    _groups()
    _members()
    _emails()
    isolate("scim_groups", "scim_group_members", "scim_emails", rights="select, insert, update")
    _of_users()
    op.execute(FUNCTIONS)
    op.execute(GRANTS.format(**roles()))


def _of_users() -> None:
    # in the order of code points an index finds what starts with a text, whatever the database's own order
    op.alter_column("users", "username_key", type_=sa.Text(collation="C"), schema="opsteward")
    # how many are active, without reading their rows
    op.create_index(
        "ix_users_status",
        "users",
        ["tenant_id", "status"],
        schema="opsteward",
        postgresql_where=sa.text("holds_names"),
    )


def _groups() -> None:
    op.create_table(
        "scim_groups",
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_key", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("scim", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_groups")),
        schema="opsteward",
    )
    op.create_index("ix_scim_groups_name", "scim_groups", ["tenant_id", "display_key"], schema="opsteward")
    op.create_index(
        "ix_scim_groups_external",
        "scim_groups",
        ["tenant_id", "external_id"],
        schema="opsteward",
        postgresql_where=sa.text("external_id is not null"),
    )


def _members() -> None:
    op.create_table(
        "scim_group_members",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["opsteward.scim_groups.id"],
            name=op.f("fk_scim_group_members_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_group_members")),
        sa.UniqueConstraint(
            "tenant_id", "group_id", "member_id", name=op.f("uq_scim_group_members_tenant_id_group_id_member_id")
        ),
        schema="opsteward",
    )
    op.create_index(
        "ix_scim_group_members_member", "scim_group_members", ["tenant_id", "member_id"], schema="opsteward"
    )


def _emails() -> None:
    op.create_table(
        "scim_emails",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_emails")),
        schema="opsteward",
    )
    op.create_index("ix_scim_emails_key", "scim_emails", ["tenant_id", "email_key"], schema="opsteward")
    op.create_index("ix_scim_emails_user", "scim_emails", ["tenant_id", "user_id"], schema="opsteward")
