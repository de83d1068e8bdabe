"""Senders of requests from outside: who they are, shown by the signature of what they send.

A request is signed with HMAC-SHA256 of `<timestamp>.<raw body>`; the header is `X-Opsteward-Signature: t=...,v1=...`.
Slack signs in its own way, with a secret that it has made. The secret shows the sender, and with it the tenant. A
signature is good for some minutes, and once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.models import Webhook
from opsteward.accounts.used_once import use_once
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.crypto import SecretBox
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from opsteward.core.ids import uuid7
from opsteward.core.name_keys import name_problem
from opsteward.telemetry import audit

SLACK = "slack"
KINDS = ("user-signup", SLACK)
#: How far a request's timestamp may lie from our clock, in seconds.
WINDOW = 300
WEBHOOK_BYTES_LIMIT = 64 * 1024  # it is hashed once for every sender
_MAX = 50
_SIGNATURE = re.compile(r"t=([0-9]{1,12})((?:,v1=[0-9a-f]{64}){1,5})")
_SLACK_SIGNATURE = re.compile(r"v0=([0-9a-f]{64})")
_SLACK_SECRET = re.compile(r"[0-9A-Za-z]{16,100}")


@dataclass(frozen=True, kw_only=True)
class WebhookInfo:
    """A sender without its secret."""

    id: UUID
    kind: str
    name: str
    created_by: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewWebhook:
    """The only time the secret is seen."""

    id: UUID
    secret: str


@dataclass(frozen=True, kw_only=True)
class SlackApp:
    """Its signing secret, and who gave it: they can sign a press of anybody."""

    secret: str
    connected_by: str


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a request shows for itself: `before` the body it was signed, and one of `given` is to be right."""

    before: bytes
    given: list[str]


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sent a request that was signed as it should."""

    tenant_id: UUID
    webhook_id: UUID
    digest: bytes

    @property
    def actor(self) -> str:
        """How the audit log refers to it."""
        return f"webhook:{self.webhook_id}"


class Webhooks:
    """Keeps senders and tells them by their signatures; one per process."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    async def create(
        self, session: AsyncSession, *, kind: str, name: str, actor: str, secret: str | None = None
    ) -> NewWebhook:
        """A new sender; `secret` is Slack's signing secret, for others it is made here. Raises Invalid, or Conflict
        when the tenant has too many."""
        if kind not in KINDS:
            raise Invalid.field("kind", f"{kind!r:.40} is none", f"use one of {', '.join(KINDS)}")
        if problem := name_problem(name, most=100):
            raise Invalid.field("name", problem, "use 1 to 100 printable characters")
        _check_secret(kind, secret)
        living = [one for one in await self.all(session) if one.revoked_at is None]
        if len(living) >= _MAX:
            raise Conflict(f"the tenant has {_MAX} webhooks already", remedy="revoke one first")
        if kind == SLACK and any(one.kind == SLACK for one in living):
            raise Conflict("a Slack app is connected already", remedy="revoke its webhook first")
        secret, webhook_id = secret or f"whsec_{secrets.token_urlsafe(32)}", uuid7()
        bound_to = _bound_to(tenant_of(session), webhook_id)
        session.add(
            Webhook(
                id=webhook_id,
                tenant_id=tenant_of(session),
                kind=kind,
                name=name,
                secret_sealed=self._box.encrypt({"secret": secret}, bound_to=bound_to),
                created_by=actor,
            )
        )
        await session.flush()
        await _audited(session, "webhook.created", webhook_id, actor)
        return NewWebhook(id=webhook_id, secret=secret)

    async def all(self, session: AsyncSession) -> list[WebhookInfo]:
        """The tenant's senders, newest first."""
        rows = await session.scalars(
            sa.select(Webhook).where(Webhook.tenant_id == tenant_of(session)).order_by(Webhook.id.desc()).limit(500)
        )
        return [WebhookInfo(**{name: getattr(row, name) for name in WebhookInfo.__dataclass_fields__}) for row in rows]

    async def encrypt_anew(self, session: AsyncSession) -> int:
        """Encrypt the secrets with the current key; gives how many were not."""
        count = 0
        rows = await session.scalars(
            sa.select(Webhook).where(Webhook.tenant_id == tenant_of(session)).with_for_update()
        )
        for row in rows:
            bound_to, of = _bound_to(row.tenant_id, row.id), f"the webhook {row.name}"
            if anew := self._box.encrypt_anew(row.secret_sealed, bound_to=bound_to, of=of):
                row.secret_sealed = anew
                count += 1
        await session.flush()
        return count

    async def revoke(self, session: AsyncSession, *, webhook_id: UUID, actor: str) -> None:
        """Take nothing from it any more. Raises NotFound."""
        found = await session.scalar(
            sa.update(Webhook)
            .where(Webhook.tenant_id == tenant_of(session), Webhook.id == webhook_id, Webhook.revoked_at.is_(None))
            .values(revoked_at=now())
            .returning(Webhook.id)
        )
        if found is None:
            raise NotFound("no webhook of this id")
        await _audited(session, "webhook.revoked", webhook_id, actor)

    async def slack_app(self, session: AsyncSession) -> SlackApp:
        """The tenant's Slack app. Raises Conflict where none is connected."""
        row = await session.scalar(
            sa.select(Webhook).where(
                Webhook.tenant_id == tenant_of(session), Webhook.kind == SLACK, Webhook.revoked_at.is_(None)
            )
        )
        if row is None:
            raise Conflict("no Slack app is connected", remedy="opsteward slack connect, see docs/guides/slack.md")
        found = self._box.decrypt(row.secret_sealed, bound_to=_bound_to(row.tenant_id, row.id))
        return SlackApp(secret=str(found["secret"]), connected_by=row.created_by)

    async def sender_of(self, db: Database, *, kind: str, signature: Signature, body: bytes) -> Sender:
        """Who signed this body. Raises Unauthenticated without saying what was wrong."""
        signed = signature.before + body
        async with db.unit_of_work(None) as session:
            rows = await session.execute(sa.text("select * from opsteward.webhooks_of(:kind)"), {"kind": kind})
            senders = rows.all()
        found = await in_thread(self._signer_of, senders, signed, signature.given)
        if found is None:
            raise _refused()
        return found

    def _signer_of(self, senders: Sequence[sa.Row[Any]], signed: bytes, given: Sequence[str]) -> Sender | None:
        found: Sender | None = None
        for row in senders:  # all of them, whichever fits: how long it takes tells nothing
            secret = self._box.decrypt(row.secret_sealed, bound_to=_bound_to(row.tenant_id, row.id))["secret"]
            due = hmac.new(secret.encode(), signed, hashlib.sha256)
            if sum(hmac.compare_digest(due.hexdigest(), one) for one in given):
                found = Sender(tenant_id=row.tenant_id, webhook_id=row.id, digest=due.digest())
        return found

    async def use_up(self, session: AsyncSession, *, sender: Sender) -> None:
        """This signature is taken with this transaction, and never again. Raises Conflict the second time."""
        if not await use_once(session, digest=sender.digest, remembered_for=timedelta(seconds=2 * WINDOW)):
            raise Conflict("this request was taken already", remedy="sign each request anew")


