-- When the next task falls due, and whether any is ready already (held back by a limit or a pause, then).
create or replace function opsteward.tasks_to_come() returns table (due timestamptz, held_back boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select (select min(run_at) from opsteward.tasks where status = 'pending' and not ready and waiting_on = 0),
           exists (select 1 from opsteward.tasks where ready)
$$;

grant execute on function opsteward.tasks_to_come to :"app";
