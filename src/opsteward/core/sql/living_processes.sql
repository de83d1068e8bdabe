-- The installation's processes with whether they live and lead.
create or replace function opsteward.living_processes()
returns table (id uuid, host text, pid int, kind text, version text, started_at timestamptz, beat_at timestamptz,
               alive boolean, leader boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select p.id, split_part(p.host, '|', 1), p.pid, p.kind, p.version, p.started_at, p.beat_at,
           p.lost_at is null and p.beat_at > now() - interval '1 minute',
           exists (select 1 from pg_stat_activity a where a.datname = current_database()
                   and a.application_name = 'opsteward leader ' || left(replace(p.id::text, '-', ''), 24))
    from opsteward.processes p order by p.started_at, p.id
$$;

grant execute on function opsteward.living_processes to :"app", :"web";
