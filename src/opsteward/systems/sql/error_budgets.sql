-- The systems with an availability objective, and how their checks went over the windows that a burn is judged by.
create or replace function opsteward.error_budgets(at timestamptz)
returns table (tenant_id uuid, system_id uuid, objective double precision, budget_alert text,
    checks bigint[], failed bigint[])
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.tenant_id, s.id, 
        case when jsonb_typeof(s.settings -> 'objective_percent') = 'number'
            then (s.settings ->> 'objective_percent')::double precision end, s.budget_alert,
        array[m.c5, m.c30, m.c60, m.c360], array[m.f5, m.f30, m.f60, m.f360]
    from opsteward.systems s join opsteward.tenants t on t.id = s.tenant_id and t.status = 'active'
    cross join lateral (
        select coalesce(sum(h.checks) filter (where h.minute > at - interval '5 minutes'), 0) as c5,
            coalesce(sum(h.failed) filter (where h.minute > at - interval '5 minutes'), 0) as f5,
            coalesce(sum(h.checks) filter (where h.minute > at - interval '30 minutes'), 0) as c30,
            coalesce(sum(h.failed) filter (where h.minute > at - interval '30 minutes'), 0) as f30,
            coalesce(sum(h.checks) filter (where h.minute > at - interval '1 hour'), 0) as c60,
            coalesce(sum(h.failed) filter (where h.minute > at - interval '1 hour'), 0) as f60,
            coalesce(sum(h.checks), 0) as c360, coalesce(sum(h.failed), 0) as f360
        from opsteward.health_minutes h
        where h.tenant_id = s.tenant_id and h.system_id = s.id and h.minute > at - interval '6 hours' and h.minute <= at
    ) m
    -- one that has an objective no more is told as over
    where (s.enabled and jsonb_typeof(s.settings -> 'objective_percent') = 'number') or s.budget_alert is not null
$$;

grant execute on function opsteward.error_budgets to :"app";
