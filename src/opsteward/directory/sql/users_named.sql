-- The own tenant's users of these names. Runs with the caller's rights.
create or replace function opsteward.users_named(names text[])
returns table (id uuid, username text, status text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.id, u.username, u.status from opsteward.users u
    where u.tenant_id = nullif(current_setting('opsteward.tenant', true), '')::uuid and u.holds_names and u.username = any(names)
$$;

grant execute on function opsteward.users_named to :"app", :"web";
