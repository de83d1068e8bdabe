-- The sizes of the tables that an import fills, for the planner: it fills them faster than autovacuum looks.
create or replace function opsteward.analyze_people() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    analyze opsteward.users, opsteward.enrollments, opsteward.import_rows;
$$;

grant execute on function opsteward.analyze_people to :"app";
