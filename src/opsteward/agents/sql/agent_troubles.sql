-- Agents that give no sign though their process lives, agents that no process takes, and work of a version of the
-- engine that no living process runs.
create or replace function opsteward.agent_troubles(alive_seconds double precision, silent_seconds double precision)
returns table (trouble text, tenant_id uuid, id uuid, name text, detail jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with alive as materialized (select unnest(opsteward.living(alive_seconds)) as id)
    select 'stalled', a.tenant_id, a.id, a.name, jsonb_build_object('process_id', a.process_id,
           'silent_seconds', round(extract(epoch from now() - a.beat_at)))
    from opsteward.agents a join alive on alive.id = a.process_id
    where a.desired <> 'stopped' and a.beat_at < now() - make_interval(secs => silent_seconds)
    union all
    select 'untaken', a.tenant_id, a.id, a.name, jsonb_build_object('kind', a.kind)
    from opsteward.agents a join opsteward.tenants t on t.id = a.tenant_id and t.status = 'active'
    where a.desired <> 'stopped' and a.status <> 'failed'
        and not exists (select 1 from alive where alive.id = a.process_id)
        and coalesce(a.free_since, a.beat_at, a.created_at) < now() - make_interval(secs => 2 * silent_seconds)
    union all
    select 'stranded', null, null, s.version, jsonb_build_object('workflows', s.workflows)
    from opsteward.stranded_workflows(alive_seconds) s
$$;

grant execute on function opsteward.agent_troubles to :"app";
