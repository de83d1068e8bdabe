"""Tables of the audit log. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class AuditEntry(TenantRow, Base):
    """One thing that was done or decided. Rows are only ever added."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        sa.Index("ix_audit_entries_tenant_at", "tenant_id", "at"),
        sa.Index("ix_audit_entries_tenant_object", "tenant_id", "object_id"),
        sa.Index("ix_audit_entries_tenant_actor", "tenant_id", "actor", "at"),
    )

    at: Mapped[datetime] = mapped_column(default=now)
    actor: Mapped[str]
    #: The API token by which the actor did it; null for a person's own session, and for what acts by itself.
    token_id: Mapped[UUID | None]
    verb: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    correlation_id: Mapped[str]
    detail: Mapped[JsonObject]
    #: Which process wrote it, as its how manieth entry of this tenant, and how many of those it had committed by then.
    writer: Mapped[UUID | None]
    writer_number: Mapped[int | None] = mapped_column(sa.BigInteger)
    writer_before: Mapped[int | None] = mapped_column(sa.BigInteger)
    #: HMAC over all of the above, made by the writer: the sealer takes no entry without it.
    mark: Mapped[bytes | None]


class AuditSeal(Base):
    """The chain: entry number `seq` of a tenant, bound to the one before it. Rows are only ever added."""

    __tablename__ = "audit_seals"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "entry_id"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID]
    hash: Mapped[str]
    sealed_at: Mapped[datetime] = mapped_column(default=now)


class AuditHead(Base):
    """Where a tenant's chain ends, so that a cut-off tail is noticed."""

    __tablename__ = "audit_heads"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(sa.BigInteger)
    hash: Mapped[str]


class AuditPending(Base):
    """Entries that wait for their seal; a trigger adds them, the sealer takes them, or keeps them aside."""

    __tablename__ = "audit_pending"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: Why the sealer takes it not.
    refused: Mapped[str | None]
