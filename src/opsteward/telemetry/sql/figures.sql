-- What the metrics tell of the database, in one look: of one tenant, or (null) of the whole installation. Each room
-- counts its own.
create or replace function opsteward.figures(own uuid) returns table (figure text, labels jsonb, value double precision)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from opsteward.task_counts(own)
    union all select * from opsteward.incident_counts(own)
    union all select * from opsteward.action_counts(own)
    union all select * from opsteward.agent_counts(own)
    union all select * from opsteward.system_counts(own)
    union all select * from opsteward.process_counts(own)
    union all
    select 'audit_unsealed', '{}', count(*)::float8
    from opsteward.audit_pending where own is null or tenant_id = own
$$;

grant execute on function opsteward.figures to :"web";
