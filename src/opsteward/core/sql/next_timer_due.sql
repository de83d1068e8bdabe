-- When the next timer of an active tenant falls due.
create or replace function opsteward.next_timer_due() returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select min(r.due_at) from opsteward.timers r
    join opsteward.tenants t on t.id = r.tenant_id and t.status = 'active'
$$;

grant execute on function opsteward.next_timer_due to :"app";
