-- Every tenant of the installation, the oldest first.
create or replace function opsteward.all_tenants()
returns table (id uuid, name text, status text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select id, name, status, created_at from opsteward.tenants order by created_at, id
$$;

grant execute on function opsteward.all_tenants to :"app", :"web";
