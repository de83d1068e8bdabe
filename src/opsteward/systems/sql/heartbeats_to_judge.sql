-- Heartbeats of all active tenants whose health is not what their calls say, or that were not looked at for a minute.
create or replace function opsteward.heartbeats_to_judge(at timestamptz, most int)
returns table (tenant_id uuid, system_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select h.tenant_id, h.system_id
    from opsteward.heartbeats h
    join opsteward.tenants t on t.id = h.tenant_id and t.status = 'active'
    join opsteward.systems s on s.tenant_id = h.tenant_id and s.id = h.system_id
    where s.enabled and ((case when h.failed or h.late_at <= at then 'down' else 'healthy' end) <> s.health
        or s.checked_at is null or s.checked_at < at - interval '60 seconds'
        or (s.silenced_by is not null and s.checked_at < at - interval '10 seconds'))
    order by s.checked_at nulls first
    limit most
$$;

grant execute on function opsteward.heartbeats_to_judge to :"app";
