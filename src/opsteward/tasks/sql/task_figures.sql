-- How the queue of the installation stands, and what ended within the window.
create or replace function opsteward.task_figures(window_seconds double precision)
returns table (ready bigint, delayed bigint, running bigint, oldest_seconds double precision, finished bigint,
               failed bigint, average_seconds double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select (select count(*) from opsteward.tasks where ready),
           (select count(*) from opsteward.tasks where status = 'pending' and not ready and waiting_on = 0),
           (select count(*) from opsteward.tasks where status = 'in_progress'),
           coalesce((select extract(epoch from now() - min(greatest(created_at, run_at)))
                     from opsteward.tasks where ready), 0),
           count(*), count(*) filter (where status in ('failed', 'dead_letter')),
           coalesce(avg(extract(epoch from ended_at - started_at)), 0)
    from opsteward.tasks
    where ended_at > now() - make_interval(secs => window_seconds) and status <> 'cancelled'
$$;

grant execute on function opsteward.task_figures to :"app", :"web";
