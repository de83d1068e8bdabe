"""Tables of syncs. Private to provisioning."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class SyncMapping(TenantRow, Base):
    """Which list of one system is kept in step with which of another. A cursor says where the next read starts."""

    __tablename__ = "sync_mappings"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "name_key"),
        sa.Index("ix_sync_mappings_next_at", "next_at"),
    )

    name: Mapped[str]
    name_key: Mapped[str]
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    definition: Mapped[JsonObject]
    source_cursor: Mapped[str | None]
    target_cursor: Mapped[str | None]
    #: Where each list stood when it was last read, for what is newer.
    source_mark: Mapped[str | None]
    target_mark: Mapped[str | None]
    next_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SyncRecord(Base):
    """The shadow of one record: its mapped fields as last read or written.

    `pair_id` is the record of the other side that it is one with. `base` are the fields as both sides last agreed on
    them, once they differ from that; None: they are unchanged since. `gone`: it was read no more, and has a pair.
    """

    __tablename__ = "sync_records"
    __table_args__ = (
        sa.Index("ix_sync_records_unpaired", "tenant_id", "mapping_id", "side", postgresql_where="pair_id is null"),
        sa.Index("ix_sync_records_gone", "tenant_id", "mapping_id", "side", "pair_id", postgresql_where="gone"),
        sa.Index(
            "ix_sync_records_used_at", "tenant_id", "mapping_id", "used_at", postgresql_where="used_at is not null"
        ),
        sa.Index(
            "ix_sync_records_may_differ",
            "tenant_id",
            "mapping_id",
            "side",
            postgresql_where="may_differ and pair_id is not null",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    mapping_id: Mapped[UUID] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    native_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str | None]
    fields: Mapped[JsonObject]
    base: Mapped[JsonObject | None]
    pair_id: Mapped[str | None]
    version: Mapped[str | None]
    active: Mapped[bool | None]
    changed_at: Mapped[datetime | None]
    #: When an account of the target was last used, where its mapping names what says so.
    used_at: Mapped[datetime | None]
    gone: Mapped[bool] = mapped_column(server_default=sa.false())
    #: False once it was found the same as its pair, until either is written again.
    may_differ: Mapped[bool] = mapped_column(server_default=sa.true())
    #: What its system says of it, to find out later whether it has changed.
    digest: Mapped[bytes | None]


class SyncSeen(Base):
    """What a full read has named so far. Unlogged: a read that broke off starts again."""

    __tablename__ = "sync_seen"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 - SQLAlchemy's own convention

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    read_id: Mapped[UUID] = mapped_column(primary_key=True)
    native_id: Mapped[str] = mapped_column(primary_key=True)


class SyncOperationRow(TenantRow, Base):
    """One sync: what it was to do, its plan in numbers, what came of it."""

    __tablename__ = "sync_operations"
    __table_args__ = (
        sa.Index("ix_sync_operations_mapping", "tenant_id", "mapping_id", "id"),
        sa.Index("ix_sync_operations_action", "tenant_id", "action_id"),
    )

    mapping_id: Mapped[UUID]
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    sync_type: Mapped[str]
    dry_run: Mapped[bool]
    max_deletions: Mapped[int | None]
    status: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    counts: Mapped[JsonObject]
    samples: Mapped[JsonObject]
    notes: Mapped[list[str]]
    #: Whether a change may have been sent.
    is_begun: Mapped[bool] = mapped_column(server_default=sa.false())
    plan_hash: Mapped[str | None]
    action_id: Mapped[UUID | None]
    undo_of: Mapped[UUID | None]
    requested_by: Mapped[str]
    error: Mapped[str | None]


class SyncChangeRow(Base):
    """One record that a sync changes. `whole`: all values of the record before, where it is deleted."""

    __tablename__ = "sync_changes"
    __table_args__ = (
        sa.Index("ix_sync_changes_open", "tenant_id", "operation_id", "number", postgresql_where="outcome is null"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    side: Mapped[str]
    operation: Mapped[str]
    native_id: Mapped[str | None]
    pair_id: Mapped[str | None]
    key: Mapped[str | None]
    version: Mapped[str | None]
    before: Mapped[JsonObject | None]
    after: Mapped[JsonObject | None]
    whole: Mapped[JsonObject | None]
    outcome: Mapped[str | None]
    problem: Mapped[str] = mapped_column(server_default="")


class SyncConflictRow(TenantRow, Base):
    """What a person has to decide, or has decided."""

    __tablename__ = "sync_conflicts"
    __table_args__ = (
        sa.UniqueConstraint(
            "tenant_id",
            "mapping_id",
            "kind",
            "source_native_id",
            "target_native_id",
            "field",
            name="uq_sync_conflicts_what",
        ),
        sa.Index("ix_sync_conflicts_open", "tenant_id", "mapping_id", postgresql_where="choice is null"),
    )

    mapping_id: Mapped[UUID]
    kind: Mapped[str]
    source_native_id: Mapped[str]
    target_native_id: Mapped[str]
    field: Mapped[str]
    source_value: Mapped[str | None]
    target_value: Mapped[str | None]
    choice: Mapped[str | None]
    decided_by: Mapped[str | None]
    found_at: Mapped[datetime]
