-- Sagas that ended before then, with their steps; returns how many sagas.
create or replace function opsteward.forget_sagas(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (
        select s.tenant_id, s.id from opsteward.sagas s where s.ended_at < before order by s.ended_at limit most),
    steps as (delete from opsteward.saga_steps t using old where t.tenant_id = old.tenant_id and t.saga_id = old.id),
    sagas as (delete from opsteward.sagas s using old where s.tenant_id = old.tenant_id and s.id = old.id returning 1)
    select count(*) from sagas
$$;

grant execute on function opsteward.forget_sagas to :"app";
