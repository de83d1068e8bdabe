-- Figures of background agents for the metrics: of one tenant, or (null) of the whole installation.
create or replace function opsteward.agent_counts(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select 'agents', jsonb_build_object('status', status), count(*)::float8
    from opsteward.agents where own is null or tenant_id = own group by status
$$;
