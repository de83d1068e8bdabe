-- Timers of active tenants whose instant has come, the longest overdue first.
create or replace function opsteward.due_timers() returns table (tenant_id uuid, kind text, key text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select r.tenant_id, r.kind, r.key from opsteward.timers r
    join opsteward.tenants t on t.id = r.tenant_id and t.status = 'active'
    where r.due_at <= now() order by r.due_at limit 1000
$$;

grant execute on function opsteward.due_timers to :"app";
