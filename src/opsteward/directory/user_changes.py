"""One change of one user: its fields, what follows for its access, its history, and the notices. All in one place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import iso, now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.ids import uuid7
from opsteward.core.log import correlation_id
from opsteward.directory.enrollment_rules.rules import Grant, Rule, due_access, meeting
from opsteward.directory.enrollment_rules.service import duties_meet, duty_pairs, rules_of
from opsteward.directory.models import Enrollment, User, UserChange, UserGrant
from opsteward.directory.types import HAS_ACCESS, EnrollmentStatus, UserStatus
from opsteward.telemetry import audit

#: The kind of the notice that says that people changed.
PEOPLE = "people"


async def locked(session: AsyncSession, user_id: UUID) -> User:
    """The row of a user, held until the end of this transaction. Raises NotFound."""
    row = await session.scalar(
        sa.select(User).where(User.tenant_id == tenant_of(session), User.id == user_id).with_for_update()
    )
    if row is None:
        raise NotFound("no user of this id")
    return row


async def change(
    session: AsyncSession,
    user: User,
    fields: Mapping[str, object],
    *,
    what: str,
    actor: str,
    reason: str = "",
    rule: Rule | None = None,
    access: bool = True,
) -> bool:
    """Give a locked user these fields, work its access out anew (unless `access` is False) and keep what changed.

    `rule` is what its enrolment gives, if that is known already. Returns whether anything changed.
    Raises Conflict when two permissions would meet that must not.
    """
    before = {name: getattr(user, name) for name in fields}
    for name, value in fields.items():
        setattr(user, name, value)
    if access:
        before |= {"permissions": user.permissions, "system_access": user.system_access}
        user.permissions, user.system_access = await _due_access(session, user, rule)
    changed = {
        name: [_plain(was), _plain(getattr(user, name))] for name, was in before.items() if was != getattr(user, name)
    }
    if not changed:
        return False
    user.version += 1
    user.updated_at = now()
    session.add(
        UserChange(
            id=uuid7(),
            tenant_id=user.tenant_id,
            user_id=user.id,
            at=user.updated_at,
            actor=actor,
            what=what,
            reason=reason,
            fields=changed,
            correlation_id=correlation_id.get(),
        )
    )
    await session.flush()
    await audit.record(
        session,
        actor=actor,
        verb=f"user.{what}",
        object_type="user",
        object_id=str(user.id),
        detail={"fields": sorted(changed)},
    )
    await record_changes(
        session, [Change("user_changed", {"user_id": str(user.id), "what": what, "status": user.status})]
    )
    await feed.announce(session, kind=PEOPLE, object_id=str(user.id))
    return True


async def _due_access(session: AsyncSession, user: User, rule: Rule | None) -> tuple[list[str], list[str]]:
    """What the user is due: by the rule of its last approved enrolment and by single grants; nothing unless active."""
    if UserStatus(user.status) not in HAS_ACCESS:
        return [], []
    if rule is None:
        enrolled = await session.scalar(
            sa.select(Enrollment.enrollment_type)
            .where(
                Enrollment.tenant_id == user.tenant_id,
                Enrollment.user_id == user.id,
                Enrollment.status == EnrollmentStatus.APPROVED,
            )
            .order_by(Enrollment.decided_at.desc())
            .limit(1)
        )
        rule = (await rules_of(session)).of(enrolled) if enrolled else Rule()
    grants = await session.execute(
        sa.select(UserGrant.kind, UserGrant.name, UserGrant.denied).where(
            UserGrant.tenant_id == user.tenant_id,
            UserGrant.user_id == user.id,
            UserGrant.revoked_at.is_(None),
            sa.or_(UserGrant.expires_at.is_(None), UserGrant.expires_at > now()),
        )
    )
    permissions, systems = due_access(rule, [Grant(*row) for row in grants], status=user.status)
    if len(permissions) > 1 and (pair := meeting(permissions, await duty_pairs(session))):
        raise duties_meet(pair)
    return permissions, systems


async def drop_denials(session: AsyncSession, user_id: UUID) -> None:
    """What a review took from a user in its former role says nothing of the next one."""
    await session.execute(
        sa.update(UserGrant)
        .where(
            UserGrant.tenant_id == tenant_of(session),
            UserGrant.user_id == user_id,
            UserGrant.denied,
            UserGrant.revoked_at.is_(None),
        )
        .values(revoked_at=now())
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, UUID) else value
