"""Drafts: what is made of an event before it is stored. Pure: no database, so it can be done in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from opsteward.contracts.check import Severity
from opsteward.core.crypto import digest
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.events.affected_objects import object_of
from opsteward.events.classification import Classification
from opsteward.events.decided_groups import GroupDecision
from opsteward.events.deciding import Deciding
from opsteward.events.fingerprint import fingerprint
from opsteward.events.remembered_classification import classify_remembered
from opsteward.events.senders import Sender
from opsteward.events.standing_orders.types import StandingOrder
from opsteward.events.types import Muted, NewEvent, TakenEvent
from opsteward.systems.types import KnownSystem

TITLE_LENGTH = 200
_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}


class EventRow(TypedDict):
    """An event as it is stored."""

    id: UUID
    tenant_id: UUID
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
    rule_id: str
    fingerprint: str
    object_key: str
    incident_id: UUID | None


@dataclass
class Draft:
    """An event on its way in. `row` is what will be stored."""

    event: NewEvent
    sender: Sender
    row: EventRow
    system: KnownSystem | None
    order: StandingOrder | None
    reason: str
    #: People said that it joins no incident of a related system.
    apart: bool = False
    #: By which silence or inhibition nothing is done about it.
    muted: Muted | None = None

    @property
    def fingerprint(self) -> str:
        """The key by which it is grouped."""
        return self.row["fingerprint"]

    @property
    def action(self) -> str:
        """What was decided."""
        return self.row["action"]

    @property
    def category(self) -> str:
        """What kind of trouble it is."""
        return self.row["category"]

    @property
    def priority(self) -> int:
        """1 to 5; 1 is the most urgent."""
        return self.row["priority"]

    @property
    def severity(self) -> str:
        """low, medium or high."""
        return self.row["severity"]

    @property
    def title(self) -> str:
        """One line for people."""
        return title_of(None if self.event.category else self.event.error_type, self.event.message)


def title_of(error_type: str | None, message: str) -> str:
    """One line for people of an event that says so."""
    first_line = message.strip().splitlines()[0] if message.strip() else "(no message)"
    prefix = f"{error_type}: " if error_type and not first_line.startswith(error_type) else ""
    return shortened(prefix + first_line)


def shortened(text: str) -> str:
    """The text, cut to what a title may have."""
    return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 1] + "…"


def rank_of(severity: str) -> int:
    """The higher, the worse."""
    return _RANK[severity]


def most_urgent(drafts: Sequence[Draft]) -> Draft:
    """The one with the lowest priority number, then the highest severity; the earliest of equals."""
    return min(drafts, key=lambda draft: (draft.priority, -rank_of(draft.severity)))


def worst_severity(drafts: Sequence[Draft]) -> str:
    """The highest severity of any of them."""
    return max((draft.severity for draft in drafts), key=rank_of)


@dataclass(frozen=True, slots=True)
class Recognized:
    """What the text of an event says: how it is classified, and the key by which it is grouped."""

    classified: Classification
    fingerprint: str


def recognize(event: NewEvent) -> Recognized:
    """By the event alone. Raises Invalid for a severity that no scale knows."""
    classified = classify_remembered(
        error_type=event.error_type,
        message=event.message,
        stack_trace=event.stack_trace,
        context=event.context,
        severity=event.severity,
        alert=event.group_key is not None and not event.routine,
    )
    if event.group_key:
        return Recognized(classified, event.group_key)
    if event.category and event.system:
        return Recognized(classified, digest({"system": str(event.system.id), "finding": event.error_type})[:32])
    key = fingerprint(
        source=event.source,
        error_type=event.error_type,
        message=event.message,
        stack_trace=event.stack_trace,
        context=event.context,
    ).key
    return Recognized(classified, key)


def draft_of(
    event: NewEvent,
    sender: Sender,
    recognized: Recognized,
    system: KnownSystem | None,
    deciding: Deciding,
    tenant_id: UUID,
    at: datetime,
    decided: GroupDecision | None = None,
) -> Draft:
    """Decide on the event; `at` is the time of its arrival, `decided` what people said of its fingerprint."""
    classified = recognized.classified
    corrected = decided.category if decided else None
    category = event.category or corrected or classified.category
    severity = event.severity if event.category and event.severity else str(classified.severity)
    done = deciding.decide(
        category=category,
        severity=severity,
        source=event.source,
        error_type=event.error_type,
        message=event.message,
        system=system,
    )
    row: EventRow = {
        "id": uuid7(),
        "tenant_id": tenant_id,
        "received_at": at,
        "occurred_at": event.occurred_at or at,
        "source": event.source,
        "error_type": event.error_type,
        "message": event.message,
        "stack_trace": event.stack_trace,
        "context": dict(event.context),
        "resolved": event.resolved,
        "category": category,
        "severity": severity,
        "action": done.action,
        "priority": done.priority,
        "confidence": 1.0 if event.category or corrected else classified.confidence,
        "rule_id": "health check" if event.category else "correction" if corrected else classified.rule_id,
        "fingerprint": (decided.joins if decided else None) or recognized.fingerprint,
        # our own checks and agents speak of one thing by one name: the words of their reports may change
        "object_key": "" if event.category or event.group_key else object_of(event.message, event.context),
        "incident_id": None,
    }
    apart = bool(decided and decided.apart)
    return Draft(event=event, sender=sender, row=row, system=system, order=done.order, reason=done.reason, apart=apart)


def taken(draft: Draft) -> TakenEvent:
    """What became of it, for who sent it."""
    row = draft.row
    return TakenEvent(
        id=row["id"],
        fingerprint=row["fingerprint"],
        incident_id=row["incident_id"],
        category=row["category"],
        severity=row["severity"],
        action=row["action"],
        priority=row["priority"],
        confidence=row["confidence"],
    )
