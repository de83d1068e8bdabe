-- The own tenant's active users who have the system of that name (null: all active ones), page by page of their ids.
create or replace function opsteward.users_for_system(system text, after uuid, most int) returns table (
    id uuid, username text, email text, full_name text, department text, role text, manager text, profile_data jsonb,
    updated_at timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.id, u.username, u.email, u.full_name, u.department, u.role,
        (select m.username from opsteward.users m where m.id = u.manager_id and m.tenant_id = u.tenant_id),
        u.profile_data, u.updated_at
    from opsteward.users u
    where u.tenant_id = nullif(current_setting('opsteward.tenant', true), '')::uuid and u.status = 'active'
        and u.id > coalesce(after, '00000000-0000-0000-0000-000000000000'::uuid)
        and (system is null or exists (select from unnest(u.system_access) as held
            where lower(held) = lower(system) or held = 'all_systems'))
    order by u.id limit most
$$;

grant execute on function opsteward.users_for_system to :"app", :"web";
