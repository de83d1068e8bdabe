"""What a back-test looks at, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from opsteward.events.standing_orders.types import Subject


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event with what was decided about it. `known_until`: when its incident was resolved; `known_since`: when it
    was opened. Both are empty where it is in none."""

    id: UUID
    at: datetime
    subject: Subject
    title: str
    fingerprint: str
    resolved: bool
    action: str
    incident_id: UUID | None
    known_since: datetime | None = None
    known_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedSession:
    """A troubleshooting session: what it found last, as orders are asked about it, and the order that acted first."""

    id: UUID
    at: datetime
    findings: Sequence[Subject]
    order: str | None


@dataclass(frozen=True, kw_only=True)
class DecidedAs:
    """`order` is empty where the decision table decided."""

    action: str
    approval: str
    order: str


@dataclass(kw_only=True)
class OrderFigures:
    """What one order (without a name: the decision table) would have done. `matched` events; of the actions that those
    ask for, once for an incident, so many would have run, waited for an approval, or been denied by its limits."""

    name: str
    line: int = 0
    action: str = ""
    approval: str = "auto"
    faulty: bool = False
    matched: int = 0
    run: int = 0
    waiting: int = 0
    denied: int = 0


@dataclass(frozen=True, kw_only=True)
class RecordedAction:
    """So many actions were asked for by an order (empty: the decision table), and ended or stand like this."""

    order: str
    action: str
    status: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Example:
    """An event on which two sets of orders differ."""

    event_id: UUID
    incident_id: UUID | None
    at: datetime
    source: str
    title: str


@dataclass(kw_only=True)
class Difference:
    """So many events for which one decision becomes another."""

    today: DecidedAs
    proposed: DecidedAs
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The actions that were asked for from an instant on: as recorded, by today's orders, by the proposed ones."""

    at: datetime
    recorded: int
    today: int
    proposed: int


@dataclass(frozen=True, kw_only=True)
class SessionOutcome:
    """Which order would have acted first in a session; empty for none. `held_back`: the faulty order that would have
    left it to a person."""

    session_id: UUID
    at: datetime
    recorded: str
    today: str
    proposed: str
    held_back: str


@dataclass(frozen=True, kw_only=True)
class BackTest:
    """What today's and the proposed orders would have decided over a span, side by side.

    `as_recorded`: of the events, so many are decided by today's orders as they were then. `differences` are the most
    frequent; `more_differences` counts the events of the others.
    """

    since: datetime
    until: datetime
    version: int
    events: int
    as_recorded: int
    changed: int
    recorded: Sequence[RecordedAction]
    today: Sequence[OrderFigures]
    proposed: Sequence[OrderFigures]
    differences: Sequence[Difference]
    more_differences: int
    stretches: Sequence[Stretch]
    sessions: int
    session_outcomes: Sequence[SessionOutcome]
