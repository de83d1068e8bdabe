-- The tenants in which a mapping is to be synced by its schedule now.
create or replace function opsteward.tenants_with_due_syncs() returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct tenant_id from opsteward.sync_mappings where next_at <= now()
$$;

grant execute on function opsteward.tenants_with_due_syncs to :"app";
