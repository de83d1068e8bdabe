"""How long an incident took, stage by stage: detected, diagnosed, acted, verified, and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsteward.actions.types import ActionView
from opsteward.console.languages import _
from opsteward.events.types import IncidentView, TimelineView


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """When a stage was reached; `after` is seconds since the incident was detected."""

    name: str
    at: datetime | None
    after: float | None


def milestones(incident: IncidentView, story: Sequence[TimelineView], runs: Sequence[ActionView]) -> list[Milestone]:
    """The stages in order; one that was not reached has no time."""
    start = incident.opened_at

    def stage(name: str, when: datetime | None) -> Milestone:
        return Milestone(name=name, at=when, after=(when - start).total_seconds() if when else None)

    def first(kind: str) -> datetime | None:
        return next((line.at for line in story if line.kind == kind), None)

    # Only an action on a system counts: telling somebody is no repair.
    acted = min((run.executed_at for run in runs if run.executed_at and run.system_id), default=None)
    return [
        stage(_("Detected"), start),
        stage(_("Diagnosed"), first("diagnosed")),
        stage(_("Acted"), acted),
        stage(_("Verified"), first("verified")),
        stage(_("Total"), incident.resolved_at),
    ]
