"""How fast a system answers now, against the percentiles of its own last day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median, quantiles

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.crypto import digest
from opsteward.core.json_types import JsonObject
from opsteward.systems.health_history import read_history
from opsteward.systems.types import SystemInfo
from opsteward.troubleshooting.models import Session
from opsteward.troubleshooting.types import DiagnosticReport, Issue

FINDING = "latency_above_usual"
_OVER, _LATELY = timedelta(hours=24), timedelta(minutes=5)
_MINUTES_WANTED = 30
_TIMES_USUAL, _TIMES_WORST = 3.0, 1.5
_NOTICED = 0.1  # seconds; below that nobody waits


async def latency_issues(
    session: AsyncSession, row: Session, systems: Sequence[SystemInfo], reports: Sequence[DiagnosticReport]
) -> list[Issue]:
    """One for each system that lately answers far slower than it usually does, and did so in this look too."""
    issues = []
    for system in systems:
        seen, check = _seconds_of(system.name, reports)
        if seen is None or seen < _NOTICED:
            continue
        history = await read_history(
            session, system_id=system.id, since=row.started_at - _OVER, until=row.started_at + _LATELY, points=1440
        )
        split = row.started_at - _LATELY
        usual = [p.response_time for p in history.points if p.at < split and p.response_time is not None]
        lately = [p.response_time for p in history.points if p.at >= split and p.response_time is not None]
        told = above_usual([*lately, seen], usual)
        if told is not None:
            issues.append(_issue(system, seen, check, told))
    return issues


def above_usual(lately: Sequence[float], usual: Sequence[float]) -> JsonObject | None:
    """The figures where what was measured lately is far above what is usual; None where it is not, or where too little
    is known. Seconds; `usual` is one for each minute."""
    if len(usual) < _MINUTES_WANTED or not lately:
        return None
    middle, worst = median(usual), quantiles(usual, n=20)[-1]
    now = median(lately)
    if now < max(_NOTICED, _TIMES_USUAL * middle, _TIMES_WORST * worst):
        return None
    return {
        "median_seconds_lately": round(now, 4),
        "usual_p50_seconds": round(middle, 4),
        "usual_p95_seconds": round(worst, 4),
        "minutes_compared": len(usual),
    }


def _seconds_of(name: str, reports: Sequence[DiagnosticReport]) -> tuple[float | None, str]:
    for report in reports:
        for check in report.checks:
            if check["system"] == name and isinstance(check.get("seconds"), int | float):
                return float(str(check["seconds"])), str(check["check"])
    return None, ""


def _issue(system: SystemInfo, seen: float, check: str, figures: JsonObject) -> Issue:
    usual, worst = figures["usual_p50_seconds"], figures["usual_p95_seconds"]
    return Issue(
        id=digest([str(system.id), FINDING, ""])[:16],
        type=FINDING,
        severity="low",
        title="It answers far slower than it usually does",
        description=f"{system.name} answers in {seen:.2f} s; usual are {usual} s, and {worst} s in the slowest minutes",
        detected_by=check,
        evidence={"seconds": round(seen, 4), "query": "health history of the last 24 hours", **figures},
        component="",
        confidence=0.8,
        cause_rank=9,
        system_id=system.id,
        system=system.name,
        system_type=system.type,
        fixes=[],
    )
