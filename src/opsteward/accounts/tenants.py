"""Tenants: create one with its first operator, list them, and the very first start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.operators import check_name, create_operator
from opsteward.accounts.tokens import issue_token
from opsteward.accounts.types import TenantInfo
from opsteward.core.db import Database
from opsteward.core.errors import Conflict, Invalid
from opsteward.core.home import home_troubles, write_private
from opsteward.core.ids import uuid7
from opsteward.telemetry import audit

DEFAULT_TENANT = "default"
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class NewTenant:
    """A tenant with the secret of its first operator's token, seen this once."""

    id: UUID
    name: str
    operator_id: UUID
    token: str


async def create_tenant(
    db: Database, *, name: str, operator: str, actor: str, roles: tuple[str, ...] = ("owner",), home: Path | None = None
) -> NewTenant:
    """Add a tenant and its first operator with an API token, which is written to `home / "token"` if given.

    Raises Invalid naming `name` or `operator`, Conflict for a taken name, or Unavailable when the home's disk is full.
    """
    if not _SLUG.fullmatch(name):
        raise Invalid.field("name", "is no tenant name", "use 1 to 63 of a-z, 0-9 and -, not at the ends")
    check_name(operator, field="operator")
    tenant_id = uuid7()
    async with db.unit_of_work(tenant_id) as session:
        added = await session.scalar(
            sa.text("select opsteward.add_tenant(:id, :name)"), {"id": tenant_id, "name": name}
        )
        if not added:
            raise Conflict("a tenant of this name exists already", remedy="choose another name")
        await audit.record(session, actor=actor, verb="tenant.created", object_type="tenant", object_id=str(tenant_id))
        first = await create_operator(session, name=operator, roles=roles, actor=actor)
        token = await issue_token(session, operator_id=first.id, kind="api", name="first", actor=actor)
        if home is not None:
            # Before the commit: a crash in between leaves a file that the next start overwrites, never a lost token.
            with home_troubles(home):
                write_private(home / "token", token.secret, replace=True)
    return NewTenant(id=tenant_id, name=name, operator_id=first.id, token=token.secret)


async def list_tenants(session: AsyncSession) -> list[TenantInfo]:
    """All tenants of the installation: for platform operators only."""
    rows = await session.execute(sa.text("select * from opsteward.all_tenants()"))
    return [TenantInfo(id=r.id, name=r.name, status=r.status, created_at=r.created_at) for r in rows]


async def ensure_first_tenant(db: Database, home: Path) -> UUID | None:
    """At the very first start: the default tenant, its owner, and the owner's token in `$OPSTEWARD_HOME/token`.

    Returns the new tenant's id, or None when there is a tenant already.
    """
    async with db.unit_of_work(None) as session:
        if await list_tenants(session):
            return None
    try:
        created = await create_tenant(
            db, name=DEFAULT_TENANT, operator="admin", actor="system:setup", roles=("owner", "platform"), home=home
        )
    except Conflict:  # another process was quicker
        return None
    return created.id
