-- A notice that was begun: no service took it.
create or replace function opsteward.note_notice_failed(notice uuid, why text) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    update opsteward.notices set status = 'failed', error = why where id = notice and status = 'sending'
$$;

grant execute on function opsteward.note_notice_failed to :"app";
