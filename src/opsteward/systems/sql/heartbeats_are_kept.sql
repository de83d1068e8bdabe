-- Whether there is any heartbeat at all, of whatever tenant: without one nobody need look.
create or replace function opsteward.heartbeats_are_kept() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (select from opsteward.heartbeats)
$$;

grant execute on function opsteward.heartbeats_are_kept to :"app";
