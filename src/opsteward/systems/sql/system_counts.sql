-- Figures of systems for the metrics: of one tenant, or (null) of the whole installation.
create or replace function opsteward.system_counts(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select 'systems', jsonb_build_object('health', health), count(*)::float8
    from opsteward.systems where own is null or tenant_id = own group by health
$$;
