"""Reading and writing the tables of syncs, for the service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.json_types import JsonObject
from opsteward.core.keyset import in_order
from opsteward.core.references import called
from opsteward.provisioning.sync.models import (
    SyncChangeRow,
    SyncConflictRow,
    SyncMapping,
    SyncOperationRow,
    SyncRecord,
)
from opsteward.provisioning.sync.types import (
    NOT_WRITTEN,
    DormantAccount,
    MappingDefinition,
    MappingView,
    Orphan,
    SyncChange,
    SyncConflict,
    SyncOperation,
    SyncStatus,
)

#: What mappings can be ordered by; those that run on demand come last.
MAPPING_ORDERS: dict[str, Any] = {
    "name": SyncMapping.name_key,
    "next": sa.func.coalesce(SyncMapping.next_at, sa.literal_column("'infinity'::timestamptz")),
}
_FORGET = (
    "delete from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping",
    "delete from opsteward.sync_conflicts where tenant_id = :tenant and mapping_id = :mapping",
)
#: The inverse of each change that was made, the last first. What was created is deleted, and so on.
_UNDO = sa.text("""
insert into opsteward.sync_changes (tenant_id, operation_id, number, side, operation, native_id, pair_id, key, before,
    after, whole)
select :tenant, :operation, row_number() over (order by number desc), side,
    case operation when 'create' then 'delete' when 'delete' then 'create' else 'update' end,
    case operation when 'delete' then null else native_id end, pair_id, key,
    case operation when 'disable' then null when 'delete' then null else after end,
    case operation when 'create' then null else before end,
    case when operation in ('disable', 'delete') then whole end
from opsteward.sync_changes
where tenant_id = :tenant and operation_id = :former and outcome = 'done'
""")
_UNDO_TOTALS = sa.text("""
select operation || case side when 'source' then '_in_source' else '' end as name, count(*) as total
from opsteward.sync_changes where tenant_id = :tenant and operation_id = :operation group by 1 order by 1
""")
_UNDO_HASH = sa.text("""
select encode(sha256(convert_to(coalesce(string_agg(md5(c::text), '' order by number), ''), 'UTF8')), 'hex')
from (select number, side, operation, native_id, key, before, after, whole from opsteward.sync_changes
    where tenant_id = :tenant and operation_id = :operation) c
""")
_REMOVAL = sa.text("""
insert into opsteward.sync_changes (tenant_id, operation_id, number, side, operation, native_id, key, version, before)
select :tenant, :operation, row_number() over (order by native_id), 'target', :how, native_id, key, version, fields
from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping and side = 'target'
    and (pair_id is null or (used_at < :unused_since and :how = 'disable' and active is not false))
    and not gone and native_id = any(cast(:ids as text[]))
returning number
""")
_TIE = sa.text("""
with s as (
    select native_id from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping
        and side = 'source' and native_id = :source and pair_id is null and not gone for update
), t as (
    select native_id from opsteward.sync_records where tenant_id = :tenant and mapping_id = :mapping
        and side = 'target' and native_id = :target and pair_id is null and not gone for update
)
update opsteward.sync_records r set may_differ = true,
    pair_id = case r.side when 'source' then :target else :source end
from s, t where r.tenant_id = :tenant and r.mapping_id = :mapping
    and ((r.side = 'source' and r.native_id = s.native_id) or (r.side = 'target' and r.native_id = t.native_id))
