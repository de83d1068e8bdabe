"""What is asked of all syncs at once, for lists and pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.provisioning.sync.models import SyncChangeRow, SyncConflictRow, SyncMapping, SyncOperationRow
from opsteward.provisioning.sync.queries import view_of_mapping, view_of_operation
from opsteward.provisioning.sync.types import MappingView, SyncOperation


async def mappings_of(session: AsyncSession, *, system_id: UUID) -> list[MappingView]:
    """Those that this system is the source or the target of, by name."""
    rows = await session.scalars(
        sa.select(SyncMapping)
        .where(
            SyncMapping.tenant_id == tenant_of(session),
            sa.or_(SyncMapping.source_id == system_id, SyncMapping.target_id == system_id),
        )
        .order_by(SyncMapping.name_key)
    )
    return [view_of_mapping(row) for row in rows]


async def mapping_names(session: AsyncSession, mapping_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of those that there are, by id."""
    rows = await session.execute(
        sa.select(SyncMapping.id, SyncMapping.name).where(
            SyncMapping.tenant_id == tenant_of(session), SyncMapping.id.in_(list(mapping_ids))
        )
    )
    return {row.id: row.name for row in rows}


async def latest_operations(session: AsyncSession, mapping_ids: Sequence[UUID]) -> dict[UUID, SyncOperation]:
    """The newest sync of each of these mappings that has one, by the mapping's id."""
    newest = (
        sa.select(SyncOperationRow.id)
        .where(
            SyncOperationRow.tenant_id == tenant_of(session),
            SyncOperationRow.mapping_id == SyncMapping.id,
        )
        .order_by(SyncOperationRow.id.desc())
        .limit(1)
        .correlate(SyncMapping)
        .scalar_subquery()
    )
    wanted = sa.select(newest).where(SyncMapping.tenant_id == tenant_of(session), SyncMapping.id.in_(mapping_ids))
    rows = await session.scalars(
        sa.select(SyncOperationRow).where(
            SyncOperationRow.tenant_id == tenant_of(session), SyncOperationRow.id.in_(wanted)
        )
    )
    return {row.mapping_id: view_of_operation(row) for row in rows}


async def open_conflicts(session: AsyncSession, mapping_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How much waits for a decision in each of these mappings, where anything does."""
    rows = await session.execute(
        sa.select(SyncConflictRow.mapping_id, sa.func.count())
        .where(
            SyncConflictRow.tenant_id == tenant_of(session),
            SyncConflictRow.mapping_id.in_(mapping_ids),
            SyncConflictRow.choice.is_(None),
        )
        .group_by(SyncConflictRow.mapping_id)
    )
    return {row[0]: row[1] for row in rows}


async def count_conflicts(session: AsyncSession, *, limit: int) -> int:
    """How much waits for a decision in all, counted no further than `limit`."""
    some = (
        sa.select(SyncConflictRow.id)
        .where(SyncConflictRow.tenant_id == tenant_of(session), SyncConflictRow.choice.is_(None))
        .limit(limit)
        .subquery()
    )
    return await session.scalar(sa.select(sa.func.count()).select_from(some)) or 0


async def first_unwritten(session: AsyncSession, operation_id: UUID) -> int | None:
    """The number of the first change that nothing has come of yet; None where all were tried. They are written in the
    order of their numbers, so that this is how far a sync is, without counting its changes."""
    return await session.scalar(
        sa.select(SyncChangeRow.number)
        .where(
            SyncChangeRow.tenant_id == tenant_of(session),
            SyncChangeRow.operation_id == operation_id,
            SyncChangeRow.outcome.is_(None),
        )
        .order_by(SyncChangeRow.number)
        .limit(1)
    )
