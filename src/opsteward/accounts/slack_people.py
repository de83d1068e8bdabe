"""Which operator a user of Slack is.

Who is linked has a token of their own, limited to what buttons do; its secret follows from the signing secret of the
Slack app and the user, and is stored nowhere. So a press of a button is the deed of that operator by that token: who
made it counts for the second person, and whoever revokes it ends the link. Who connected the app knows its signing
secret, so could sign a press of anybody: every link is of their making.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import Token
from opsteward.accounts.tokens import issue_token
from opsteward.accounts.types import Identity, NewToken
from opsteward.accounts.webhooks import Webhooks
from opsteward.core.crypto import token_hash
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Denied, Invalid

#: What a press of a button may do.
SCOPES = ("approvals.decide", "incidents.write")
_ID = re.compile(r"[A-Z][A-Z0-9]{2,30}")


def credential_of(signing_secret: str, *, team: str, user: str) -> str:
    """The secret of the token of a user of Slack. Raises Invalid for what is no id of Slack."""
    for field, value in (("team", team), ("user", user)):
        if not _ID.fullmatch(value):
            raise Invalid.field(field, "is no id of Slack", "it is like U012AB3CD: see the profile in Slack")
    return hmac.new(signing_secret.encode(), f"person:{team}:{user}".encode(), hashlib.sha256).hexdigest()


async def link(
    session: AsyncSession, webhooks: Webhooks, *, operator_id: UUID, team: str, user: str, by: Identity
) -> NewToken:
    """Let what this user presses in Slack be done by this operator. Raises Conflict for one who is linked already, or
    where no Slack app is connected; Denied where the link would be of the making of two others."""
    app = await webhooks.slack_app(session)
    maker = _maker(operator_id, app.connected_by, by)
    credential = credential_of(app.secret, team=team, user=user)
    row = await session.scalar(
        sa.select(Token).where(Token.tenant_id == tenant_of(session), Token.secret_hash == token_hash(credential))
    )
    if row is not None and row.revoked_at is None:
        raise Conflict(f"{user} is linked already", remedy=f"revoke the token {row.id} first")
    if row is not None:
        row.secret_hash = token_hash(secrets.token_hex(32))  # it is over, and its place is needed
        await session.flush()
    return await issue_token(
        session,
        operator_id=operator_id,
        kind="api",
        name=f"Slack {user}",
        actor=by.actor,
        by=by,
        scopes=SCOPES,
        secret=credential,
        issued_by=maker,
    )


def _maker(operator_id: UUID, connected_by: str, by: Identity) -> str:
    """Of whose making the link is: who can use it but the operator. One token names one maker, so two are refused."""
    operator = f"operator:{operator_id}"
    asker = by.issued_by or operator if by.operator_id == operator_id else by.actor
    others = {one for one in (connected_by, asker) if one.startswith("operator:") and one != operator}
    if len(others) > 1:
        raise Denied(
            "the link would be of the making of two others: who asks, and who connected the Slack app",
            remedy="sign in as the operator who is linked, by password or identity provider, and link yourself",
        )
    return others.pop() if others else operator
