-- What the owner says of its agents; answers with those that are its own. An agent that was ordered to start anew
-- meanwhile keeps the status that came with the order. `told` comes only with what people are told, and is nothing
-- for one that is to stop.
create or replace function opsteward.beat_agents(owner uuid, beats jsonb) returns setof uuid
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update opsteward.agents a
    set beat_at = case when b.alive then now() else a.beat_at end,
        status = case when a.generation = b.generation then b.status else a.status end,
        reason = case when a.generation = b.generation then b.reason else a.reason end,
        last_run_at = coalesce(to_timestamp(b.last_run_at), a.last_run_at),
        run_seconds = coalesce(b.run_seconds, a.run_seconds), runs = b.runs,
        failures = case when a.generation = b.generation then b.failures else a.failures end,
        restarts = b.restarts, next_start_at = to_timestamp(b.next_start_at),
        told = coalesce(b.told, a.told)
    from jsonb_to_recordset(beats) as b(
        id uuid, generation int, alive boolean, status text, reason text, last_run_at double precision,
        run_seconds double precision, runs bigint, failures int, restarts int, next_start_at double precision,
        told boolean)
    where a.id = b.id and a.process_id = owner and (b.told is null or a.desired <> 'stopped')
        and exists (select 1 from opsteward.processes p where p.id = owner and p.lost_at is null)
    returning a.id
$$;

grant execute on function opsteward.beat_agents to :"app";
