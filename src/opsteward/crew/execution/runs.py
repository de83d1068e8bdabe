"""Reads and writes of runs: what was asked, decided, planned, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, load_only

from opsteward.core.clock import now
from opsteward.core.crypto import canonical_json
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.json_types import JsonObject
from opsteward.core.keyset import in_order
from opsteward.crew.delegation.memory import MICROS
from opsteward.crew.delegation.types import Decision, Estimate, NotTaken
from opsteward.crew.execution.types import PathStep, RunLine, RunView, StepView
from opsteward.crew.models import CrewRun, CrewStep
from opsteward.crew.types import Strategy
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import TaskInfo

#: A list reads these alone: parameters and result of each may have a megabyte.
_OF_A_LINE = (
    CrewRun.task_type,
    CrewRun.domain,
    CrewRun.strategy,
    CrewRun.strategy_used,
    CrewRun.engine,
    CrewRun.success,
    CrewRun.seconds,
    CrewRun.cost_micros,
    CrewRun.created_at,
    CrewRun.ended_at,
)
#: What work can be ordered by; what is under way has taken no time yet.
ORDERS: dict[str, Any] = {
    "asked": CrewRun.id,
    "type": CrewRun.task_type,
    "took": sa.func.coalesce(CrewRun.seconds, -1.0),
    "cost": CrewRun.cost_micros,
}


def decision_document(decision: Decision) -> JsonObject:
    """The decision as it is kept with the run."""
    return cast(JsonObject, {
        "reasons": list(decision.reasons),
        "not_taken": [asdict(one) for one in decision.not_taken],
        "estimate": asdict(decision.estimate),
        "propensities": decision.propensities,
        "explored": decision.explored,
    })  # fmt: skip


def input_hash(task_type: str, parameters: JsonObject, *, requires_ai: bool) -> str:
    """The same for equal work."""
    from hashlib import sha256

    return sha256(canonical_json([task_type, parameters, requires_ai]).encode()).hexdigest()


async def get_row(session: AsyncSession, run_id: UUID, *, lock: bool = False) -> CrewRun:
    """Raises NotFound."""
    query = sa.select(CrewRun).where(CrewRun.tenant_id == tenant_of(session), CrewRun.id == run_id)
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("there is no work of the crew of this id", remedy="see GET /api/crew/tasks")
    return row


async def earlier_result(session: AsyncSession, *, hashed: str, within: float) -> CrewRun | None:
    """Equal work that succeeded within so many seconds."""
    return cast(
        CrewRun | None,
        await session.scalar(
            sa.select(CrewRun)
            .options(defer(CrewRun.parameters), defer(CrewRun.decision))
            .where(
                CrewRun.tenant_id == tenant_of(session),
                CrewRun.input_hash == hashed,
                CrewRun.success.is_(True),
                CrewRun.ended_at > now() - timedelta(seconds=within),
            )
            .order_by(CrewRun.ended_at.desc())
            .limit(1)
        ),
    )


async def count_recent(session: AsyncSession, *, seconds: float) -> int:
    """Pieces of work that this tenant asked for within so many seconds."""
    counted = (
        sa.select(sa.func.count())
        .select_from(CrewRun)
        .where(CrewRun.tenant_id == tenant_of(session), CrewRun.created_at > now() - timedelta(seconds=seconds))
    )
    return int(await session.scalar(counted) or 0)


async def view(session: AsyncSession, run_id: UUID) -> RunView:
    """One run with its plan. Raises NotFound."""
    row = await get_row(session, run_id)
    found = await task_queries.several(session, ids=[run_id])
    task = found[0] if found else None
    steps = await session.scalars(
        sa.select(CrewStep)
        .options(defer(CrewStep.result, raiseload=True))
        .where(CrewStep.tenant_id == tenant_of(session), CrewStep.run_id == run_id)
        .order_by(CrewStep.position, CrewStep.name)
    )
    decision = cast(dict[str, Any], row.decision)
    return RunView(
        task_id=row.id,
        tenant_id=row.tenant_id,
        user_id=row.user_ref,
        session_id=row.session_ref,
        type=row.task_type,
        domain=row.domain,
        description=row.description,
        status=_status(row, task),
        progress=100 if row.success else (task.progress if task else 0),
        complexity=row.complexity,
        data_volume=row.volume,
        requires_ai=row.requires_ai,
        multi_domain=row.multi_domain,
        strategy=row.strategy,
        reasons=decision["reasons"],
        not_taken=[NotTaken(strategy=Strategy(one["strategy"]), why=one["why"]) for one in decision["not_taken"]],
        estimate=Estimate(**decision["estimate"]),
        matrix_version=row.matrix_version,
        matrix_row=row.matrix_row,
        propensity=row.propensity,
        strategy_used=row.strategy_used,
        engine=row.engine,
        path=[_path_step(one) for one in row.path],
        plan=[_step_view(step) for step in steps],
        agents=row.agents,
        result=row.result,
        error=row.error or (task.error if task else None),
        cached=row.cached,
        seconds=row.seconds,
        cost=row.cost_micros / MICROS,
        tokens=row.tokens,
        model_calls=row.calls,
        requested_by=row.requested_by,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at or (task.ended_at if task else None),
    )


async def page(
    session: AsyncSession,
    *,
    domain: str | None,
    task_type: str | None,
    before: UUID | None,
    limit: int,
    by: str = "asked",
    descending: bool = True,
) -> list[RunLine]:
    """By one of ORDERS, the newest first; `before` is the last id of the page before."""
    query = (
        sa.select(CrewRun)
        .options(load_only(*_OF_A_LINE, raiseload=True))
        .where(CrewRun.tenant_id == tenant_of(session))
        .limit(limit)
    )
    query = in_order(query, by=ORDERS[by], row_id=CrewRun.id, descending=descending, after=before)
    if domain is not None:
        query = query.where(CrewRun.domain == domain)
    if task_type is not None:
        query = query.where(CrewRun.task_type == task_type)
    rows = (await session.scalars(query)).all()
    tasks = {task.id: task for task in await task_queries.several(session, ids=[row.id for row in rows])}
    return [_line(row, tasks.get(row.id)) for row in rows]


def _line(row: CrewRun, task: TaskInfo | None) -> RunLine:
    return RunLine(
        task_id=row.id,
        type=row.task_type,
        domain=row.domain,
        status=_status(row, task),
        strategy=row.strategy,
        strategy_used=row.strategy_used,
        engine=row.engine,
        seconds=row.seconds,
        cost=row.cost_micros / MICROS,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _status(row: CrewRun, task: TaskInfo | None) -> str:
    """The task's; of work that was done at once there is no task."""
    if row.success is not None:
        return "completed" if row.success else "failed"
    return task.status if task is not None else "pending"


