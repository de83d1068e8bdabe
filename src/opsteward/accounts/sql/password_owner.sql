-- The tenant of a name and, where there is one, its active operator of a name with their password's hash.
create or replace function opsteward.password_owner(tenant text, operator_key text)
returns table (tenant_id uuid, tenant_name text, operator_id uuid, operator_name text, roles text[], created_by text,
               password_id uuid, hash text, set_by text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select n.id, n.name, o.id, o.name, o.roles, o.created_by, p.id, p.hash, p.set_by
    from opsteward.tenants n
    left join opsteward.operators o on o.tenant_id = n.id and o.name_key = operator_key and o.status = 'active'
    left join opsteward.operator_passwords p on p.tenant_id = n.id and p.operator_id = o.id
    where n.name = tenant and n.status = 'active'
$$;

grant execute on function opsteward.password_owner to :"web";
