-- Actions that may go ahead: in flight just now, or held back by a pause until it is lifted.
create or replace function opsteward.approved_runs() returns table (tenant_id uuid, id uuid, action text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select r.tenant_id, r.id, r.action from opsteward.action_runs r where r.status = 'approved'
$$;

grant execute on function opsteward.approved_runs to :"app";
