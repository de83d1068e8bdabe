"""Single grants: a permission or a system for one user, beside what its enrolment gives, for a time or for good."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.name_keys import name_problem
from opsteward.directory.models import User, UserGrant
from opsteward.directory.types import GrantInfo, UserStatus
from opsteward.directory.user_changes import change, locked
from opsteward.telemetry import audit


async def grant(
    session: AsyncSession,
    *,
    user_id: UUID,
    kind: str,
    name: str,
    actor: str,
    reason: str = "",
    expires_at: datetime | None = None,
) -> GrantInfo:
    """Give an active user a `permission` or a `system`, until `expires_at` if that is set.

    Raises NotFound; Invalid for a bad name or an end that lies behind us; Conflict when the user is not active, has
    it already by a grant, or would have two permissions that must not meet.
    """
    if problem := name_problem(name, most=100):
        raise Invalid.field("name", problem, "use 1 to 100 printable characters")
    if expires_at is not None and expires_at <= now():
        raise Invalid.field("expires_at", "lies behind us", "use an instant to come, or none")
    user = await locked(session, user_id)
    if user.status != UserStatus.ACTIVE:
        raise Conflict(f"the user is {user.status}", remedy="only an active user can be given anything")
    held = await session.scalar(
        sa.select(UserGrant.id).where(
            UserGrant.tenant_id == tenant_of(session),
            UserGrant.user_id == user_id,
            UserGrant.kind == kind,
            UserGrant.name == name,
            ~UserGrant.denied,
            UserGrant.revoked_at.is_(None),
        )
    )
    if held is not None:
        raise Conflict("the user has this grant already", remedy="revoke that one first")
    await _lift_denial(session, user_id, kind, name)
    row = UserGrant(
        id=uuid7(),
        tenant_id=tenant_of(session),
        user_id=user_id,
        kind=kind,
        name=name,
        granted_by=actor,
        reason=reason,
        granted_at=now(),
        expires_at=expires_at,
    )
    session.add(row)
    await session.flush()
    await change(session, user, {}, what="granted", actor=actor, reason=reason)
    await _audited(session, "grant.given", row.id, actor)
    return _info(row)


async def _lift_denial(session: AsyncSession, user_id: UUID, kind: str, name: str) -> None:
    await session.execute(
        sa.update(UserGrant)
        .where(
            UserGrant.tenant_id == tenant_of(session),
            UserGrant.user_id == user_id,
            UserGrant.kind == kind,
            UserGrant.name == name,
            UserGrant.denied,
            UserGrant.revoked_at.is_(None),
        )
        .values(revoked_at=now())
    )


async def revoke(session: AsyncSession, *, user_id: UUID, grant_id: UUID, actor: str, reason: str = "") -> None:
    """Take a grant back; what the enrolment gives stays. Raises NotFound."""
    user = await locked(session, user_id)
    found = await session.scalar(
        sa.update(UserGrant)
        .where(
            UserGrant.tenant_id == tenant_of(session),
            UserGrant.user_id == user_id,
            UserGrant.id == grant_id,
            UserGrant.revoked_at.is_(None),
        )
        .values(revoked_at=now())
        .returning(UserGrant.id)
    )
    if found is None:
        raise NotFound("the user has no such grant")
    await change(session, user, {}, what="grant_revoked", actor=actor, reason=reason)
    await _audited(session, "grant.revoked", grant_id, actor)


async def grants_of(session: AsyncSession, *, user_id: UUID) -> list[GrantInfo]:
    """The grants that a user has, oldest first."""
    rows = await session.scalars(
        sa.select(UserGrant)
        .where(UserGrant.tenant_id == tenant_of(session), UserGrant.user_id == user_id, UserGrant.revoked_at.is_(None))
        .order_by(UserGrant.id)
        .limit(1000)
    )
    return [_info(row) for row in rows]


async def permissions_granted(session: AsyncSession, *, user_ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    """The permissions that these users have by single grants alone."""
    rows = await session.execute(
        sa.select(UserGrant.user_id, sa.func.array_agg(UserGrant.name).label("names"))
        .where(
            UserGrant.tenant_id == tenant_of(session),
            UserGrant.user_id.in_(user_ids),
            UserGrant.kind == "permission",
            UserGrant.denied.is_(False),
            UserGrant.revoked_at.is_(None),
            sa.or_(UserGrant.expires_at.is_(None), UserGrant.expires_at > now()),
        )
        .group_by(UserGrant.user_id)
    )
    return {row.user_id: frozenset(row.names) for row in rows}


async def expire_grants(session: AsyncSession) -> int:
    """Revoke this tenant's grants whose time is over; returns how many."""
    ended = await session.execute(
        sa.update(UserGrant)
        .where(UserGrant.tenant_id == tenant_of(session), UserGrant.expires_at <= now(), UserGrant.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(UserGrant.user_id)
    )
    of_users = list(ended.scalars())
    users = await session.scalars(
        sa.select(User)
        .where(User.tenant_id == tenant_of(session), User.id.in_(set(of_users)))
        .order_by(User.id)
        .with_for_update()
    )
    for user in users:
        await change(session, user, {}, what="grant_ended", actor="system:lifecycle", reason="its time is over")
    return len(of_users)


async def _audited(session: AsyncSession, verb: str, grant_id: UUID, actor: str) -> None:
    await audit.record(session, actor=actor, verb=verb, object_type="grant", object_id=str(grant_id))


def _info(row: UserGrant) -> GrantInfo:
    return GrantInfo(**{name: getattr(row, name) for name in GrantInfo.__dataclass_fields__})
