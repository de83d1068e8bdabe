-- Messages to agents from before then; returns how many.
create or replace function opsteward.forget_agent_messages(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (delete from opsteward.agent_messages where id = any(array(
        select id from opsteward.agent_messages where sent_at < before order by sent_at limit most)) returning 1)
    select count(*) from gone
$$;

grant execute on function opsteward.forget_agent_messages to :"app";