returning r.side
""")


async def mapping(session: AsyncSession, mapping_id: UUID, *, lock: bool = False) -> SyncMapping:
    """Raises NotFound."""
    query = sa.select(SyncMapping).where(SyncMapping.tenant_id == tenant_of(session), SyncMapping.id == mapping_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("no sync mapping of this id", remedy="see GET /api/v1/sync-mappings")
    return row


async def mapping_named(session: AsyncSession, name: str) -> SyncMapping | None:
    """Whatever the case of the name."""
    return await session.scalar(
        sa.select(SyncMapping).where(
            SyncMapping.tenant_id == tenant_of(session), SyncMapping.name_key == name.casefold()
        )
    )


async def mappings_between(session: AsyncSession, source_id: UUID, target_id: UUID) -> list[MappingView]:
    """Those from this system to that one."""
    rows = await session.scalars(
        sa.select(SyncMapping).where(
            SyncMapping.tenant_id == tenant_of(session),
            SyncMapping.source_id == source_id,
            SyncMapping.target_id == target_id,
        )
    )
    return [view_of_mapping(row) for row in rows]


async def list_mappings(
    session: AsyncSession,
    *,
    ref: str | None = None,
    after: UUID | None = None,
    limit: int = 1000,
    by: str = "name",
    descending: bool = False,
) -> list[MappingView]:
    """By one of MAPPING_ORDERS, behind the one of the id `after`; `ref`: by name, id, or a part of it."""
    query = sa.select(SyncMapping).where(SyncMapping.tenant_id == tenant_of(session))
    if ref is not None:
        ids = await called(session, SyncMapping, ref, names=[SyncMapping.name_key == ref.casefold()])
        query = query.where(SyncMapping.id.in_(ids))
    query = in_order(query, by=MAPPING_ORDERS[by], row_id=SyncMapping.id, descending=descending, after=after)
    return [view_of_mapping(row) for row in await session.scalars(query.limit(limit))]


async def forget_records(session: AsyncSession, mapping_id: UUID) -> None:
    """Drop the shadow of a mapping, and what was to be decided."""
    for statement in _FORGET:
        await session.execute(sa.text(statement), {"tenant": tenant_of(session), "mapping": mapping_id})


async def operation(session: AsyncSession, operation_id: UUID) -> SyncOperation:
    """Raises NotFound."""
    row = await session.scalar(
        sa.select(SyncOperationRow).where(
            SyncOperationRow.tenant_id == tenant_of(session), SyncOperationRow.id == operation_id
        )
    )
    if row is None:
        raise NotFound("no sync of this id", remedy="see GET /api/v1/sync-operations")
    return view_of_operation(row)


async def running(session: AsyncSession, mapping_id: UUID) -> SyncOperationRow | None:
    """The sync of this mapping that is planned or written at present."""
    return await session.scalar(
        sa.select(SyncOperationRow)
        .where(
            SyncOperationRow.tenant_id == tenant_of(session),
            SyncOperationRow.mapping_id == mapping_id,
            SyncOperationRow.status.in_([SyncStatus.PLANNING, SyncStatus.APPLYING]),
        )
        .limit(1)
    )


async def list_operations(
    session: AsyncSession,
    *,
    mapping_id: UUID | None = None,
    ref: str | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[SyncOperation]:
    """Newest first, behind the one of the id `before`; `ref`: by its id or a part of it."""
    query = sa.select(SyncOperationRow).where(SyncOperationRow.tenant_id == tenant_of(session))
    if ref is not None:
        query = query.where(SyncOperationRow.id.in_(await called(session, SyncOperationRow, ref)))
    if mapping_id is not None:
        query = query.where(SyncOperationRow.mapping_id == mapping_id)
    if before is not None:
        query = query.where(SyncOperationRow.id < before)
    rows = await session.scalars(query.order_by(SyncOperationRow.id.desc()).limit(limit))
    return [view_of_operation(row) for row in rows]


async def list_changes(
    session: AsyncSession, *, operation_id: UUID, outcome: str | None = None, after: int = 0, limit: int = 100
) -> list[SyncChange]:
    """In the order of the plan, behind the one of the number `after`. The outcome `waiting`: not written yet."""
    await operation(session, operation_id)
    query = sa.select(SyncChangeRow).where(
        SyncChangeRow.tenant_id == tenant_of(session),
        SyncChangeRow.operation_id == operation_id,
        SyncChangeRow.number > after,
    )
    if outcome is not None:
        is_asked = SyncChangeRow.outcome.is_(None) if outcome == NOT_WRITTEN else SyncChangeRow.outcome == outcome
        query = query.where(is_asked)
    rows = await session.scalars(query.order_by(SyncChangeRow.number).limit(limit))
    return [
        SyncChange(
            number=row.number,
            side=row.side,
            operation=row.operation,
            native_id=row.native_id,
            key=row.key,
            before=row.before,
            after=row.after,
            outcome=row.outcome,
            problem=row.problem,
        )
        for row in rows
    ]


async def conflict(session: AsyncSession, conflict_id: UUID) -> SyncConflictRow:
    """Raises NotFound."""
    row = await session.scalar(
        sa.select(SyncConflictRow).where(
            SyncConflictRow.tenant_id == tenant_of(session), SyncConflictRow.id == conflict_id
        )
    )
    if row is None:
        raise NotFound("no conflict of this id", remedy="see GET /api/v1/sync-conflicts")
    return row


async def list_conflicts(
    session: AsyncSession,
    *,
    mapping_id: UUID | None = None,
    is_open: bool = True,
    after: UUID | None = None,
    limit: int = 100,
) -> list[SyncConflict]:
    """What waits for a decision, or (`is_open` False) all; behind the one of the id `after`."""
    query = sa.select(SyncConflictRow).where(SyncConflictRow.tenant_id == tenant_of(session))
    if mapping_id is not None:
        query = query.where(SyncConflictRow.mapping_id == mapping_id)
    if is_open:
        query = query.where(SyncConflictRow.choice.is_(None))
    if after is not None:
        query = query.where(SyncConflictRow.id > after)
    rows = await session.scalars(query.order_by(SyncConflictRow.id).limit(limit))
    return [view_of_conflict(row) for row in rows]


async def list_orphans(
    session: AsyncSession, *, mapping_id: UUID, after: str | None = None, limit: int = 100
) -> list[Orphan]:
    """Accounts of the target that nobody in the source stands for, as last read; behind the native id `after`."""
    await mapping(session, mapping_id)
    query = sa.select(SyncRecord).where(
        SyncRecord.tenant_id == tenant_of(session),
        SyncRecord.mapping_id == mapping_id,
        SyncRecord.side == "target",
        SyncRecord.pair_id.is_(None),
        SyncRecord.gone.is_(False),
    )
    if after is not None:
        query = query.where(SyncRecord.native_id > after)
    rows = await session.scalars(query.order_by(SyncRecord.native_id).limit(limit))
    return [
        Orphan(native_id=row.native_id, key=row.key, fields=row.fields, active=row.active, changed_at=row.changed_at)
        for row in rows
    ]


def unused_since(row: SyncMapping) -> datetime:
    """An account of this mapping is dormant when it was not used since then."""
    return now() - timedelta(days=MappingDefinition.model_validate(row.definition).dormant_days)


async def list_dormant(
    session: AsyncSession, *, mapping_id: UUID, after: str | None = None, limit: int = 100
) -> list[DormantAccount]:
    """Accounts of the target that are switched on and were not used for long, as last read; behind the native id
    `after`."""
    row = await mapping(session, mapping_id)
    query = sa.select(SyncRecord).where(
        SyncRecord.tenant_id == tenant_of(session),
        SyncRecord.mapping_id == mapping_id,
        SyncRecord.side == "target",
        SyncRecord.used_at < unused_since(row),
        SyncRecord.active.is_not(False),
        SyncRecord.gone.is_(False),
    )
    if after is not None:
        query = query.where(SyncRecord.native_id > after)
    rows = await session.scalars(query.order_by(SyncRecord.native_id).limit(limit))
    return [
        DormantAccount(
            native_id=one.native_id, key=one.key, fields=one.fields, active=one.active,
            used_at=cast("datetime", one.used_at), is_owned=one.pair_id is not None,
        )
        for one in rows
    ]  # fmt: skip


async def plan_undo(session: AsyncSession, operation_id: UUID, former: UUID) -> tuple[JsonObject, str]:
    """The changes that take those of a former sync back; how many of each kind, and their hash."""
    about = {"tenant": tenant_of(session), "operation": operation_id}
    await session.execute(_UNDO, about | {"former": former})
    totals = await session.execute(_UNDO_TOTALS, about)
    counts: JsonObject = {row.name: row.total for row in totals}
    return counts, str(await session.scalar(_UNDO_HASH, about))


async def plan_removal(
    session: AsyncSession, row: SyncMapping, operation_id: UUID, native_ids: list[str], how: str
) -> int:
    """The changes that remove these orphans and dormant accounts; how many there are."""
    about = {
        "tenant": tenant_of(session), "mapping": row.id, "operation": operation_id, "unused_since": unused_since(row),
    }  # fmt: skip
    return len((await session.execute(_REMOVAL, about | {"ids": native_ids, "how": how})).all())


async def tie(session: AsyncSession, mapping_id: UUID, source: str, target: str) -> bool:
    """Make a pair of two records that have none; False where they do not fit."""
    about = {"tenant": tenant_of(session), "mapping": mapping_id, "source": source, "target": target}
    return len((await session.execute(_TIE, about)).all()) == 2


def view_of_mapping(row: SyncMapping) -> MappingView:
    """A row as others see it."""
    return MappingView(
        id=row.id,
        name=row.name,
        source_id=row.source_id,
        target_id=row.target_id,
        definition=row.definition,
        next_at=row.next_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def view_of_operation(row: SyncOperationRow) -> SyncOperation:
    """A row as others see it."""
    return SyncOperation(
        id=row.id,
        mapping_id=row.mapping_id,
        source_id=row.source_id,
        target_id=row.target_id,
        sync_type=row.sync_type,
        dry_run=row.dry_run,
        status=row.status,
        started_at=row.started_at,
        ended_at=row.ended_at,
        counts=cast("dict[str, int]", row.counts),
        samples=cast("dict[str, list[JsonObject]]", row.samples),
        notes=list(row.notes),
        plan_hash=row.plan_hash,
        action_id=row.action_id,
        undo_of=row.undo_of,
        requested_by=row.requested_by,
        error=row.error,
    )


def view_of_conflict(row: SyncConflictRow) -> SyncConflict:
    """A row as others see it."""
    return SyncConflict(
        id=row.id,
        mapping_id=row.mapping_id,
        kind=row.kind,
        source_native_id=row.source_native_id,
        target_native_id=row.target_native_id,
        field=row.field,
        source_value=row.source_value,
        target_value=row.target_value,
        choice=row.choice,
        decided_by=row.decided_by,
        found_at=row.found_at,
    )
