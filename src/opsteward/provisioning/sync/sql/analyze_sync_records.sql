-- Statistics of the shadow, right after much of it is new: without them each record is looked for among all.
create or replace function opsteward.analyze_sync_records() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- of what is looked for; to measure all fields of the sample takes longer than the rest
    analyze opsteward.sync_records (tenant_id, mapping_id, side, native_id, key, pair_id, used_at, gone, may_differ);
end
$$;

grant execute on function opsteward.analyze_sync_records to :"app";
