"""What decides for each tenant, read from the recorded outcomes and the matrix in force, and kept for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.blocking_calls import in_thread
from opsteward.core.db import tenant_of
from opsteward.crew.delegation.deciding import Delegation
from opsteward.crew.delegation.estimates import OutcomeHistory
from opsteward.crew.delegation.learning import Learner, Weights
from opsteward.crew.delegation.matrix import SHIPPED, Matrix
from opsteward.crew.delegation.types import Outcome, Work
from opsteward.crew.models import CrewMatrixVersion, CrewRun
from opsteward.crew.types import Complexity, Strategy

OUTCOMES_LIMIT = 5_000  # the newest of a tenant
_FRESH_FOR = 5.0  # seconds
_TENANTS_KEPT = 200
MICROS = 1_000_000


@dataclass
class _Kept:
    delegation: Delegation
    looked_at: float


class DelegationMemory:
    """One per process. What other processes measured or changed shows within five seconds."""

    def __init__(self, *, weights: Weights, explored_types: frozenset[str]) -> None:
        self._weights, self._explored = weights, explored_types
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()

    async def of(self, session: AsyncSession) -> Delegation:
        """What decides for the session's tenant."""
        tenant_id = tenant_of(session)
        kept = self._kept.get(tenant_id)
        if kept is None or time.monotonic() - kept.looked_at > _FRESH_FOR:
            if kept is not None:
                kept.looked_at = time.monotonic()  # one reads anew; who asks meanwhile does with what is known
            kept = await self._read(session)
            self._kept[tenant_id] = kept
        self._kept.move_to_end(tenant_id)
        while len(self._kept) > _TENANTS_KEPT:
            self._kept.popitem(last=False)
        return kept.delegation

    async def _read(self, session: AsyncSession) -> _Kept:
        version, matrix = await matrix_in_force(session)
        outcomes = await recorded_outcomes(session)
        return _Kept(await in_thread(self._learned, version, matrix, outcomes), time.monotonic())

    def _learned(self, version: int, matrix: Matrix, outcomes: Sequence[Outcome]) -> Delegation:
        learner = Learner(weights=self._weights)
        if self._explored:
            for one in outcomes:
                learner.add(one)
        return Delegation(
            matrix=matrix,
            version=version,
            history=OutcomeHistory(outcomes),
            learner=learner,
            explored_types=self._explored,
        )


async def matrix_in_force(session: AsyncSession) -> tuple[int, Matrix]:
    """The highest version; 0 is the one that ships."""
    row = await session.scalar(
        sa.select(CrewMatrixVersion)
        .where(CrewMatrixVersion.tenant_id == tenant_of(session))
        .order_by(CrewMatrixVersion.version.desc())
        .limit(1)
    )
    return (0, SHIPPED) if row is None else (row.version, Matrix.model_validate(row.matrix))


async def recorded_outcomes(session: AsyncSession, *, limit: int = OUTCOMES_LIMIT) -> list[Outcome]:
    """Of this tenant, the oldest first; what was given from the cache was no work, and is none."""
    columns = (
        CrewRun.task_type,
        CrewRun.complexity,
        CrewRun.volume,
        CrewRun.requires_ai,
        CrewRun.multi_domain,
        CrewRun.strategy,
        CrewRun.matrix_row,
        CrewRun.seconds,
        CrewRun.cost_micros,
        CrewRun.success,
        CrewRun.strategy_used,
    )
    newest = (
        sa.select(*columns)
        .where(
            CrewRun.tenant_id == tenant_of(session),
            CrewRun.ended_at.is_not(None),
            CrewRun.success.is_not(None),
            CrewRun.cached.is_(False),
        )
        .order_by(CrewRun.ended_at.desc())
        .limit(limit)
    )
    return [
        Outcome(
            work=Work(
                task_type=row.task_type,
                complexity=Complexity(row.complexity),
                volume=row.volume,
                requires_ai=row.requires_ai,
                multi_domain=row.multi_domain,
            ),
            strategy=Strategy(row.strategy),
            seconds=row.seconds or 0.0,
            cost=row.cost_micros / MICROS,
            # one that had to fall back did not succeed by its strategy, though the work was done
            success=bool(row.success) and row.strategy_used == row.strategy,
            row=row.matrix_row,
        )
        for row in reversed((await session.execute(newest)).all())
    ]
