"""What a SCIM client does to users, by the service that every interface uses: registered, changed, moved, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.errors import Invalid
from opsteward.core.ids import uuid7
from opsteward.core.name_keys import email_key
from opsteward.directory.models import User
from opsteward.directory.scim.models import ScimEmail, ScimGroupMember
from opsteward.directory.scim.types import UserResource, UserState
from opsteward.directory.types import NewUser, UserStatus
from opsteward.directory.user_validation import free_data_problem
from opsteward.directory.users.service import Users

#: From these `active: false` makes a user inactive. A suspension that was made here is not lifted by `active: true`.
_CAN_LEAVE = (UserStatus.ACTIVE, UserStatus.PENDING, UserStatus.SUSPENDED)


async def known_users(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these that are users here."""
    if not ids:
        return set()
    own = sa.and_(User.tenant_id == tenant_of(session), User.holds_names, User.id.in_(ids))
    return set(await session.scalars(sa.select(User.id).where(own)))


async def create(session: AsyncSession, users: Users, state: UserState, *, actor: str, default_role: str) -> UUID:
    """Register a user: enrolled by its role, like any other. Raises Invalid, Conflict for a taken name or address."""
    keys = _checked(state)
    new = NewUser(
        username=state.username,
        email=state.email,
        full_name=state.full_name,
        role=state.role or default_role,
        department=state.department,
        manager_id=state.manager_id,
        external_id=state.external_id,
        source="scim",
        scim=state.scim,
        active=state.active is not False,
    )
    made = await users.register(session, new=new, actor=actor)
    await _keep_addresses(session, made.id, keys, replacing=False)
    return made.id


async def change(session: AsyncSession, users: Users, before: UserResource, state: UserState, *, actor: str) -> None:
    """Make a user that is held what the state says; what is so already is left alone. Raises Invalid, Conflict."""
    keys = _checked(state)
    wanted: dict[str, object] = {
        "username": state.username,
        "full_name": state.full_name,
        "email": state.email,
        "department": state.department,
        "manager_id": state.manager_id,
        "external_id": state.external_id,
        "scim": dict(state.scim),
    }
    fields = {name: value for name, value in wanted.items() if getattr(before, name) != value}
    if state.role is not None:
        fields["role"] = state.role
    if state.active is False and before.status in _CAN_LEAVE:
        fields["status"] = UserStatus.INACTIVE
    elif state.active and before.status in (UserStatus.INACTIVE, UserStatus.ARCHIVED):
        fields["status"] = UserStatus.ACTIVE
    if not fields:
        return
    await users.update(session, user_id=before.id, fields=fields, actor=actor, reason="by SCIM")
    if "scim" in fields or "email" in fields:
        await _keep_addresses(session, before.id, keys, replacing=True)


async def remove(session: AsyncSession, users: Users, user_id: UUID, *, actor: str) -> None:
    """Deactivate a user and take it out of SCIM: its name is free, its record stays. Raises NotFound."""
    await users.release_names(session, user_id=user_id, actor=actor)
    own = sa.and_(ScimGroupMember.tenant_id == tenant_of(session), ScimGroupMember.member_id == user_id)
    await session.execute(sa.delete(ScimGroupMember).where(own))
    await _keep_addresses(session, user_id, set(), replacing=True)


def _checked(state: UserState) -> set[str]:
    """The keys of the addresses beside the one that has a column."""
    if problem := free_data_problem(state.scim):
        raise Invalid.field("attributes", problem, "leave some out, or shorten them")
    keys: set[str] = set()
    for address in state.emails:
        try:
            keys.add(email_key(address))
        except ValueError as error:
            raise Invalid.field("emails.value", str(error), "use an address like name@example.com") from None
    return keys - ({email_key(state.email)} if state.email is not None else set())


async def _keep_addresses(session: AsyncSession, user_id: UUID, keys: set[str], *, replacing: bool) -> None:
    tenant_id = tenant_of(session)
    if replacing:
        own = sa.and_(ScimEmail.tenant_id == tenant_id, ScimEmail.user_id == user_id)
        await session.execute(sa.delete(ScimEmail).where(own))
    if keys:
        rows = [{"id": uuid7(), "tenant_id": tenant_id, "user_id": user_id, "email_key": key} for key in sorted(keys)]
        await session.execute(insert(ScimEmail).values(rows))
