"""Alerts on the crew's figures, and recommendations that name the figures they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opsteward.core.json_types import JsonObject
from opsteward.crew.delegation.proposals import Proposal
from opsteward.crew.performance.figures import CrewFigures, GroupFigures

_FEW = 10  # runs below which a share says little
_ERROR_RATE = 0.1
_FALLBACK_RATE = 0.2
_BUSY = 0.8

Level = Literal["info", "warning", "critical"]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A figure beyond its threshold, and what may be done."""

    level: Level
    message: str
    metric_type: str
    current_value: float
    threshold: float
    suggested_actions: list[str]


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to change, the figures it comes from, and what following it would have saved in the recorded past (seconds,
    US dollars)."""

    kind: Literal["strategy", "agent", "scaling", "cost"]
    message: str
    figures: JsonObject
    saved_seconds: float
    saved_cost: float


def alerts_of(figures: CrewFigures, *, slow: float, memory: float, memory_limit: float, concurrent: int) -> list[Alert]:
    """What is beyond its threshold now. `memory` and its limit in MB, `slow` in seconds."""
    found = []
    time = figures.total.execution_time
    if time is not None and time.p95 > slow:
        found.append(
            Alert(
                level="warning",
                message=f"one piece of work in twenty takes {time.p95:.1f} s or more",
                metric_type="execution_time_p95",
                current_value=time.p95,
                threshold=slow,
                suggested_actions=["look at by_type for the slow one", "send it by a simpler strategy"],
            )
        )
    rate = figures.total.success_rate
    if rate is not None and figures.total.runs >= _FEW and 1 - rate > _ERROR_RATE:
        found.append(
            Alert(
                level="critical" if rate < 0.5 else "warning",
                message=f"{figures.total.failed} of {figures.total.runs} pieces of work failed",
                metric_type="error_rate",
                current_value=1 - rate,
                threshold=_ERROR_RATE,
                suggested_actions=["read the error and the path of the failed ones: GET /api/crew/tasks"],
            )
        )
    if figures.total.runs >= _FEW and figures.fallbacks / figures.total.runs > _FALLBACK_RATE:
        found.append(
            Alert(
                level="warning",
                message=f"{figures.fallbacks} of {figures.total.runs} had to fall back to a simpler strategy",
                metric_type="fallback_rate",
                current_value=figures.fallbacks / figures.total.runs,
                threshold=_FALLBACK_RATE,
                suggested_actions=["opsteward models test", "read the path of such work"],
            )
        )
    if figures.running >= concurrent:
        found.append(
            Alert(
                level="info" if not figures.waiting else "warning",
                message=f"{figures.running} pieces of work run, which is the most; {figures.waiting} wait",
                metric_type="concurrent_workflows",
                current_value=float(figures.running),
                threshold=float(concurrent),
                suggested_actions=["raise OPSTEWARD_CREW_CONCURRENT_WORKFLOWS", "start another worker"],
            )
        )
    if memory > memory_limit:
        found.append(
            Alert(
                level="warning",
                message=f"the process uses {memory:.0f} MB",
                metric_type="memory_mb",
                current_value=memory,
                threshold=memory_limit,
                suggested_actions=["start another worker", "raise OPSTEWARD_CREW_MEMORY_MB if there is room"],
            )
        )
    return found


def recommendations_of(
    figures: CrewFigures, proposals: Sequence[Proposal], *, cache_on: bool, concurrent: int
) -> list[Recommendation]:
    """What the recorded past speaks for, the largest saving first."""
    found = [_by_proposal(one) for one in proposals]
    found += [
        Recommendation(
            kind="agent",
            message=f"{group.name} fails in {group.failed} of {group.runs} steps: read their errors",
            figures=_told(group),
            saved_seconds=0.0,
            saved_cost=0.0,
        )
        for group in figures.by_agent
        if group.runs >= _FEW and group.success_rate is not None and group.success_rate < 1 - _ERROR_RATE
    ]
    if figures.utilization > _BUSY:
        found.append(
            Recommendation(
                kind="scaling",
                message=f"work ran {figures.utilization:.0%} of what the limit of {concurrent} at once allows",
                figures={"utilization": figures.utilization, "concurrent_workflows": concurrent},
                saved_seconds=0.0,
                saved_cost=0.0,
            )
        )
    if not cache_on and figures.total.cost > 0:
        found.append(
            Recommendation(
                kind="cost",
                message="the cache is off: equal work is paid again each time",
                figures={"cost": figures.total.cost, "runs": figures.total.runs},
                saved_seconds=0.0,
                saved_cost=0.0,
            )
        )
    return sorted(found, key=lambda one: (one.saved_cost, one.saved_seconds), reverse=True)


def _by_proposal(proposal: Proposal) -> Recommendation:
    past = proposal.present.outcomes
    return Recommendation(
        kind="strategy",
        message=proposal.summary,
        figures={
            "row": proposal.row,
            "type": proposal.task_type,
            "present": _side(proposal, present=True),
            "proposed": _side(proposal, present=False),
        },
        saved_seconds=(proposal.present.seconds - proposal.proposed.seconds) * past,
        saved_cost=(proposal.present.cost - proposal.proposed.cost) * past,
    )


def _side(proposal: Proposal, *, present: bool) -> JsonObject:
    one = proposal.present if present else proposal.proposed
    return {
        "strategy": one.strategy.value,
        "outcomes": one.outcomes,
        "loss": one.loss,
        "seconds": one.seconds,
        "cost": one.cost,
        "success_rate": one.success_rate,
    }


def _told(group: GroupFigures) -> JsonObject:
    return {"agent": group.name, "steps": group.runs, "failed": group.failed, "success_rate": group.success_rate}
