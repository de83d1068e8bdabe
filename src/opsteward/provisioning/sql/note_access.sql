-- A user's access changed, or its name: each system that it concerns, and that has an access_role, is to hear of it.
create or replace function opsteward.note_access() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from opsteward.systems where settings ? 'access_role') then
        return null;
    end if;
    if tg_op = 'INSERT' then
        insert into opsteward.access_due (tenant_id, system_id, login, user_id)
        select distinct n.tenant_id, s.id, n.username, n.id
        from new_users n cross join lateral unnest(n.system_access) as held (name)
        join opsteward.systems s on s.tenant_id = n.tenant_id
            and (lower(held.name) = lower(s.name) or held.name = 'all_systems')
        where s.settings ? 'access_role'
        order by 2, 3  -- two at once take their turns, and don't wait for each other
        on conflict (tenant_id, system_id, login) do update
            set batch = null, due_at = now(), user_id = excluded.user_id;
    else
        insert into opsteward.access_due (tenant_id, system_id, login, user_id)
        select distinct n.tenant_id, s.id, named.login, n.id
        from new_users n join old_users o on o.id = n.id
        cross join lateral (select unnest(n.system_access) union select unnest(o.system_access)) as held (name)
        cross join lateral (values (n.username), (o.username)) as named (login)
        join opsteward.systems s on s.tenant_id = n.tenant_id
            and (lower(held.name) = lower(s.name) or held.name = 'all_systems')
        where s.settings ? 'access_role' and (n.username <> o.username
            or (held.name = any(n.system_access)) <> (held.name = any(o.system_access)))
        order by 2, 3
        on conflict (tenant_id, system_id, login) do update
            set batch = null, due_at = now(), user_id = excluded.user_id;
    end if;
    if found then
        perform pg_notify('opsteward_feed',
            jsonb_build_object('tenant', t.tenant_id, 'kind', 'access_due', 'id', '')::text)
        from (select distinct tenant_id from new_users) t;
    end if;
    return null;
end
$$;

create or replace trigger note_access_of_new after insert on opsteward.users
    referencing new table as new_users for each statement execute function opsteward.note_access();
create or replace trigger note_access after update on opsteward.users
    referencing old table as old_users new table as new_users
    for each statement execute function opsteward.note_access();
