"""The tables of revision 0007, as Alembic wrote them from the models. Frozen: later changes are later revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def create_tables() -> None:
    """All tables of people."""
    _users()
    _user_changes()
    _user_grants()
    _enrollments()
    _enrollment_rules()
    _duty_conflicts()


def _duty_conflicts() -> None:
    op.create_table(
        "duty_conflicts",
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("second", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_conflicts")),
        sa.UniqueConstraint("tenant_id", "first", "second", name=op.f("uq_duty_conflicts_tenant_id_first_second")),
        schema="opsteward",
    )


def _enrollment_rules() -> None:
    op.create_table(
        "enrollment_rules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_rules")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_enrollment_rules_tenant_id_name")),
        schema="opsteward",
    )


def _enrollments() -> None:
    op.create_table(
        "enrollments",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("enrollment_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("stages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approver", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollments")),
        schema="opsteward",
    )
    op.create_index(
        "ix_enrollments_due",
        "enrollments",
        ["due_at"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("due_at is not null"),
    )
    op.create_index(
        "ix_enrollments_status", "enrollments", ["tenant_id", "status", "id"], unique=False, schema="opsteward"
    )
    op.create_index("ix_enrollments_user", "enrollments", ["tenant_id", "user_id"], unique=False, schema="opsteward")


def _user_changes() -> None:
    op.create_table(
        "user_changes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_changes")),
        schema="opsteward",
    )
    op.create_index(
        "ix_user_changes_user", "user_changes", ["tenant_id", "user_id", "id"], unique=False, schema="opsteward"
    )


def _user_grants() -> None:
    op.create_table(
        "user_grants",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_grants")),
        schema="opsteward",
    )
    op.create_index(
        "ix_user_grants_due",
        "user_grants",
        ["expires_at"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("revoked_at is null and expires_at is not null"),
    )
    op.create_index(
        "ix_user_grants_user",
        "user_grants",
        ["tenant_id", "user_id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("revoked_at is null"),
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("username_key", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("manager_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("system_access", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("profile_data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("scim", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("holds_names", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        schema="opsteward",
    )
    op.create_index(
        "ix_users_expires",
        "users",
        ["expires_at"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("expires_at is not null"),
    )
    op.create_index(
        "ix_users_external",
        "users",
        ["tenant_id", "external_id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("external_id is not null"),
    )
    op.create_index(
        "ix_users_manager",
        "users",
        ["tenant_id", "manager_id"],
        unique=False,
        schema="opsteward",
        postgresql_where=sa.text("manager_id is not null"),
    )
    op.create_index(
        "uq_users_email",
        "users",
        ["tenant_id", "email_key"],
        unique=True,
        schema="opsteward",
        postgresql_where=sa.text("holds_names"),
    )
    op.create_index(
        "uq_users_username",
        "users",
        ["tenant_id", "username_key"],
        unique=True,
        schema="opsteward",
        postgresql_where=sa.text("holds_names"),
    )
