-- Whose token it is, by the hash of its secret, when it still holds and its operator and tenant are active.
create or replace function opsteward.token_owner(hash bytea)
returns table (token_id uuid, tenant_id uuid, tenant_name text, operator_id uuid, operator_name text, roles text[],
               kind text, last_used_at timestamptz, created_by text, issued_by text, scopes text[],
               expires_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select t.id, t.tenant_id, n.name, o.id, o.name, o.roles, t.kind, t.last_used_at, o.created_by, t.issued_by,
           t.scopes, t.expires_at
    from opsteward.tokens t
    join opsteward.operators o on o.id = t.operator_id and o.tenant_id = t.tenant_id and o.status = 'active'
    join opsteward.tenants n on n.id = t.tenant_id and n.status = 'active'
    where t.secret_hash = hash and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
$$;

grant execute on function opsteward.token_owner to :"app", :"web";
