-- Whether a tenant has a Slack app, whose presses are taken.
create or replace function opsteward.slack_is_connected(tenant uuid) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from opsteward.webhooks where tenant_id = tenant and kind = 'slack' and revoked_at is null
    )
$$;
