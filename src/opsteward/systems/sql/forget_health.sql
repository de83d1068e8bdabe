-- Systems' health of minutes before then; returns how many.
create or replace function opsteward.forget_health(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.health_minutes where ctid = any(array(
        select ctid from opsteward.health_minutes where minute < before order by minute limit most)) returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_health to :"app";
