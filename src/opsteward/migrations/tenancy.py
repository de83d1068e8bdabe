"""What every revision does for a new table: the tenant's row-level security, and the rights of the roles."""

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


def isolate(table: str, *, column: str = "tenant_id") -> None:
    """Show the rows of this table to their tenant alone."""
    op.execute(_POLICIES.format(table=table, column=column, owner=roles()["owner"]))


def grant(table: str, *, app: str, web: str) -> None:
    """What workers (app) and API and console (web) may do with this table: "select, insert", or "" for nothing."""
    role = roles()
    for rights, receiver in ((app, role["app"]), (web, role["web"])):
        if rights:
            op.execute(f"grant {rights} on opsteward.{table} to {receiver}")
