-- A step of the crew's work has ended, with its result or an error.
create or replace function opsteward.end_crew_step(tenant uuid, step uuid, status text, result jsonb, error text)
returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update opsteward.crew_steps s
    set status = end_crew_step.status, ended_at = clock_timestamp(), result = end_crew_step.result,
        error = end_crew_step.error
    where s.tenant_id = tenant and s.id = step
$$;

grant execute on function opsteward.end_crew_step to :"app";
