-- The systems of all active tenants that are in use, for whoever checks their health; heartbeats call us.
create or replace function opsteward.all_systems()
returns table (id uuid, tenant_id uuid, criticality text, settings jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.id, s.tenant_id, s.criticality, s.settings
    from opsteward.systems s join opsteward.tenants t on t.id = s.tenant_id and t.status = 'active'
    where s.enabled and s.endpoint not like 'heartbeat:%'
$$;

grant execute on function opsteward.all_systems to :"app";
