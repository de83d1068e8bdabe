"""Operators: created, given other roles, deactivated and made active again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actor_of
from opsteward.accounts.models import Operator
from opsteward.accounts.queries import get_operator
from opsteward.accounts.role_delegation import check_roles, require_power_over
from opsteward.accounts.sessions import end_sessions
from opsteward.accounts.types import Identity, OperatorInfo
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid
from opsteward.core.ids import uuid7
from opsteward.telemetry import audit

ACTIVE, INACTIVE = "active", "inactive"
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?")


async def create_operator(
    session: AsyncSession, *, name: str, roles: Sequence[str], actor: str, by: Identity | None = None
) -> OperatorInfo:
    """Add an operator to this tenant. Raises Invalid for a bad name or role, Conflict for a taken name,
    Denied for a role that grants more than the asker has."""
    check_name(name)
    check_roles(roles, by=by)
    row = {
        "id": uuid7(),
        "tenant_id": tenant_of(session),
        "name": name,
        "name_key": name.casefold(),
        "roles": sorted(set(roles)),
        "created_by": actor,
        "status": "active",
        "created_at": now(),
    }
    added = await session.scalar(insert(Operator).values(row).on_conflict_do_nothing().returning(Operator.id))
    if added is None:
        raise Conflict("an operator of this name exists already", remedy="choose another name")
    await audit.record(
        session,
        actor=actor,
        verb="operator.created",
        object_type="operator",
        object_id=str(row["id"]),
        detail={"roles": row["roles"]},
    )
    await record_changes(session, [Change("operator_changed", {"operator_id": str(row["id"])})])
    made = await get_operator(session, operator_id=added)
    return replace(made, creator=actor_of(by) if by is not None else None)


def check_name(name: str, *, field: str = "name") -> None:
    """Raises Invalid naming `field` for what can't be an operator's name."""
    if not _NAME.fullmatch(name):
        raise Invalid.field(
            field, "is empty, too long or holds control characters", "use 1 to 100 printable characters"
        )


async def change_operator(
    session: AsyncSession,
    *,
    operator_id: UUID,
    actor: str,
    roles: Sequence[str] | None = None,
    status: str | None = None,
    by: Identity | None = None,
) -> OperatorInfo:
    """Give an operator these roles, or make them `active` or `inactive`. What changes ends their browser sessions.

    Raises NotFound, Invalid for a role that is none, Denied for power that the asker has not, Conflict where it would
    leave the tenant without an owner.
    """
    # All owners first, in one order: two who remove each other at once wait here, and the second sees the first's deed.
    owners = await session.scalars(
        sa.select(Operator.id)
        .where(Operator.tenant_id == tenant_of(session), Operator.status == ACTIVE, Operator.roles.any_() == "owner")
        .order_by(Operator.id)
        .with_for_update()
    )
    others = set(owners) - {operator_id}
    before = await get_operator(session, operator_id=operator_id)
    if roles is None and status is None:
        raise Invalid.field("body", "changes nothing", "give roles, status or both")
    if by is not None:
        require_power_over(by, before.roles)
    if roles is not None:
        check_roles(roles, by=by)
    after_roles, after_status = sorted(set(roles if roles is not None else before.roles)), status or before.status
    was_owner = "owner" in before.roles and before.status == ACTIVE
    if was_owner and not others and ("owner" not in after_roles or after_status != ACTIVE):
        raise Conflict("the tenant's last owner stays one", remedy="make another operator an owner first")
    if (after_roles, after_status) == (sorted(before.roles), before.status):
        return before
    await session.execute(
        sa.update(Operator)
        .where(Operator.tenant_id == tenant_of(session), Operator.id == operator_id)
        .values(roles=after_roles, status=after_status)
    )
    await audit.record(
        session,
        actor=actor,
        verb="operator.changed",
        object_type="operator",
        object_id=str(operator_id),
        detail={"roles": after_roles, "status": after_status, "roles_before": before.roles, "before": before.status},
    )
    await record_changes(session, [Change("operator_changed", {"operator_id": str(operator_id)})])
    await end_sessions(session, operator_id=operator_id)
    return await get_operator(session, operator_id=operator_id)
