-- The addresses in a user's document; where its row has another one since, that one stands for the one it was made of.
create or replace function opsteward.scim_emails_of(scim jsonb, email text) returns jsonb
language sql immutable parallel safe as $$
    select case
        when scim->>'mail' is not distinct from email then scim->'doc'->'emails'
        else coalesce(case when email is not null then jsonb_build_array(
                jsonb_build_object('value', email, 'type', 'work', 'primary', true)) end, '[]')
            || coalesce(jsonb_path_query_array(scim->'doc'->'emails', '$[*] ? (@.value != $mail)',
                jsonb_build_object('mail', scim->'mail')), '[]')
    end
$$;

grant execute on function opsteward.scim_emails_of to :"app", :"web";
