-- Figures of actions for the metrics: of one tenant, or (null) of the whole installation.
create or replace function opsteward.action_counts(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select 'actions', jsonb_build_object('action', action, 'status', status), count(*)::float8
    from opsteward.action_runs where own is null or tenant_id = own group by action, status
$$;
