"""Users: from joining to leaving. One user at a time; files full of them are taken elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, FieldProblem, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.name_keys import email_key, folded, lookalike_key
from opsteward.directory.enrollment.service import enrollment_row, pending_changes
from opsteward.directory.enrollment_rules.rules import meeting
from opsteward.directory.enrollment_rules.service import duties_meet, rules_of
from opsteward.directory.models import Enrollment, User
from opsteward.directory.types import HAS_ADDRESS, NewUser, UserInfo, UsersEnrolled, UserStatus
from opsteward.directory.user_changes import PEOPLE, change, drop_denials, locked
from opsteward.directory.user_fields import TEXTS
from opsteward.directory.user_validation import problems_of
from opsteward.directory.users import creation
from opsteward.telemetry import audit

#: Fields that may be changed as they are; role, status and names mean more.
_PLAIN = frozenset({"full_name", "manager_id", "profile_data", "tags", "expires_at", *(field.name for field in TEXTS)})
#: From which status a user may go to which, by hand; a pending one becomes active by its enrolment alone.
MOVES = {
    UserStatus.ACTIVE: frozenset({UserStatus.SUSPENDED, UserStatus.INACTIVE}),
    UserStatus.PENDING: frozenset({UserStatus.INACTIVE}),
    UserStatus.SUSPENDED: frozenset({UserStatus.ACTIVE, UserStatus.INACTIVE}),
    UserStatus.INACTIVE: frozenset({UserStatus.ACTIVE, UserStatus.ARCHIVED}),
    UserStatus.ARCHIVED: frozenset({UserStatus.INACTIVE}),
}
_DONE = {
    UserStatus.ACTIVE: "activated",
    UserStatus.SUSPENDED: "suspended",
    UserStatus.INACTIVE: "deactivated",
    UserStatus.ARCHIVED: "archived",
}


class Users:
    """Registers and changes users; one per process."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def register(self, session: AsyncSession, *, new: NewUser, actor: str) -> UserInfo:
        """Add a user, enrol it by its role, and give it what the rule gives, all in this transaction.

        Raises Invalid naming each bad field; Conflict for a taken username or address (whatever their case), or for
        two permissions that must not meet.
        """
        problems = problems_of(new)
        if problems:
            raise Invalid(problems=problems)
        await self._check_manager(session, new.manager_id, user_id=None)
        rules = await rules_of(session)
        enrolled_as, rule = rules.choose(
            role=new.role, department=new.department, attributes=new.profile_data, wanted=new.enrollment_type
        )
        at, user_id, tenant_id = now(), uuid7(), tenant_of(session)
        enrollment = enrollment_row(
            tenant_id=tenant_id, user_id=user_id, enrollment_type=enrolled_as, rule=rule, actor=actor, at=at
        )
        joins = enrollment["automatic"] and new.active
        row = creation.user_row(new, rule=rule, enrolled=bool(joins), tenant_id=tenant_id, actor=actor)
        row |= {"id": user_id, "created_at": at, "updated_at": at, "deactivated_at": None if new.active else at}
        if pair := meeting(row["permissions"], rules.duty_pairs):
            raise duties_meet(pair)
        if row["expires_at"] is None and joins and rule.access_days:
            row["expires_at"] = at + timedelta(days=rule.access_days)
        if not await creation.add(session, row, enrollment):
            raise await self._taken(session, row)
        await audit.record(
            session, actor=actor, verb="user.registered", object_type="user", object_id=str(user_id),
            detail={"enrollment_type": enrolled_as, "status": row["status"], "source": new.source},
        )  # fmt: skip
        data = {"id": str(user_id), "username": new.username, "role": new.role, "status": row["status"]}
        await record_changes(session, [Change("user_registered", {"user_data": data})])
        await pending_changes(session, [enrollment])
        await feed.announce(session, kind=PEOPLE, object_id=str(user_id))
        if joins:
            await self._bus.publish(
                session,
                UsersEnrolled(user_ids=[user_id], enrollment_type=enrolled_as, welcome_template=rule.welcome_template),
            )
        return UserInfo(**{name: row[name] for name in UserInfo.__dataclass_fields__})

    async def update(
        self,
        session: AsyncSession,
        *,
        user_id: UUID,
        fields: Mapping[str, Any],
        actor: str,
        reason: str = "",
        version: int | None = None,
    ) -> UserInfo:
        """Change these fields (names as in UserInfo). A new role is a new enrolment: what the old one gave and the new
        one does not is revoked at once, the rest is granted when it is approved. With a `version` only that one is
        changed. Raises NotFound, Invalid, Conflict."""
        user = await locked(session, user_id)
        if version is not None and version != user.version:
            raise Conflict(
                f"the user has version {user.version} by now, not {version}", remedy="read it again, then repeat it"
            )
        wanted = dict(fields)
        status = wanted.pop("status", None)
        role = wanted.pop("role", None)
        enrolled_as = wanted.pop("enrollment_type", None)
        changes = self._checked(user, wanted | ({"role": role} if role is not None else {}))
        if "manager_id" in changes:
            await self._check_manager(session, changes["manager_id"], user_id=user.id)
        keys = ("username_key", "email_key") if user.status in HAS_ADDRESS else ("username_key",)
        names: dict[str, str | None] = {key: changes[key] for key in keys if key in changes}
        if any(getattr(user, key) != value for key, value in names.items()) and user.holds_names:
            await self._check_free(session, user, names)
        if "username_key" in changes and changes["username_key"] != user.username_key:
            changes["looks_like"] = await creation.looks_like(
                session, changes["username_key"], changes["lookalike_key"]
            )
        moves = (role is not None and role != user.role) or enrolled_as is not None
        if changes:
            await change(
                session, user, changes, what="moved" if moves else "updated", actor=actor, reason=reason, access=False
            )
        if moves:
            await self._enrol_anew(session, user, enrolled_as, actor=actor, reason=reason)
        if status is not None and status != user.status:
            await self._set_status(session, user, UserStatus(status), actor=actor, reason=reason)
        return await get_user(session, user_id=user_id)

    def _checked(self, user: User, wanted: Mapping[str, Any]) -> dict[str, Any]:
        allowed = _PLAIN | {"username", "email", "role", "scim"}
        if unknown := sorted(set(wanted) - allowed):
            raise Invalid.field(unknown[0], "can't be changed this way", f"change some of {', '.join(sorted(allowed))}")
        now_so = {name: getattr(user, name) for name in ("username", "email", "full_name", "role")}
        as_new = NewUser(**{**now_so, **{k: v for k, v in wanted.items() if k in NewUser.__dataclass_fields__}})
        if problems := problems_of(as_new):
            raise Invalid(problems=problems)
        changes: dict[str, Any] = {name: list(value) if name == "tags" else value for name, value in wanted.items()}
        if "username" in changes:
            changes["username_key"] = folded(changes["username"])
            changes["lookalike_key"] = lookalike_key(changes["username_key"])
        if "email" in changes:
            changes["email_key"] = email_key(changes["email"]) if changes["email"] is not None else None
        return changes

    async def _enrol_anew(
        self, session: AsyncSession, user: User, wanted: str | None, *, actor: str, reason: str
    ) -> None:
        rules = await rules_of(session)
        enrolled_as, rule = rules.choose(
            role=user.role, department=user.department, attributes=user.profile_data, wanted=wanted
        )
        row = enrollment_row(
            tenant_id=user.tenant_id, user_id=user.id, enrollment_type=enrolled_as, rule=rule, actor=actor, at=now()
        )
        # what waited for the former role waits for nothing any more
        await session.execute(
            sa.update(Enrollment)
            .where(
                Enrollment.tenant_id == user.tenant_id,
                Enrollment.user_id == user.id,
                Enrollment.status == "pending_manual_review",
            )
            .values(status="expired", decided_at=now(), due_at=None, reason="the user moved on")
        )
        await drop_denials(session, user.id)
        await session.execute(insert(Enrollment).values(row))
        given = rule if row["automatic"] else rule.within(user.permissions, user.system_access)
        joins = row["automatic"] and user.status == UserStatus.PENDING
        await change(
            session,
            user,
            {"status": UserStatus.ACTIVE} if joins else {},
            what="access_changed",
            actor=actor,
            reason=reason or f"enrolled as {enrolled_as}",
            rule=given,
        )
        await pending_changes(session, [row])

    async def set_status(
        self, session: AsyncSession, *, user_id: UUID, status: UserStatus, actor: str, reason: str = ""
    ) -> UserInfo:
        """Move through the lifecycle; leaving and being suspended take every access. Already so is no error.

        Raises NotFound, Conflict for a move that the lifecycle has not.
        """
        user = await locked(session, user_id)
        if user.status != status:
            await self._set_status(session, user, status, actor=actor, reason=reason)
        return await get_user(session, user_id=user_id)

    async def _set_status(
        self, session: AsyncSession, user: User, status: UserStatus, *, actor: str, reason: str
    ) -> None:
        if status not in MOVES[UserStatus(user.status)]:
            raise Conflict(
                f"a user who is {user.status} can't become {status}",
                remedy="possible: " + ", ".join(sorted(MOVES[UserStatus(user.status)])),
            )
        fields: dict[str, Any] = {"status": status}
        if status in HAS_ADDRESS and user.status not in HAS_ADDRESS and user.holds_names:
            await self._check_free(session, user, {"email_key": user.email_key})
        if status == UserStatus.INACTIVE and user.deactivated_at is None:
            fields["deactivated_at"] = now()
        elif status == UserStatus.ACTIVE:
            fields["deactivated_at"] = None
        await change(session, user, fields, what=_DONE[status], actor=actor, reason=reason)

    async def release_names(self, session: AsyncSession, *, user_id: UUID, actor: str) -> None:
        """Deactivate a user and give its username and address back, for others to take. Raises NotFound."""
        user = await locked(session, user_id)
        if user.status not in (UserStatus.INACTIVE, UserStatus.ARCHIVED):
            await self._set_status(session, user, UserStatus.INACTIVE, actor=actor, reason="names given back")
        await change(session, user, {"holds_names": False}, what="released", actor=actor, access=False)

    async def expire_due(self, session: AsyncSession) -> int:
        """Deactivate the users of this tenant whose time is over; returns how many."""
        rows = await session.scalars(
            sa.select(User)
            .where(
                User.tenant_id == tenant_of(session),
                User.expires_at <= now(),
                User.status.in_([UserStatus.ACTIVE, UserStatus.PENDING, UserStatus.SUSPENDED]),
            )
            .limit(500)
            .with_for_update(skip_locked=True)
        )
        count = 0
        for user in rows:
            await self._set_status(
                session, user, UserStatus.INACTIVE, actor="system:lifecycle", reason="the account's time is over"
            )
            count += 1
        return count

    async def _check_manager(self, session: AsyncSession, manager_id: UUID | None, *, user_id: UUID | None) -> None:
        if manager_id is None:
            return
        if manager_id == user_id:
            raise Invalid.field("manager_id", "is the user itself", "name another user")
        known = await session.scalar(
            sa.select(User.id).where(User.tenant_id == tenant_of(session), User.id == manager_id)
        )
        if known is None:
            raise Invalid.field("manager_id", "is no user", "register the manager first")

    async def _check_free(self, session: AsyncSession, user: User, keys: Mapping[str, str | None]) -> None:
        # Two at the same moment get past this; the unique index lets one of them through, the other is a Conflict too.
        for key, value in keys.items():
            if value is None:
                continue
            held = sa.and_(User.tenant_id == user.tenant_id, User.holds_names, User.id != user.id)
            if key == "username_key":
                held &= User.username_key == value
            else:
                held &= sa.and_(User.email_key == value, User.status.in_(HAS_ADDRESS))
            holder = await session.scalar(sa.select(User.id).where(held))
            if holder is not None:
                raise taken(key.removesuffix("_key"))

    async def _taken(self, session: AsyncSession, row: Mapping[str, Any]) -> Conflict:
        username = await session.scalar(
            sa.select(User.id).where(
                User.tenant_id == tenant_of(session), User.username_key == row["username_key"], User.holds_names
            )
        )
        return taken("username" if username else "email")


def taken(field: str) -> Conflict:
    """The refusal of a name that somebody has."""
    return Conflict(
        f"a user with this {field} exists already",
        remedy=f"use another {field}, or change the user who has it",
        problems=[FieldProblem(field=field, problem="is taken", remedy="use another one")],
    )


async def get_user(session: AsyncSession, *, user_id: UUID) -> UserInfo:
    """Raises NotFound."""
    row = await session.scalar(sa.select(User).where(User.tenant_id == tenant_of(session), User.id == user_id))
    if row is None:
        raise NotFound("no user of this id")
    return info(row)


def info(row: User) -> UserInfo:
    """As other rooms see it."""
    return UserInfo(**{name: getattr(row, name) for name in UserInfo.__dataclass_fields__})
