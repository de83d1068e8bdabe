"""Tables of accounts. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.ids import uuid7


class Tenant(Base):
    """One customer of this installation. Its own row is all of this table that it sees."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Operator(TenantRow, Base):
    """A person or program that works with Opsteward itself."""

    __tablename__ = "operators"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name_key"),)

    name: Mapped[str]
    name_key: Mapped[str]
    roles: Mapped[list[str]]
    created_by: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Token(TenantRow, Base):
    """A credential of an operator: an API token, a browser session, or a one-time sign-in link."""

    __tablename__ = "tokens"
    __table_args__ = (sa.Index("ix_tokens_tenant_operator", "tenant_id", "operator_id"),)

    operator_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.operators.id"))
    kind: Mapped[str]
    name: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(unique=True)
    issued_by: Mapped[str]
    #: When its issuer made what it stems from: the link of a session, the token of a further one; else as created_at.
    made_at: Mapped[datetime] = mapped_column(default=now)
    #: Permissions that it is limited to, or the beginnings of their names; null for all that its operator may.
    scopes: Mapped[list[str] | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Password(TenantRow, Base):
    """The Argon2 hash of an operator's password, and who set it: themselves, or the maker of a link."""

    __tablename__ = "operator_passwords"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "operator_id"),)

    operator_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.operators.id"))
    hash: Mapped[str]
    set_by: Mapped[str]
    #: When `set_by` made what the first password was set with: its link.
    made_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now)


class OutsideIdentity(TenantRow, Base):
    """Who an operator is at an identity provider. Its subject never changes, unlike an address or a name there."""

    __tablename__ = "outside_identities"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "issuer", "subject"),
        sa.UniqueConstraint("tenant_id", "operator_id", "issuer"),
    )

    operator_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.operators.id"))
    issuer: Mapped[str]
    subject: Mapped[str]
    bound_at: Mapped[datetime] = mapped_column(default=now)


class SignInAttempt(Base):
    """How often signing in failed for one operator's name, or from one address; of neither is more than a hash kept."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (sa.Index("ix_sign_in_attempts_last", "last_at"),)

    key: Mapped[bytes] = mapped_column(primary_key=True)
    free_tries: Mapped[int]
    failures: Mapped[int]
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]


class UsedState(Base):
    """A sign-in by an identity provider that came back, until it would have run out: it comes back once."""

    __tablename__ = "used_sign_in_states"
    __table_args__ = (sa.Index("ix_used_sign_in_states_until", "until"),)

    state_hash: Mapped[bytes] = mapped_column(primary_key=True)
    until: Mapped[datetime]


class Webhook(TenantRow, Base):
    """A sender of one kind of request from outside, and the secret by which it signs them."""

    __tablename__ = "webhooks"
    __table_args__ = (sa.Index("ix_webhooks_kind", "kind", postgresql_where=sa.text("revoked_at is null")),)

    kind: Mapped[str]
    name: Mapped[str]
    secret_sealed: Mapped[bytes]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    revoked_at: Mapped[datetime | None]


class SentryProject(TenantRow, Base):
    """An application that reports through a Sentry SDK, and the key of its DSN; the one before it holds for a while."""

    __tablename__ = "sentry_projects"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "name"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("key_hash"),
        sa.Index(
            "ix_sentry_projects_previous_key",
            "previous_key_hash",
            postgresql_where=sa.text("previous_key_hash is not null"),
        ),
    )

    number: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True, start=1001))
    name: Mapped[str]
    key_hash: Mapped[bytes]
    previous_key_hash: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime | None]


class UsedSignature(TenantRow, Base):
    """A signature that was taken, until it would be too old anyway: each is taken once."""

    __tablename__ = "used_signatures"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "digest"),
        sa.Index("ix_used_signatures_until", "until"),
    )

    digest: Mapped[bytes]
    until: Mapped[datetime]
