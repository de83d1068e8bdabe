-- The tenants in which something of people is due: an account or a grant has ended, an approval is overdue.
create or replace function opsteward.tenants_with_due_people() returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select tenant_id from opsteward.users where expires_at <= now() and status in ('pending', 'active', 'suspended')
    union select tenant_id from opsteward.user_grants where expires_at <= now() and revoked_at is null
    union select tenant_id from opsteward.enrollments where due_at <= now()
$$;

grant execute on function opsteward.tenants_with_due_people to :"app";
