"""Background agents: their tables, and what owns, beats, watches and forgets them across tenants."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tables_0003 import create_tables
from opsteward.core.migrations.tenancy import isolate, roles

revision = "0003"
down_revision = "0002"

OWNING = """
-- The processes that may own agents: they are there, they beat, and nobody took them for lost.
create function opsteward.living(alive_seconds double precision) returns uuid[]
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select array(select p.id from opsteward.processes p where p.lost_at is null
                 and p.beat_at > now() - make_interval(secs => alive_seconds))
$$;

-- Takes the claimer's fair share of the agents that nobody living owns, and answers with all that it owns. What
-- nobody took for `patience` seconds is taken beyond the share. What was to stop when its owner was lost is taken as
-- well, for somebody has to say that it has.
create function opsteward.claim_agents(
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

-- Gives agents up for others to take; those that are to stand still are stopped by it.
create function opsteward.free_agents(owner uuid, ids uuid[]) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with freed as (
        update opsteward.agents set process_id = null, free_since = now(),
            status = case when desired = 'stopped' then 'stopped' else status end,
            reason = case when desired = 'stopped' then '' else reason end,
            next_start_at = null
        where process_id = owner and id = any(ids) returning 1)
    select count(*) from freed
$$;

-- What the owner says of its agents; answers with those that are its own. An agent that was ordered to start anew
-- meanwhile keeps the status that came with the order. `told` comes only with what people are told, and is nothing
-- for one that is to stop.
create function opsteward.beat_agents(owner uuid, beats jsonb) returns setof uuid
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
"""

WATCHING = """
-- Agents that give no sign though their process lives, agents that no process takes, and work of a version of the
-- engine that no living process runs.
create function opsteward.agent_troubles(alive_seconds double precision, silent_seconds double precision)
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
    select 'stranded', null, null, w.application_version, jsonb_build_object('workflows', count(*))
    from dbos.workflow_status w
    where w.status in ('PENDING', 'ENQUEUED') and w.application_version is not null and not exists (
        select 1 from opsteward.processes p join alive on alive.id = p.id where p.version = w.application_version)
    group by w.application_version
$$;

create function opsteward.living_processes()
returns table (id uuid, host text, pid int, kind text, version text, started_at timestamptz, beat_at timestamptz,
               alive boolean, leader boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select p.id, split_part(p.host, '|', 1), p.pid, p.kind, p.version, p.started_at, p.beat_at,
           p.lost_at is null and p.beat_at > now() - interval '1 minute',
           exists (select 1 from pg_stat_activity a where a.datname = current_database()
                   and a.application_name = 'opsteward leader ' || left(replace(p.id::text, '-', ''), 24))
    from opsteward.processes p order by p.started_at, p.id
$$;

-- Figures of one process at one instant, kept in one go.
create function opsteward.keep_figures(tenant uuid, process uuid, measured timestamptz, figures jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into opsteward.agent_metrics (tenant_id, name, at, process_id, value)
    select tenant, f.key, measured, process, f.value::float8 from jsonb_each_text(figures) f on conflict do nothing
$$;

-- The database as a whole, its largest tables, and the fullest memory of a machine that lately told the tenant.
create function opsteward.database_figures(tenant uuid, lately double precision)
returns table (name text, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with tables as materialized (
        select s.relname, pg_total_relation_size(s.relid)::float8 as bytes, s.n_dead_tup::float8 as dead,
               s.n_live_tup::float8 as live
        from pg_stat_all_tables s where s.schemaname in ('opsteward', 'dbos')),
    base as materialized (select d.* from pg_stat_database d where d.datname = current_database())
    select 'database.bytes', pg_database_size(current_database())::float8
    union all select 'database.connections', numbackends::float8 from base
    union all select 'database.connections_share', (select sum(numbackends) from pg_stat_database)
        / current_setting('max_connections')::float8
    union all select 'database.commits', xact_commit::float8 from base
    union all select 'database.rollbacks', xact_rollback::float8 from base
    union all select 'database.deadlocks', deadlocks::float8 from base
    union all select 'database.temporary_bytes', temp_bytes::float8 from base
    union all select 'database.cache_hits', blks_hit / greatest(blks_hit + blks_read, 1)::float8 from base
    union all select 'database.dead_rows', sum(dead) from tables
    union all select 'database.dead_share', sum(dead) / greatest(sum(dead) + sum(live), 1) from tables
    union all select 'host.memory', max(m.value) from opsteward.agent_metrics m where m.tenant_id = tenant
        and m.name = 'host.memory' and m.at > now() - make_interval(secs => lately)
    union all (select 'table.bytes.' || relname, bytes from tables order by bytes desc limit 8)
$$;

create function opsteward.forget_agent_metrics(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.agent_metrics where ctid = any(array(
        select ctid from opsteward.agent_metrics where at < before order by at limit most)) returning 1)
    select count(*) from gone
$$;

create function opsteward.forget_agent_messages(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.agent_messages where id = any(array(
        select id from opsteward.agent_messages where sent_at < before order by sent_at limit most)) returning 1)
    select count(*) from gone
$$;
"""

GRANTS = """
revoke execute on function opsteward.living, opsteward.claim_agents, opsteward.free_agents, opsteward.beat_agents,
    opsteward.agent_troubles, opsteward.living_processes, opsteward.database_figures, opsteward.forget_agent_metrics,
    opsteward.forget_agent_messages, opsteward.keep_figures
    from public;
grant execute on function opsteward.claim_agents, opsteward.free_agents, opsteward.beat_agents,
    opsteward.agent_troubles, opsteward.database_figures, opsteward.forget_agent_metrics,
    opsteward.forget_agent_messages, opsteward.keep_figures to {app};
grant execute on function opsteward.living_processes to {app}, {web};
grant delete on opsteward.agents, opsteward.agent_messages to {web};
"""


def upgrade() -> None:
    """Runs as the owner."""
    create_tables()
    isolate("agents", "agent_messages", rights="select, insert, update")
    isolate("agent_metrics", rights="select, insert")
    op.execute(OWNING)
    op.execute(WATCHING)
    op.execute(GRANTS.format(**roles()))
