"""The first tables, their row-level security, the grants of the roles and the look-up functions."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tables_0001 import create_tables
from opsteward.core.migrations.tenancy import isolate, roles

revision = "0001"
down_revision = None

TENANT_TABLES = (
    "operators", "tokens", "audit_entries", "audit_seals", "audit_heads", "audit_pending", "systems", "action_runs",
    "approvals", "freezes", "events", "incidents", "incident_fingerprints", "timeline_entries",
    "standing_order_versions", "troubleshooting_sessions",
)  # fmt: skip
APPEND_ONLY = ("audit_entries", "audit_seals", "events", "timeline_entries", "standing_order_versions")

FUNCTIONS = """
create function opsteward.enqueue(
    workflow text, workflow_id text, arguments json, version text, priority int, not_before bigint
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- The engine's tables lie outside row-level security: nobody may start work for another tenant.
    if arguments->>'tenant_id' is distinct from nullif(current_setting('opsteward.tenant', true), '') then
        raise insufficient_privilege using message = 'a workflow can only be enqueued for the own tenant';
    end if;
    return dbos.enqueue_workflow(
        workflow_name => workflow, queue_name => '_dbos_internal_queue', named_args => arguments,
        workflow_id => workflow_id, app_version => version, priority => priority, delay_until_epoch_ms => not_before,
        application_name => 'opsteward');
end $$;

create function opsteward.token_owner(hash bytea)
returns table (token_id uuid, tenant_id uuid, tenant_name text, operator_id uuid, operator_name text, roles text[],
               kind text, last_used_at timestamptz, created_by text, issued_by text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select t.id, t.tenant_id, n.name, o.id, o.name, o.roles, t.kind, t.last_used_at, o.created_by, t.issued_by
    from opsteward.tokens t
    join opsteward.operators o on o.id = t.operator_id and o.tenant_id = t.tenant_id and o.status = 'active'
    join opsteward.tenants n on n.id = t.tenant_id and n.status = 'active'
    where t.secret_hash = hash and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
$$;

create function opsteward.all_tenants()
returns table (id uuid, name text, status text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select id, name, status, created_at from opsteward.tenants order by created_at, id
$$;

create function opsteward.add_tenant(new_id uuid, new_name text)
returns boolean language sql security definer set search_path = pg_catalog, pg_temp as $$
    with added as (
        insert into opsteward.tenants (id, name, status, created_at) values (new_id, new_name, 'active', now())
        on conflict (name) do nothing returning 1)
    select exists (select 1 from added)
$$;

create function opsteward.tenants_with_unsealed_audit()
returns setof uuid language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct tenant_id from opsteward.audit_pending
$$;

create function opsteward.all_systems()
returns table (id uuid, tenant_id uuid, criticality text, settings jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.id, s.tenant_id, s.criticality, s.settings
    from opsteward.systems s join opsteward.tenants t on t.id = s.tenant_id and t.status = 'active'
$$;

create function opsteward.note_unsealed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into opsteward.audit_pending (tenant_id, entry_id) select tenant_id, id from added;
    return null;
end $$;
create trigger note_unsealed after insert on opsteward.audit_entries
    referencing new table as added for each statement execute function opsteward.note_unsealed();
"""

GRANTS = """
revoke all on schema opsteward from public;
revoke execute on all functions in schema opsteward from public;
grant usage on schema opsteward to {app}, {web};
grant select on opsteward.installation, opsteward.processes to {app}, {web};
grant insert, update, delete on opsteward.processes to {app};
grant select on opsteward.tenants to {app}, {web};
grant execute on function opsteward.enqueue, opsteward.token_owner, opsteward.all_tenants, opsteward.add_tenant
    to {app}, {web};
grant execute on function opsteward.tenants_with_unsealed_audit, opsteward.all_systems to {app};
grant delete on opsteward.incident_fingerprints to {app}, {web};
grant delete on opsteward.systems to {web};
grant delete on opsteward.audit_pending to {app};
revoke insert, update on opsteward.audit_pending, opsteward.audit_seals, opsteward.audit_heads from {web};
"""


def upgrade() -> None:
    """Runs as the owner; the other roles exist already."""
    create_tables()
    op.execute("insert into opsteward.installation (migration, engine) values ('', '')")
    isolate("tenants", column="id")
    isolate(*APPEND_ONLY, rights="select, insert")
    isolate(*(table for table in TENANT_TABLES if table not in APPEND_ONLY), rights="select, insert, update")
    op.execute(FUNCTIONS)
    op.execute(GRANTS.format(**roles()))
