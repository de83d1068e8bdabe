"""Whose access to which outside system is to be brought up to date: noted by the database, whoever changes a user."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from opsteward.core.migrations.tenancy import isolate, roles

revision = "0015"
down_revision = "0014"

NOTE = """
create index ix_systems_kept on opsteward.systems (tenant_id) where settings ? 'access_role';

-- A user's access changed, or its name: each system that it concerns, and that has an access_role, is to hear of it.
create function opsteward.note_access() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from opsteward.systems where settings ? 'access_role') then
        return null;
    end if;
    if tg_op = 'INSERT' then
        insert into opsteward.access_due (tenant_id, system_id, login, user_id)
        select distinct n.tenant_id, s.id, n.username, n.id
        from new_users n cross join lateral unnest(n.system_access) as held (name)
        join opsteward.systems s on s.tenant_id = n.tenant_id
            and (lower(held.name) = lower(s.name) or held.name = 'all_systems')
        where s.settings ? 'access_role'
        order by 2, 3  -- two at once take their turns, and don't wait for each other
        on conflict (tenant_id, system_id, login) do update
            set batch = null, due_at = now(), user_id = excluded.user_id;
    else
        insert into opsteward.access_due (tenant_id, system_id, login, user_id)
        select distinct n.tenant_id, s.id, named.login, n.id
        from new_users n join old_users o on o.id = n.id
        cross join lateral (select unnest(n.system_access) union select unnest(o.system_access)) as held (name)
        cross join lateral (values (n.username), (o.username)) as named (login)
        join opsteward.systems s on s.tenant_id = n.tenant_id
            and (lower(held.name) = lower(s.name) or held.name = 'all_systems')
        where s.settings ? 'access_role' and (n.username <> o.username
            or (held.name = any(n.system_access)) <> (held.name = any(o.system_access)))
        order by 2, 3
        on conflict (tenant_id, system_id, login) do update
            set batch = null, due_at = now(), user_id = excluded.user_id;
    end if;
    if found then
        perform pg_notify('opsteward_feed',
            jsonb_build_object('tenant', t.tenant_id, 'kind', 'access_due', 'id', '')::text)
        from (select distinct tenant_id from new_users) t;
    end if;
    return null;
end
$$;
create trigger note_access_of_new after insert on opsteward.users
    referencing new table as new_users for each statement execute function opsteward.note_access();
create trigger note_access after update on opsteward.users
    referencing old table as old_users new table as new_users
    for each statement execute function opsteward.note_access();

-- Whether a user of this name has the system of that name by now. Runs with the caller's rights.
create function opsteward.may_use(user_id uuid, login text, system text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from opsteward.users u where u.id = user_id and u.username = login
        and exists (select from unnest(u.system_access) as held
            where lower(held) = lower(system) or held = 'all_systems'))
$$;

create function opsteward.tenants_with_due_access() returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select distinct tenant_id from opsteward.access_due where batch is null and due_at <= now()
$$;
"""

GRANTS = """
revoke execute on function opsteward.note_access, opsteward.may_use, opsteward.tenants_with_due_access from public;
grant execute on function opsteward.may_use to {app}, {web};
grant execute on function opsteward.tenants_with_due_access to {app};
"""


def upgrade() -> None:
    """Runs as the owner."""
    op.create_table(
        "access_due",
        sa.Column("tenant_id", sa.Uuid(), primary_key=True),
        sa.Column("system_id", sa.Uuid(), primary_key=True),
        sa.Column("login", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("batch", sa.Uuid(), nullable=True),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("tenant_id", "system_id", "login", name="pk_access_due"),
        schema="opsteward",
    )
    op.create_index("ix_access_due_at", "access_due", ["due_at"], schema="opsteward",
                    postgresql_where=sa.text("batch is null"))  # fmt: skip
    op.create_index("ix_access_due_batch", "access_due", ["tenant_id", "batch"], schema="opsteward",
                    postgresql_where=sa.text("batch is not null"))  # fmt: skip
    isolate("access_due", rights="select, insert, update, delete")
    op.execute(NOTE)
    op.execute(GRANTS.format(**roles()))
