-- Statistics of the shadow, right after much of it is new: without them each record is looked for among all.
create or replace function opsteward.analyze_sync_records() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    analyze opsteward.sync_records;
end
$$;

grant execute on function opsteward.analyze_sync_records to :"app";
