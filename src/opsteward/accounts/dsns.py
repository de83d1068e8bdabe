"""DSNs: by which applications with a Sentry SDK report here, one for each project.

A DSN is `https://KEY@host/NUMBER`. Its key is good for reports through Sentry's protocol and for nothing else, since it
stands in applications that strangers can read. Only its hash is stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import SentryProject
from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.crypto import token_hash
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from opsteward.core.ids import uuid7
from opsteward.core.keyset import in_order
from opsteward.core.name_keys import name_problem
from opsteward.telemetry import audit

NAME_LIMIT = 100  # characters
PROJECT_LIMIT = 1_000  # of a tenant
MAX_GRACE = timedelta(days=90)
#: What they can be ordered by.
ORDERS: dict[str, Any] = {
    "made": SentryProject.id,
    "name": sa.func.lower(SentryProject.name),
    "last": sa.func.coalesce(SentryProject.last_used_at, sa.func.to_timestamp(0)),
}


@dataclass(frozen=True, kw_only=True)
class SentryProjectInfo:
    """An application that reports through a Sentry SDK. Its events have its `name` as their source; `number` is what
    stands at the end of its DSN. `previous_until`: how long the key before the last rotation is still taken."""

    id: UUID
    name: str
    number: int
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    previous_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class ProjectKey:
    """The only time a key is seen."""

    id: UUID
    number: int
    key: str

    def dsn(self, address: str) -> str:
        """The DSN, where we are reached at this address."""
        scheme, _, rest = address.partition("://")
        return f"{scheme}://{self.key}@{rest}/{self.number}"


async def create(session: AsyncSession, *, name: str, actor: str) -> ProjectKey:
    """A new project. Raises Invalid for the name, Conflict when it is taken or there are too many."""
    if problem := name_problem(name, most=NAME_LIMIT):
        raise Invalid.field("name", problem, f"use 1 to {NAME_LIMIT} printable characters")
    tenant_id = tenant_of(session)
    own = SentryProject.tenant_id == tenant_id
    if await session.scalar(sa.select(SentryProject.id).where(own, SentryProject.name == name)):
        raise Conflict(f"there is a project {name!r} already", remedy="rotate its DSN, or choose another name")
    if (await session.scalar(sa.select(sa.func.count()).where(own)) or 0) >= PROJECT_LIMIT:
        raise Conflict(f"the tenant has {PROJECT_LIMIT} projects already", remedy="remove one first")
    key = _new_key()
    row = SentryProject(id=uuid7(), tenant_id=tenant_id, name=name, key_hash=token_hash(key), created_by=actor)
    session.add(row)
    await session.flush()
    await _audited(session, "dsn.created", row.id, actor, name)
    return ProjectKey(id=row.id, number=row.number, key=key)


async def list_projects(
    session: AsyncSession,
    *,
    search: str = "",
    after: UUID | None = None,
    limit: int = 1000,
    by: str = "made",
    descending: bool = True,
) -> list[SentryProjectInfo]:
    """By one of ORDERS, the newest first, without their keys. `search`: a part of the name; `after`: behind this."""
    query = sa.select(SentryProject).where(SentryProject.tenant_id == tenant_of(session)).limit(limit)
    if search:
        query = query.where(SentryProject.name.icontains(search, autoescape=True))
    query = in_order(query, by=ORDERS[by], row_id=SentryProject.id, descending=descending, after=after)
    return [_info(row) for row in await session.scalars(query)]


async def get(session: AsyncSession, *, project_id: UUID) -> SentryProjectInfo:
    """Raises NotFound."""
    return _info(await _row(session, project_id))


async def rotate(session: AsyncSession, *, project_id: UUID, grace: timedelta, actor: str) -> ProjectKey:
    """A new key; the old one is taken for `grace` longer, so that applications can follow one by one.

    Raises NotFound, Invalid for a grace that is too long.
    """
    if not timedelta(0) <= grace <= MAX_GRACE:
        raise Invalid.field("grace", "is below 0 or too long", f"give seconds, at most {MAX_GRACE.days} days")
    row = await _row(session, project_id)
    key = _new_key()
    row.previous_key_hash, row.previous_until = (row.key_hash, now() + grace) if grace else (None, None)
    row.key_hash = token_hash(key)
    await session.flush()
    await _audited(session, "dsn.rotated", row.id, actor, row.name)
    return ProjectKey(id=row.id, number=row.number, key=key)


async def remove(session: AsyncSession, *, project_id: UUID, actor: str) -> None:
    """Take nothing by its DSN any more; what it reported stays. Raises NotFound."""
    row = await _row(session, project_id)
    await session.delete(row)
    await session.flush()
    await _audited(session, "dsn.removed", project_id, actor, row.name)


async def sender_of(db: Database, *, key: str, number: str) -> Identity:
    """Which project reports with this key at this number, as one who may send events and nothing else.

    Raises Unauthenticated for a key that is not known, Denied for one of another project.
    """
    row = await db.find_by_hash("dsn_owner", token_hash(key))
    if row is None:
        raise Unauthenticated("the key of this DSN is unknown, or was rotated")
    if str(row.number) != number.lstrip("0"):
        raise Denied("the key of this DSN is of another project", remedy="use the DSN as it was shown")
    return Identity(
        tenant_id=row.tenant_id,
        tenant_name=row.tenant_name,
        operator_id=row.project_id,
        operator_name=row.name,
        roles=("operator",),
        token_id=row.project_id,
        kind="dsn",
        last_used_at=row.last_used_at,
        issued_by="system:dsn",
        scopes=("events.write",),
    )


async def note_use(session: AsyncSession, *, project_id: UUID) -> None:
    """Remember that a DSN was used."""
    await session.execute(
        sa.update(SentryProject)
        .where(SentryProject.tenant_id == tenant_of(session), SentryProject.id == project_id)
        .values(last_used_at=now())
    )


def _new_key() -> str:
    return secrets.token_hex(16)  # letters and digits alone: SDKs take nothing else


async def _row(session: AsyncSession, project_id: UUID) -> SentryProject:
    row = await session.scalar(
        sa.select(SentryProject)
        .where(SentryProject.tenant_id == tenant_of(session), SentryProject.id == project_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound("no Sentry project of this id", remedy="see GET /api/v1/sentry-projects")
    return row


def _info(row: SentryProject) -> SentryProjectInfo:
    return SentryProjectInfo(**{name: getattr(row, name) for name in SentryProjectInfo.__dataclass_fields__})


async def _audited(session: AsyncSession, verb: str, project_id: UUID, actor: str, name: str) -> None:
    await audit.record(
        session, actor=actor, verb=verb, object_type="sentry_project", object_id=str(project_id), detail={"name": name}
    )
