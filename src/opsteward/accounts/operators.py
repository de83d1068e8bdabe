"""What becomes of an operator: other roles, deactivated, active again; and the end of what they were signed in with."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.credentials import get_operator
from opsteward.accounts.models import Operator, Token
from opsteward.accounts.role_delegation import check_roles, require_power_over
from opsteward.accounts.types import Identity, OperatorInfo
from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid
from opsteward.telemetry import audit

ACTIVE, INACTIVE = "active", "inactive"
_SIGNED_IN_WITH = ("session", "link", "password")


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


async def end_sessions(session: AsyncSession, *, operator_id: UUID, but: UUID | None = None) -> None:
    """End all that an operator is, or could be, signed in to the console with, except one session; who holds
    connections open for any of their credentials hears of it."""
    of_theirs = (Token.tenant_id == tenant_of(session), Token.operator_id == operator_id, Token.revoked_at.is_(None))
    ended = await session.scalars(
        sa.update(Token)
        .where(*of_theirs, Token.kind.in_(_SIGNED_IN_WITH), Token.id != but if but else sa.true())
        .values(revoked_at=now())
        .returning(Token.id)
    )
    told = set(ended) or {operator_id}  # API tokens are looked at again upon any notice of their tenant
    for token_id in told:
        await feed.announce(session, kind="token", object_id=str(token_id))
