-- Numbers without gaps, given to what is committed: one at a time for a tenant, and no writer waits.
create or replace function opsteward.sequence_changes() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own uuid := nullif(current_setting('opsteward.tenant', true), '')::uuid;
    last bigint;
begin
    if own is null then
        raise insufficient_privilege using message = 'changes are numbered within a tenant';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('changes ' || own::text, 0));
    insert into opsteward.change_heads (tenant_id, seq) values (own, 0) on conflict do nothing;
    -- The head moves by the places given, not by the rows found: one that is forgotten at this moment leaves its
    -- number unused, and so a gap that is told.
    with fresh as (
        select f.id, row_number() over (order by f.at, f.id) as place
        from (select c.id, c.at from opsteward.changes c where c.tenant_id = own and c.seq is null
              order by c.at, c.id limit 10000) f
    ), numbered as (
        update opsteward.changes c set seq = h.seq + f.place
        from fresh f, opsteward.change_heads h where c.id = f.id and h.tenant_id = own
    )
    update opsteward.change_heads set seq = seq + (select count(*) from fresh)
    where tenant_id = own returning seq into last;
    return last;
end $$;

grant execute on function opsteward.sequence_changes to :"app", :"web";
