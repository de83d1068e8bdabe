"""What every revision does to a new table: the tenant's row-level security, and the rights of the roles."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

_POLICIES = """
alter table opsteward.{table} enable row level security;
alter table opsteward.{table} force row level security;
create policy tenant on opsteward.{table}
    using ({column} = (select nullif(current_setting('opsteward.tenant', true), '')::uuid));
-- look-up functions and backups run as the owner, which serves nobody
create policy owner on opsteward.{table} to {owner} using (true) with check (true);
"""


def roles() -> dict[str, str]:
    """The quoted names of the roles owner, app and web of this database."""
    database = op.get_bind().scalar(text("select current_database()"))
    return {kind: f'"{database}_{kind}"' for kind in ("owner", "app", "web")}


def isolate(*tables: str, rights: str = "", column: str = "tenant_id") -> None:
    """Show the rows of these tables to their tenant alone; `rights` ("select, insert") go to app and web."""
    role = roles()
    for table in tables:
        op.execute(_POLICIES.format(table=table, column=column, owner=role["owner"]))
        if rights:
            op.execute(f"grant {rights} on opsteward.{table} to {role['app']}, {role['web']}")
