"""Changes of users: fields, what follows for access, history, and the notices. All in one place, for one or many."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import iso, now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import Json
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


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One locked user and what it is to have; `rule` is what its enrolment gives, if that is known already."""

    user: User
    fields: Mapping[str, object] = field(default_factory=dict)
    rule: Rule | None = None


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
    """`change_all` for one user; returns whether anything changed."""
    edit = Edit(user=user, fields=fields, rule=rule)
    return bool(await change_all(session, [edit], what=what, actor=actor, reason=reason, access=access))


async def change_all(
    session: AsyncSession,
    edits: Sequence[Edit],
    *,
    what: str,
    actor: str,
    reason: str = "",
    access: bool = True,
) -> int:
    """Give locked users these fields, work their access out anew (unless `access` is False) and keep what changed; as
    many statements for one as for many. Returns how many changed.

    Raises Conflict when two permissions would meet in a user that must not.
    """
    before = [{name: getattr(edit.user, name) for name in edit.fields} for edit in edits]
    for edit in edits:
        for name, value in edit.fields.items():
            setattr(edit.user, name, value)
    if access:
        for edit, was, due in zip(edits, before, await _due_access(session, edits), strict=True):
            was |= {"permissions": edit.user.permissions, "system_access": edit.user.system_access}
            edit.user.permissions, edit.user.system_access = due
    at, changed = now(), {}
    for edit, was in zip(edits, before, strict=True):
        now_has = {name: getattr(edit.user, name) for name in was}
        fields = {name: [_plain(old), _plain(now_has[name])] for name, old in was.items() if old != now_has[name]}
        if fields:
            changed[edit.user.id] = fields
            edit.user.version += 1
            edit.user.updated_at = at
            session.add(_line(edit.user, fields, what=what, actor=actor, reason=reason))
    if not changed:
        return 0
    await session.flush()
    await audit.record_all(
        session,
        [
            {
                "actor": actor,
                "verb": f"user.{what}",
                "object_type": "user",
                "object_id": str(user_id),
                "detail": {"fields": sorted(fields)},
            }
            for user_id, fields in changed.items()
        ],
    )
    status = {edit.user.id: edit.user.status for edit in edits}
    await record_changes(
        session,
        [Change("user_changed", {"user_id": str(one), "what": what, "status": status[one]}) for one in changed],
    )
    for user_id in changed:
        await feed.announce(session, kind=PEOPLE, object_id=str(user_id))
    return len(changed)


def _line(user: User, fields: dict[str, list[Json]], *, what: str, actor: str, reason: str) -> UserChange:
    return UserChange(
        id=uuid7(),
        tenant_id=user.tenant_id,
        user_id=user.id,
        at=user.updated_at,
        actor=actor,
        what=what,
        reason=reason,
        fields=fields,
        correlation_id=correlation_id.get(),
    )


async def grants_of(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, list[Grant]]:
    """The single grants and denials of these users that hold now; those with none are left out."""
    found: dict[UUID, list[Grant]] = {}
    if not user_ids:
        return found
    rows = await session.execute(
        sa.select(UserGrant.user_id, UserGrant.kind, UserGrant.name, UserGrant.denied).where(
            UserGrant.tenant_id == tenant_of(session),
            UserGrant.user_id.in_(user_ids),
            UserGrant.revoked_at.is_(None),
            sa.or_(UserGrant.expires_at.is_(None), UserGrant.expires_at > now()),
        )
    )
    for row in rows:
        found.setdefault(row.user_id, []).append(Grant(row.kind, row.name, row.denied))
    return found


async def _due_access(session: AsyncSession, edits: Sequence[Edit]) -> list[tuple[list[str], list[str]]]:
    """What each is due: by the rule of its last approved enrolment and by single grants; nothing unless active."""
    active = [edit for edit in edits if UserStatus(edit.user.status) in HAS_ACCESS]
    if not active:
        return [([], []) for _ in edits]
    types = await _enrolled_as(session, {edit.user.id for edit in active if edit.rule is None})
    rules = await rules_of(session) if types else None
    grants = await grants_of(session, {edit.user.id for edit in active})
    found = []
    for edit in edits:
        rule = edit.rule
        if rule is None:
            rule = rules.of(types[edit.user.id]) if rules is not None and edit.user.id in types else Rule()
        found.append(due_access(rule, grants.get(edit.user.id, ()), status=edit.user.status))
    if any(len(permissions) > 1 for permissions, _ in found):
        pairs = rules.duty_pairs if rules is not None else await duty_pairs(session)
        for permissions, _ in found:
            if pair := meeting(permissions, pairs):
                raise duties_meet(pair)
    return found


async def _enrolled_as(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """The type of the last approved enrolment of each."""
    if not user_ids:
        return {}
    rows = await session.execute(
        sa.select(Enrollment.user_id, Enrollment.enrollment_type)
        .ext(distinct_on(Enrollment.user_id))
        .where(
            Enrollment.tenant_id == tenant_of(session),
            Enrollment.user_id.in_(user_ids),
            Enrollment.status == EnrollmentStatus.APPROVED,
        )
        .order_by(Enrollment.user_id, Enrollment.decided_at.desc())
    )
    return {row.user_id: row.enrollment_type for row in rows}


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


async def locked_all(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, User]:
    """These users by id, each held until the end of this transaction, in one order for all who lock many."""
    rows = await session.scalars(
        sa.select(User)
        .where(User.tenant_id == tenant_of(session), User.id.in_(user_ids))
        .order_by(User.id)
        .with_for_update()
    )
    return {row.id: row for row in rows}


def _plain(value: Any) -> Json:
    if isinstance(value, datetime):
        return iso(value)
    found: Json = str(value) if isinstance(value, UUID) else value
    return found
