-- Whose DSN it is, by the hash of its key (the present one, or the one before it while that still holds).
create or replace function opsteward.dsn_owner(hash bytea)
returns table (project_id uuid, number bigint, name text, tenant_id uuid, tenant_name text, last_used_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select p.id, p.number, p.name, p.tenant_id, n.name, p.last_used_at
    from opsteward.sentry_projects p
    join opsteward.tenants n on n.id = p.tenant_id and n.status = 'active'
    where p.key_hash = hash or (p.previous_key_hash = hash and p.previous_until > now())
    limit 1
$$;

grant execute on function opsteward.dsn_owner to :"web";
