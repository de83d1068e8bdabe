-- Each new entry of an audit log waits for its seal.
create or replace function opsteward.note_unsealed() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into opsteward.audit_pending (tenant_id, entry_id) select tenant_id, id from added;
    return null;
end $$;

create or replace trigger note_unsealed after insert on opsteward.audit_entries
    referencing new table as added for each statement execute function opsteward.note_unsealed();
