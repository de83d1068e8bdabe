-- The pauses of all tenants and of the installation.
create or replace function opsteward.all_pauses() returns setof opsteward.pauses
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from opsteward.pauses
$$;

grant execute on function opsteward.all_pauses to :"app";
