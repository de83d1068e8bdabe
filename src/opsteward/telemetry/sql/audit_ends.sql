-- Where each tenant's chain ends, for the witnesses outside the database.
create or replace function opsteward.audit_ends() returns table (tenant_id uuid, seq bigint, hash text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select tenant_id, seq, hash from opsteward.audit_heads where seq > 0
$$;

grant execute on function opsteward.audit_ends to :"app";
