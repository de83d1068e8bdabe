"""What the routes of events, incidents and event analysis answer, beside what `events.types` holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from opsteward.actions.runs_in_full import ActionInFull
from opsteward.events.grouping_explained import GroupExplained
from opsteward.events.types import EventView, IncidentTimes, IncidentView, TakenEvent, TimelineView
from opsteward.troubleshooting.types import SessionView


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """What was wrong with one field of a row, and how to mend it; rows count from 0, in the order sent."""

    row: int
    field: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class TakenEvents:
    """How many events are committed, and what was wrong with the others. `events` in the order sent."""

    accepted: int
    rejected: list[Rejected]


@dataclass(frozen=True, kw_only=True)
class TakenEventsInFull(TakenEvents):
    """With what became of each event."""

    events: list[TakenEvent]


@dataclass(frozen=True, kw_only=True)
class NotDone:
    """An action that came to nothing: denied, frozen, cooling down, refused or expired, and why."""

    action_id: UUID
    action: str
    system: str | None
    status: str
    reason: str
    at: datetime | None

    @classmethod
    def of(cls, run: ActionInFull) -> NotDone:
        """As the API shows it."""
        return cls(
            action_id=run.id,
            action=run.action,
            system=run.system.name if run.system else None,
            status=run.status,
            reason=run.not_done_because or "",
            at=run.ended_at,
        )


@dataclass(frozen=True, kw_only=True)
class IncidentInFull(IncidentView):
    """An incident with its timeline, its newest events, its actions and its sessions, and where its time went.

    `not_done` says which actions came to nothing, and why.
    """

    timeline: list[TimelineView]
    #: Lines of actions that only write something down; `?include_routine=true` shows them.
    routine_lines_hidden: int
    events: list[EventView]
    actions: list[ActionInFull]
    not_done: list[NotDone]
    sessions: list[SessionView]
    times: IncidentTimes
    #: Why its newest events are in it: one for each fingerprint.
    grouping: list[GroupExplained]


@dataclass(frozen=True, kw_only=True)
class SecondOpinionOut:
    """What a model says where the rules are unsure. `taken`: it makes more of the event than they do, and is the
    answer. `task_id`: the crew's work under which it is kept."""

    model: str
    category: str
    confidence: float
    why: str
    taken: bool
    task_id: UUID


@dataclass(frozen=True, kw_only=True)
class AnalysisMetadata:
    """`analysis` says in words which rule fitted, or what a model said."""

    user_facing: bool
    severity: str
    analysis: str
    confidence: float
    second_opinion: SecondOpinionOut | None = None


@dataclass(frozen=True, kw_only=True)
class AnalyzedEvent:
    """What kind of event it is, and what is usually done about it."""

    category: str
    severity: str
    action: str
    priority: int
    metadata: AnalysisMetadata
    engine: str


@dataclass(frozen=True, kw_only=True)
class DecisionMetadata:
    """What was decided about."""

    event_type: str
    severity: str
    requires_immediate_action: bool


@dataclass(frozen=True, kw_only=True)
class DecidedAction:
    """What is to be done, and why."""

    action: str
    priority: int
    reason: str
    metadata: DecisionMetadata
    engine: str
