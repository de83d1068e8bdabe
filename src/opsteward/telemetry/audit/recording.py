"""Adds entries to the audit log, each with its writer's mark, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.acting import token_of
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7
from opsteward.core.log import correlation_id
from opsteward.telemetry.audit.writer import writer_of
from opsteward.telemetry.models import AuditEntry

#: Made once: an insert is built anew for each `values(...)`, which costs more than sending it.
_ADD = insert(cast(sa.Table, AuditEntry.__table__)).on_conflict_do_nothing().returning(sa.literal(1))


async def record(
    session: AsyncSession,
    *,
    actor: str,
    verb: str,
    object_type: str,
    object_id: str,
    detail: Mapping[str, object] | None = None,
    entry_id: UUID | None = None,
) -> None:
    """Add one entry in this transaction. With an `entry_id` (a repeated step) the second time does nothing."""
    writer = writer_of(session)
    row: dict[str, object] = {
        "id": entry_id or uuid7(),
        "tenant_id": tenant_of(session),
        "at": now(),
        "actor": actor,
        "token_id": token_of(actor),
        "verb": verb,
        "object_type": object_type,
        "object_id": object_id,
        "correlation_id": correlation_id.get(),
        "detail": detail or {},
    }
    added = await session.execute(_ADD, writer.marked(row))
    writer.note_written(session, len(added.all()))


async def record_all(session: AsyncSession, rows: Sequence[Mapping[str, object]]) -> None:
    """Add many entries in one statement; each row gives actor, verb, object_type, object_id and detail, and an `id`
    where it is a step that may be repeated: the second time does nothing."""
    if not rows:
        return
    common = {"tenant_id": tenant_of(session), "at": now(), "correlation_id": correlation_id.get()}
    writer = writer_of(session)
    whole = [{"id": uuid7(), "token_id": token_of(str(row["actor"])), **common, **row} for row in rows]
    added = await session.execute(_ADD, [writer.marked(row) for row in whole])
    writer.note_written(session, len(added.all()))
