-- Users whose names or addresses hold a text, in the order of their usernames. No index is of use for it, and row-level
-- security makes the comparison many times slower, so this looks into one text per user, past the policy and within
-- the tenant. `part` is folded as the keys are, `words` is the text as it was typed: a full name is in lower case only,
-- so what folding changes further is looked for both ways. LIKE is twice as fast as strpos; what means something to it
-- is escaped.
create or replace function opsteward.find_users(
    part text, words text, standing text, of_role text, of_department text, after text, most int
) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with wanted as materialized (
        select '%' || regexp_replace(part, '([\\%_])', '\\\1', 'g') || '%' as key,
            '%' || regexp_replace(lower(words), '([\\%_])', '\\\1', 'g') || '%' as name
    )
    select id from opsteward.users
    where tenant_id = (select nullif(current_setting('opsteward.tenant', true), '')::uuid) and holds_names
        and (standing is null or status = standing) and (of_role is null or role = of_role)
        and (of_department is null or department = of_department) and (after is null or username_key > after)
        and (search_key like (select key from wanted)
            or (select key <> name from wanted) and search_key like (select name from wanted))
    order by username_key limit most
$$;

grant execute on function opsteward.find_users to :"app", :"web";
