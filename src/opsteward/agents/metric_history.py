"""The history of figures: written in batches, read with percentiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents.types import MetricHistory, MetricPoint
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Invalid

#: Into so many stretches a window is cut.
POINTS = 60
MAX_OF_ALL = 604_800.0  # seconds

_KEEP = sa.text("select opsteward.keep_figures(:tenant, :process, :at, cast(:figures as jsonb))")
_HISTORY = """
with chosen as materialized (
    select name, at, value from opsteward.agent_metrics
    where tenant_id = :tenant_id and at > now() - make_interval(secs => :window) {only}
), points as (
    select name, jsonb_agg(jsonb_build_array(extract(epoch from stretch), average, highest) order by stretch) as points
    from (select name, date_bin(make_interval(secs => :step), at, timestamptz '2000-01-01') as stretch,
                 avg(value) as average, max(value) as highest
          from chosen where :with_course group by 1, 2) s group by name
)
select c.name, count(*) as n, min(value) as lowest, avg(value) as average, max(value) as highest,
       (array_agg(value order by at desc))[1] as latest,
       percentile_cont(array[0.5, 0.95, 0.99]) within group (order by value) as percentiles,
       (select p.points from points p where p.name = c.name) as points
from chosen c group by c.name order by c.name
"""
_LATEST = sa.text("""
select distinct on (name) name, value from opsteward.agent_metrics
where tenant_id = :tenant_id and starts_with(name, :prefix) and at > now() - make_interval(secs => :window)
order by name, at desc
""")
_OF_ALL, _OF_ONE, _OF_SOME = (
    sa.text(_HISTORY.format(only=only)) for only in ("", "and name = :name", "and name = any(:names)")
)


async def record(
    db: Database, tenant_id: UUID, *, process_id: UUID, at: datetime, figures: Sequence[tuple[str, float]]
) -> None:
    """Keep these figures of one process, in one statement. Raises Unavailable."""
    if figures:
        async with db.unit_of_work(None) as session:
            await session.execute(
                _KEEP, {"tenant": tenant_id, "process": process_id, "at": at, "figures": json.dumps(dict(figures))}
            )


async def history(session: AsyncSession, *, name: str = "", window: float) -> list[MetricHistory]:
    """Every figure of the tenant over the last `window` seconds; of a named one its course as well.

    Raises Invalid for every figure over more than a week: that would be millions of values.
    """
    if not name and window > MAX_OF_ALL:
        raise Invalid.field("window", "is longer than a week, over every figure", "name one, or ask for 604800 seconds")
    asked = {
        "tenant_id": tenant_of(session),
        "window": window,
        "step": max(window / POINTS, 1.0),
        "with_course": bool(name),
    }
    found = await session.execute(_OF_ONE, asked | {"name": name}) if name else await session.execute(_OF_ALL, asked)
    return [_history(row) for row in found]


async def courses(session: AsyncSession, *, names: Sequence[str], window: float) -> list[MetricHistory]:
    """These figures over the last `window` seconds, each with its course."""
    asked = {
        "tenant_id": tenant_of(session),
        "window": window,
        "step": max(window / POINTS, 1.0),
        "with_course": True,
        "names": list(names),
    }
    return [_history(row) for row in await session.execute(_OF_SOME, asked)]


def _history(row: sa.Row[tuple[object, ...]]) -> MetricHistory:
    return MetricHistory(
        name=row.name,
        count=row.n,
        latest=row.latest,
        lowest=row.lowest,
        average=row.average,
        highest=row.highest,
        p50=row.percentiles[0],
        p95=row.percentiles[1],
        p99=row.percentiles[2],
        points=[_point(*point) for point in row.points or []],
    )


async def latest(session: AsyncSession, *, prefix: str, window: float) -> Mapping[str, float]:
    """The last value of each figure whose name begins so, in the last `window` seconds."""
    asked = {"tenant_id": tenant_of(session), "prefix": prefix, "window": window}
    found = await session.execute(_LATEST, asked)
    return {row.name: row.value for row in found}


def _point(epoch: float, average: float, peak: float) -> MetricPoint:
    return MetricPoint(at=datetime.fromtimestamp(float(epoch), UTC), average=average, highest=peak)
