-- Adds a tenant; false when the name is taken.
create or replace function opsteward.add_tenant(new_id uuid, new_name text)
returns boolean language sql security definer set search_path = pg_catalog, pg_temp as $$
    with added as (
        insert into opsteward.tenants (id, name, status, created_at) values (new_id, new_name, 'active', now())
        on conflict (name) do nothing returning 1)
    select exists (select 1 from added)
$$;

grant execute on function opsteward.add_tenant to :"app", :"web";
