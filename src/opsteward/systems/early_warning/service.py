"""Keeps figures of systems, judges their trend, and publishes `RunningOut` where that is news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_thread
from opsteward.core.bus import Bus
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7
from opsteward.systems.early_warning.figures import Figure
from opsteward.systems.early_warning.forecasting import DAY, FEWEST_POINTS, Forecast, forecast
from opsteward.systems.early_warning.types import EarlyWarning, RunningOut
from opsteward.systems.models import EarlyWarningRow, SystemFigure

#: A warning ends where its time is beyond this many horizons: one at the edge is not told again and again.
_OVER_AT = 1.5
_LASTING_LEAST, _LASTING_LIMIT = timedelta(minutes=10), timedelta(hours=3)


async def record(session: AsyncSession, *, system_id: UUID, figures: Sequence[Figure], at: datetime) -> None:
    """Keep what one look has measured."""
    for figure in figures:
        session.add(
            SystemFigure(
                tenant_id=tenant_of(session), system_id=system_id, name=figure.name, at=at, value=figure.value,
                limit=figure.limit,
            )
        )  # fmt: skip
    await session.flush()


async def judge(
    session: AsyncSession, *, system: SystemRef, name: str, at: datetime, horizon: timedelta, bus: Bus
) -> EarlyWarning | None:
    """Judge the trend of one figure by its history; what there is to warn of, which is published once."""
    former = await session.get(EarlyWarningRow, (tenant_of(session), system.id, name))
    seen, limit = await _forecast(session, system.id, name)
    left = horizon if former is None else horizon * _OVER_AT
    if seen is None or limit is None or seen.seconds_left > left.total_seconds():
        if former is not None:
            warning = _view(former)
            if at - former.judged_at < _lasting(former):
                return warning
            await session.delete(former)
            await bus.publish(session, RunningOut(system=system, warning=warning, is_over=True))
        return None
    row = _row(tenant_of(session), system.id, name, seen, limit, at)
    if former is not None:
        row.id, row.since = former.id, former.since
    is_news = former is None or (former.urgency, row.urgency) == ("soon", "very_soon")
    if not is_news and former is not None and former.urgency == "very_soon":
        row.urgency = former.urgency
    warning = _view(await session.merge(row))
    if is_news:
        await bus.publish(session, RunningOut(system=system, warning=warning))
    return warning


def _lasting(row: EarlyWarningRow) -> timedelta:
    """How long its figures must not say so any more before a warning is over."""
    return min(max(timedelta(seconds=row.span / 10), _LASTING_LEAST), _LASTING_LIMIT)


async def _forecast(session: AsyncSession, system_id: UUID, name: str) -> tuple[Forecast | None, float | None]:
    rows = (
        await session.execute(
            sa.select(SystemFigure.at, SystemFigure.value, SystemFigure.limit)
            .where(
                SystemFigure.tenant_id == tenant_of(session),
                SystemFigure.system_id == system_id,
                SystemFigure.name == name,
            )
            .order_by(SystemFigure.at)
        )
    ).all()
    if len(rows) < FEWEST_POINTS:
        return None, None
    limit = rows[-1].limit

    def look() -> Forecast | None:
        import numpy as np

        return forecast(np.array([row.at.timestamp() for row in rows]), np.array([row.value for row in rows]), limit)

    return await in_thread(look), limit


def _row(tenant_id: UUID, system_id: UUID, name: str, seen: Forecast, limit: float, at: datetime) -> EarlyWarningRow:
    def then(seconds: float) -> datetime:
        return at + timedelta(seconds=min(seconds, 3650 * DAY))

    return EarlyWarningRow(
        id=uuid7(), tenant_id=tenant_id, system_id=system_id, name=name, since=at, judged_at=at, level=seen.level,
        limit=limit, urgency="very_soon" if seen.seconds_left < DAY else "soon", runs_out_at=then(seen.seconds_left),
        soonest_at=then(seen.soonest), latest_at=then(seen.latest), per_day=seen.slope * DAY, noise=seen.noise,
        points=seen.points, span=seen.span,
    )  # fmt: skip


async def warnings(
    session: AsyncSession, *, system_id: UUID | None = None, after: UUID | None = None, limit: int = 1000
) -> list[EarlyWarning]:
    """What will have run out soon, in the order it was found, behind the one of this id."""
    query = sa.select(EarlyWarningRow).where(EarlyWarningRow.tenant_id == tenant_of(session))
    if system_id is not None:
        query = query.where(EarlyWarningRow.system_id == system_id)
    if after is not None:
        query = query.where(EarlyWarningRow.id > after)
    rows = await session.scalars(query.order_by(EarlyWarningRow.id).limit(limit))
    return [_view(row) for row in rows]


def _view(row: EarlyWarningRow) -> EarlyWarning:
    return EarlyWarning(**{each.name: getattr(row, each.name) for each in fields(EarlyWarning)})
