"""The record of changes, for who follows the live feed."""

from __future__ import annotations

from alembic import op

from opsteward.core.migrations.tables_0004 import create_tables
from opsteward.core.migrations.tenancy import isolate, roles

revision = "0004"
down_revision = "0003"

FUNCTIONS = """
-- Numbers without gaps, given to what is committed: one at a time for a tenant, and no writer waits.
create function opsteward.sequence_changes() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own uuid := nullif(current_setting('opsteward.tenant', true), '')::uuid;
    last bigint;
begin
    if own is null then
        raise insufficient_privilege using message = 'changes are numbered within a tenant';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('changes ' || own::text, 0));
    insert into opsteward.change_heads (tenant_id, seq) values (own, 0) on conflict do nothing;
    -- The head moves by the places given, not by the rows found: one that is forgotten at this moment leaves its
    -- number unused, and so a gap that is told.
    with fresh as (
        select f.id, row_number() over (order by f.at, f.id) as place
        from (select c.id, c.at from opsteward.changes c where c.tenant_id = own and c.seq is null
              order by c.at, c.id limit 10000) f
    ), numbered as (
        update opsteward.changes c set seq = h.seq + f.place
        from fresh f, opsteward.change_heads h where c.id = f.id and h.tenant_id = own
    )
    update opsteward.change_heads set seq = seq + (select count(*) from fresh)
    where tenant_id = own returning seq into last;
    return last;
end $$;

-- What nobody has followed yet is forgotten with its numbers, so that whoever comes back is told of the gap.
create function opsteward.forget_changes(before timestamptz, most int) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with old as (select c.id from opsteward.changes c where c.at < before order by c.at limit most),
    gone as (delete from opsteward.changes c using old where c.id = old.id returning c.tenant_id, c.seq),
    skipped as (
        insert into opsteward.change_heads as h (tenant_id, seq)
        select g.tenant_id, count(*) from gone g where g.seq is null group by g.tenant_id order by g.tenant_id
        on conflict (tenant_id) do update set seq = h.seq + excluded.seq
    )
    select count(*) from gone
$$;
"""

GRANTS = """
revoke execute on function opsteward.sequence_changes, opsteward.forget_changes from public;
grant execute on function opsteward.sequence_changes to {app}, {web};
grant execute on function opsteward.forget_changes to {app};
"""


def upgrade() -> None:
    """Runs as the owner."""
    create_tables()
    isolate("changes", rights="select, insert")
    isolate("change_heads", rights="select")
    op.execute(FUNCTIONS)
    op.execute(GRANTS.format(**roles()))
