"""A system's past, drawn: a strip of its last 90 days, and the course of its response times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.wording import decimal, response_time_in_words
from opsteward.core.clock import now
from opsteward.systems.health_history import HealthPoint, read_history
from opsteward.systems.uptime import Day, days_of

_DAYS = 90
_WIDE, _HIGH = 240, 56
_GOOD, _FAIR = 99.9, 95.0  # percent available


@dataclass(frozen=True)
class Bar:
    """Neighbouring days of the same tone, in days of the strip."""

    x: int
    width: int
    tone: str


@dataclass(frozen=True)
class Strip:
    """The last days, oldest first, and the same in words."""

    wide: int
    bars: list[Bar]
    words: str


@dataclass(frozen=True)
class ResponseTimes:
    """A line in parts, as SVG has them, and what it says in words."""

    lines: list[str]
    words: str


async def strips(session: AsyncSession, system_ids: Sequence[UUID]) -> dict[UUID, Strip]:
    """Of each of these systems its last 90 days."""
    return {
        system_id: _strip(days)
        for system_id, days in (await days_of(session, system_ids=system_ids, days=_DAYS)).items()
    }


def _strip(days: Sequence[Day]) -> Strip:
    first = now().date() - timedelta(days=_DAYS - 1)
    tones = ["none"] * _DAYS
    for day in days:
        place = (day.day - first).days
        if 0 <= place < _DAYS:
            tones[place] = _tone(day.availability_percent)
    bars: list[Bar] = []
    for place, tone in enumerate(tones):
        if bars and bars[-1].tone == tone:
            bars[-1] = Bar(bars[-1].x, bars[-1].width + 1, tone)
        else:
            bars.append(Bar(place, 1, tone))
    checks, failed = sum(day.checks for day in days), sum(day.failed for day in days)
    if not checks:
        return Strip(_DAYS, bars, _("not checked yet"))
    bad = sum(day.failed > 0 for day in days)
    return Strip(
        _DAYS,
        bars,
        _(
            "%(percent)s %% available, failures on %(bad)s of %(days)s days",
            percent=decimal(f"{100 * (checks - failed) / checks:.2f}"),
            bad=bad,
            days=len(days),
        ),
    )


def _tone(percent: float) -> str:
    if percent >= _GOOD:
        return "good"
    return "warn" if percent >= _FAIR else "bad"


async def response_times(session: AsyncSession, system_id: UUID) -> ResponseTimes | None:
    """Of the last day; None where nothing has answered."""
    until = now()
    since = until - timedelta(days=1)
    history = await read_history(session, system_id=system_id, since=since, until=until, points=240)
    answered = [point for point in history.points if point.response_time is not None]
    if not answered or history.response_time is None or history.response_time_max is None:
        return None
    top = max(point.response_time or 0.0 for point in answered) or 1e-9
    parts: list[list[str]] = []
    before: HealthPoint | None = None
    for point in answered:
        if before is None or (point.at - before.at).total_seconds() > 4 * history.seconds_per_point:
            parts.append([])
        x = _WIDE * max(0.0, (point.at - since).total_seconds() / 86_400)
        y = _HIGH - 1 - (_HIGH - 6) * (point.response_time or 0.0) / top
        # a single point would be no line
        parts[-1] += [f"{max(x - 1, 0):.1f},{y:.1f}", f"{x:.1f},{y:.1f}"] if not parts[-1] else [f"{x:.1f},{y:.1f}"]
        before = point
    words = _(
        "%(average)s on average, at most %(most)s, %(percent)s %% available",
        average=response_time_in_words(history.response_time),
        most=response_time_in_words(history.response_time_max),
        percent=decimal(f"{history.availability_percent:.4g}"),
    )
    return ResponseTimes([" ".join(part) for part in parts], words)
