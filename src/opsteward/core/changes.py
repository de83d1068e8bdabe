"""What has changed, kept for those who follow it: the live feed's own record.

A change is written in the transaction that makes it, as a plain insert, so that writers never wait for each other.
Its number comes afterwards, when somebody follows: `sequence` numbers what is committed, tenant by tenant, without
gaps. So a follower that comes back with its last number gets everything after it, in order, or is told what is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.crypto import canonical_json
from opsteward.core.db import Base, TenantRow, at_the_end, tenant_of
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject

#: The kind of the notice that says that changes were recorded.
RECORDED = "change"
#: Most changes that one call of `sequence` numbers.
SEQUENCED_AT_ONCE = 10_000

#: Every type of change, and the permission that one needs to be told of it.
TYPES: dict[str, str] = {
    "incident_opened": "incidents.read",
    "incident_changed": "incidents.read",
    "action_changed": "actions.read",
    "approval_requested": "approvals.read",
    "approval_decided": "approvals.read",
    "freeze_changed": "actions.read",
    "system_registered": "systems.read",
    "system_changed": "systems.read",
    "system_removed": "systems.read",
    "system_health_alert": "systems.read",
    "standing_orders_changed": "standing_orders.read",
    "troubleshooting_session_changed": "troubleshooting.read",
    "task_submitted": "tasks.read",
    "tasks_submitted": "tasks.read",
    "task_completed": "tasks.read",
    "task_failed": "tasks.read",
    "task_dead_letter": "tasks.read",
    "task_cancelled": "tasks.read",
    "schedule_changed": "tasks.read",
    "controls_changed": "controls.read",
    "agent_changed": "agents.read",
    "operator_changed": "operators.read",
    "user_registered": "users.read",
    "user_changed": "users.read",
    "users_imported": "users.read",
    "users_import_ended": "users.read",
    "enrollment_pending": "enrollments.read",
    "enrollment_changed": "enrollments.read",
}


class ChangeRow(TenantRow, Base):
    """One recorded change; `seq` is null until somebody follows."""

    __tablename__ = "changes"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "seq"),
        sa.Index("ix_changes_unsequenced", "tenant_id", "at", "id", postgresql_where=sa.text("seq is null")),
        sa.Index("ix_changes_at", "at"),
    )

    seq: Mapped[int | None] = mapped_column(sa.BigInteger)
    type: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[JsonObject]


class ChangeHead(Base):
    """The last number that a tenant's changes have got: numbers are never used again."""

    __tablename__ = "change_heads"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(sa.BigInteger)


@dataclass(frozen=True)
class Change:
    """`data` holds ids and states, never text from outside: it goes to everybody who may read this type."""

    type: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change as it is told."""

    id: int
    type: str
    at: datetime
    data: JsonObject


#: With the notices, which every unit of work that records a change sends.
_RECORD = """
with recorded as (
    insert into opsteward.changes (id, tenant_id, type, at, data)
    select r.id, :tenant_id, r.type, :at, r.data
    from jsonb_to_recordset(:rows) as r(id uuid, type text, data jsonb)
)"""
_INSERT = sa.text(f"{_RECORD} {feed.TELL}").bindparams(sa.bindparam("rows", type_=JSONB))


async def record_changes(session: AsyncSession, changes: Sequence[Change]) -> None:
    """Keep these for who follows: written together at the end of this unit of work, the same twice but once.

    Raises ValueError for an unknown type.
    """
    for change in changes:
        if change.type not in TYPES:
            raise ValueError(f"{change.type} is no type of change")
    if not changes:
        return
    session.info.setdefault("changes", []).extend(changes)
    at_the_end(session, "changes", _write)
    await feed.announce(session, kind=RECORDED, object_id="")


async def _write(session: AsyncSession) -> None:
    changes = list({canonical_json([one.type, one.data]): one for one in session.info["changes"]}.values())
    ids = sorted(uuid7() for _ in changes)
    rows = [
        {"id": str(one), "type": change.type, "data": change.data} for one, change in zip(ids, changes, strict=True)
    ]
    told = {"tenant_id": tenant_of(session), "at": now(), "rows": rows, "payloads": feed.waiting_notices(session)}
    await session.execute(_INSERT, told)


async def sequence(session: AsyncSession) -> int:
    """Number what is committed and has no number, in this tenant, up to `SEQUENCED_AT_ONCE` of it.

    Returns the last number there is.
    """
    return int(await session.scalar(sa.text("select opsteward.sequence_changes()")) or 0)


async def changes_after(session: AsyncSession, seq: int, *, limit: int) -> list[Announcement]:
    """The numbered changes of this tenant after `seq`, in order."""
    rows = await session.execute(
        sa.select(ChangeRow.seq, ChangeRow.type, ChangeRow.at, ChangeRow.data)
        .where(ChangeRow.tenant_id == tenant_of(session), ChangeRow.seq > seq)
        .order_by(ChangeRow.seq)
        .limit(limit)
    )
    return [Announcement(row.seq, row.type, row.at, row.data) for row in rows]
