-- The engine has no end of its own for what it has done: its finished workflows go with all that hangs on them.
create or replace function opsteward.forget_workflows(before timestamptz, most int) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone text[];
begin
    select array_agg(w.workflow_uuid) into gone from (
        select workflow_uuid from dbos.workflow_status
        where completed_at < extract(epoch from before) * 1000 and status in ('SUCCESS', 'ERROR', 'CANCELLED')
        order by completed_at limit most) w;
    delete from dbos.operation_outputs where workflow_uuid = any(gone);
    delete from dbos.workflow_input where workflow_uuid = any(gone);
    delete from dbos.workflow_output where workflow_uuid = any(gone);
    delete from dbos.workflow_status where workflow_uuid = any(gone);
    return coalesce(array_length(gone, 1), 0);
end $$;

grant execute on function opsteward.forget_workflows to :"app";
