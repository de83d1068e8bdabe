"""Tables of identity. Private to this room."""

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
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
