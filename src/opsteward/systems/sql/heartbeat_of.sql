-- Whose heartbeat calls, by the hash of its key, while its tenant is active.
create or replace function opsteward.heartbeat_of(hash bytea) returns table (tenant_id uuid, system_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select h.tenant_id, h.system_id
    from opsteward.heartbeats h join opsteward.tenants t on t.id = h.tenant_id and t.status = 'active'
    where h.key_hash = hash
$$;

grant execute on function opsteward.heartbeat_of to :"app", :"web";
