-- Every sender of a kind with its sealed secret: the signature tells which one it is, and with it the tenant.
create or replace function opsteward.webhooks_of(wanted text)
returns table (id uuid, tenant_id uuid, secret_sealed bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select w.id, w.tenant_id, w.secret_sealed from opsteward.webhooks w
    join opsteward.tenants n on n.id = w.tenant_id and n.status = 'active'
    where w.kind = wanted and w.revoked_at is null
$$;

grant execute on function opsteward.webhooks_of to :"web";
