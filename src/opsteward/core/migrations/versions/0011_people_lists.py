"""Lists of users: a search that finds within role and department too, and at half the former cost."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tenancy import roles

revision = "0011"
down_revision = "0010"

FIND = """
drop function opsteward.find_users(text, text, text, int);

-- Users whose names or addresses hold a text, in the order of their usernames: an index is of no use for it, and
-- row-level security makes the comparison many times slower. `part` is folded as the keys are, `words` is the text
-- as it was typed, for the full name. LIKE is twice as fast as strpos, so what means something to it is escaped.
create function opsteward.find_users(
    part text, words text, standing text, of_role text, of_department text, after text, most int
) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with wanted as materialized (
        select '%' || regexp_replace(part, '([\\\\%_])', '\\\\\\1', 'g') || '%' as key,
            '%' || regexp_replace(words, '([\\\\%_])', '\\\\\\1', 'g') || '%' as name
    )
    select id from opsteward.users
    where tenant_id = (select nullif(current_setting('opsteward.tenant', true), '')::uuid) and holds_names
        and (standing is null or status = standing) and (of_role is null or role = of_role)
        and (of_department is null or department = of_department) and (after is null or username_key > after)
        and (username_key like (select key from wanted) or email_key like (select key from wanted)
            or full_name ilike (select name from wanted))
    order by username_key limit most
$$;
"""

GRANTS = """
revoke execute on function opsteward.find_users from public;
grant execute on function opsteward.find_users to {app}, {web};
"""


def upgrade() -> None:
    """Runs as the owner."""
    op.execute(FIND)
    op.execute(GRANTS.format(**roles()))
