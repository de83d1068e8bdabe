-- Figures of one process at one instant, kept in one go.
create or replace function opsteward.keep_figures(tenant uuid, process uuid, measured timestamptz, figures jsonb)
returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into opsteward.agent_metrics (tenant_id, name, at, process_id, value)
    select tenant, f.key, measured, process, f.value::float8 from jsonb_each_text(figures) f on conflict do nothing
$$;

grant execute on function opsteward.keep_figures to :"app";
