-- What a user's row calls it, where its document was made from another name or has none.
create or replace function opsteward.scim_display_name(scim jsonb, full_name text) returns text
language sql immutable parallel safe as $$
    select case when scim is null or scim->'doc' ? 'displayName' or scim->>'named' is distinct from full_name
        then full_name end
$$;

grant execute on function opsteward.scim_display_name to :"app", :"web";
