-- Tasks that ended before then, and nothing waits for; returns how many.
create or replace function opsteward.forget_tasks(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (
        select t.tenant_id, t.id from opsteward.tasks t where t.ended_at < before
        and not exists (select 1 from opsteward.task_dependencies d join opsteward.tasks w on w.id = d.task_id
                        where d.tenant_id = t.tenant_id and d.depends_on = t.id and w.ended_at is null)
        order by t.ended_at limit most),
    edges as (delete from opsteward.task_dependencies d using old
              where d.tenant_id = old.tenant_id and (d.depends_on = old.id or d.task_id = old.id)),
    gone as (delete from opsteward.tasks t using old where t.id = old.id returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_tasks to :"app";
