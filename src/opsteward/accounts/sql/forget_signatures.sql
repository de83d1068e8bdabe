-- Signatures of requests that are too old to be repeated; returns how many.
create or replace function opsteward.forget_signatures(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.used_signatures where id = any(array(
        select id from opsteward.used_signatures where until < before order by until limit most)) returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_signatures to :"app";
