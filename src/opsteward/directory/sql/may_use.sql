-- Whether a user of this name has the system of that name by now. Runs with the caller's rights.
create or replace function opsteward.may_use(user_id uuid, login text, system text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from opsteward.users u where u.id = user_id and u.username = login
        and exists (select from unnest(u.system_access) as held
            where lower(held) = lower(system) or held = 'all_systems'))
$$;

grant execute on function opsteward.may_use to :"app", :"web";
