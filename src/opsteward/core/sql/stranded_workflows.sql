-- Versions of the engine's workflows that no living process runs, with how many of them wait.
create or replace function opsteward.stranded_workflows(alive_seconds double precision) returns table (version text, workflows bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select w.application_version, count(*) from dbos.workflow_status w
    where w.status in ('PENDING', 'ENQUEUED') and w.application_version is not null and not exists (
        select 1 from opsteward.processes p
        where p.id = any((select opsteward.living(alive_seconds))::uuid[]) and p.version = w.application_version)
    group by w.application_version
$$;
