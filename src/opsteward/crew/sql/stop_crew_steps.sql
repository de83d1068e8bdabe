-- What is planned or under way in a piece of the crew's work of the own tenant ends undone, and says why. A later try may
-- begin it again.
create or replace function opsteward.stop_crew_steps(run uuid, why text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update opsteward.crew_steps s
    set status = 'stopped', error = why, ended_at = clock_timestamp()
    where s.tenant_id = nullif(current_setting('opsteward.tenant', true), '')::uuid and s.run_id = run
        and s.status in ('planned', 'running')
$$;

grant execute on function opsteward.stop_crew_steps to :"app", :"web";
