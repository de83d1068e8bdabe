-- The database as a whole, its largest tables, and the fullest memory of a machine that lately told the tenant.
create or replace function opsteward.database_figures(tenant uuid, lately double precision)
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

grant execute on function opsteward.database_figures to :"app";
