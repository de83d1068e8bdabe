-- Work of the crew that ended before then, with its steps and calls, and spending that old; returns how many.
create or replace function opsteward.forget_crew_runs(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (
        select r.tenant_id, r.id from opsteward.crew_runs r where r.ended_at < before order by r.ended_at limit most),
    steps as (delete from opsteward.crew_steps s using old where s.tenant_id = old.tenant_id and s.run_id = old.id),
    calls as (delete from opsteward.crew_model_calls c using old where c.tenant_id = old.tenant_id and c.run_id = old.id),
    spend as (delete from opsteward.crew_spend p where p.changed_at < before),
    gone as (delete from opsteward.crew_runs r using old where r.id = old.id returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_crew_runs to :"app";
