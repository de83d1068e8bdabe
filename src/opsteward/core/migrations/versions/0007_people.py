"""People: users with their history and single grants, enrolments and their rules, duties that must not meet."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tables_0007 import create_tables
from opsteward.core.migrations.tenancy import isolate, roles

revision = "0007"
down_revision = "0006"

DUE = """
-- The tenants in which something of people is due: an account or a grant has ended, an approval is overdue.
create function opsteward.tenants_with_due_people() returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select tenant_id from opsteward.users where expires_at <= now() and status in ('pending', 'active', 'suspended')
    union select tenant_id from opsteward.user_grants where expires_at <= now() and revoked_at is null
    union select tenant_id from opsteward.enrollments where due_at <= now()
$$;

-- Users whose names or addresses hold a text, in the order of their usernames: an index is of no use for it, and
-- row-level security makes the comparison many times slower.
create function opsteward.find_users(part text, standing text, after text, most int) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select id from opsteward.users
    where tenant_id = (select nullif(current_setting('opsteward.tenant', true), '')::uuid) and holds_names
        and (standing is null or status = standing) and (after is null or username_key > after)
        and (strpos(username_key, part) > 0 or strpos(email_key, part) > 0 or strpos(lower(full_name), part) > 0)
    order by username_key limit most
$$;
"""

GRANTS = """
revoke execute on function opsteward.tenants_with_due_people, opsteward.find_users from public;
grant execute on function opsteward.tenants_with_due_people to {app};
grant execute on function opsteward.find_users to {app}, {web};
grant delete on opsteward.enrollment_rules, opsteward.duty_conflicts to {web};
"""


def upgrade() -> None:
    """Runs as the owner."""
    create_tables()
    isolate("users", "user_grants", "enrollments", "enrollment_rules", rights="select, insert, update")
    isolate("user_changes", "duty_conflicts", rights="select, insert")
    op.execute(DUE)
    op.execute(GRANTS.format(**roles()))
