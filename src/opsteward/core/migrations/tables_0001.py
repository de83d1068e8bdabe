"""The tables of revision 0001, as Alembic wrote them from the models. Frozen: later changes are later revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB


def create_tables() -> None:
    """In the order of their references."""
    _action_runs()
    _audit_entries()
    _audit_heads()
    _audit_pending()
    _audit_seals()
    _events()
    _freezes()
    _incidents()
    _installation()
    _operators()
    _processes()
    _standing_order_versions()
    _systems()
    _tenants()
    _troubleshooting_sessions()
    _approvals()
    _incident_fingerprints()
    _timeline_entries()
    _tokens()


def _action_runs() -> None:
    op.create_table(
        "action_runs",
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=True),
        sa.Column("target_key", sa.Text(), nullable=False),
        sa.Column("params", JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requesters", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("reply_to", sa.Uuid(), nullable=True),
        sa.Column("standing_order", sa.Text(), nullable=True),
        sa.Column("approval", sa.Text(), nullable=False),
        sa.Column("limits", JSONB(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("plan", JSONB(), nullable=True),
        sa.Column("plan_hash", sa.Text(), nullable=True),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("proof", JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_runs")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("uq_action_runs_tenant_id_idempotency_key")),
        schema="opsteward",
    )
    op.create_index(
        "ix_action_runs_tenant_created", "action_runs", ["tenant_id", "created_at"], unique=False, schema="opsteward"
    )
    op.create_index(
        "ix_action_runs_tenant_incident", "action_runs", ["tenant_id", "incident_id"], unique=False, schema="opsteward"
    )
    op.create_index(
        "ix_action_runs_tenant_target",
        "action_runs",
        ["tenant_id", "target_key", "executed_at"],
        unique=False,
        schema="opsteward",
    )


def _audit_entries() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        schema="opsteward",
    )
    op.create_index(
        "ix_audit_entries_tenant_at", "audit_entries", ["tenant_id", "at"], unique=False, schema="opsteward"
    )
    op.create_index(
        "ix_audit_entries_tenant_object", "audit_entries", ["tenant_id", "object_id"], unique=False, schema="opsteward"
    )


def _audit_heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_heads")),
        schema="opsteward",
    )


def _audit_pending() -> None:
    op.create_table(
        "audit_pending",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "entry_id", name=op.f("pk_audit_pending")),
        schema="opsteward",
    )


def _audit_seals() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("tenant_id", "entry_id", name=op.f("uq_audit_seals_tenant_id_entry_id")),
        schema="opsteward",
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("stack_trace", sa.Text(), nullable=True),
        sa.Column("context", JSONB(), nullable=False),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        schema="opsteward",
    )
    op.create_index(
        "ix_events_tenant_incident",
        "events",
        ["tenant_id", "incident_id", "received_at"],
        unique=False,
        schema="opsteward",
    )
    op.create_index(
        "ix_events_tenant_received", "events", ["tenant_id", "received_at"], unique=False, schema="opsteward"
    )


def _freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("target_key", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=True),
        sa.Column("action_run_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freezes")),
        schema="opsteward",
    )
    op.create_index(
        "ix_freezes_tenant_target", "freezes", ["tenant_id", "target_key", "until"], unique=False, schema="opsteward"
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("system_id", sa.Uuid(), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_incidents_tenant_id_number")),
        schema="opsteward",
    )
    op.create_index(
        "ix_incidents_tenant_status",
        "incidents",
        ["tenant_id", "status", "opened_at"],
        unique=False,
        schema="opsteward",
    )
    op.create_index(
        "ix_incidents_tenant_system",
        "incidents",
        ["tenant_id", "system_id", "status"],
        unique=False,
        schema="opsteward",
    )


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("migration", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("migration", name=op.f("pk_installation")),
        schema="opsteward",
    )


def _operators() -> None:
    op.create_table(
        "operators",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("tenant_id", "name_key", name=op.f("uq_operators_tenant_id_name_key")),
        schema="opsteward",
    )


def _processes() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_started", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
        schema="opsteward",
    )


def _standing_order_versions() -> None:
    op.create_table(
        "standing_order_versions",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_order_versions")),
        sa.UniqueConstraint("tenant_id", "version", name=op.f("uq_standing_order_versions_tenant_id_version")),
        schema="opsteward",
    )


def _systems() -> None:
    op.create_table(
        "systems",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("health_check_url", sa.Text(), nullable=True),
        sa.Column("sync_frequency", sa.Integer(), nullable=True),
        sa.Column("criticality", sa.Text(), nullable=False),
        sa.Column("credentials_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("settings", JSONB(), nullable=False),
        sa.Column("depends_on", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("health_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_time", sa.Double(), nullable=True),
        sa.Column("checks_total", sa.Integer(), nullable=False),
        sa.Column("checks_failed", sa.Integer(), nullable=False),
        sa.Column("passes_in_a_row", sa.Integer(), nullable=False),
        sa.Column("evidence", JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_systems")),
        sa.UniqueConstraint("tenant_id", "name_key", name=op.f("uq_systems_tenant_id_name_key")),
        schema="opsteward",
    )


def _tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
        schema="opsteward",
    )


def _troubleshooting_sessions() -> None:
    op.create_table(
        "troubleshooting_sessions",
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("system_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("complaint", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("health_score", sa.Integer(), nullable=True),
        sa.Column("phases", JSONB(), nullable=False),
        sa.Column("issues", JSONB(), nullable=False),
        sa.Column("diagnostics", JSONB(), nullable=False),
        sa.Column("resolutions", JSONB(), nullable=False),
        sa.Column("choice", JSONB(), nullable=False),
        sa.Column("tried", JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_troubleshooting_sessions")),
        schema="opsteward",
    )
    op.create_index(
        "ix_troubleshooting_sessions_tenant_incident",
        "troubleshooting_sessions",
        ["tenant_id", "incident_id"],
        unique=False,
        schema="opsteward",
    )
    op.create_index(
        "ix_troubleshooting_sessions_tenant_started",
        "troubleshooting_sessions",
        ["tenant_id", "started_at"],
        unique=False,
        schema="opsteward",
    )


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("action_run_id", sa.Uuid(), nullable=False),
        sa.Column("plan_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["action_run_id"], ["opsteward.action_runs.id"], name=op.f("fk_approvals_action_run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("tenant_id", "action_run_id", name=op.f("uq_approvals_tenant_id_action_run_id")),
        schema="opsteward",
    )
    op.create_index(
        "ix_approvals_tenant_status",
        "approvals",
        ["tenant_id", "status", "requested_at"],
        unique=False,
        schema="opsteward",
    )


def _incident_fingerprints() -> None:
    op.create_table(
        "incident_fingerprints",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["opsteward.incidents.id"], name=op.f("fk_incident_fingerprints_incident_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "fingerprint", name=op.f("pk_incident_fingerprints")),
        schema="opsteward",
    )


def _timeline_entries() -> None:
    op.create_table(
        "timeline_entries",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["opsteward.incidents.id"], name=op.f("fk_timeline_entries_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline_entries")),
        schema="opsteward",
    )
    op.create_index(
        "ix_timeline_entries_tenant_incident",
        "timeline_entries",
        ["tenant_id", "incident_id", "at"],
        unique=False,
        schema="opsteward",
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["operator_id"], ["opsteward.operators.id"], name=op.f("fk_tokens_operator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_tokens_secret_hash")),
        schema="opsteward",
    )
    op.create_index(
        "ix_tokens_tenant_operator", "tokens", ["tenant_id", "operator_id"], unique=False, schema="opsteward"
    )
