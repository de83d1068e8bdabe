-- Figures of processes for the metrics: they belong to no tenant, so there are none for one (`own` not null).
create or replace function opsteward.process_counts(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select 'processes', jsonb_build_object(
               'kind', kind, 'state', case when lost_at is null then 'alive' else 'lost' end), count(*)::float8
    from opsteward.processes where own is null group by 2
    union all
    select 'leaders', '{}', count(*)::float8 from pg_stat_activity
    where own is null and datname = current_database() and application_name like 'opsteward leader %'
    having own is null
$$;
