-- The own tenant's users who have the system of that name. Runs with the caller's rights.
create or replace function opsteward.users_with_access(system text) returns table (id uuid, username text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.id, u.username from opsteward.users u
    where u.tenant_id = nullif(current_setting('opsteward.tenant', true), '')::uuid
        and exists (select from unnest(u.system_access) as held
            where lower(held) = lower(system) or held = 'all_systems')
$$;

grant execute on function opsteward.users_with_access to :"app", :"web";
