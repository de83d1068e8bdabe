"""Browser sessions: begun by a token or a sign-in link, recognized by their cookie, and ended.

A session rides in a cookie, which a browser sends along with whatever page asks for it. So a request that changes
something, and every WebSocket, must also come from a page of ours, which its `Origin` tells.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import Token
from opsteward.accounts.tokens import authenticate, issue_token, use_up
from opsteward.accounts.types import Identity, NewToken
from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Unauthenticated
from opsteward.telemetry import audit

SESSION_COOKIE = "opsteward_session"
SESSION_DAYS = 14
#: How long a link for signing in, or for setting a password, holds.
LINK_MINUTES = 15
_SIGNED_IN_WITH = ("session", "link", "password")


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Whether the headers `Origin` and `Host` say that a page of ours asks."""
    return origin is not None and host is not None and origin.partition("://")[2] == host


async def identify(db: Database, *, secret: str) -> Identity:
    """Who bears this session. Raises Unauthenticated for a session that is over, and for any other credential."""
    if not secret:
        raise Unauthenticated("no session")
    identity = await authenticate(db, secret=secret)
    if identity.kind != "session":
        raise Unauthenticated("this credential is not for that use")
    return identity


async def redeem_link(session: AsyncSession, *, link: Identity) -> NewToken:
    """Trade a sign-in link for a browser session; the link is used up. Raises Unauthenticated the second time."""
    await use_up(session, link=link, kind="link")
    return await signed_in(session, link)


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
    notified = set(ended) or {operator_id}  # API tokens are looked at again upon any notice of their tenant
    for token_id in notified:
        await feed.announce(session, kind="token", object_id=str(token_id))
