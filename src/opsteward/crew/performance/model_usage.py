"""What calls of language models took, by day, agent and model, beside the ceilings of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.crew.delegation.memory import MICROS
from opsteward.crew.models import CrewModelCall, CrewSpend
from opsteward.crew.settings import ModelSettings

DAYS_LIMIT = 90
_GROUPS_LIMIT = 100  # agents or models, the most expensive first


@dataclass(frozen=True, kw_only=True)
class CallFigures:
    """The calls of one agent or one model, or all. `seconds`: of a call, on average; `cost` in US dollars."""

    name: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """The calls of one day (UTC). `cost` in US dollars."""

    day: date
    calls: int
    failed: int
    tokens: int
    cost: float


@dataclass(frozen=True, kw_only=True)
class CeilingUse:
    """What today's calls of the tenant (`agent` null) or of one agent have spent, and may yet spend by what is reserved
    for calls under way, beside the most of a day. US dollars."""

    agent: str | None
    spent: float
    reserved: float
    most: float

    @property
    def share(self) -> float:
        """Of the most, from 0 to 1; of nothing all is used up."""
        return min(1.0, (self.spent + self.reserved) / self.most) if self.most else 1.0


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """Of so many days, today the last. `by_fallbacks`: calls that a fallback answered, for the first model failed."""

    days: int
    model: str | None
    fallbacks: list[str]
    total: CallFigures
    by_fallbacks: int
    by_day: list[DayFigures]
    by_agent: list[CallFigures]
    by_model: list[CallFigures]
    ceilings: list[CeilingUse]
    call_ceiling: float


async def model_usage(session: AsyncSession, *, days: int, models: ModelSettings) -> ModelUsage:
    """The calls since so many days ago began, today among them."""
    today = now().date()
    first = today - timedelta(days=days - 1)
    mine = (
        CrewModelCall.tenant_id == tenant_of(session),
        CrewModelCall.started_at >= datetime.combine(first, time(), UTC),
    )
    total = await _groups(session, sa.literal("all"), mine)
    by_model = await _groups(session, CrewModelCall.model, mine)
    return ModelUsage(
        days=days,
        model=models.model,
        fallbacks=models.model_fallbacks,
        total=total[0] if total else CallFigures(**_NOTHING),
        by_fallbacks=sum(
            one.calls - one.failed
            for one in by_model
            if one.name in models.model_fallbacks and one.name != models.model
        ),
        by_day=await _by_day(session, mine, first, days),
        by_agent=await _groups(session, CrewModelCall.agent, mine),
        by_model=by_model,
        ceilings=await _ceilings(session, today, models),
        call_ceiling=models.model_call_money,
    )


_NOTHING: dict[str, Any] = {
    "name": "all", "calls": 0, "failed": 0, "input_tokens": 0, "output_tokens": 0, "cost": 0.0, "seconds": None,
}  # fmt: skip


async def spent_by_model(session: AsyncSession, since: datetime, until: datetime) -> Sequence[CallFigures]:
    """The calls of each model that began from an instant on and before another, the most expensive models."""
    tenant = CrewModelCall.tenant_id == tenant_of(session)
    then = (CrewModelCall.started_at >= since, CrewModelCall.started_at < until)
    return await _groups(session, CrewModelCall.model, (tenant, *then))


def _figures() -> Sequence[sa.ColumnElement[Any]]:
    return (
        sa.func.count().label("calls"),
        sa.func.count().filter(CrewModelCall.status == "failed").label("failed"),
        sa.func.coalesce(sa.func.sum(CrewModelCall.input_tokens), 0).label("input"),
        sa.func.coalesce(sa.func.sum(CrewModelCall.output_tokens), 0).label("output"),
        sa.func.coalesce(sa.func.sum(CrewModelCall.cost_micros), 0).label("micros"),
        sa.func.avg(CrewModelCall.seconds).label("seconds"),
    )


async def _groups(
    session: AsyncSession, by: sa.SQLColumnExpression[Any], mine: Sequence[sa.ColumnElement[bool]]
) -> list[CallFigures]:
    query = sa.select(by.label("grouped"), *_figures()).where(*mine).group_by(sa.text("grouped"))
    rows = await session.execute(query.order_by(sa.text("micros desc, calls desc, grouped")).limit(_GROUPS_LIMIT))
    return [
        CallFigures(
            name=row.grouped,
            calls=row.calls,
            failed=row.failed,
            input_tokens=int(row.input),
            output_tokens=int(row.output),
            cost=int(row.micros) / MICROS,
            seconds=row.seconds,
        )
        for row in rows
    ]


async def _by_day(
    session: AsyncSession, mine: Sequence[sa.ColumnElement[bool]], first: date, days: int
) -> list[DayFigures]:
    """Each day, also those without a call."""
    day = sa.func.date(sa.func.timezone("UTC", CrewModelCall.started_at)).label("day")
    rows = {row.day: row for row in await session.execute(sa.select(day, *_figures()).where(*mine).group_by(day))}
    found = []
    for number in range(days):
        at = first + timedelta(days=number)
        row = rows.get(at)
        found.append(
            DayFigures(
                day=at,
                calls=row.calls if row else 0,
                failed=row.failed if row else 0,
                tokens=int(row.input + row.output) if row else 0,
                cost=int(row.micros) / MICROS if row else 0.0,
            )
        )
    return found


async def _ceilings(session: AsyncSession, today: date, models: ModelSettings) -> list[CeilingUse]:
    """The tenant's first, then the agents that spent, the highest share first."""
    day, agents = f"{today:%Y-%m-%d}", sa.func.split_part(CrewSpend.scope, " ", 2)
    query = (
        sa.select(CrewSpend.scope, CrewSpend.spent_micros, CrewSpend.reserved_micros, agents.label("agent"))
        .where(
            CrewSpend.tenant_id == tenant_of(session),
            sa.or_(CrewSpend.scope == f"tenant {day}", CrewSpend.scope.like(f"agent % {day}")),
        )
        .order_by((CrewSpend.spent_micros + CrewSpend.reserved_micros).desc(), CrewSpend.scope)
        .limit(_GROUPS_LIMIT)
    )
    rows = {row.scope: row for row in await session.execute(query)}
    whole = rows.pop(f"tenant {day}", None)

    def use(row: Any, agent: str | None, most: float) -> CeilingUse:
        spent, reserved = (row.spent_micros / MICROS, row.reserved_micros / MICROS) if row else (0.0, 0.0)
        return CeilingUse(agent=agent, spent=spent, reserved=reserved, most=most)

    of_agents = [use(row, row.agent, models.model_agent_day_money) for row in rows.values()]
    return [use(whole, None, models.model_tenant_day_money), *of_agents]
