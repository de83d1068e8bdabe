"""How a new user is written: its row and its first enrolment in one statement. What they hold is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.name_keys import email_key, folded, lookalike_key
from opsteward.directory.enrollment_rules.rules import Rule, due_access
from opsteward.directory.models import Enrollment, User
from opsteward.directory.types import NewUser, UserStatus
from opsteward.directory.user_fields import TEXTS

_USERS = cast(sa.Table, User.__table__)
_ENROLLMENTS = cast(sa.Table, Enrollment.__table__)
_LOOKALIKE = (
    sa.select(_USERS.c.id)
    .where(
        _USERS.c.tenant_id == sa.bindparam("tenant", type_=sa.Uuid),
        _USERS.c.holds_names,
        _USERS.c.username_key != sa.bindparam("key"),
        sa.or_(
            _USERS.c.lookalike_key == sa.bindparam("looks", type_=sa.Text),
            _USERS.c.username_key == sa.bindparam("looks", type_=sa.Text),
        ),
    )
    .limit(1)
)


def user_row(new: NewUser, *, rule: Rule, enrolled: bool, tenant_id: UUID, actor: str) -> dict[str, Any]:
    """The row of a checked new user, without its id and times; with access where it is enrolled at once."""
    key = folded(new.username)
    status = UserStatus.ACTIVE if enrolled else UserStatus.PENDING if new.active else UserStatus.INACTIVE
    permissions, systems = due_access(rule, (), status=status)
    return {
        "tenant_id": tenant_id,
        "username": new.username,
        "username_key": key,
        "lookalike_key": lookalike_key(key),
        "looks_like": None,
        "email": new.email,
        "email_key": email_key(new.email) if new.email is not None else None,
        "full_name": new.full_name,
        "status": status,
        "role": new.role,
        **{field.name: getattr(new, field.name, None) for field in TEXTS},
        "manager_id": new.manager_id,
        "permissions": permissions,
        "system_access": systems,
        "profile_data": dict(new.profile_data),
        "tags": list(new.tags),
        "scim": dict(new.scim) if new.scim is not None else None,
        "source": new.source,
        "created_by": actor,
        "version": 1,
        "expires_at": new.expires_at,
    }


def _adding() -> sa.Select[tuple[UUID, UUID | None]]:
    """Made once: a statement is built anew for each `values(...)`, which costs more than sending it."""
    given = [c for c in _USERS.c if c.computed is None and c.name not in ("looks_like", "holds_names")]
    user: dict[str, Any] = {c.name: sa.bindparam(f"user_{c.name}", type_=c.type) for c in given}
    added = (
        insert(_USERS)
        .values(user | {"looks_like": _LOOKALIKE.scalar_subquery()})
        .on_conflict_do_nothing()
        .returning(_USERS.c.id, _USERS.c.looks_like)
        .cte("added")
    )
    first = sa.select(*(sa.bindparam(f"enrollment_{c.name}", type_=c.type) for c in _ENROLLMENTS.c)).select_from(added)
    enrolled = insert(_ENROLLMENTS).from_select(list(_ENROLLMENTS.c.keys()), first, include_defaults=False)
    return sa.select(added.c.id, added.c.looks_like).add_cte(enrolled.cte("enrolled"))


_ADD = _adding()


async def add(session: AsyncSession, user: dict[str, Any], enrollment: Mapping[str, Any]) -> bool:
    """Add both, and say in `user` whose username this one's can be mistaken for; False where a name is taken."""
    parameters = {f"user_{name}": value for name, value in user.items() if name != "looks_like"}
    parameters |= {f"enrollment_{name}": value for name, value in enrollment.items()}
    row = (
        await session.execute(_ADD, parameters | _looked_for(user["username_key"], user["lookalike_key"], session))
    ).first()
    if row is not None:
        user["looks_like"] = row.looks_like
    return row is not None


async def looks_like(session: AsyncSession, key: str, looks: str | None) -> UUID | None:
    """The user whose username this one can be mistaken for."""
    found: UUID | None = await session.scalar(_LOOKALIKE, _looked_for(key, looks, session))
    return found


def _looked_for(key: str, looks: str | None, session: AsyncSession) -> dict[str, Any]:
    return {"tenant": tenant_of(session), "key": key, "looks": looks or key}
