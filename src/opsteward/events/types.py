"""What other rooms see of events and incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from opsteward.accounts.types import Actor
from opsteward.actions.types import Limits
from opsteward.core.json_types import Json, JsonObject
from opsteward.systems.types import KnownSystem


class IncidentStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    DIAGNOSING = "diagnosing"
    REMEDIATING = "remediating"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ESCALATED = "escalated"


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """One thing that happened. `category` is given only by our own checks, which know what they saw."""

    message: str
    source: str = ""
    error_type: str | None = None
    stack_trace: str | None = None
    context: Mapping[str, Json] = field(default_factory=dict)
    severity: str | None = None
    occurred_at: datetime | None = None
    resolved: bool = False
    #: Told in passing (a push, a comment, the begin of a run), not as trouble: its words alone are judged.
    routine: bool = False
    category: str | None = None
    system: KnownSystem | None = None
    #: What its sender names it by: events of one key are one group, whatever their texts say.
    group_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class TakenEvent:
    """What became of an event."""

    id: UUID
    fingerprint: str
    incident_id: UUID | None
    category: str
    severity: str
    action: str
    priority: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Muted:
    """Why nothing is done about an incident and nobody told. `by`: silence or inhibition, `id` that one's; `until`:
    the end of a silence; `incident`: the number of the incident that inhibits."""

    by: str
    id: str
    reason: str
    until: str | None = None
    incident: int | None = None

    @property
    def words(self) -> str:
        """In a sentence."""
        if self.by == "inhibition":
            return f"inhibited by incident {self.incident}: {self.reason}"
        return f"silenced until {self.until}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Outage:
    """That a system had trouble, from then to then; open where it has not ended."""

    system_id: UUID
    opened_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    id: UUID
    number: int
    title: str
    status: str
    category: str
    severity: str
    source: str
    system_id: UUID | None
    event_count: int
    opened_at: datetime
    last_event_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    resolution: str | None
    #: Who has seen it, and who or what ended it. Only where they were asked for.
    acknowledged_by: Actor | None = None
    resolved_by: Actor | None = None
    #: Who is to work on it.
    assigned_to: Actor | None = None
    #: Why nothing is done and nobody told.
    muted: Muted | None = None
    #: How often it was reopened, and whether it comes and goes.
    reopened: int = 0
    flapping: bool = False
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IncidentTimes:
    """Where its time went, in seconds: from the fault to its detection; from then on waiting for a person, being worked
    on, and neither; and all of it, which is the time to repair once it is resolved."""

    detect_seconds: float | None
    waiting_seconds: float
    working_seconds: float
    watching_seconds: float
    total_seconds: float
    repair_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class TimelineView:
    """A line. `actor` did what it tells (null: it happened), for this `reason`."""

    id: UUID
    at: datetime
    kind: str
    title: str
    detail: JsonObject
    actor: Actor | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class EventView:
    id: UUID
    received_at: datetime
    occurred_at: datetime
    source: str
    error_type: str | None
    message: str
    stack_trace: str | None
    context: JsonObject
    resolved: bool
    category: str
    severity: str
    action: str
    priority: int
    confidence: float
    fingerprint: str
    incident_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class IncidentDecided:
    """What was decided about an incident, by which rule or order. Published as one of the two below."""

    incident: IncidentView
    action: str
    priority: int
    decided_by: str
    message: str
    standing_order: str | None = None
    approval: str = "auto"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True)
class IncidentOpened(IncidentDecided):
    """Published in the transaction that opens it, once."""


@dataclass(frozen=True, kw_only=True)
class IncidentRaised(IncidentDecided):
    """Published when a further action was decided for it: something more urgent joined. Once for each action."""


@dataclass(frozen=True, kw_only=True)
class IncidentDecidedAgain(IncidentDecided):
    """Published when it is kept quiet no longer, or is back: once for each action that was decided before."""

    first: bool = True


@dataclass(frozen=True, kw_only=True)
class IncidentReopened:
    """Published when it goes on after its end: the same trouble is back, or a person says so."""

    incident: IncidentView
    automatic: bool


@dataclass(frozen=True, kw_only=True)
class PeopleNeeded:
    """Published when nothing more can be done without a person."""

    incident: IncidentView
    summary: str
    requested_by: str
    idempotency_key: str


@dataclass(frozen=True, kw_only=True)
class IncidentAcknowledged:
    """Published once, when a person has seen it."""

    incident: IncidentView
    by: str


@dataclass(frozen=True, kw_only=True)
class IncidentChanged:
    """Published in the transaction of every later change of an incident or its timeline."""

    incident_id: UUID
    status: str
