-- Takes the claimer's fair share of the agents that nobody living owns, and answers with all that it owns. What
-- nobody took for `patience` seconds is taken beyond the share. What was to stop when its owner was lost is taken as
-- well, for somebody has to say that it has.
create or replace function opsteward.claim_agents(
    claimer uuid, kinds text[], alive_seconds double precision, patience double precision
) returns table (tenant_id uuid, id uuid, name text, kind text, params jsonb, every double precision, desired text,
                 status text, reason text, generation int, runs bigint, failures int, restarts int, told boolean,
                 fair_share int)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    living uuid[];
    share int;
begin
    perform pg_advisory_xact_lock(x'0F57EA6A'::bigint);
    living := opsteward.living(alive_seconds);
    select ceil(count(*)::float8 / greatest(coalesce(array_length(living, 1), 0), 1))
    into share from opsteward.agents a
    join opsteward.tenants t on t.id = a.tenant_id and t.status = 'active'
    where a.desired <> 'stopped' and a.kind = any(kinds);
    if claimer = any(living) then
        update opsteward.agents set process_id = claimer, free_since = null, beat_at = now()
        where id in (
            select free.id from (
                select a.id, coalesce(a.free_since, a.beat_at, a.created_at) as since,
                       row_number() over (order by a.free_since, a.id) as place
                from opsteward.agents a
                join opsteward.tenants t on t.id = a.tenant_id and t.status = 'active'
                where a.desired <> 'stopped' and a.kind = any(kinds)
                    and not coalesce(a.process_id = any(living), false)) free
            where free.since < now() - make_interval(secs => patience) or free.place <= share - (
                select count(*) from opsteward.agents o where o.process_id = claimer and o.desired <> 'stopped'));
        update opsteward.agents set process_id = claimer
        where desired = 'stopped' and process_id is not null and not process_id = any(living);
    end if;
    return query select a.tenant_id, a.id, a.name, a.kind, a.params, a.interval, a.desired, a.status, a.reason,
                        a.generation, a.runs, a.failures, a.restarts, a.told, share
        from opsteward.agents a where a.process_id = claimer;
end $$;

grant execute on function opsteward.claim_agents to :"app";
