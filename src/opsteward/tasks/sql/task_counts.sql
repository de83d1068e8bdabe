-- Figures of tasks and pauses for the metrics: of one tenant, or (null) of the whole installation.
create or replace function opsteward.task_counts(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with task as materialized (
        select task_type, status, count(*) as n, count(*) filter (where ready) as ready,
               count(*) filter (where status = 'pending' and not ready and waiting_on = 0) as delayed,
               count(*) filter (where status = 'pending' and waiting_on > 0) as waiting,
               min(greatest(created_at, run_at)) filter (where ready) as oldest
        from opsteward.tasks where own is null or tenant_id = own group by 1, 2)
    select 'tasks', jsonb_build_object('task_type', task_type, 'status', status), n::float8 from task
    union all
    select f.figure, jsonb_build_object('task_type', task_type), f.n::float8 from task cross join lateral (values
        ('tasks_ready', ready), ('tasks_delayed', delayed), ('tasks_waiting', waiting)) f (figure, n)
    where status = 'pending'
    union all
    select 'task_oldest_ready_seconds', '{}', coalesce(extract(epoch from now() - min(oldest)), 0)::float8 from task
    union all
    select 'pauses', jsonb_build_object('scope', scope), count(*)::float8 from opsteward.pauses
    where own is null or tenant_id in (own, '00000000-0000-0000-0000-000000000000') group by scope
$$;
