-- Users as `find_users` finds them, but for a review: whoever they are by now, in the order of their ids, from one on,
-- up to `most` (null: all).
create or replace function opsteward.users_matching(part text, words text, beginning uuid, most int) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with wanted as materialized (
        select '%' || regexp_replace(part, '([\\%_])', '\\\1', 'g') || '%' as key,
            '%' || regexp_replace(lower(words), '([\\%_])', '\\\1', 'g') || '%' as name
    )
    select id from opsteward.users
    where tenant_id = (select nullif(current_setting('opsteward.tenant', true), '')::uuid)
        and (search_key like (select key from wanted)
            or (select key <> name from wanted) and search_key like (select name from wanted))
        and (beginning is null or id >= beginning)
    order by id limit most
$$;

grant execute on function opsteward.users_matching to :"app", :"web";
