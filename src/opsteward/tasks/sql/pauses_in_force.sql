-- The own tenant's pauses and those of the installation.
create or replace function opsteward.pauses_in_force() returns setof opsteward.pauses
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from opsteward.pauses where tenant_id in (
        '00000000-0000-0000-0000-000000000000', nullif(current_setting('opsteward.tenant', true), '')::uuid)
$$;

grant execute on function opsteward.pauses_in_force to :"app", :"web";
