-- Gives the claimer up to `free` ready tasks, `spare` of those places to urgent ones only, and marks them as its own.
-- `types` says what it can run, with the installation's limit for each (null: none). Limits, pauses and fair shares
-- between tenants hold across all processes.
create or replace function opsteward.claim_tasks(claimer uuid, free int, spare int, types jsonb)
returns table (tenant_id uuid, id uuid, task_type text, params jsonb, retry_count int, max_retries int,
               backoff_factor double precision, max_backoff double precision, timeout double precision,
               cancel_requested boolean, correlation_id text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    -- One claim at a time in the whole installation, for some milliseconds: so limits and shares are exact.
    perform pg_advisory_xact_lock(x'0F57EA5C'::bigint);
    if not exists (select 1 from opsteward.processes p where p.id = claimer and p.lost_at is null)
        or exists (select 1 from opsteward.pauses p where p.tenant_id = '00000000-0000-0000-0000-000000000000')
    then
        return;
    end if;
    update opsteward.tasks set ready = true where id in (
        select d.id from opsteward.tasks d
        where d.status = 'pending' and not d.ready and d.waiting_on = 0 and d.run_at <= now()
        order by d.run_at limit 2000);
    return query
    with recursive lane as (  -- every (tenant, type) in which something is ready, by one index probe each
        (select t.tenant_id, t.task_type from opsteward.tasks t where t.ready
         order by t.tenant_id, t.task_type limit 1)
        union all
        select n.tenant_id, n.task_type from lane l cross join lateral (
            select t.tenant_id, t.task_type from opsteward.tasks t
            where t.ready and (t.tenant_id, t.task_type) > (l.tenant_id, l.task_type)
            order by t.tenant_id, t.task_type limit 1) n
    ), running as (
        select t.tenant_id, t.task_type, count(*) as n from opsteward.tasks t
        where t.status = 'in_progress' group by 1, 2
    ), of_tenant as (select r.tenant_id, sum(r.n) as n from running r group by 1
    ), of_type as (select r.task_type, sum(r.n) as n from running r group by 1
    ), room as (
        select l.tenant_id, l.task_type, coalesce(ot.n, 0) as tenant_runs,
               all_limit.max_running - coalesce(ot.n, 0) as tenant_room,
               (types->>l.task_type)::bigint - coalesce(oy.n, 0) as type_room,
               least(free, lane_limit.max_running - coalesce(r.n, 0)) as lane_room
        from lane l
        join opsteward.tenants n on n.id = l.tenant_id and n.status = 'active'
        left join running r on r.tenant_id = l.tenant_id and r.task_type = l.task_type
        left join of_tenant ot on ot.tenant_id = l.tenant_id
        left join of_type oy on oy.task_type = l.task_type
        left join opsteward.task_limits lane_limit
            on lane_limit.tenant_id = l.tenant_id and lane_limit.task_type = l.task_type
        left join opsteward.task_limits all_limit on all_limit.tenant_id = l.tenant_id and all_limit.task_type = ''
        where types ? l.task_type and not exists (
            select 1 from opsteward.pauses p where p.tenant_id = l.tenant_id
            and (p.scope = 'tenant' or (p.scope = 'task_type' and p.target = l.task_type)))
    ), candidate as (
        select c.id, c.priority, o.task_type, o.tenant_room, o.type_room,
               row_number() over (partition by o.tenant_id order by c.priority, c.id) as of_its_tenant,
               o.tenant_runs
        from room o cross join lateral (
            select t.id, t.priority from opsteward.tasks t
            where t.ready and t.tenant_id = o.tenant_id and t.task_type = o.task_type
            order by t.priority, t.id limit greatest(o.lane_room, 0)) c
    ), turn as (  -- who has the fewest running has the next turn; within a tenant its priorities rule
        select c.*, row_number() over (
                   partition by c.task_type order by c.of_its_tenant + c.tenant_runs, c.priority, c.id) as of_its_type,
               row_number() over (order by c.of_its_tenant + c.tenant_runs, c.priority, c.id) as place
        from candidate c
        where c.of_its_tenant <= coalesce(c.tenant_room, free)
    ), picked as (
        select k.id from turn k
        where k.of_its_type <= coalesce(k.type_room, free) and (k.place <= free - spare or k.priority <= 2)
        order by k.place limit free
    )
    update opsteward.tasks t
    set status = 'in_progress', ready = false, process_id = claimer, started_at = coalesce(t.started_at, now())
    from picked where t.id = picked.id
    returning t.tenant_id, t.id, t.task_type, t.params, t.retry_count, t.max_retries, t.backoff_factor,
              t.max_backoff, t.timeout, t.cancel_requested, t.correlation_id;
end $$;

grant execute on function opsteward.claim_tasks to :"app";
