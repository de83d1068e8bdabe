"""Credentials of operators: API tokens, sessions and links are issued, recognized and revoked here.

Only the hash of a secret is stored. What a browser is signed in with belongs to `sessions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import Password, Token
from opsteward.accounts.queries import get_operator
from opsteward.accounts.role_delegation import check_scopes
from opsteward.accounts.types import Identity, NewToken
from opsteward.core import feed
from opsteward.core.acting import note_acting
from opsteward.core.clock import now
from opsteward.core.crypto import new_token, token_hash
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import NotFound, Unauthenticated
from opsteward.core.ids import uuid7
from opsteward.telemetry import audit

_USE_RESOLUTION = timedelta(minutes=1)


async def issue_token(
    session: AsyncSession,
    *,
    operator_id: UUID,
    kind: str,
    name: str,
    actor: str,
    ttl: timedelta | None = None,
    by: Identity | None = None,
    scopes: Sequence[str] | None = None,
    secret: str | None = None,
    issued_by: str | None = None,
) -> NewToken:
    """A new credential of kind `api`, `session`, or of one use: `link` for signing in, `password` for setting one.
    Only its hash is stored. `scopes` limit it below what the operator may; `secret` is one that nobody can guess,
    `issued_by` who else can use it, where that is not who asks.

    With the credential that asks for it (`by`), one for oneself keeps that one's issuer: who was given another's
    token can't make a further one out of it that looks like the other's own. Nor one that may more, or that outlives
    an API token. Raises NotFound, Invalid for a scope that reaches nothing, Denied for one beyond the asker's.
    """
    operator = await get_operator(session, operator_id=operator_id)
    own = by is not None and by.operator_id == operator.id
    limited = check_scopes(scopes, by=by) if scopes is not None else None
    expires_at = now() + ttl if ttl else None
    if by is not None:
        if limited is None and by.scopes is not None:
            limited = list(by.scopes)
        if by.kind == "api" and by.expires_at is not None:
            expires_at = min(expires_at or by.expires_at, by.expires_at)
    secret, at = secret or new_token(), now()
    token = Token(
        id=uuid7(),
        tenant_id=tenant_of(session),
        operator_id=operator.id,
        kind=kind,
        name=name,
        secret_hash=token_hash(secret),
        issued_by=issued_by or (by.issued_by if by is not None and own else actor),
        made_at=(await made_at(session, by) if by is not None and own and issued_by is None else None) or at,
        created_at=at,
        scopes=limited,
        expires_at=expires_at,
    )
    session.add(token)
    await session.flush()
    await audit.record(
        session,
        actor=actor,
        verb="token.issued",
        object_type="token",
        object_id=str(token.id),
        detail={"kind": kind, "operator": str(operator.id)} | ({"scopes": limited} if limited is not None else {}),
    )
    return NewToken(id=token.id, secret=secret, scopes=limited, expires_at=expires_at)


async def made_at(session: AsyncSession, by: Identity) -> datetime | None:
    """When the issuer of what somebody shows made what it stems from; None where nothing of it is kept here."""
    own = (Token.tenant_id == tenant_of(session), Token.id == by.token_id)
    of_password = (Password.tenant_id == tenant_of(session), Password.id == by.token_id)
    return await session.scalar(
        sa.union_all(sa.select(Token.made_at).where(*own), sa.select(Password.made_at).where(*of_password))
    )


async def authenticate(db: Database, *, secret: str) -> Identity:
    """Who bears this secret; the rest of this request acts as them. Raises Unauthenticated without saying why."""
    row = await db.find_by_hash("token_owner", token_hash(secret))
    if row is None:
        raise Unauthenticated("the credential is unknown, expired or revoked")
    identity = Identity(
        tenant_id=row.tenant_id,
        tenant_name=row.tenant_name,
        operator_id=row.operator_id,
        operator_name=row.operator_name,
        roles=tuple(row.roles),
        token_id=row.token_id,
        kind=row.kind,
        last_used_at=row.last_used_at,
        issued_by=row.issued_by,
        scopes=tuple(row.scopes) if row.scopes is not None else None,
        expires_at=row.expires_at,
    )
    note_acting(identity.actor, identity.token_id if identity.kind == "api" else None)
    return identity


def use_is_news(identity: Identity) -> bool:
    """Whether the use of this credential is to be remembered: at most once a minute, so that reading stays cheap."""
    return identity.last_used_at is None or identity.last_used_at < now() - _USE_RESOLUTION


async def note_use(session: AsyncSession, *, token_id: UUID) -> None:
    """Remember that a token was used, at most once a minute."""
    await session.execute(
        sa.update(Token)
        .where(
            Token.tenant_id == tenant_of(session),
            Token.id == token_id,
            sa.or_(Token.last_used_at.is_(None), Token.last_used_at < now() - _USE_RESOLUTION),
        )
        .values(last_used_at=now())
    )


async def use_up(session: AsyncSession, *, link: Identity, kind: str) -> None:
    """End a credential of one use. Raises Unauthenticated the second time, and for one of another kind."""
    used = await session.scalar(
        sa.update(Token)
        .where(Token.tenant_id == link.tenant_id, Token.id == link.token_id, Token.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(Token.id)
    )
    if link.kind != kind or used is None:
        raise Unauthenticated("this link was used or has expired")


async def revoke_token(session: AsyncSession, *, token_id: UUID, actor: str) -> None:
    """Raises NotFound for an unknown or already revoked token. Who holds connections open for it hears of it."""
    found = await session.scalar(
        sa.update(Token)
        .where(Token.tenant_id == tenant_of(session), Token.id == token_id, Token.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(Token.id)
    )
    if found is None:
        raise NotFound("no valid token of this id")
    await audit.record(session, actor=actor, verb="token.revoked", object_type="token", object_id=str(token_id))
    await feed.announce(session, kind="token", object_id=str(token_id))
