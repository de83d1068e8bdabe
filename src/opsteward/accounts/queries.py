"""Reads of who works with Opsteward: operators, and their API tokens without the secrets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.models import Operator, Token
from opsteward.accounts.types import OperatorInfo, TokenInfo
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.keyset import in_order
from opsteward.core.references import called

#: What tokens can be ordered by; those without an end, or never used, come last, or first upwards.
TOKEN_ORDERS: dict[str, Any] = {
    "made": Token.id,
    "name": sa.func.lower(Token.name),
    "used": sa.func.coalesce(Token.last_used_at, sa.func.to_timestamp(0)),
    "ends": sa.func.coalesce(Token.expires_at, sa.literal_column("'infinity'::timestamptz")),
}


async def get_operator(session: AsyncSession, *, operator_id: UUID) -> OperatorInfo:
    """Raises NotFound."""
    row = await session.scalar(
        sa.select(Operator).where(Operator.tenant_id == tenant_of(session), Operator.id == operator_id)
    )
    if row is None:
        raise NotFound("no operator of this id")
    return _operator_info(row)


async def find_operator(session: AsyncSession, *, name: str) -> OperatorInfo:
    """By name, whatever its case. Raises NotFound."""
    row = await session.scalar(
        sa.select(Operator).where(Operator.tenant_id == tenant_of(session), Operator.name_key == name.casefold())
    )
    if row is None:
        raise NotFound("no operator of this name")
    return _operator_info(row)


async def list_operators(
    session: AsyncSession,
    *,
    role: str | None = None,
    status: str | None = None,
    ref: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[OperatorInfo]:
    """By name, behind that of the name `after`; `ref`: by name, id, or a part of the id."""
    query = sa.select(Operator).where(Operator.tenant_id == tenant_of(session))
    if role is not None:
        query = query.where(Operator.roles.contains([role]))
    if status is not None:
        query = query.where(Operator.status == status)
    if ref is not None:
        ids = await called(session, Operator, ref, names=[Operator.name_key == ref.casefold()])
        query = query.where(Operator.id.in_(ids))
    if after is not None:
        query = query.where(Operator.name_key > after.casefold())
    found = (await session.scalars(query.order_by(Operator.name_key).limit(limit))).all()
    actors = await actors_of(session, (row.created_by for row in found))
    return [replace(_operator_info(row), creator=actors.maybe(row.created_by)) for row in found]


async def list_tokens(
    session: AsyncSession,
    *,
    operator_id: UUID | None = None,
    ref: str | None = None,
    before: UUID | None = None,
    limit: int = 1000,
    by: str = "made",
    descending: bool = True,
) -> list[TokenInfo]:
    """API tokens by one of TOKEN_ORDERS, newest first, without their secrets; `before`: behind this one; `ref`: by
    name, id, or a part of the id."""
    own = (Token.tenant_id == tenant_of(session), Token.kind == "api")
    query = sa.select(Token).where(*own).limit(limit)
    query = in_order(query, by=TOKEN_ORDERS[by], row_id=Token.id, descending=descending, after=before)
    if operator_id is not None:
        query = query.where(Token.operator_id == operator_id)
    if ref is not None:
        valid = (Token.kind == "api") & (Token.name == ref) & Token.revoked_at.is_(None)
        query = query.where(Token.id.in_(await called(session, Token, ref, names=[valid])))
    found = (await session.scalars(query)).all()
    actors = await actors_of(session, (one for t in found for one in (f"operator:{t.operator_id}", t.issued_by)))
    return [
        TokenInfo(
            id=t.id,
            operator_id=t.operator_id,
            operator=actors(f"operator:{t.operator_id}").name,
            issuer=actors(t.issued_by),
            kind=t.kind,
            name=t.name,
            scopes=t.scopes,
            created_at=t.created_at,
            expires_at=t.expires_at,
            revoked_at=t.revoked_at,
            last_used_at=t.last_used_at,
        )
        for t in found
    ]


def _operator_info(row: Operator) -> OperatorInfo:
    return OperatorInfo(id=row.id, name=row.name, roles=row.roles, status=row.status, created_at=row.created_at)
