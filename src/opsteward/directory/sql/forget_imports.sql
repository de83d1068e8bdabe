-- Imports that ended before then, and uploads that nobody finished; returns how many.
create or replace function opsteward.forget_imports(before timestamptz, most int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone uuid[];
begin
    select array_agg(id) into gone from (
        select id from opsteward.import_jobs
        where ended_at < before or (status = 'uploading' and created_at < now() - interval '1 day')
        order by id limit least(most, 50)
    ) old;
    delete from opsteward.import_rows where job_id = any(gone);
    delete from opsteward.import_problems where job_id = any(gone);
    delete from opsteward.import_parts where job_id = any(gone);
    delete from opsteward.import_jobs where id = any(gone);
    return coalesce(cardinality(gone), 0);
end
$$;

grant execute on function opsteward.forget_imports to :"app";
