-- The processes that may own agents: they are there, they beat, and nobody took them for lost.
create or replace function opsteward.living(alive_seconds double precision) returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select array(select p.id from opsteward.processes p where p.lost_at is null
                 and p.beat_at > now() - make_interval(secs => alive_seconds))
$$;
