"""Figures of the crew's ended work: times, success, tokens and money, by strategy, domain and agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.crew.delegation.memory import MICROS
from opsteward.crew.models import CrewRun, CrewStep


@dataclass(frozen=True, kw_only=True)
class TimeFigures:
    """Seconds."""

    mean: float
    median: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """Of all work, or of one strategy, domain or agent. `success_rate` from 0 to 1; `cost` in US dollars."""

    name: str
    runs: int
    succeeded: int
    failed: int
    success_rate: float | None
    execution_time: TimeFigures | None
    tokens: int
    cost: float
    model_calls: int


@dataclass(frozen=True, kw_only=True)
class CrewFigures:
    """Since `since`. `utilization`: the share of that time in which work ran, at the most that may run at once."""

    since: datetime
    total: GroupFigures
    running: int
    waiting: int
    cached: int
    fallbacks: int
    utilization: float
    by_strategy: list[GroupFigures]
    by_domain: list[GroupFigures]
    by_type: list[GroupFigures]
    by_agent: list[GroupFigures]


@dataclass(frozen=True, kw_only=True)
class FigurePoint:
    """One figure in one stretch of time."""

    at: datetime
    value: float


@dataclass(frozen=True, kw_only=True)
class FigureCourse:
    """A figure over time."""

    metric_type: str
    unit: str
    hours: float
    current_value: float | None
    points: list[FigurePoint]


#: What has a course, with its unit and its expression over the runs of a stretch.
METRIC_TYPES = {
    "execution_time": ("seconds", "avg(seconds)"),
    "execution_time_p95": ("seconds", "percentile_cont(0.95) within group (order by seconds)"),
    "success_rate": ("share", "avg(success::int)"),
    "throughput": ("runs", "count(*)"),
    "tokens": ("tokens", "sum(tokens)"),
    "cost": ("US dollars", "sum(cost_micros) / 1e6"),
    "fallbacks": ("runs", "count(*) filter (where strategy_used is distinct from strategy)"),
}
_STRETCHES = 60
_COURSE = """
select date_bin(make_interval(secs => :step), ended_at, timestamptz '2000-01-01') as at, {expression} as value
from opsteward.crew_runs where tenant_id = :tenant_id and ended_at > :since and success is not null
group by 1 order by 1
"""


async def figures(session: AsyncSession, *, hours: float, concurrent: int) -> CrewFigures:
    """The work that ended in the last so many hours, and what runs now. `concurrent`: the most that may run at once."""
    since = now() - timedelta(hours=hours)
    ended = (CrewRun.tenant_id == tenant_of(session), CrewRun.ended_at > since, CrewRun.success.is_not(None))
    total = await _groups(session, sa.literal("all"), ended)
    facts = (
        await session.execute(
            sa.select(
                sa.func.count().filter(CrewRun.cached),
                sa.func.count().filter(CrewRun.success.is_(True), CrewRun.strategy_used != CrewRun.strategy),
                sa.func.coalesce(sa.func.sum(CrewRun.seconds), 0.0),
            ).where(*ended)
        )
    ).one()
    running, waiting = await under_way(session)
    return CrewFigures(
        since=since,
        total=total[0] if total else _nothing("all"),
        running=running,
        waiting=waiting,
        cached=facts[0],
        fallbacks=facts[1],
        utilization=min(1.0, float(facts[2] or 0) / (hours * 3600 * concurrent)),
        by_strategy=await _groups(session, CrewRun.strategy_used, (*ended, CrewRun.strategy_used.is_not(None))),
        by_domain=await _groups(session, CrewRun.domain, ended),
        by_type=await _groups(session, CrewRun.task_type, ended),
        by_agent=await agent_figures(session, since=since),
    )


async def under_way(session: AsyncSession) -> tuple[int, int]:
    """How many pieces of work run, and wait, now."""
    day = now() - timedelta(days=1)
    open_ones = (CrewRun.tenant_id == tenant_of(session), CrewRun.ended_at.is_(None), CrewRun.created_at > day)
    row = (
        await session.execute(
            sa.select(
                sa.func.count().filter(CrewRun.started_at.is_not(None)),
                sa.func.count().filter(CrewRun.started_at.is_(None)),
            ).where(*open_ones)
        )
    ).one()
    return int(row[0]), int(row[1])


async def agent_figures(session: AsyncSession, *, since: datetime) -> list[GroupFigures]:
    """By agent, of the steps that each did."""
    seconds = sa.func.extract("epoch", CrewStep.ended_at - CrewStep.started_at)
    done = sa.func.count().filter(CrewStep.status == "done")
    rows = await session.execute(
        sa.select(
            CrewStep.agent,
            sa.func.count(),
            done,
            sa.func.avg(seconds),
            sa.func.percentile_cont(0.5).within_group(seconds),
            sa.func.percentile_cont(0.95).within_group(seconds),
        )
        .where(
            CrewStep.tenant_id == tenant_of(session),
            CrewStep.agent.is_not(None),
            CrewStep.started_at > since,
            CrewStep.ended_at.is_not(None),
        )
        .group_by(CrewStep.agent)
        .order_by(CrewStep.agent)
    )
    return [
        GroupFigures(
            name=agent,
            runs=count,
            succeeded=succeeded,
            failed=count - succeeded,
            success_rate=succeeded / count,
            execution_time=TimeFigures(mean=float(mean), median=float(median), p95=float(p95)),
            tokens=0,
            cost=0.0,
            model_calls=0,
        )
        for agent, count, succeeded, mean, median, p95 in rows
    ]


async def busy_agents(session: AsyncSession) -> dict[str, int]:
    """How many steps each agent has under way."""
    rows = await session.execute(
        sa.select(CrewStep.agent, sa.func.count())
        .where(
            CrewStep.tenant_id == tenant_of(session),
            CrewStep.status == "running",
            CrewStep.started_at > now() - timedelta(days=1),
        )
        .group_by(CrewStep.agent)
    )
    return {str(agent): int(count) for agent, count in rows if agent is not None}


async def course(session: AsyncSession, *, metric_type: str, hours: float) -> FigureCourse:
    """One of METRIC_TYPES over the last so many hours, in at most 60 stretches."""
    unit, expression = METRIC_TYPES[metric_type]
    step = max(60.0, hours * 3600 / _STRETCHES)
    query = sa.text(_COURSE.format(expression=expression))
    rows = await session.execute(
        query, {"step": step, "tenant_id": tenant_of(session), "since": now() - timedelta(hours=hours)}
    )
    points = [FigurePoint(at=row.at, value=float(row.value)) for row in rows if row.value is not None]
    return FigureCourse(
        metric_type=metric_type,
        unit=unit,
        hours=hours,
        current_value=points[-1].value if points else None,
        points=points,
    )


async def _groups(session: AsyncSession, key: Any, conditions: tuple[Any, ...]) -> list[GroupFigures]:
    seconds = CrewRun.seconds
    rows = await session.execute(
        sa.select(
            key,
            sa.func.count(),
            sa.func.count().filter(CrewRun.success.is_(True)),
            sa.func.avg(seconds),
            sa.func.percentile_cont(0.5).within_group(seconds),
            sa.func.percentile_cont(0.95).within_group(seconds),
            sa.func.sum(CrewRun.tokens),
            sa.func.sum(CrewRun.cost_micros),
            sa.func.sum(CrewRun.calls),
        )
        .where(*conditions)
        .group_by(sa.text("1"))
        .order_by(sa.text("1"))
    )
    return [
        GroupFigures(
            name=name,
            runs=count,
            succeeded=succeeded,
            failed=count - succeeded,
            success_rate=succeeded / count,
            execution_time=(
                TimeFigures(mean=float(mean), median=float(median), p95=float(p95)) if mean is not None else None
            ),
            tokens=int(tokens or 0),
            cost=float(cost or 0) / MICROS,
            model_calls=int(calls or 0),
        )
        for name, count, succeeded, mean, median, p95, tokens, cost, calls in rows
    ]


def _nothing(name: str) -> GroupFigures:
    return GroupFigures(
        name=name,
        runs=0,
        succeeded=0,
        failed=0,
        success_rate=None,
        execution_time=None,
        tokens=0,
        cost=0.0,
        model_calls=0,
    )


def hours_ago(hours: float, at: datetime) -> datetime:
    """The instant so many hours before."""
    return at - timedelta(hours=hours)


def memory_mb() -> float:
    """What this process uses, in MB."""
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6
