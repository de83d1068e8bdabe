-- Figures of systems before then; returns how many.
create or replace function opsteward.forget_figures(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.system_figures where ctid = any(array(
        select ctid from opsteward.system_figures where at < before order by at limit most)) returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_figures to :"app";