def read_signature(headers: Mapping[str, str], *, slack: bool = False) -> Signature:
    """What a request shows for itself, before its body is looked at; headers go by small letters. Raises
    Unauthenticated for what is no signature, or too old."""
    if slack:
        timestamp, read = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        found = _SLACK_SIGNATURE.fullmatch(read.strip())
        if found is None or not re.fullmatch(r"[0-9]{1,12}", timestamp) or _is_old(timestamp):
            raise Unauthenticated("the signature of this request of Slack is missing, wrong or too old")
        return Signature(before=f"v0:{timestamp}:".encode(), given=[found[1]])
    own = _SIGNATURE.fullmatch(headers.get("x-opsteward-signature", "").strip())
    if own is None or _is_old(own[1]):
        raise _refused()
    given = [part.removeprefix("v1=") for part in own[2].split(",") if part]
    return Signature(before=f"{own[1]}.".encode(), given=given)


def _is_old(timestamp: str) -> bool:
    return abs(int(timestamp) - now().timestamp()) > WINDOW


def _check_secret(kind: str, secret: str | None) -> None:
    if kind == SLACK and (secret is None or not _SLACK_SECRET.fullmatch(secret)):
        raise Invalid.field("secret", "is no signing secret of Slack", "copy it from the app's page Basic Information")
    if kind != SLACK and secret is not None:
        raise Invalid.field("secret", "is made here for this kind", "leave it out")


def _refused() -> Unauthenticated:
    return Unauthenticated(
        "the signature is missing, wrong or too old", remedy="X-Opsteward-Signature: t=<seconds>,v1=<hex HMAC>"
    )


def _bound_to(tenant_id: UUID, webhook_id: UUID) -> str:
    return f"webhook {tenant_id}/{webhook_id}"


async def _audited(session: AsyncSession, verb: str, webhook_id: UUID, actor: str) -> None:
    await audit.record(session, actor=actor, verb=verb, object_type="webhook", object_id=str(webhook_id))
