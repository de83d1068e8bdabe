-- When the next schedule falls due.
create or replace function opsteward.next_schedule_due() returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select min(next_at) from opsteward.task_schedules where not paused
$$;

grant execute on function opsteward.next_schedule_due to :"app";
