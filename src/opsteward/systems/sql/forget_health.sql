-- Systems' health of minutes before then; returns how many.
create or replace function opsteward.forget_health(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with days as (delete from opsteward.health_days where ctid = any(array(
        select ctid from opsteward.health_days where day < (before at time zone 'UTC')::date limit most))),
    gone as (delete from opsteward.health_minutes where ctid = any(array(
        select ctid from opsteward.health_minutes where minute < before order by minute limit most)) returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_health to :"app";
