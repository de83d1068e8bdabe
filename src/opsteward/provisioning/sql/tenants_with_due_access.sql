-- The tenants in which access to an outside system is to be brought up to date.
create or replace function opsteward.tenants_with_due_access() returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct tenant_id from opsteward.access_due where batch is null and due_at <= now()
$$;

grant execute on function opsteward.tenants_with_due_access to :"app";
