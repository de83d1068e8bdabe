-- Gives agents up for others to take; those that are to stand still are stopped by it.
create or replace function opsteward.free_agents(owner uuid, ids uuid[]) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with freed as (
        update opsteward.agents set process_id = null, free_since = now(),
            status = case when desired = 'stopped' then 'stopped' else status end,
            reason = case when desired = 'stopped' then '' else reason end,
            next_start_at = null
        where process_id = owner and id = any(ids) returning 1)
    select count(*) from freed
$$;

grant execute on function opsteward.free_agents to :"app";
