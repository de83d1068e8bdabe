-- Questions and answers from before then; returns how many.
create or replace function opsteward.forget_answers(before timestamptz, most int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone int;
begin
    delete from opsteward.help_answers where id in (
        select id from opsteward.help_answers where asked_at < before order by id limit most
    );
    get diagnostics gone = row_count;
    return gone;
end
$$;

grant execute on function opsteward.forget_answers to :"app";