def _path_step(kept: JsonObject) -> PathStep:
    strategy = Strategy(str(kept["strategy"]))
    return PathStep(strategy=strategy, outcome=str(kept["outcome"]), reason=str(kept["reason"]))


def _step_view(step: CrewStep) -> StepView:
    return StepView(
        name=step.name,
        agent=step.agent,
        delegated_by=step.delegated_by,
        purpose=step.purpose,
        status=step.status,
        error=step.error,
        started_at=step.started_at,
        ended_at=step.ended_at,
    )


def told_path(path: Sequence[PathStep]) -> list[JsonObject]:
    """The path as it is kept."""
    return [cast(JsonObject, asdict(one)) for one in path]


async def stop_steps(session: AsyncSession, *, run_id: UUID, why: str) -> None:
    """What is planned or under way in this run ends undone, and says why. A later try may begin it again."""
    await session.execute(sa.text("select opsteward.stop_crew_steps(:run, :why)"), {"run": run_id, "why": why})


async def end_run(session: AsyncSession, *, run_id: UUID) -> tuple[int, int, int]:
    """The run is over: the replies of models are forgotten. Returns millionths of a US dollar, tokens, calls."""
    ended = sa.text("select micros, tokens, calls from opsteward.end_crew_calls(:run)")
    row = (await session.execute(ended, {"run": run_id})).one()
    return row.micros, row.tokens, row.calls
