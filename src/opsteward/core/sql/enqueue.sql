-- Starts a workflow of the engine, in the caller's transaction and for the caller's tenant only; answers with its id.
create or replace function opsteward.enqueue(
    workflow text, workflow_id text, arguments json, version text, priority int, not_before bigint
) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- The engine's tables lie outside row-level security: nobody may start work for another tenant.
    if arguments->>'tenant_id' is distinct from nullif(current_setting('opsteward.tenant', true), '') then
        raise insufficient_privilege using message = 'a workflow can only be enqueued for the own tenant';
    end if;
    return dbos.enqueue_workflow(
        workflow_name => workflow, queue_name => '_dbos_internal_queue', named_args => arguments,
        workflow_id => workflow_id, app_version => version, priority => priority, delay_until_epoch_ms => not_before,
        application_name => 'opsteward');
end $$;

grant execute on function opsteward.enqueue to :"app", :"web";
