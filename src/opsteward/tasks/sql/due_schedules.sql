-- Schedules whose time has come, the longest overdue first.
create or replace function opsteward.due_schedules() returns table (tenant_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.tenant_id, s.id from opsteward.task_schedules s
    join opsteward.tenants t on t.id = s.tenant_id and t.status = 'active'
    where not s.paused and s.next_at <= now() order by s.next_at limit 1000
$$;

grant execute on function opsteward.due_schedules to :"app";
