"""Decides on events that come together: what holds for one holds for all that differ in their messages alone, of which
only what orders say of messages is compared. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opsteward.events.decision_table import decide
from opsteward.events.event_decisions import Decided, decided
from opsteward.events.standing_orders.document import fits, holds
from opsteward.events.standing_orders.types import Rule, Subject
from opsteward.systems.types import KnownSystem

_MESSAGE = "message"
_Key = tuple[str, str, str, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an order decides, if one of these fits the message (None: whatever that says)."""

    messages: tuple[str, ...] | None
    decided: Decided


class Deciding:
    """For one set of events, by these orders at that (aware) instant."""

    def __init__(self, orders: Sequence[Rule], at: datetime) -> None:
        self._at = at
        self._orders = [(order, _without_message(order)) for order in orders]
        #: In the order in which they are asked; the last one fits any message.
        self._answers: dict[_Key, list[_Answer]] = {}

    def decide(
        self,
        *,
        category: str,
        severity: str,
        source: str,
        error_type: str | None,
        message: str,
        system: KnownSystem | None,
    ) -> Decided:
        """By the first order that holds, else by the decision table. Raises Invalid for an unknown severity."""
        key = (category, severity, source, error_type, *((system.name, system.type) if system else (None, None)))
        answers = self._answers.get(key)
        if answers is None:
            subject = subject_of(
                category=category,
                severity=severity,
                source=source,
                error_type=error_type,
                message="",
                system=system,
            )
            answers = self._answers[key] = self._answers_to(subject)
        return next(one.decided for one in answers if one.messages is None or fits(_MESSAGE, one.messages, message))

    def _answers_to(self, subject: Subject) -> list[_Answer]:
        table = decide(event_type=subject.fields["category"], severity=subject.fields["severity"])
        found: list[_Answer] = []
        for order, otherwise in self._orders:
            if holds(otherwise, subject, self._at):
                found.append(_Answer(order.match.get(_MESSAGE), decided(table, order)))
                if found[-1].messages is None:
                    return found
        return [*found, _Answer(None, decided(table, None))]


def _without_message(order: Rule) -> Rule:
    """The order, whatever the message says."""
    if _MESSAGE not in order.match:
        return order
    return replace(order, match={name: choices for name, choices in order.match.items() if name != _MESSAGE})


def subject_of(
    *, category: str, severity: str, source: str, error_type: str | None, message: str, system: KnownSystem | None
) -> Subject:
    """An event as orders are asked about it."""
    fields: Mapping[str, str] = {
        "category": category,
        "severity": severity,
        "source": source,
        "error_type": error_type or "",
        "message": message,
        "system": system.name if system else "",
        "system_type": system.type if system else "",
    }
    return Subject(kind="event", fields=fields)
