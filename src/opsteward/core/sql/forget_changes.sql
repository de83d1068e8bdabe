-- What nobody has followed yet is forgotten with its numbers, so that whoever comes back is told of the gap.
create or replace function opsteward.forget_changes(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (select c.id from opsteward.changes c where c.at < before order by c.at limit most),
    gone as (delete from opsteward.changes c using old where c.id = old.id returning c.tenant_id, c.seq),
    skipped as (
        insert into opsteward.change_heads as h (tenant_id, seq)
        select g.tenant_id, count(*) from gone g where g.seq is null group by g.tenant_id order by g.tenant_id
        on conflict (tenant_id) do update set seq = h.seq + excluded.seq
    )
    select count(*) from gone
$$;

grant execute on function opsteward.forget_changes to :"app";
