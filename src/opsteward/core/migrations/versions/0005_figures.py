"""The figures that the metrics show, read by one function."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tenancy import roles

revision = "0005"
down_revision = "0004"

FIGURES = """
-- What the metrics tell of the database, in one look: of one tenant, or (null) of the whole installation.
create function opsteward.figures(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with task as materialized (
        select task_type, status, count(*) as n, count(*) filter (where ready) as ready,
               count(*) filter (where status = 'pending' and not ready and waiting_on = 0) as delayed,
               count(*) filter (where status = 'pending' and waiting_on > 0) as waiting,
               min(greatest(created_at, run_at)) filter (where ready) as oldest
        from opsteward.tasks where own is null or tenant_id = own group by 1, 2)
    select 'tasks', jsonb_build_object('task_type', task_type, 'status', status), n::float8 from task
    union all
    select f.figure, jsonb_build_object('task_type', task_type), f.n::float8 from task cross join lateral (values
        ('tasks_ready', ready), ('tasks_delayed', delayed), ('tasks_waiting', waiting)) f (figure, n)
    where status = 'pending'
    union all
    select 'task_oldest_ready_seconds', '{}', coalesce(extract(epoch from now() - min(oldest)), 0)::float8 from task
    union all
    select 'incidents', jsonb_build_object('status', status), count(*)::float8
    from opsteward.incidents where own is null or tenant_id = own group by status
    union all
    select 'actions', jsonb_build_object('action', action, 'status', status), count(*)::float8
    from opsteward.action_runs where own is null or tenant_id = own group by action, status
    union all
    select 'agents', jsonb_build_object('status', status), count(*)::float8
    from opsteward.agents where own is null or tenant_id = own group by status
    union all
    select 'systems', jsonb_build_object('health', health), count(*)::float8
    from opsteward.systems where own is null or tenant_id = own group by health
    union all
    select 'pauses', jsonb_build_object('scope', scope), count(*)::float8 from opsteward.pauses
    where own is null or tenant_id in (own, '00000000-0000-0000-0000-000000000000') group by scope
    union all
    select 'audit_unsealed', '{}', count(*)::float8
    from opsteward.audit_pending where own is null or tenant_id = own
    union all
    select 'processes', jsonb_build_object(
               'kind', kind, 'state', case when lost_at is null then 'alive' else 'lost' end), count(*)::float8
    from opsteward.processes where own is null group by 2
    union all
    select 'leaders', '{}', count(*)::float8 from pg_stat_activity
    where own is null and datname = current_database() and application_name like 'opsteward leader %'
    having own is null
$$;
"""

GRANTS = """
revoke execute on function opsteward.figures from public;
grant execute on function opsteward.figures to {web};
"""


def upgrade() -> None:
    """Runs as the owner."""
    op.execute(FIGURES)
    op.execute(GRANTS.format(**roles()))
