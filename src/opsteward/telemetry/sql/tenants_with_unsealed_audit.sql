-- The tenants whose audit log has entries that no seal covers yet.
create or replace function opsteward.tenants_with_unsealed_audit()
returns setof uuid language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct tenant_id from opsteward.audit_pending where refused is null
$$;

grant execute on function opsteward.tenants_with_unsealed_audit to :"app";
