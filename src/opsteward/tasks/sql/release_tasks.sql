-- Tasks whose process is gone wait again; one under which too many processes died is put aside.
create or replace function opsteward.release_tasks(most_takeovers int)
returns table (tenant_id uuid, id uuid, status text)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update opsteward.tasks t
    set process_id = null, takeovers = t.takeovers + 1,
        ready = not t.cancel_requested and t.takeovers < most_takeovers,
        status = case when t.cancel_requested then 'cancelled'
                      when t.takeovers < most_takeovers then 'pending' else 'dead_letter' end,
        ended_at = case when t.cancel_requested or t.takeovers >= most_takeovers then now() end,
        error = case when not t.cancel_requested and t.takeovers >= most_takeovers
                     then 'its process died ' || (t.takeovers + 1) || ' times while it ran' else t.error end
    where t.status = 'in_progress'
        and not exists (select 1 from opsteward.processes p where p.id = t.process_id and p.lost_at is null)
    returning t.tenant_id, t.id, t.status
$$;

grant execute on function opsteward.release_tasks to :"app";
