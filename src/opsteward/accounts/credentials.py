"""Operators and their credentials: create, authenticate, revoke."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actor_of, actors_of
from opsteward.accounts.models import Operator, Password, Token
from opsteward.accounts.role_delegation import check_roles, check_scopes
from opsteward.accounts.types import Identity, NewToken, OperatorInfo, TokenInfo
from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.crypto import new_token, token_hash
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from opsteward.core.ids import uuid7
from opsteward.core.references import called
from opsteward.telemetry import audit

SESSION_DAYS = 14
LINK_MINUTES = 15
_NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?")
_USE_RESOLUTION = timedelta(minutes=1)


async def create_operator(
    session: AsyncSession, *, name: str, roles: Sequence[str], actor: str, by: Identity | None = None
) -> OperatorInfo:
    """Add an operator to this tenant. Raises Invalid for a bad name or role, Conflict for a taken name,
    Denied for giving a role that grants more than one has oneself."""
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
) -> NewToken:
    """A new credential of kind `api`, `session`, or of one use: `link` for signing in, `password` for setting one.
    Only its hash is stored. `scopes` limit it below what the operator may.

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
    secret, at = new_token(), now()
    token = Token(
        id=uuid7(),
        tenant_id=tenant_of(session),
        operator_id=operator.id,
        kind=kind,
        name=name,
        secret_hash=token_hash(secret),
        issued_by=by.issued_by if by is not None and own else actor,
        made_at=(await made_at(session, by) if by is not None and own else None) or at,
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
    """Who bears this secret. Raises Unauthenticated without saying why."""
    row = await db.look_up("select * from opsteward.token_owner(:hash)", {"hash": token_hash(secret)})
    if row is None:
        raise Unauthenticated("the credential is unknown, expired or revoked")
    return Identity(
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


async def redeem_link(session: AsyncSession, *, link: Identity) -> NewToken:
    """Trade a sign-in link for a browser session; the link is used up. Raises Unauthenticated the second time."""
    await use_up(session, link=link, kind="link")
    return await signed_in(session, link)


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


async def open_session(session: AsyncSession, *, owner: Identity) -> NewToken:
    """A browser session for who has shown an API token. Raises Unauthenticated for any other credential: a link is
    used up by `redeem_link`, and a session makes no further one."""
    if owner.kind != "api":
        raise Unauthenticated("this credential opens no session")
    return await signed_in(session, owner)


async def signed_in(session: AsyncSession, owner: Identity) -> NewToken:
    """A browser session for who has shown, in whichever way `owner.kind` says, who they are."""
    await audit.record(
        session,
        actor=owner.actor,
        verb="sign_in.succeeded",
        object_type="operator",
        object_id=str(owner.operator_id),
        detail={"by": owner.kind},
    )
    return await issue_token(
        session,
        operator_id=owner.operator_id,
        kind="session",
        name="browser",
        actor=owner.actor,
        ttl=timedelta(days=SESSION_DAYS),
        by=owner,
    )


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


async def list_tokens(
    session: AsyncSession,
    *,
    operator_id: UUID | None = None,
    ref: str | None = None,
    before: UUID | None = None,
    limit: int = 1000,
) -> list[TokenInfo]:
    """API tokens, newest first, without their secrets; `ref`: by name, id, or a part of the id."""
    own = (Token.tenant_id == tenant_of(session), Token.kind == "api")
    query = sa.select(Token).where(*own).order_by(Token.id.desc()).limit(limit)
    if operator_id is not None:
        query = query.where(Token.operator_id == operator_id)
    if before is not None:
        query = query.where(Token.id < before)
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
