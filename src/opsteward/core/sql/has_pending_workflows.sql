-- Whether the engine still has unfinished work of this process.
create or replace function opsteward.has_pending_workflows(process uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (select from dbos.workflow_status w where w.executor_id = process::text and w.status = 'PENDING')
$$;

grant execute on function opsteward.has_pending_workflows to :"app";
