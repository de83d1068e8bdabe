-- Changes of syncs that ended before then, and the syncs once they have none left; returns how many of both.
create or replace function opsteward.forget_syncs(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (
        select o.tenant_id, o.id from opsteward.sync_operations o where o.ended_at < before
        order by o.ended_at limit most),
    changes as (delete from opsteward.sync_changes where ctid = any(array(
        select c.ctid from old join opsteward.sync_changes c on c.tenant_id = old.tenant_id and c.operation_id = old.id
        limit most)) returning 1),
    -- of what this statement deletes, the others still see all: one without changes goes in the next round
    operations as (delete from opsteward.sync_operations o using old where o.tenant_id = old.tenant_id and o.id = old.id
        and not exists (select from opsteward.sync_changes c where c.tenant_id = o.tenant_id and c.operation_id = o.id)
        returning 1)
    select (select count(*) from changes) + (select count(*) from operations)
$$;

grant execute on function opsteward.forget_syncs to :"app";
