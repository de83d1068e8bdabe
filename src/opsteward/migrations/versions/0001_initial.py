"""The first tables, their row-level security and the rights of the roles. The tables stand in the file beside it."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from opsteward.migrations.tenancy import grant, isolate, roles

revision = "0001_initial"
down_revision = None

NOTHING = ""
READ = "select"
APPEND = "select, insert"
REPLACE = "select, insert, delete"
WRITE = "select, insert, update"
ALL = "select, insert, update, delete"

#: What workers (app) may do, and what API and console (web), with tables whose rows belong to a tenant.
TENANT_TABLES = {
    "changes": (APPEND, APPEND),
    "change_heads": (READ, READ),
    "timers": (ALL, ALL),
    "operators": (WRITE, WRITE),
    "tokens": (WRITE, WRITE),
    "operator_passwords": (WRITE, WRITE),
    "outside_identities": (WRITE, WRITE),
    "webhooks": (WRITE, WRITE),
    "sentry_projects": (READ, ALL),
    "used_signatures": (APPEND, APPEND),
    "users": (WRITE, WRITE),
    "user_changes": (APPEND, APPEND),
    "user_grants": (WRITE, WRITE),
    "enrollments": (WRITE, WRITE),
    "enrollment_rules": (WRITE, ALL),
    "duty_conflicts": (APPEND, REPLACE),
    "access_reviews": (WRITE, WRITE),
    "access_review_items": (WRITE, WRITE),
    "import_jobs": (ALL, ALL),
    "import_parts": (REPLACE, REPLACE),
    "import_rows": (ALL, ALL),
    "import_problems": (REPLACE, REPLACE),
    "import_batches": (REPLACE, REPLACE),
    "user_directory_names": (ALL, ALL),
    "scim_groups": (WRITE, ALL),
    "scim_group_members": (WRITE, ALL),
    "scim_emails": (WRITE, ALL),
    "audit_entries": (APPEND, APPEND),
    "audit_seals": (APPEND, READ),
    "audit_heads": (WRITE, READ),
    "audit_pending": (ALL, READ),
    "tasks": (WRITE, WRITE),
    "task_dependencies": (REPLACE, APPEND),
    "task_schedules": (WRITE, ALL),
    "task_limits": (WRITE, ALL),
    "pauses": (WRITE, ALL),
    "systems": (WRITE, ALL),
    "health_minutes": (WRITE, READ),
    "health_days": (WRITE, READ),
    "system_figures": (REPLACE, REPLACE),
    "early_warnings": (ALL, REPLACE),
    "maintenance_windows": (READ, REPLACE),
    "heartbeats": (READ, ALL),
    "access_due": (ALL, ALL),
    "sync_mappings": (WRITE, ALL),
    "sync_records": (ALL, ALL),
    "sync_seen": (ALL, READ),
    "sync_operations": (WRITE, WRITE),
    "sync_changes": (WRITE, WRITE),
    "sync_conflicts": (ALL, ALL),
    "sagas": (WRITE, WRITE),
    "saga_steps": (WRITE, WRITE),
    "action_runs": (WRITE, WRITE),
    "approvals": (WRITE, WRITE),
    "freezes": (WRITE, WRITE),
    "agents": (WRITE, ALL),
    "agent_messages": (WRITE, ALL),
    "agent_metrics": (APPEND, APPEND),
    "events": (APPEND, APPEND),
    "incidents": (WRITE, WRITE),
    "incident_fingerprints": (ALL, ALL),
    "incident_groups": (APPEND, APPEND),
    "silences": (WRITE, WRITE),
    "inhibitions": (WRITE, WRITE),
    "group_decisions": (WRITE, WRITE),
    "incident_objects": (ALL, ALL),
    "timeline_entries": (APPEND, APPEND),
    "source_settings": (ALL, ALL),
    "source_bodies": (ALL, ALL),
    "source_counts": (WRITE, WRITE),
    "standing_order_versions": (APPEND, APPEND),
    "oncall_schedules": (READ, ALL),
    "oncall_overrides": (READ, ALL),
    "escalation_policies": (READ, ALL),
    "escalations": (WRITE, WRITE),
    "notification_routes": (ALL, ALL),  # one whose browsers are gone goes too
    "notices": (WRITE, WRITE),
    "troubleshooting_sessions": (WRITE, WRITE),
    "crew_runs": (WRITE, WRITE),
    "crew_steps": (ALL, READ),
    "crew_model_calls": (WRITE, READ),
    "crew_spend": (WRITE, READ),
    "crew_matrix_versions": (APPEND, READ),
    "crew_notes": (APPEND, REPLACE),
    "help_corpora": (ALL, ALL),
    "help_documents": (ALL, ALL),
    "help_document_versions": (REPLACE, REPLACE),
    "help_chunks": (REPLACE, REPLACE),
    "help_postings": (ALL, ALL),
    "help_answers": (ALL, WRITE),
}

#: The same of tables that no tenant owns; of `tenants` each sees its own row.
SHARED_TABLES = {
    "installation": (READ, READ),
    "processes": (ALL, READ),
    "tenants": (READ, READ),
    "sign_in_attempts": (NOTHING, ALL),
    "used_sign_in_states": (NOTHING, REPLACE),
}


def upgrade() -> None:
    """Runs as the owner; the other roles exist already."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    op.execute("revoke all on schema opsteward from public")
    op.execute("grant usage on schema opsteward to {app}, {web}".format(**roles()))
    isolate("tenants", column="id")
    for table in TENANT_TABLES:
        isolate(table)
    for table, (app, web) in (TENANT_TABLES | SHARED_TABLES).items():
        grant(table, app=app, web=web)
    op.execute("insert into opsteward.installation (migration, engine, functions) values ('', '', '')")
