"""Browser sessions, as everything that takes requests from browsers sees them: the cookie, and who bears it.

A session rides in a cookie, which a browser sends along with whatever page asks for it. So a request that changes
something, and every WebSocket, must also come from a page of ours, which its `Origin` tells.
"""

from __future__ import annotations

from opsteward.accounts import credentials
from opsteward.accounts.types import Identity
from opsteward.core.db import Database
from opsteward.core.errors import Unauthenticated

SESSION_COOKIE = "opsteward_session"


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Whether the headers `Origin` and `Host` say that a page of ours asks."""
    return origin is not None and host is not None and origin.partition("://")[2] == host


async def identify(db: Database, *, secret: str) -> Identity:
    """Who bears this session. Raises Unauthenticated for a session that is over, and for any other credential."""
    if not secret:
        raise Unauthenticated("no session")
    identity = await credentials.authenticate(db, secret=secret)
    if identity.kind != "session":
        raise Unauthenticated("this credential is not for that use")
    return identity
