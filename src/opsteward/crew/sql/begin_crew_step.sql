-- A step of the crew's work runs from now on, planned or not: no row. Of one that is done its result, and nothing else.
create or replace function opsteward.begin_crew_step(tenant uuid, run uuid, step jsonb)
returns table (result jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    insert into opsteward.crew_steps as s (id, tenant_id, run_id, name, position, agent, delegated_by, purpose, status,
                                           started_at)
    select (step->>'id')::uuid, tenant, run, step->>'name', count(o.id), step->>'agent', step->>'delegated_by',
           step->>'purpose', 'running', clock_timestamp()
    from opsteward.crew_steps o where o.tenant_id = tenant and o.run_id = run
    on conflict (tenant_id, run_id, name) do update
    set status = 'running', started_at = clock_timestamp(), ended_at = null, error = null
    where s.status <> 'done';
    if not found then
        return query select s.result from opsteward.crew_steps s
            where s.tenant_id = tenant and s.run_id = run and s.name = step->>'name';
    end if;
end $$;

grant execute on function opsteward.begin_crew_step to :"app";
