"""Reading sagas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.keyset import in_order
from opsteward.core.redact import redact_json
from opsteward.core.references import called
from opsteward.provisioning.sagas.models import SagaRow, SagaStepRow
from opsteward.provisioning.sagas.types import Saga, SagaHead, SagaStep

#: What sagas can be ordered by.
ORDERS: dict[str, Any] = {"asked": SagaRow.id, "name": sa.func.lower(SagaRow.name), "state": SagaRow.status}


async def saga_row(session: AsyncSession, saga_id: UUID, *, lock: bool = False) -> SagaRow:
    """Raises NotFound."""
    query = sa.select(SagaRow).where(SagaRow.tenant_id == tenant_of(session), SagaRow.id == saga_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("no saga of this id", remedy="see GET /api/v1/sagas")
    return row


async def steps_of(session: AsyncSession, saga_ids: Sequence[UUID]) -> list[SagaStepRow]:
    """The steps of these, each saga's in its order."""
    found = await session.scalars(
        sa.select(SagaStepRow)
        .where(SagaStepRow.tenant_id == tenant_of(session), SagaStepRow.saga_id.in_(saga_ids))
        .order_by(SagaStepRow.saga_id, SagaStepRow.number)
    )
    return list(found)


async def get(session: AsyncSession, saga_id: UUID) -> Saga:
    """Raises NotFound."""
    return view_of(await saga_row(session, saga_id), await steps_of(session, [saga_id]))


async def list_sagas(
    session: AsyncSession, *, ref: str | None = None, before: UUID | None = None, limit: int = 100
) -> list[Saga]:
    """Newest first, behind the one of the id `before`; `ref`: by its id or a part of it."""
    query = sa.select(SagaRow).where(SagaRow.tenant_id == tenant_of(session))
    if ref is not None:
        query = query.where(SagaRow.id.in_(await called(session, SagaRow, ref)))
    if before is not None:
        query = query.where(SagaRow.id < before)
    rows = list(await session.scalars(query.order_by(SagaRow.id.desc()).limit(limit)))
    steps = await steps_of(session, [row.id for row in rows])
    return [view_of(row, [step for step in steps if step.saga_id == row.id]) for row in rows]


async def list_heads(
    session: AsyncSession,
    *,
    status: str | None = None,
    before: UUID | None = None,
    limit: int = 100,
    by: str = "asked",
    descending: bool = True,
) -> list[SagaHead]:
    """By one of ORDERS, newest first, behind the one of the id `before`, without what their steps hold."""
    query = sa.select(SagaRow).where(SagaRow.tenant_id == tenant_of(session))
    if status is not None:
        query = query.where(SagaRow.status == status)
    query = in_order(query, by=ORDERS[by], row_id=SagaRow.id, descending=descending, after=before)
    rows = list(await session.scalars(query.limit(limit)))
    counted = await session.execute(
        sa.select(SagaStepRow.saga_id, SagaStepRow.status, SagaStepRow.system_id, sa.func.count().label("steps"))
        .where(SagaStepRow.tenant_id == tenant_of(session), SagaStepRow.saga_id.in_([row.id for row in rows]))
        .group_by(SagaStepRow.saga_id, SagaStepRow.status, SagaStepRow.system_id)
    )
    steps: dict[UUID, Counter[str]] = {row.id: Counter() for row in rows}
    systems: dict[UUID, set[UUID]] = {row.id: set() for row in rows}
    for one in counted:
        steps[one.saga_id][one.status] += one.steps
        systems[one.saga_id].add(one.system_id)
    return [
        SagaHead(
            id=row.id,
            name=row.name,
            status=row.status,
            requested_by=row.requested_by,
            created_at=row.created_at,
            error=row.error,
            steps=steps[row.id],
            system_ids=sorted(systems[row.id]),
        )
        for row in rows
    ]


def view_of(row: SagaRow, steps: Sequence[SagaStepRow]) -> Saga:
    """A saga as others see it."""
    return Saga(
        id=row.id,
        name=row.name,
        status=row.status,
        steps=[
            SagaStep(
                number=step.number,
                words=step.words,
                system_id=step.system_id,
                resource=step.resource,
                operation=step.operation,
                native_id=step.made_id or step.native_id,
                values=redact_json(step.values),
                before=redact_json(step.before) if step.before is not None else None,
                status=step.status,
                problem=step.problem,
            )
            for step in steps
        ],
        action_id=row.action_id,
        requested_by=row.requested_by,
        created_at=row.created_at,
        ended_at=row.ended_at,
        error=row.error,
    )
