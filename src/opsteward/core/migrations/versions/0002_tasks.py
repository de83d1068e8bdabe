"""Tasks: their tables, and the look-ups across tenants that claim, release, count and forget them."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tables_0002 import create_tables
from opsteward.core.migrations.tenancy import isolate, roles

revision = "0002"
down_revision = "0001"

CLAIM = """
create function opsteward.claim_tasks(claimer uuid, free int, spare int, types jsonb)
returns table (tenant_id uuid, id uuid, task_type text, params jsonb, retry_count int, max_retries int,
               backoff_factor double precision, max_backoff double precision, timeout double precision,
               cancel_requested boolean, correlation_id text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    -- One claim at a time in the whole installation, for some milliseconds: so limits and shares are exact.
    perform pg_advisory_xact_lock(x'0F57EA5C'::bigint);
    if not exists (select 1 from opsteward.processes p where p.id = claimer and p.lost_at is null)
        or exists (select 1 from opsteward.pauses p where p.tenant_id = '00000000-0000-0000-0000-000000000000')
    then
        return;
    end if;
    update opsteward.tasks set ready = true where id in (
        select d.id from opsteward.tasks d
        where d.status = 'pending' and not d.ready and d.waiting_on = 0 and d.run_at <= now()
        order by d.run_at limit 2000);
    return query
    with recursive lane as (  -- every (tenant, type) in which something is ready, by one index probe each
        (select t.tenant_id, t.task_type from opsteward.tasks t where t.ready
         order by t.tenant_id, t.task_type limit 1)
        union all
        select n.tenant_id, n.task_type from lane l cross join lateral (
            select t.tenant_id, t.task_type from opsteward.tasks t
            where t.ready and (t.tenant_id, t.task_type) > (l.tenant_id, l.task_type)
            order by t.tenant_id, t.task_type limit 1) n
    ), running as (
        select t.tenant_id, t.task_type, count(*) as n from opsteward.tasks t
        where t.status = 'in_progress' group by 1, 2
    ), of_tenant as (select r.tenant_id, sum(r.n) as n from running r group by 1
    ), of_type as (select r.task_type, sum(r.n) as n from running r group by 1
    ), room as (
        select l.tenant_id, l.task_type, coalesce(ot.n, 0) as tenant_runs,
               all_limit.max_running - coalesce(ot.n, 0) as tenant_room,
               (types->>l.task_type)::bigint - coalesce(oy.n, 0) as type_room,
               least(free, lane_limit.max_running - coalesce(r.n, 0)) as lane_room
        from lane l
        join opsteward.tenants n on n.id = l.tenant_id and n.status = 'active'
        left join running r on r.tenant_id = l.tenant_id and r.task_type = l.task_type
        left join of_tenant ot on ot.tenant_id = l.tenant_id
        left join of_type oy on oy.task_type = l.task_type
        left join opsteward.task_limits lane_limit
            on lane_limit.tenant_id = l.tenant_id and lane_limit.task_type = l.task_type
        left join opsteward.task_limits all_limit on all_limit.tenant_id = l.tenant_id and all_limit.task_type = ''
        where types ? l.task_type and not exists (
            select 1 from opsteward.pauses p where p.tenant_id = l.tenant_id
            and (p.scope = 'tenant' or (p.scope = 'task_type' and p.target = l.task_type)))
    ), candidate as (
        select c.id, c.priority, o.task_type, o.tenant_room, o.type_room,
               row_number() over (partition by o.tenant_id order by c.priority, c.id) as of_its_tenant,
               o.tenant_runs
        from room o cross join lateral (
            select t.id, t.priority from opsteward.tasks t
            where t.ready and t.tenant_id = o.tenant_id and t.task_type = o.task_type
            order by t.priority, t.id limit greatest(o.lane_room, 0)) c
    ), turn as (  -- who has the fewest running has the next turn; within a tenant its priorities rule
        select c.*, row_number() over (
                   partition by c.task_type order by c.of_its_tenant + c.tenant_runs, c.priority, c.id) as of_its_type,
               row_number() over (order by c.of_its_tenant + c.tenant_runs, c.priority, c.id) as place
        from candidate c
        where c.of_its_tenant <= coalesce(c.tenant_room, free)
    ), picked as (
        select k.id from turn k
        where k.of_its_type <= coalesce(k.type_room, free) and (k.place <= free - spare or k.priority <= 2)
        order by k.place limit free
    )
    update opsteward.tasks t
    set status = 'in_progress', ready = false, process_id = claimer, started_at = coalesce(t.started_at, now())
    from picked where t.id = picked.id
    returning t.tenant_id, t.id, t.task_type, t.params, t.retry_count, t.max_retries, t.backoff_factor,
              t.max_backoff, t.timeout, t.cancel_requested, t.correlation_id;
end $$;
"""

FUNCTIONS = """
-- When the next task falls due, and whether any is ready already (held back by a limit or a pause, then).
create function opsteward.tasks_to_come() returns table (due timestamptz, held_back boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select (select min(run_at) from opsteward.tasks where status = 'pending' and not ready and waiting_on = 0),
           exists (select 1 from opsteward.tasks where ready)
$$;

-- Tasks whose process is gone wait again; one under which too many processes died is put aside.
create function opsteward.release_tasks(most_takeovers int) returns table (tenant_id uuid, id uuid, status text)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update opsteward.tasks t
    set process_id = null, takeovers = t.takeovers + 1,
        ready = not t.cancel_requested and t.takeovers < most_takeovers,
        status = case when t.cancel_requested then 'cancelled'
                      when t.takeovers < most_takeovers then 'pending' else 'dead_letter' end,
        ended_at = case when t.cancel_requested or t.takeovers >= most_takeovers then now() end,
        error = case when not t.cancel_requested and t.takeovers >= most_takeovers
                     then 'its process died ' || (t.takeovers + 1) || ' times while it ran' else t.error end
    where t.status = 'in_progress'
        and not exists (select 1 from opsteward.processes p where p.id = t.process_id and p.lost_at is null)
    returning t.tenant_id, t.id, t.status
$$;

create function opsteward.task_figures(window_seconds double precision)
returns table (ready bigint, delayed bigint, running bigint, oldest_seconds double precision, finished bigint,
               failed bigint, average_seconds double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select (select count(*) from opsteward.tasks where ready),
           (select count(*) from opsteward.tasks where status = 'pending' and not ready and waiting_on = 0),
           (select count(*) from opsteward.tasks where status = 'in_progress'),
           coalesce((select extract(epoch from now() - min(greatest(created_at, run_at)))
                     from opsteward.tasks where ready), 0),
           count(*), count(*) filter (where status in ('failed', 'dead_letter')),
           coalesce(avg(extract(epoch from ended_at - started_at)), 0)
    from opsteward.tasks
    where ended_at > now() - make_interval(secs => window_seconds) and status <> 'cancelled'
$$;

create function opsteward.due_schedules() returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.tenant_id, s.id from opsteward.task_schedules s
    join opsteward.tenants t on t.id = s.tenant_id and t.status = 'active'
    where not s.paused and s.next_at <= now() order by s.next_at limit 1000
$$;

create function opsteward.next_schedule_due() returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select min(next_at) from opsteward.task_schedules where not paused
$$;

create function opsteward.forget_tasks(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (
        select t.tenant_id, t.id from opsteward.tasks t where t.ended_at < before
        and not exists (select 1 from opsteward.task_dependencies d join opsteward.tasks w on w.id = d.task_id
                        where d.tenant_id = t.tenant_id and d.depends_on = t.id and w.ended_at is null)
        order by t.ended_at limit most),
    edges as (delete from opsteward.task_dependencies d using old
              where d.tenant_id = old.tenant_id and (d.depends_on = old.id or d.task_id = old.id)),
    gone as (delete from opsteward.tasks t using old where t.id = old.id returning 1)
    select count(*) from gone
$$;

-- Actions that may go ahead: in flight just now, or held back by a pause until it is lifted.
create function opsteward.approved_runs() returns table (tenant_id uuid, id uuid, action text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select r.tenant_id, r.id, r.action from opsteward.action_runs r where r.status = 'approved'
$$;

-- The engine has no end of its own for what it has done: its finished workflows go with all that hangs on them.
create function opsteward.forget_workflows(before timestamptz, most int) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone text[];
begin
    select array_agg(w.workflow_uuid) into gone from (
        select workflow_uuid from dbos.workflow_status
        where completed_at < extract(epoch from before) * 1000 and status in ('SUCCESS', 'ERROR', 'CANCELLED')
        order by completed_at limit most) w;
    delete from dbos.operation_outputs where workflow_uuid = any(gone);
    delete from dbos.workflow_input where workflow_uuid = any(gone);
    delete from dbos.workflow_output where workflow_uuid = any(gone);
    delete from dbos.workflow_status where workflow_uuid = any(gone);
    return coalesce(array_length(gone, 1), 0);
end $$;

-- The own tenant's pauses and those of the installation; the workers see all of them.
create function opsteward.pauses_in_force() returns setof opsteward.pauses
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from opsteward.pauses where tenant_id in (
        '00000000-0000-0000-0000-000000000000', nullif(current_setting('opsteward.tenant', true), '')::uuid)
$$;
create function opsteward.all_pauses() returns setof opsteward.pauses
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from opsteward.pauses
$$;
"""

GRANTS = """
revoke execute on function opsteward.claim_tasks, opsteward.tasks_to_come, opsteward.release_tasks,
    opsteward.task_figures, opsteward.due_schedules, opsteward.next_schedule_due,
    opsteward.forget_tasks, opsteward.pauses_in_force, opsteward.all_pauses, opsteward.approved_runs,
    opsteward.forget_workflows
    from public;
grant execute on function opsteward.claim_tasks, opsteward.tasks_to_come, opsteward.release_tasks,
    opsteward.due_schedules, opsteward.next_schedule_due, opsteward.forget_tasks, opsteward.all_pauses,
    opsteward.approved_runs, opsteward.forget_workflows to {app};
grant execute on function opsteward.pauses_in_force, opsteward.task_figures to {app}, {web};
grant delete on opsteward.task_schedules, opsteward.task_limits, opsteward.pauses to {web};
grant delete on opsteward.task_dependencies to {app};
"""


def upgrade() -> None:
    """Runs as the owner."""
    create_tables()
    isolate("tasks", "task_schedules", "task_limits", "pauses", rights="select, insert, update")
    isolate("task_dependencies", rights="select, insert")
    op.execute(CLAIM)
    op.execute(FUNCTIONS)
    op.execute(GRANTS.format(**roles()))
